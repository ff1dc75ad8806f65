"""Which of a session's questions are news to those who gave `m.on` a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..core.hitl import ANSWERABLE, HitlRequest, HitlState
from .callbacks import Callbacks
from .question import Question

_ANSWERED = frozenset({HitlState.SENT, HitlState.CONFIRMED, HitlState.SUPERSEDED})
MOST_TOLD = 10_000
"""More than any ledger keeps."""


class News:
    """What of the questions is news to a monitor's callbacks: each one once, and again when it has to be answered
    again; its answer once. On `roma-io`.
    """

    def __init__(self, callbacks: Callbacks, shown: Callable[[HitlRequest], Question]) -> None:
        self._callbacks = callbacks
        self._shown = shown
        self._is_answered: dict[str, bool] = {}
        """By question that was told of, the oldest first."""

    def show(self, pending: Iterable[HitlRequest]) -> None:
        """These are open now. What was answered before it came into view is no news."""
        for request in pending:
            if request.state in ANSWERABLE:
                self.hear(request)
            else:
                self._is_answered.setdefault(request.request_id, request.state is HitlState.SENT)

    def hear(self, request: HitlRequest) -> None:
        """This one is new, or in another state."""
        was = self._is_answered.get(request.request_id)
        if request.state in ANSWERABLE and was is not False:
            self._tell("hitl_request", request, is_answered=False)
        elif request.state in _ANSWERED and was is False:
            self._tell("hitl_answered", request, is_answered=True)
        elif request.state is HitlState.LOST:
            self._is_answered.pop(request.request_id, None)

    def _tell(self, event: str, request: HitlRequest, *, is_answered: bool) -> None:
        self._is_answered[request.request_id] = is_answered
        while len(self._is_answered) > MOST_TOLD:
            del self._is_answered[next(iter(self._is_answered))]
        if self._callbacks.wants(event):
            self._callbacks.tell(event, self._shown(request))
