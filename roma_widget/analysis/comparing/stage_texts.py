"""What a stage was asked and what it answered, as texts that can be compared. Missing is None."""

from __future__ import annotations

from ...core.model import Stage
from ..json_text import text_or_json
from ..trace_frames import long_fields


def texts_of(stage: Stage) -> tuple[str | None, str | None, str | None]:
    """Prompt (what the system and the user said, or else the messages), response, output (JSON text)."""
    system, user, response, output = long_fields(stage)
    said = [text for text in (system, user) if text is not None]
    if not said and '"llm_input_messages"' in stage.raw_json:
        said = [text for each in stage.messages if (text := _message(each)) is not None]
    return "\n\n".join(said) if said else None, response, output


def _message(said: object) -> str | None:
    """ "role: content", or whatever stands there."""
    if not isinstance(said, dict):
        return text_or_json(said)
    role, content = said.get("role"), text_or_json(said.get("content"))
    return f"{role}: {content}" if isinstance(role, str) and content is not None else text_or_json(said)
