"""`Compared`: two runs, task beside task."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...core.model import OUTCOMES_OF_AN_ENDED_RUN, Snapshot, Stage, Status, Task
from ...core.nearest import did_you_mean
from ...core.text import ELLIPSIS, count_text, duration_text, one_line
from ...errors import UnknownTask
from ..run import Run
from ..run_data import RunData
from . import frames
from .alignment import Pair
from .diff import TextDiff
from .differences import Sides
from .figure import figure
from .picture import picture
from .results import Unread
from .stage_texts import texts_of

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go

WHAT = ("result", "prompts", "responses")
LONGEST_GOAL = 500


class Compared:
    """Two runs as they stood when this was made, `a` the earlier one and `b` the later one.

    Each is anything that gives its run out as data: a monitor, a moment (`m.at(t)`), a saved run. Which task of one is
    which of the other is told by `tasks["rule"]` and, as a sentence, by `tasks["why"]`; see docs/compare.md. What is
    missing on one side is NA and never a difference. Results that a server has kept are asked for when they are
    first needed, so not from a trait observer.

    Example: `Compared(monday, tuesday, ("monday", "tuesday")).tasks.query("match != 'both'")`
    """

    def __init__(self, a: RunData, b: RunData, names: tuple[str, str] = ("a", "b")) -> None:
        self.names = names
        self._sides = Sides(_run_of(a), _run_of(b))

    @property
    def tasks(self) -> pandas.DataFrame:
        """One row per pair of tasks, or per task of one run alone; in plan order, a parent before its children.

        Columns and types:

        - task_id_a, task_id_b; match ("both", "a", "b"); rule ("id", "goal", NA), why (a sentence): pandas strings;
          similarity: float64, of the goals, from 0 to 1; depth: `Int64`;
        - goal, status, agent, model: each as _a and _b (pandas strings) and _changed (`boolean`); result_changed:
          `boolean`, NA where a result could not be read;
        - duration_a_s, duration_b_s, duration_change_s: float64, seconds, b less a;
        - retries, prompt_tokens, completion_tokens: each as _a, _b and _change (`Int64`); cost_usd the same (float64);
          from fetched traces;
        - error_a, error_b: pandas strings.

        `df.attrs`: "missing_traces_a", "missing_traces_b": how many tasks of that run have no fetched trace;
        "unread_results_a", "unread_results_b": of how many the result could not be read.

        Example: `c.tasks.query("status_changed")[["goal_b", "status_a", "status_b", "why"]]`
        """
        return frames.tasks(self._sides)

    @property
    def stages(self) -> pandas.DataFrame:
        """One row per stage of the tasks that both runs have, paired by the stage's name and attempt.

        Columns and types:

        - task_id_a, task_id_b, stage; match ("both", "a", "b"); status, agent, model and error of each side (_a, _b):
          pandas strings; attempt: int64;
        - duration_a_s, duration_b_s, duration_change_s: float64, seconds;
        - prompt_tokens, completion_tokens: each as _a, _b and _change (`Int64`);
        - prompt_changed, response_changed, output_changed: `boolean`, NA where one side says nothing of it.

        Tasks of which one run's trace was not fetched have no row. `df.attrs`: "missing_traces_a", "missing_traces_b".

        Example: `c.stages.groupby("agent_b")["duration_change_s"].sum()`
        """
        return frames.stages(self._sides)

    def text_diff(self, task_id: str, what: str = "result", *, run: str | None = None) -> TextDiff:
        """What became of a task's "result", its "prompts" or its "responses", line by line.

        `task_id` is an id in a, or else one in b; after a replan an id may be one task in a and another in b, and
        `run="b"` takes it for b's. Prompts and responses are those of all its stages, and need fetched traces. What is
        not known is said in `.notes`, and then nothing is compared. Raises UnknownTask, with what may have been meant,
        and ValueError for another `what` or `run`.

        Example: `print(c.text_diff("root.1", "responses"))`
        """
        if what not in WHAT:
            raise ValueError(f'what is one of "result", "prompts", "responses", not {what!r}')
        pair = self._pair(task_id, run)
        texts, notes = [], []
        for side, task in (("a", pair.a), ("b", pair.b)):
            text, note = self._text(side, task, what)
            texts.append(text)
            notes += [note] if note else []
        if what != "result" and not notes and None in texts and texts != [None, None]:
            name = one_line(self.names[texts.index(None)], 60)
            notes = [f"{name}: the trace of this task says no {what}."]
        return TextDiff(texts[0], texts[1], self.names, what, tuple(notes))

    def figure(self, by: str = "task", *, height: int | None = None, title: str | None = None) -> go.Figure:
        """How long each task took in a (hollow) and in b (full), or with `by="agent"` the tasks of each agent.

        Failed tasks are crosses, tasks of one run alone diamonds; hovering tells more, and what is missing is said. By
        agent only tasks count that both runs have with a duration, each with the agent that it had there. `height` is
        in pixels. Raises ValueError for another `by`. Example: `c.figure(by="agent", title="Since Monday")`
        """
        return figure(self._sides, self.names, by, height, title)

    def summary(self) -> str:
        """How much of the runs is the same, in a sentence or two. Example: `print(c.summary())`"""
        pairs = self._sides.pairs
        if not pairs:
            return "Neither run has a task."
        rules: Counter[str] = Counter(pair.rule or "root" for pair in pairs if pair.match == "both")
        n_both = rules.total()
        said = [f"{rules[rule]:,} by {words}" for rule, words in _RULES if rules[rule]]
        found = [f"{count_text(n_both, 'task')} in both runs" + (f" ({', '.join(said)})" if said else "")]
        alone = Counter(pair.match for pair in pairs)
        found += [f"{alone[side]:,} only in {side}" for side in ("a", "b") if alone[side]]
        return f"{', '.join(found)}. {self._what_changed()}".strip()

    def view(self) -> dict[str, Any]:
        """What the browser shows of it, as JSON: see docs/messages.md. Goals are cut at 500 characters.

        Example: `c.view()["rows"][0]["changed"]`
        """
        sides = self._sides
        return {
            "names": list(self.names),
            "runs": [_facts(sides.a.snapshot), _facts(sides.b.snapshot)],
            "rows": [
                {
                    "a": pair.a and pair.a.task_id,
                    "b": pair.b and pair.b.task_id,
                    "depth": pair.depth,
                    "rule": pair.rule,
                    "why": pair.why,
                    "changed": sides.changed(place),
                    "goal": [task and _cut(task.goal) for task in (pair.a, pair.b)],
                    "status": [task and str(task.status) for task in (pair.a, pair.b)],
                    "duration_s": [task and task.duration_s for task in (pair.a, pair.b)],
                }
                for place, pair in enumerate(sides.pairs)
            ],
        }

    def __repr__(self) -> str:
        a, b = (one_line(name, 60) for name in self.names)
        return f"<{type(self).__name__} of a: {a} and b: {b}; {self.summary()}>"

    def _repr_html_(self) -> str:
        return picture(self._sides, self.names, self.summary())

    def _what_changed(self) -> str:
        """Of the tasks in both runs."""
        places = [place for place, pair in enumerate(self._sides.pairs) if pair.match == "both"]
        if not places:
            return ""
        counts = Counter(name for place in places for name in self._sides.changed(place))
        unread = sum(self._sides.results_changed[place] is None for place in places)
        said = [
            f"{counts[name]:,} with another {name}"
            for name in ("goal", "status", "agent", "model", "result")
            if counts[name]
        ]
        said += [f"{unread:,} with a result that could not be read"] if unread else []
        a_s, b_s = (_facts(run.snapshot)["duration_s"] for run in (self._sides.a, self._sides.b))
        took = ""
        if a_s is not None and b_s is not None:
            took = f" a took {duration_text(a_s)}, b {duration_text(b_s)}."
        return (f"Of those in both: {', '.join(said)}." if said else "Nothing has changed in those.") + took

    def _pair(self, task_id: str, run: str | None) -> Pair:
        if run not in (None, "a", "b"):
            raise ValueError(f'run is "a", "b" or None, not {run!r}')
        of_a, of_b = self._pair_of
        wanted = [of_a, of_b] if run is None else [of_a if run == "a" else of_b]
        for pairs in wanted:
            if task_id in pairs:
                return pairs[task_id]
        known = dict.fromkeys(each for pairs in wanted for each in pairs)
        where = "either run" if run is None else f"run {run}"
        raise UnknownTask(
            f"There is no task {str(task_id)[:80]!r} in {where} ({count_text(len(known), 'task')})."
            f"{did_you_mean(str(task_id), known)}"
        )

    @cached_property
    def _pair_of(self) -> tuple[dict[str, Pair], dict[str, Pair]]:
        """By id in a, by id in b."""
        pairs = self._sides.pairs
        return (
            {pair.a.task_id: pair for pair in pairs if pair.a is not None},
            {pair.b.task_id: pair for pair in pairs if pair.b is not None},
        )

    def _text(self, side: str, task: Task | None, what: str) -> tuple[str | None, str | None]:
        """The text of one side, and a sentence where there is something to say of it."""
        name = one_line(self.names[0 if side == "a" else 1], 60)
        if task is None:
            return None, f"{name} has no such task."
        run, results = (
            (self._sides.a, self._sides.results_a) if side == "a" else (self._sides.b, self._sides.results_b)
        )
        if what == "result":
            try:
                return results.text(task), None
            except Unread as error:
                return None, f"{name}: {error}"
        trace = run.traces_shown().get(task.task_id)
        if trace is None:
            return None, f"{name}: the trace of this task was not fetched."
        return _of_stages(trace.stages, what), None


_RULES = (("id", "id"), ("goal", "goal"), ("root", "being the roots"))


def _run_of(data: RunData) -> Run:
    snapshot = data.snapshot
    return Run(snapshot, *data._fetched(snapshot))


def _of_stages(stages: tuple[Stage, ...], what: str) -> str | None:
    """What was said in each stage, under its name; None where nothing was."""
    found = []
    for stage in stages:
        text = texts_of(stage)[0 if what == "prompts" else 1]
        if text is not None:
            attempt = f", attempt {stage.attempt}" if stage.attempt > 1 else ""
            found.append(f"=== {one_line(stage.stage, 80)}{attempt} ===\n\n{text}")
    return "\n\n".join(found) or None


def _facts(snapshot: Snapshot) -> dict[str, Any]:
    tasks = list(snapshot.tasks.values())
    statuses = Counter(task.status for task in tasks)
    project = snapshot.project
    goal = (project.goal or project.title) if project is not None else None
    goal = goal or (tasks[0].goal if tasks else None)
    return {
        "goal": None if goal is None else _cut(goal),
        "outcome": snapshot.outcome,
        "total": len(tasks),
        "done": statuses[Status.DONE],
        "failed": statuses[Status.FAILED],
        "duration_s": _duration_s(snapshot),
    }


def _duration_s(snapshot: Snapshot) -> float | None:
    """From the creation of the first root to the end of the last; None while the run has not ended."""
    roots = [task for task in snapshot.tasks.values() if task.parent_id is None]
    began = min((task.created for task in roots if task.created), default=None)
    ended = max((task.completed for task in roots if task.completed), default=None)
    if snapshot.outcome not in OUTCOMES_OF_AN_ENDED_RUN or began is None or ended is None:
        return None
    return max(0.0, (ended - began).total_seconds())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_GOAL else text[: LONGEST_GOAL - 1] + ELLIPSIS
