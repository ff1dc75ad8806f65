"""The nouns: what a run is made of, as frozen values. Nothing here reads a wire, a clock or a file.

Times are aware `datetime`s in UTC. What the server did not say is `None`, never 0 or "".
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, Protocol

from ..errors import RomaError, UnknownTask
from .nearest import did_you_mean
from .split import decoded, member

Outcome = Literal["running", "succeeded", "with_failures", "failed", "stalled", "unknown"]
OUTCOMES_OF_AN_ENDED_RUN: frozenset[Outcome] = frozenset({"succeeded", "with_failures", "failed"})


class Status(StrEnum):
    """The task statuses ROMA knows. A status outside this set stays the plain string it came as."""

    PENDING = "PENDING"
    READY = "READY"
    RUNNING = "RUNNING"
    PLAN_DONE = "PLAN_DONE"
    AGGREGATING = "AGGREGATING"
    DONE = "DONE"
    FAILED = "FAILED"
    NEEDS_REPLAN = "NEEDS_REPLAN"
    CANCELLED = "CANCELLED"


FINAL = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
WORKING = frozenset({Status.RUNNING, Status.AGGREGATING})
WAITING = frozenset({Status.PENDING, Status.READY, Status.PLAN_DONE, Status.NEEDS_REPLAN})


@dataclass(frozen=True, slots=True)
class Project:
    """A project as the server lists it. `status` is the server's word and not the outcome: see `Snapshot`.

    `created` and `updated` are aware, in UTC. `updated` moves with every frame, also when nothing else does, and so
    does not count in `==`.
    """

    project_id: str
    title: str | None = None
    goal: str | None = None
    status: str | None = None
    created: datetime | None = None
    updated: datetime | None = field(default=None, compare=False)


class Rest(Protocol):
    """Reads the whole dict of a task of which the server sent a part: asks the server, and may raise RomaError."""

    def __call__(self, task: Task, /) -> Mapping[str, Any]:
        """Waits for it."""

    def whole(self, task: Task, timeout_s: float, /) -> Awaitable[Mapping[str, Any]]:
        """For who must not wait."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a run, frozen as the server last described it.

    Links are ids: `parent_id`, `child_ids` (in plan order), `depends_on` (siblings whose result it needs) and
    `context_ids` (tasks whose result it was given). A task that came out of `m.task(…)` or `snapshot.task(…)` also
    follows them: `.parent`, `.children`, `.context` are tasks of the same snapshot.

    `status` is a `Status`, or the server's word where ROMA has none such. `task_type` (SEARCH, WRITE, THINK) and
    `node_type` (PLAN, EXECUTE) are its words, too. `layer` is its count of the levels, `depth` ours (0: a root);
    `plan_index` is the place among the siblings, from 0. All times are aware, in UTC. `error` says why it failed,
    `result_summary` what it came to in a line. None: not said.

    `started` is when the task began to run: the server's time stamp of its first RUNNING that was seen, or what a
    leaf's own execution record says; `None` for a planned task that was already past RUNNING when we came.
    `model` is None for a search leaf: the server reports the atomizer's model there (docs/protocol.md).

    Our own servers leave out what is large until somebody reads it: `result` and `raw` may ask the server then, and
    raise NotLive or ConnectError where it is gone. Of texts above 1,000 characters (`result_summary`: 200) they send
    the beginning, which ends in "…"; `raw` has all of them.

    Example: `m.task("root.1").status is Status.DONE`
    """

    task_id: str
    goal: str
    status: Status | str
    task_type: str | None = None
    node_type: str | None = None
    agent: str | None = None
    model: str | None = None
    layer: int | None = None
    depth: int = 0
    parent_id: str | None = None
    plan_index: int = 0
    child_ids: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    context_ids: tuple[str, ...] = ()
    created: datetime | None = None
    started: datetime | None = None
    updated: datetime | None = None
    completed: datetime | None = None
    error: str | None = None
    result_summary: str | None = None
    overall_objective: str | None = None
    raw_json: str = field(default="{}", repr=False)
    _tasks: Mapping[str, Task] | None = field(default=None, repr=False, compare=False, hash=False)
    _rest: Rest | None = field(default=None, repr=False, compare=False, hash=False)

    @property
    def n_children(self) -> int:
        """How many sub-tasks are planned."""
        return len(self.child_ids)

    @property
    def duration_s(self) -> float | None:
        """Seconds from `started` to `completed`; None while either is unknown."""
        if self.started is None or self.completed is None:
            return None
        return max(0.0, (self.completed - self.started).total_seconds())

    @property
    def raw(self) -> dict[str, Any]:
        """The server's own dict for this task, decoded at each call. Raises RomaError for what cannot be."""
        if self._rest is not None:
            return dict(self._rest(self))
        value = decoded(self.raw_json)
        if not isinstance(value, dict):
            raise RomaError(
                f"What the server sent of task {self.task_id[:60]!r} cannot be decoded; its raw_json has the text."
            )
        return value

    @property
    def result(self) -> Any:
        """`full_result` as the server sent it (str, dict or None), decoded at each call.

        While a task is planned, and after its aggregation failed, ROMA keeps the plan there instead.
        """
        if self._rest is not None and not self.n_left_out:
            return None
        return self.raw.get("full_result")

    @property
    def is_whole(self) -> bool:
        """Is all of it here, `raw` and `result` too?"""
        return self._rest is None

    @property
    def rest(self) -> Rest | None:
        """What reads the parts that the server left out; None where all is here."""
        return self._rest

    @property
    def n_left_out(self) -> int:
        """Bytes of the result that is still on the server; 0 where there is none."""
        size = member(self.raw_json, "result_size") if self._rest is not None else 0
        return size if isinstance(size, int) else 0

    @property
    def parent(self) -> Task | None:
        """The task that this one is a part of; None for a root. RuntimeError for a task that stands alone."""
        return self._task(self.parent_id) if self.parent_id is not None else None

    @property
    def children(self) -> tuple[Task, ...]:
        """Its sub-tasks in plan order. RuntimeError for a task that stands alone."""
        return self._follow(self.child_ids)

    @property
    def context(self) -> tuple[Task, ...]:
        """The tasks whose result it was given. RuntimeError for a task that stands alone."""
        return self._follow(self.context_ids)

    def within(self, tasks: Mapping[str, Task]) -> Task:
        """This task, able to follow its links through `tasks`."""
        return replace(self, _tasks=tasks)

    def _follow(self, ids: tuple[str, ...]) -> tuple[Task, ...]:
        return tuple(task for task in map(self._task, ids) if task is not None)

    def _task(self, task_id: str) -> Task | None:
        if self._tasks is None:
            raise RuntimeError(
                f"This task stands alone and cannot follow its links: get it with m.task({self.task_id[:40]!r}) "
                "or snapshot.task(…), or use the ids (parent_id, child_ids, context_ids)."
            )
        return self._tasks[task_id].within(self._tasks) if task_id in self._tasks else None


