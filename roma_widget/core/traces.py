"""Reads one task's trace, and one stage of it: the small fields at once, the long ones when somebody looks at them.

One bad stage never hides the good ones: it is reported with its path and skipped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from .clock import ServerClock
from .events import NodeTrace, Payload, StageDetails, Unreadable
from .model import Stage, StageStatus, Trace
from .reading import Fields, Problems, shorten
from .split import AllBut, Malformed, elements, members

MOST_STAGES = 10_000
SAMPLE = "sample-"
"""How the ids of the traces begin that ROMA invents."""
_STATUSES = {status.value: status for status in StageStatus}
_SMALL = AllBut(
    *(
        "stage_name stage_id status started_at completed_at duration_ms agent_name adapter_name model_info "
        "error_message tool_execution_count tool_calls"
    ).split()
)


@dataclass(slots=True)
class Fetching:
    """How far a fetching of traces is: written by who fetches, read by who shows it."""

    total: int = 0
    asked: int = 0
    fetched: int = 0


def read_node_trace(name: str, payload: Payload) -> NodeTrace | Unreadable:
    """`node_trace_data`: `{node_id, trace}`. Its times are as stamped: see `in_utc`."""
    problems = Problems()
    try:
        top = members(payload.text, payload.start, leave=AllBut("node_id", "rid"))
        head = members(top.texts.get("trace", "null"), leave=("stages",))
    except Malformed as error:
        return Unreadable(name, (f"{name}: {error}",))
    for key, why in {**top.undecodable, **head.undecodable}.items():
        problems.add(f"{name}.{key}", why)
    about = Fields(top.decoded, name, problems)
    fields = Fields(head.decoded, f"{name}.trace", problems)
    task_id = about.identifier("node_id") or fields.identifier("node_id")
    if not task_id:
        return Unreadable(name, (*problems.sentences(), f"{name}: names no task"))
    trace_id = fields.text("trace_id")
    metadata = fields.mapping("metadata") or {}
    is_sample = metadata.get("sample") is True or (trace_id or "").startswith(SAMPLE)
    texts = _stage_texts(head.texts.get("stages", "null"), f"{name}.trace", problems)
    trace = Trace(
        task_id=task_id,
        goal=fields.text("node_goal"),
        created=fields.time("created_at"),
        stages=_read_stages(texts, task_id, is_sample, f"{name}.trace", problems),
        is_sample=is_sample,
        trace_id=trace_id,
        _head=tuple((key, text) for key, text in head.texts.items() if key != "stages"),
        _stage_texts=texts,
    )
    return NodeTrace(task_id, trace, problems.sentences(), about.text("rid"))


def read_stage_details(name: str, payload: Payload) -> StageDetails | Unreadable:
    """`stage_details_data`: `{node_id, stage_id, stage}`. Its `seq` and `attempt` are not said: 0 and 1."""
    problems = Problems()
    try:
        top = members(payload.text, payload.start, leave=("stage",))
    except Malformed as error:
        return Unreadable(name, (f"{name}: {error}",))
    for key, why in top.undecodable.items():
        problems.add(f"{name}.{key}", why)
    about = Fields(top.decoded, name, problems)
    task_id, stage_id = about.identifier("node_id"), about.identifier("stage_id")
    stage = _read_stage(top.texts.get("stage", "null"), task_id or "", f"{name}.stage", problems)
    if stage is None:
        return Unreadable(name, problems.sentences())
    stage_id = stage_id or stage.stage_id
    if not task_id or not stage_id:
        return Unreadable(name, (*problems.sentences(), f"{name}: names no task and stage"))
    stage = replace(stage, stage_id=stage_id)
    return StageDetails(task_id, stage_id, stage, problems.sentences(), about.text("rid"))


def read_pushed_stage(text: str, task_id: str, seq: int, path: str, problems: Problems) -> Stage | None:
    """A stage as our servers push it; None where it cannot be read. Its `attempt` is not said: 1."""
    return _read_stage(text, task_id, path, problems, seq)


def says_there_is_none(message: str) -> bool:
    """Does this refusal mean that the task has no trace? Others (a project that is not loaded) may pass."""
    return "no trace" in message.lower()


def says_project_is_not_loaded(message: str) -> bool:
    """Does this refusal mean that the server does not have the task's project in its memory?"""
    return message.startswith("Project ") and message.rstrip(".").endswith("not found")


