"""The embedded server. What ROMA names so has that name here: `TraceManager`, `RealtimeExecutionWrapper`."""

from importlib import import_module
from typing import Any

_HOMES = {
    "NodeProcessingTrace": "state.traces",
    "ProcessingStage": "state.traces",
    "RealtimeExecutionWrapper": "live.broadcast",
    "Server": "embedded",
    "TraceManager": "state.traces",
}
__all__ = ["NodeProcessingTrace", "ProcessingStage", "RealtimeExecutionWrapper", "Server", "TraceManager"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
