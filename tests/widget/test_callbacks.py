"""The calls of what a person gave to `m.on`: one at a time, in order, bounded, and nobody's failure is another's."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest

from roma_widget.widget import callbacks, cells
from roma_widget.widget.callbacks import MOST_WAITING, THREAD_NAME, Callbacks, call_later
from roma_widget.widget.cells import Cell


class Person:
    """Callbacks, and what failed."""

    def __init__(self) -> None:
        self.failed: list[tuple[str, str]] = []
        self.callbacks = Callbacks(lambda name, sentence: self.failed.append((name, sentence)))

    def on(self, event: str, fn: Any) -> Any:
        return self.callbacks.add(self.callbacks.made(event, fn))


@pytest.fixture
def person() -> Iterator[Person]:
    person = Person()
    yield person
    person.callbacks.end()


def all_called() -> None:
    """Returns when the calls that waited until now are done."""
    done = threading.Event()
    call_later(done.set)
    assert done.wait(10)


def test_the_calls_are_made_in_order_on_one_thread(person: Person) -> None:
    called: list[tuple[str, object]] = []

    def note(what: object) -> None:
        called.append((threading.current_thread().name, what))

    person.on("task_changed", note)
    person.on("connection", note)
    for number in range(50):
        person.callbacks.tell("task_changed" if number % 3 else "connection", number)
    all_called()
    assert called == [(THREAD_NAME, number) for number in range(50)]


def test_without_a_function_no_thread_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "_current", None)
    Person().callbacks.tell("task_changed", 1)
    assert callbacks._current is None


def test_what_raises_is_said_and_called_again(person: Person, caplog: pytest.LogCaptureFixture) -> None:
    called: list[int] = []
    person.on("error", lambda number: sys.exit("enough") if number else 1 / 0)
    person.on("error", called.append)
    person.callbacks.tell("error", 0)
    person.callbacks.tell("error", 1)
    all_called()
    assert person.failed == [
        ("on error", "ZeroDivisionError: division by zero"),
        ("on error", "SystemExit: enough"),
    ]
    assert called == [0, 1]
    assert "a callback for 'error' raised" in caplog.text


def test_it_ends_also_for_what_waits(person: Person) -> None:
    first: list[int] = []
    second: list[int] = []
    began, may_end = threading.Event(), threading.Event()

    def wait(_number: int) -> None:
        began.set()
        assert may_end.wait(10)

    person.on("connection", wait)
    end_first = person.on("connection", first.append)
    person.on("connection", second.append)
    person.callbacks.tell("connection", 1)
    assert began.wait(10)
    end_first()
    end_first()
    may_end.set()
    all_called()
    person.callbacks.end()
    person.callbacks.tell("connection", 2)
    all_called()
    assert (first, second) == ([], [1])


def test_the_thread_ends_with_the_last_that_wants_it_and_begins_anew(person: Person) -> None:
    called: list[int] = []
    for number in range(2):
        end = person.on("connection", called.append)
        person.callbacks.tell("connection", number)
        all_called()
        thread = callbacks._current
        assert thread is not None
        assert thread.thread.is_alive()
        end() if number else person.callbacks.end()
        thread.thread.join(10)
        assert not thread.thread.is_alive()
        person = Person()
    assert called == [0, 1]


def test_too_many_calls_are_dropped_and_that_is_said_once_but_no_question_is(person: Person) -> None:
    changes: list[int] = []
    questions: list[int] = []
    began, may_end = threading.Event(), threading.Event()

    def wait(_nothing: int) -> None:
        began.set()
        assert may_end.wait(20)

    person.on("connection", wait)
    person.on("task_changed", changes.append)
    person.on("hitl_request", questions.append)
    person.callbacks.tell("connection", 0)
    assert began.wait(10)
    for number in range(MOST_WAITING + 50):
        person.callbacks.tell("task_changed", number)
    person.callbacks.tell("hitl_request", 7)
    may_end.set()
    all_called()
    assert changes == list(range(MOST_WAITING))
    assert questions == [7]
    [(name, sentence)] = person.failed
    assert name == "on task_changed"
    assert "slower than the run" in sentence


def test_a_cell_that_runs_again_replaces_what_it_registered(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    for cell in (Cell("c1", "1"), Cell("c2", "2"), Cell("c1", "3"), None):
        monkeypatch.setattr(callbacks, "current_cell", lambda cell=cell: cell)
        person.on("connection", lambda _, cell=cell: called.append(cell.execution if cell else "none"))
    person.callbacks.tell("connection", {})
    all_called()
    assert called == ["2", "3", "none"]


@pytest.mark.parametrize(("metadata", "is_its_own"), [({"cellId": "c1"}, True), ({}, False), (None, True)])
def test_what_a_function_prints_comes_out_beside_its_cell_or_where_it_is_not_dropped(
    person: Person, monkeypatch: pytest.MonkeyPatch, metadata: Any, is_its_own: bool
) -> None:
    parent = {"header": {"msg_id": "m1"}, "metadata": metadata}
    kernel = SimpleNamespace(get_parent=lambda _: parent) if metadata is not None else None
    monkeypatch.setattr(cells, "_shell", lambda: SimpleNamespace(kernel=kernel))
    cell: ContextVar[str] = ContextVar("cell", default="another")
    called: list[str] = []
    cell.set("its own")
    person.on("connection", lambda _: called.append(cell.get()))
    person.callbacks.tell("connection", {})
    all_called()
    assert called == ["its own" if is_its_own else "another"]


@pytest.mark.parametrize(("event", "fn"), [("task_change", print), ("error", "print"), (7, print)])
def test_what_cannot_be_registered_is_refused(person: Person, event: Any, fn: Any) -> None:
    with pytest.raises(ValueError, match="takes"):
        person.on(event, fn)
