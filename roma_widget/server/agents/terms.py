"""The words of a report that its parts share: statuses, how an exception reads, how a model is named; and its host."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from roma_widget.errors import RunStopped, TaskAborted
from roma_widget.server.state.hitl import Prompt
from roma_widget.server.state.state import State
from roma_widget.server.wire.records import clean_text

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Project

DONE, FAILED, CANCELLED = "DONE", "FAILED", "CANCELLED"
FINAL = frozenset({DONE, FAILED, CANCELLED})
INTERRUPTIONS = (
    RunStopped,
    TaskAborted,
    asyncio.CancelledError,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
)
"""These say that somebody ended the task, not that it failed."""


class Host(Protocol):
    """What instrumentation needs of a server."""

    @property
    def state(self) -> State: ...

    @property
    def is_running(self) -> bool: ...

    def project(self, goal: str) -> Project: ...

    def prompt_opened(self, prompt: Prompt) -> None: ...

    def prompt_closed(self, prompt: Prompt, state: str, why: str) -> None: ...


def message_of(error: BaseException) -> str:
    """What a person reads of an exception."""
    return clean_text(str(error).strip() or type(error).__name__)


def model_info(model: str | None, adapter: str | None) -> dict[str, Any] | None:
    """`model_info` of a node or a stage, for "provider/name" or a name alone."""
    if model is None:
        return None
    provider, _, name = model.partition("/")
    return {
        "adapter_name": adapter,
        "model_provider": provider if name else None,
        "model_name": name or provider,
        "model_id": model,
    }


class BothWays(ABC):
    """`async with` does what `with` does: entering and leaving wait for nothing."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)