def in_utc(trace: Trace, clock: ServerClock) -> Trace:
    """`trace` with aware times."""
    stages = tuple(stage_in_utc(stage, clock) for stage in trace.stages)
    return replace(trace, created=clock.utc(trace.created), stages=stages)


def stage_in_utc(stage: Stage, clock: ServerClock) -> Stage:
    """`stage` with aware times, and with a duration where only these tell it."""
    started, completed = clock.utc(stage.started), clock.utc(stage.completed)
    duration_s = stage.duration_s
    if duration_s is None and started is not None and completed is not None:
        duration_s = max(0.0, (completed - started).total_seconds())
    return replace(stage, started=started, completed=completed, duration_s=duration_s)


def _stage_texts(text: str, path: str, problems: Problems) -> tuple[str, ...]:
    if text == "null":
        return ()
    try:
        texts = elements(text)
    except Malformed as error:
        problems.add(f"{path}.stages", str(error))
        return ()
    if len(texts) > MOST_STAGES:
        problems.add(f"{path}.stages", f"{len(texts):,} stages; the first {MOST_STAGES:,} are kept")
    return tuple(texts[:MOST_STAGES])


def _read_stages(
    texts: tuple[str, ...], task_id: str, is_sample: bool, path: str, problems: Problems
) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    attempts: Counter[str] = Counter()
    for place, text in enumerate(texts):
        where = f"{path}.stages[{place}]"
        stage = _read_stage(text, task_id, where, problems, len(stages), attempts, is_sample)
        if stage is not None:
            stages.append(stage)
    return tuple(stages)


def _read_stage(
    text: str,
    task_id: str,
    path: str,
    problems: Problems,
    seq: int = 0,
    attempts: Counter[str] | None = None,
    is_sample: bool = False,
) -> Stage | None:
    """`attempts`, by the names of stages, are those before it, and then its own, too."""
    if not text.startswith("{"):
        problems.add(path, f"expected a stage, got {shorten(text, 40)}; it was skipped")
        return None
    try:
        found = members(text, leave=_SMALL)
    except Malformed as error:
        problems.add(path, f"{error}; it was skipped")
        return None
    for key, why in found.undecodable.items():
        problems.add(f"{path}.{key}", why)
    fields = Fields(found.decoded, path, problems)
    status = fields.text("status") or ""
    duration_ms = fields.amount("duration_ms")
    model = Fields(fields.mapping("model_info") or {}, f"{path}.model_info", problems)
    usage = Fields(_usage(found.texts.get("additional_data"), path, problems), f"{path}.usage", problems)
    prompt = found.texts.get("system_prompt", "null")
    if prompt != "null" and not prompt.startswith('"'):
        problems.add(f"{path}.system_prompt", f"expected a string, got {shorten(prompt, 40)}")
    name = fields.text("stage_name") or ""
    attempt = 1
    if attempts is not None:
        attempt = attempts[name] = attempts[name] + 1
    return Stage(
        task_id=task_id,
        seq=seq,
        stage=name,
        attempt=attempt,
        is_sample=is_sample,
        status=_STATUSES.get(status, status),
        stage_id=fields.identifier("stage_id"),
        started=fields.time("started_at"),
        completed=fields.time("completed_at"),
        duration_s=None if duration_ms is None else duration_ms / 1000,
        agent=fields.text("agent_name"),
        adapter=fields.text("adapter_name"),
        model=model.text("model_id") or model.text("model_name") or model.text("model"),
        error=fields.text("error_message"),
        n_tool_calls=_n_tool_calls(found.decoded, fields),
        prompt_tokens=usage.whole("prompt_tokens"),
        completion_tokens=usage.whole("completion_tokens"),
        cost_usd=usage.amount("cost_usd"),
        raw_json=text,
    )


def _n_tool_calls(values: dict[str, object], fields: Fields) -> int | None:
    if values.get("tool_calls") is not None:
        return len(fields.items("tool_calls"))
    return fields.whole("tool_execution_count")


def _usage(text: str | None, path: str, problems: Problems) -> dict[str, object]:
    """What the server says was counted, under `additional_data`: our servers do, ROMA does not."""
    if text is None or not text.startswith("{"):
        return {}
    try:
        more = members(text, leave=AllBut("usage"))
    except Malformed as error:
        problems.add(f"{path}.additional_data", str(error))
        return {}
    if "usage" in more.undecodable:
        problems.add(f"{path}.additional_data.usage", more.undecodable["usage"])
    return Fields(more.decoded, f"{path}.additional_data", problems).mapping("usage") or {}
