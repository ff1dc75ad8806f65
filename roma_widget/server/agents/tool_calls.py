"""One call of a tool, with the keys that ROMA's wire has for it."""

from __future__ import annotations

import time
import uuid
from typing import Any

import msgspec

from roma_widget.server.wire.records import clean_text, encode, frozen


def tool_call(tool: str, arguments: Any, result: Any, error: object, duration_s: float | None) -> msgspec.Raw:
    """The item of `tool_calls`. What nobody measured is null (ROMA makes up a duration)."""
    now = time.time()
    frozen_result = frozen(result)
    return msgspec.Raw(
        encode(
            {
                "tool_call_id": f"call_{uuid.uuid4().hex[:24]}",
                "tool_name": clean_text(str(tool)),
                "tool_args": frozen({} if arguments is None else arguments),
                "result": frozen_result,
                "created_at": round(now * 1000),
                "tool_call_error": None if error is None else clean_text(str(error)),
                "metrics": None,
                "requires_confirmation": None,
                "confirmed": None,
                "requires_user_input": None,
                "external_execution_required": None,
                "stop_after_tool_call": False,
                "execution_duration_ms": None if duration_s is None else duration_s * 1000,
                "processed_at": now,
                "toolkit_name": None,
                "toolkit_category": None,
                "toolkit_type": None,
                "toolkit_icon": None,
                "result_size_bytes": len(encode(frozen_result)) if result is not None else None,
                "result_truncated": False,
            }
        )
    )
