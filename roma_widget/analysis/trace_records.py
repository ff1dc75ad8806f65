"""A trace as a browser gets it (docs/messages.md): whole for a page of one run; for the live view the beginnings of its
long texts, which are asked for when somebody reads on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.model import Stage, Trace
from ..core.reading import clean
from ..core.view import Record, epoch_ms
from .json_text import text_or_json

TEXTS = (
    "system_prompt",
    "user_input",
    "llm_response",
    "output",
    "tool_calls",
    "messages",
    "error",
)
"""The fields of a stage that may be of any length."""
CUT_AT = 4_000
"""Characters of each text that come with its trace."""
MOST_CHARACTERS = 4_000_000
"""Of all texts of a trace together; of those of later stages nothing comes with it."""
MOST_STAGES = 2_000
LONGEST_TEXT = 2_000_000
"""Characters of one text that was asked for."""
LONGEST_WORD = 500


def trace_record(trace: Trace) -> Record:
    """The `Trace` of docs/messages.md with whole texts. Its times are aware: see `core.traces.in_utc`."""
    return _trace(trace, [stage_record(stage) for stage in trace.stages], None)


def stage_record(stage: Stage) -> Record:
    """Times in epoch ms; texts as they are, anything else as JSON text."""
    prompts = (stage.system_prompt, stage.user_input)
    messages = [
        each for each in stage.messages if not isinstance(each, dict) or each.get("content") not in prompts
    ]
    return {
        "seq": stage.seq,
        "stage": stage.stage,
        "attempt": stage.attempt,
        "status": str(stage.status),
        "started": epoch_ms(stage.started),
        "completed": epoch_ms(stage.completed),
        "duration_s": stage.duration_s,
        "agent": stage.agent,
        "adapter": stage.adapter,
        "model": stage.model,
        "error": stage.error,
        "n_tool_calls": stage.n_tool_calls,
        "prompt_tokens": stage.prompt_tokens,
        "completion_tokens": stage.completion_tokens,
        "cost_usd": stage.cost_usd,
        "system_prompt": stage.system_prompt,
        "user_input": text_or_json(stage.user_input),
        "llm_response": text_or_json(stage.llm_response),
        "output": text_or_json(stage.output),
        "tool_calls": text_or_json(stage.tool_calls or None),
        "messages": text_or_json(messages or None),
    }


def trace_outline(task_id: str, trace: Trace) -> Record:
    """The answer to `ask trace`: of a bounded size whatever the trace's is. Its times are aware.

    Example: `trace_outline("root", m.trace("root"))["stages"][0]["sizes"]`
    """
    left_out = None
    if len(trace.stages) > MOST_STAGES:
        left_out = f"The first {MOST_STAGES:,} of {len(trace.stages):,} stages are shown."
    room = MOST_CHARACTERS
    stages = []
    for stage in trace.stages[:MOST_STAGES]:
        record = _readable(stage_record(stage))
        sizes = {}
        for name in TEXTS:
            text = record[name]
            if text is None:
                continue
            shown = text[: min(CUT_AT, room)]
            room -= len(shown)
            if len(shown) < len(text):
                record[name], sizes[name] = shown, len(text)
        stages.append({**record, "sizes": sizes})
    return {"task": task_id, **_trace(trace, stages, left_out)}


def stage_texts(stage: Stage) -> Record:
    """The answer to `ask stage`: its long texts, and whether they end before their end."""
    record = _readable(stage_record(stage))
    texts = {name: record[name] for name in TEXTS if record[name] is not None}
    return {
        "task": stage.task_id,
        "seq": stage.seq,
        "texts": {name: text[:LONGEST_TEXT] for name, text in texts.items()},
        "cut": any(len(text) > LONGEST_TEXT for text in texts.values()),
    }


def _trace(trace: Trace, stages: Iterable[Record], left_out: str | None) -> Record:
    return {
        "is_sample": trace.is_sample,
        "created": epoch_ms(trace.created),
        "stages": list(stages),
        "left_out": left_out,
    }


def _readable(record: Record) -> Record:
    """With words of a bounded length, and nothing that cannot be encoded."""

    def readable(name: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return clean(value if name in TEXTS else value[:LONGEST_WORD])

    return {name: readable(name, value) for name, value in record.items()}