class StageStatus(StrEnum):
    """The statuses of a stage that ROMA knows; another stays the plain string it came as."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stage:
    """One occurrence of a phase of a task (planning, execution, aggregation, …); a retry is another one.

    `seq` is its place in the trace, from 0; `attempt` counts the occurrences of this `stage` name within the trace,
    from 1. `agent`, `adapter` and `model` are who worked in it; `n_tool_calls` is a count, `cost_usd` US dollars. None:
    not said. `status` is the server's word: ROMA leaves stages `running` for ever that were tried again, also in tasks
    that are done. `duration_s` is what the server measured, else the time from `started` to `completed`, in seconds.

    The long fields are decoded when they are read: `system_prompt`, `user_input`, `llm_response`, `output`,
    `tool_calls`, `messages`. They are text or whatever JSON the agent gave; ROMA cuts `llm_response` at 5,000
    characters. Tokens and cost are what the server says was counted, else None: ROMA says nothing of them.

    Example: `m.trace("root.1").stages[0].llm_response`
    """

    task_id: str
    seq: int
    stage: str
    attempt: int = 1
    status: StageStatus | str = ""
    stage_id: str | None = None
    started: datetime | None = None
    completed: datetime | None = None
    duration_s: float | None = None
    agent: str | None = None
    adapter: str | None = None
    model: str | None = None
    error: str | None = None
    n_tool_calls: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    is_sample: bool = False
    raw_json: str = field(default="{}", repr=False)

    @property
    def system_prompt(self) -> str | None:
        """What the agent is told to be; None where the server does not say."""
        value = self._member("system_prompt")
        return value if isinstance(value, str) else None

    @property
    def user_input(self) -> Any:
        """The prompt: text or whatever JSON the agent gave; None where the server does not say."""
        return self._member("user_input")

    @property
    def llm_response(self) -> Any:
        """What the language model answered, text or JSON; of ROMA at most 5,000 characters; None where not said."""
        return self._member("llm_response")

    @property
    def output(self) -> Any:
        """`output_data` as the server sent it: str, bool, dict, list or None."""
        return self._member("output_data")

    @property
    def tool_calls(self) -> list[Any]:
        """The calls of tools as the server sent them; [] when it sent none."""
        value = self._member("tool_calls")
        return value if isinstance(value, list) else []

    @property
    def messages(self) -> list[Any]:
        """What the language model was sent, `{"role", "content"}` each; [] when the server does not say.

        Only traces have them, not `m.stage_details`. For a search ROMA keeps them under `additional_data`.
        """
        value = self._member("llm_input_messages")
        if value is None:
            more = self._member("additional_data")
            value = more.get("llm_input_messages") if isinstance(more, dict) else None
        return value if isinstance(value, list) else []

    @property
    def raw(self) -> dict[str, Any]:
        """The server's own dict for this stage, decoded at each call."""
        value = decoded(self.raw_json)
        return value if isinstance(value, dict) else {}

    def _member(self, name: str) -> Any:
        return member(self.raw_json, name)


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened inside one task: its stages in the order in which they began.

    `is_sample` is True for a trace that the server invented because it has none: ROMA does so, with dates of 2024.

    Example: `[stage.stage for stage in m.trace("root").stages]`
    """

    task_id: str
    goal: str | None = None
    created: datetime | None = None
    stages: tuple[Stage, ...] = ()
    is_sample: bool = False
    trace_id: str | None = None
    _head: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    _stage_texts: tuple[str, ...] = field(default=(), repr=False)

    @property
    def raw(self) -> dict[str, Any]:
        """The server's own dict for this trace, decoded at each call."""
        head = {name: decoded(text) for name, text in self._head}
        return {**head, "stages": [decoded(text) for text in self._stage_texts]}

    @property
    def size(self) -> int:
        """How many characters of JSON it holds."""
        return sum(len(text) for _, text in self._head) + sum(map(len, self._stage_texts))


