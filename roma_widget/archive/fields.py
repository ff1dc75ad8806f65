"""Which members of ROMA's tasks and traces hold prompts, responses and results, wherever it repeats them.

A text under a name that is not listed here may be anything, so every rule on fields removes it. Measured on the
recordings of real servers (docs/redaction.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Literal

from ..core.text import GONE

FieldRule = Literal["prompts", "responses", "results"]
FIELD_RULES: tuple[FieldRule, ...] = ("prompts", "responses", "results")


class Holds(Enum):
    """What a member holds."""

    NAMES = auto()
    """Words that say which task, agent or model this is: no rule on fields touches them."""
    MEMBERS = auto()
    """Members of different kinds: each goes by its own name."""
    STANDING_PROMPT = auto()
    """The prompt that an agent always has, without what other tasks found."""
    PROMPT = auto()
    """A prompt, into which ROMA puts the results of other tasks."""
    ANSWER = auto()
    """What a model or tool said, or what became of it: a response may be the result, word by word."""
    PLAN = auto()
    """An answer that may be a plan, whose goals become tasks."""
    ERROR = auto()
    """A sentence that may quote any of these."""
    ANYTHING = auto()


_REMOVED: Mapping[FieldRule, frozenset[Holds]] = MappingProxyType(
    {
        "prompts": frozenset({Holds.STANDING_PROMPT, Holds.PROMPT, Holds.ANYTHING}),
        "responses": frozenset({Holds.ANSWER, Holds.PLAN, Holds.PROMPT, Holds.ANYTHING}),
        "results": frozenset({Holds.ANSWER, Holds.PROMPT, Holds.ANYTHING}),
    }
)

_TASK_OR_STAGE = {
    Holds.NAMES: """
        task_id goal task_type node_type agent_name status layer parent_node_id overall_objective sub_graph_id
        planned_sub_task_ids input_context_sources timestamp_created timestamp_updated timestamp_completed
        model_display model_info needs started cut node_id node_goal trace_id created_at
        stage_name stage_id started_at completed_at adapter_name depends_on_indices
    """,
    Holds.MEMBERS: "execution_details aux_data additional_data metadata usage processing_parameters tool_calls",
    Holds.STANDING_PROMPT: "system_prompt instructions",
    Holds.PROMPT: """
        user_input llm_input_messages final_llm_input input_context input_payload_summary input_payload
        relevant_context_items formatted_full_context relevant_context messages prompt
        user_modification_instructions
    """,
    Holds.ANSWER: """
        llm_response full_llm_output output_summary result_summary output_text response result output
    """,
    Holds.PLAN: "output_data full_result",
    Holds.ERROR: "error error_message error_details tool_call_error",
}
_HOLDS: Mapping[str, Holds] = MappingProxyType(
    {name: holds for holds, names in _TASK_OR_STAGE.items() for name in names.split()}
)
_WITHIN: Mapping[str, Mapping[str, Holds]] = MappingProxyType(
    {
        "processing_parameters": {"model": Holds.MEMBERS},
        "model": dict.fromkeys(
            "id name provider tool_message_role assistant_message_role".split(), Holds.NAMES
        ),
        "tool_calls": {
            **dict.fromkeys(("tool_args", "result"), Holds.ANSWER),
            **dict.fromkeys(
                "tool_call_id tool_name toolkit_name toolkit_category toolkit_type toolkit_icon".split(),
                Holds.NAMES,
            ),
        },
        "execution_details": dict.fromkeys(("processing_started", "processing_completed"), Holds.NAMES),
        "additional_data": {"raw_api_response_type": Holds.NAMES},
    }
)
"""Names that mean this only right inside another."""
PLANNED, OF_A_PLAN = "sub_tasks", frozenset({"goal", "task_type", "node_type", "depends_on_indices"})

STRUCTURE = frozenset(
    """
    task_id status task_type node_type layer parent_node_id planned_sub_task_ids sub_graph_id needs started cut
    timestamp_created timestamp_updated timestamp_completed node_id trace_id created_at stage_name stage_id started_at
    completed_at execution_details.processing_started execution_details.processing_completed
    input_context_sources.source_task_id
    """.split()
)
"""Ids, times and statuses, by their paths in a task or a stage: no rule touches them, or nothing would fit together."""

ROW_FIELDS: Mapping[str, Holds] = MappingProxyType({"error": Holds.ERROR, "result_summary": Holds.ANSWER})
"""Of the log: every other field's values are names."""

_KIND_OF_ERROR = re.compile(
    r"(?:The results of [0-9]{1,9} tasks? are not all here: )?"
    r"(?:Agent '[\w .-]{1,80}' failed to execute task '[\w.-]{1,80}' \(attempt \d{1,4}\): )?"
    r"(?:[A-Za-z_][\w.]{0,80}(?:Error|Exception|Timeout|Exit|Interrupt): ?)*"
)


def held_by(name: str, within: str | None) -> Holds:
    """What the member `name` holds, right inside the member `within` or, for None, at the top."""
    if within is not None and name in _WITHIN.get(within, ()):
        return _WITHIN[within][name]
    return _HOLDS.get(name, Holds.ANYTHING)


def without(value: Any, rule: FieldRule, holds: Holds) -> Any:
    """`value` as `rule` leaves it; the same object where it is not concerned.

    Yes, no and nothing stay, and the counts and durations of names that nobody knows.
    """
    if value is None or isinstance(value, bool) or value in ("", GONE):
        return value
    if holds is Holds.ERROR:
        kind = kind_of_error(value) if isinstance(value, str) else ""
        return value if value in (kind, kind + GONE) else kind + GONE
    if holds is Holds.MEMBERS and not isinstance(value, dict | list):
        holds = Holds.ANYTHING
    if holds is Holds.ANYTHING and isinstance(value, int | float):
        return value
    if holds is Holds.PLAN and rule == "results":
        return _without_all_but_the_plan(value)
    return GONE if holds in _REMOVED[rule] else value


def _without_all_but_the_plan(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get(PLANNED), list):
        return GONE
    kept = [
        {name: known for name, known in goal.items() if name in OF_A_PLAN} if isinstance(goal, dict) else GONE
        for goal in value[PLANNED]
    ]
    plan = {
        name: kept if name == PLANNED else None if other is None else GONE for name, other in value.items()
    }
    return value if plan == value else plan


def kind_of_error(sentence: str) -> str:
    """The beginning of an error that names what failed and the class of the error; what follows may quote anything.

    Example: `kind_of_error("ValueError: no JSON: The answer is 42") == "ValueError: "`
    """
    match = _KIND_OF_ERROR.match(sentence)
    return match[0] if match is not None else ""
