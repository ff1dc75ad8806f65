"""Fetched traces -> pandas.DataFrame: stages, calls of tools, messages; a row per occurrence. See docs/frames.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..core.model import Snapshot, Stage, Trace
from . import columns
from .json_text import NOTHING, json_text, raw_json_text, text_or_json
from .run import Run

if TYPE_CHECKING:
    import pandas as pd


def stages(
    snapshot: Snapshot,
    traces: Mapping[str, Trace],
    server_offset_s: float | None = None,
    include_samples: bool = False,
) -> pd.DataFrame:
    """One row per occurrence of a stage, tasks in plan order; a retry is another row with a higher `attempt`.

    Columns and types:

    - task_id, stage, status, agent, adapter, model, system_prompt, user_input, llm_response, output, error: pandas
      strings; `output` is JSON text, and so is a prompt or response that is no text;
    - seq: int64, the place in the trace from 0; attempt: int64, from 1; n_tool_calls: `Int64`; is_sample: bool;
    - started, completed: `datetime64[us, UTC]`; duration_s: float64, seconds.

    `df.attrs`: "missing_traces", how many tasks of the run have no fetched trace; "server_offset", by how many seconds
    times without a zone were taken to be ahead of UTC, None where that is not known and they count as UTC.

    Example: `stages(m.snapshot, traces).groupby("agent")["duration_s"].sum()`
    """
    import numpy as np
    import pandas as pd

    run = Run(snapshot, traces, server_offset_s)
    rows = [stage for trace in run.traces_shown(include_samples).values() for stage in trace.stages]
    started = columns.times((stage.started for stage in rows), run.server_offset_s)
    completed = columns.times((stage.completed for stage in rows), run.server_offset_s)
    duration_s = columns.numbers(stage.duration_s for stage in rows)
    between_s = (completed - started).total_seconds().to_numpy()
    long = [long_fields(stage) for stage in rows]
    frame = pd.DataFrame(
        {
            "task_id": columns.texts(stage.task_id for stage in rows),
            "seq": np.array([stage.seq for stage in rows], np.int64),
            "stage": columns.texts(stage.stage or None for stage in rows),
            "attempt": np.array([stage.attempt for stage in rows], np.int64),
            "status": columns.texts(str(stage.status) or None for stage in rows),
            "started": started,
            "completed": completed,
            "duration_s": np.where(np.isnan(duration_s), np.maximum(between_s, 0.0), duration_s),
            "agent": columns.texts(stage.agent for stage in rows),
            "adapter": columns.texts(stage.adapter for stage in rows),
            "model": columns.texts(stage.model for stage in rows),
            "system_prompt": columns.texts(each[0] for each in long),
            "user_input": columns.texts(each[1] for each in long),
            "llm_response": columns.texts(each[2] for each in long),
            "output": columns.texts(each[3] for each in long),
            "error": columns.texts(stage.error for stage in rows),
            "n_tool_calls": columns.wholes(stage.n_tool_calls for stage in rows),
            "is_sample": np.array([stage.is_sample for stage in rows], np.bool_),
        },
        copy=False,  # the arrays are the frame's own already
    )
    return _with_attrs(frame, run)


def tool_calls(
    snapshot: Snapshot,
    traces: Mapping[str, Trace],
    server_offset_s: float | None = None,
    include_samples: bool = False,
) -> pd.DataFrame:
    """One row per call of a tool, in the order of the stages.

    Columns and types: task_id, tool, arguments, result, error: pandas strings; `arguments` and `result` are JSON text.
    seq: int64, of the stage in its trace; call: int64, the place among the calls of the stage, from 0.
    duration_s: float64, seconds, as the server says: ROMA makes it up, ours measure it.

    `error` is what the server says of it, "true" where it says only that the call failed. `df.attrs` as in `stages`.

    Example: `tool_calls(m.snapshot, traces).query("error.notna()")[["task_id", "tool", "arguments"]]`
    """

    def of_stage(stage: Stage) -> Iterator[tuple[Any, ...]]:
        if not stage.n_tool_calls:
            return
        for call, said in enumerate(stage.tool_calls):
            fields = said if isinstance(said, dict) else {}
            yield (
                stage.task_id,
                stage.seq,
                call,
                _text(fields.get("tool_name")),
                json_text(fields.get("tool_args")),
                json_text(fields.get("result")),
                _seconds(fields.get("execution_duration_ms")),
                text_or_json(fields.get("tool_call_error") or None),
            )

    names = ("task_id", "seq", "call", "tool", "arguments", "result", "duration_s", "error")
    return _frame_of(Run(snapshot, traces, server_offset_s), include_samples, of_stage, names)


def messages(
    snapshot: Snapshot,
    traces: Mapping[str, Trace],
    server_offset_s: float | None = None,
    include_samples: bool = False,
) -> pd.DataFrame:
    """One row per message that a language model was sent, in the order of the stages and of the messages.

    Columns and types: task_id, role, content: pandas strings (content that is no text is JSON text); seq: int64, of the
    stage in its trace. `df.attrs` as in `stages`.

    Example: `messages(m.snapshot, traces).query("role == 'system'")["content"].str.len().describe()`
    """

    def of_stage(stage: Stage) -> Iterator[tuple[Any, ...]]:
        if '"llm_input_messages"' not in stage.raw_json:
            return
        for said in stage.messages:
            if isinstance(said, dict):
                yield stage.task_id, stage.seq, _text(said.get("role")), text_or_json(said.get("content"))
            else:
                yield stage.task_id, stage.seq, None, text_or_json(said)

    return _frame_of(
        Run(snapshot, traces, server_offset_s),
        include_samples,
        of_stage,
        ("task_id", "seq", "role", "content"),
    )


_NUMBERS: Mapping[str, Callable[[Iterable[Any]], Any]] = {"duration_s": columns.numbers}
_COUNTS = frozenset({"seq", "call"})


def _frame_of(
    run: Run,
    include_samples: bool,
    of_stage: Callable[[Stage], Iterator[tuple[Any, ...]]],
    names: tuple[str, ...],
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    traces = run.traces_shown(include_samples).values()
    rows = [row for trace in traces for stage in trace.stages for row in of_stage(stage)]
    made: dict[str, Any] = {}
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        if name in _COUNTS:
            made[name] = np.array(values, np.int64)
        else:
            made[name] = _NUMBERS.get(name, columns.texts)(values)
    return _with_attrs(pd.DataFrame(made, copy=False), run)


def _with_attrs(frame: pd.DataFrame, run: Run) -> pd.DataFrame:
    frame.attrs["missing_traces"] = run.missing_traces
    frame.attrs["server_offset"] = run.server_offset_s
    return frame


class _LongFields(msgspec.Struct):
    """Those fields of a stage that are decoded only when somebody reads them."""

    system_prompt: Any = None
    user_input: Any = None
    llm_response: Any = None
    output_data: msgspec.Raw = NOTHING


_long_decoder = msgspec.json.Decoder(_LongFields)


def long_fields(stage: Stage) -> tuple[str | None, str | None, str | None, str | None]:
    """system_prompt, user_input, llm_response, output."""
    try:
        found = _long_decoder.decode(stage.raw_json)
        return (
            text_or_json(found.system_prompt),
            text_or_json(found.user_input),
            text_or_json(found.llm_response),
            raw_json_text(found.output_data),
        )
    except (msgspec.DecodeError, UnicodeError, RecursionError):  # JSON that only Python reads, or half of it
        return (
            stage.system_prompt,
            text_or_json(stage.user_input),
            text_or_json(stage.llm_response),
            json_text(stage.output),
        )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(milliseconds: Any) -> float | None:
    """None for what is no number of milliseconds."""
    is_number = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
    return milliseconds / 1000 if is_number and 0 <= milliseconds < 2**53 else None
