"""What the soak needs of the client's tests, and everything that may fill up made so small that it is full soon."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from client.conftest import closing, connect, proxy, quick, raw_port, replay, servers, wire

from roma_widget.client.left_out import LeftOut
from roma_widget.client.trace_cache import TraceCache
from roma_widget.core import log, prompts, state
from roma_widget.core.history import History
from roma_widget.core.prompts import Prompts
from roma_widget.server.state import hitl as server_hitl
from roma_widget.widget import policy

__all__ = ["closing", "connect", "proxy", "quick", "raw_port", "replay", "servers", "wire"]


@pytest.fixture
def soon_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is bounded grows until it is full, which takes hours with the bounds of the day: that is no leak."""
    monkeypatch.setattr(History.__init__, "__defaults__", (500_000,))
    monkeypatch.setattr(TraceCache.__init__, "__defaults__", (200_000, 100))
    monkeypatch.setattr(LeftOut.__init__, "__defaults__", (200_000,))
    bounds = dict(Prompts.__init__.__kwdefaults__ or {})
    monkeypatch.setattr(Prompts.__init__, "__kwdefaults__", {**bounds, "most_settled": 10})
    monkeypatch.setattr(prompts, "INTERVAL_S", 1.0)  # as often as the server of the soak asks again
    monkeypatch.setattr(prompts, "SLACK_S", 2.0)
    monkeypatch.setattr(log, "MOST_ROWS", 1_000)
    monkeypatch.setattr(log, "MOST_ERRORS", 100)
    monkeypatch.setattr(log, "MOST_UNKNOWN", 100)
    monkeypatch.setattr(state, "MOST_RUNS", 4)
    monkeypatch.setattr(policy, "MOST_ASKED", 10)
    monkeypatch.setattr(server_hitl, "MOST_CLOSED", 10)


@pytest.fixture
def nothing_logged() -> Iterator[None]:
    """pytest keeps each record with its traceback and all that this holds, of which a broken network has no end."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