NO_TASKS: Mapping[str, Task] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. `tasks` maps id to `Task` in plan order (a parent before its children).

    `revision` grows with each published change; `time` is the server's own time of the newest published frame, None
    when it said none. `outcome` is derived from the tasks, because ROMA calls a run with failed tasks "completed";
    `reason` says why a run counts as stalled or failed.
    """

    tasks: Mapping[str, Task] = field(default_factory=lambda: NO_TASKS)
    project: Project | None = None
    revision: int = 0
    time: datetime | None = None
    outcome: Outcome = "unknown"
    reason: str | None = None

    def task(self, task_id: str) -> Task:
        """One task, able to follow its links. Raises UnknownTask. Example: `s.task("root").children`"""
        if not isinstance(task_id, str):
            raise UnknownTask(f"task_id takes one task's id, a string, not {type(task_id).__name__}.")
        if task_id not in self.tasks:
            there = ", ".join(known[:30] for known in list(self.tasks)[:5]) or "none yet"
            raise UnknownTask(
                f"There is no task {str(task_id)[:80]!r} in the shown run of {len(self.tasks)} tasks "
                f"({there}…).{did_you_mean(str(task_id), self.tasks)}"
            )
        return self.tasks[task_id].within(self.tasks)


RelayedState = Literal["connecting", "live", "polling", "reconnecting", "failed", "ended", "absent"]


@dataclass(frozen=True, slots=True)
class RelayNews:
    """How a relay stands with the server above it, `of`, in the relay's own words.

    `state` is one of a connection's. "ended": a person has ended it, and it goes at this moment. "absent": there
    is no relay at this moment, and who was to go through one follows the server over HTTP. None where the relay says
    something else. `heard_at` is until when it has heard from above, by its clock: while it hears, the moment at which
    it said so. `told_s` is when that was told us, on our steady clock. `at` is where the relay itself is, host and
    port; None while there is none.
    """

    of: str | None = None
    state: RelayedState | None = None
    reason: str | None = None
    error: str | None = None
    heard_at: datetime | None = None
    told_s: float | None = field(default=None, compare=False)
    at: str | None = None

    @property
    def is_supplied(self) -> bool:
        """Does what happens above arrive, as far as is known?"""
        return self.state in ("live", "polling", None)

    @property
    def is_cut_off(self) -> bool:
        """Is it there, and does not hear the server?"""
        return not self.is_supplied and self.state != "absent"

    @property
    def lacks_socket(self) -> bool:
        """Is it there, and has no socket to the server?"""
        return self.state not in ("live", "absent", None)

    def server_now_s(self, stamped_s: float, now_s: float) -> float:
        """The server's time, epoch seconds, where the run's newest stamp makes it `stamped_s`: a stamp may be older
        than it looks, as a quiet relay sends what it has made before. While the relay is cut off, time stands still.
        """
        if self.heard_at is None or self.told_s is None:
            return stamped_s
        heard_s = self.heard_at.timestamp()
        return heard_s if self.is_cut_off else max(stamped_s, heard_s + now_s - self.told_s)

    def as_trait(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "of": self.of,
            "state": self.state,
            "reason": self.reason,
            "error": self.error,
            "heard_at": self.heard_at.isoformat() if self.heard_at and self.is_cut_off else None,
        }


ConnectionState = Literal["connecting", "live", "polling", "reconnecting", "failed", "closed", "archive"]


@dataclass(frozen=True, slots=True)
class Connection:
    """How the monitor hears from its server.

    `attempt` counts tries without any answer since the last one; `next_retry` is when the next comes; `error` is
    one sentence on what went wrong last, also on what the server sent that could not be read; `reason` says why
    the state is what it is where that is not obvious. `server` is what its HTTP side says of itself, None while it
    was not asked and where it is not ROMA's. `questions` is how many prompts wait on the server while it is followed
    over HTTP, where they can neither be seen nor answered; None where that is not known. `relay` is how the relay
    stands that the monitor goes through; None where it goes through none.
    """

    state: ConnectionState = "connecting"
    reason: str | None = None
    attempt: int = 0
    next_retry: datetime | None = None
    error: str | None = None
    transport: str | None = None
    reconnects: int = 0
    server: Literal["ready", "not_ready", "unreachable"] | None = None
    questions: int | None = None
    relay: RelayNews | None = None

    @property
    def is_supplied(self) -> bool:
        """Does what happens on the server arrive here? A relay may have lost it, too."""
        if self.state == "live" and self.relay is not None:
            return self.relay.is_supplied
        return self.state in ("live", "polling")

    def as_trait(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "reason": self.reason,
            "attempt": self.attempt,
            "next_retry": self.next_retry.isoformat() if self.next_retry else None,
            "error": self.error,
            "transport": self.transport,
            "reconnects": self.reconnects,
            "server": self.server,
            "questions": self.questions,
            "relay": None if self.relay is None else self.relay.as_trait(),
        }
