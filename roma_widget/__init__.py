"""Watch, inspect and answer recursive ROMA agent runs from a notebook.

    import roma_widget as roma
    m = roma.connect("http://127.0.0.1:5000")   # or roma.demo()
    m

The public names, and nothing else; they are loaded when first used.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .archive.many import runs
    from .core.hitl import HitlRequest
    from .core.model import Project, Snapshot, Stage, StageStatus, Status, Task, Trace
    from .errors import (
        AnswerError,
        ArchiveError,
        ConnectError,
        NotLive,
        RomaError,
        RunStalled,
        RunStopped,
        ServerError,
        TaskAborted,
        UnknownProject,
        UnknownTask,
        UnknownTime,
        WaitTimeout,
    )
    from .loading import load
    from .opening import connect, demo
    from .server.embedded import Server
    from .widget.comparison import Comparison, compare
    from .widget.monitor import Monitor

__all__ = [
    "AnswerError",
    "ArchiveError",
    "Comparison",
    "ConnectError",
    "HitlRequest",
    "Monitor",
    "NotLive",
    "Project",
    "RomaError",
    "RunStalled",
    "RunStopped",
    "Server",
    "ServerError",
    "Snapshot",
    "Stage",
    "StageStatus",
    "Status",
    "Task",
    "TaskAborted",
    "Trace",
    "UnknownProject",
    "UnknownTask",
    "UnknownTime",
    "WaitTimeout",
    "compare",
    "connect",
    "demo",
    "load",
    "runs",
]

_HOMES = {
    "connect": "opening",
    "demo": "opening",
    "load": "loading",
    "runs": "archive.many",
    "compare": "widget.comparison",
    "Comparison": "widget.comparison",
    "Monitor": "widget.monitor",
    "Server": "server.embedded",
    "HitlRequest": "core.hitl",
    "Project": "core.model",
    "Snapshot": "core.model",
    "Stage": "core.model",
    "StageStatus": "core.model",
    "Status": "core.model",
    "Task": "core.model",
    "Trace": "core.model",
}

__version__ = version("roma-widget")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
