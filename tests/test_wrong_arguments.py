"""What a function does not take is said by the function, in one sentence, and nothing is begun."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import traitlets

import roma_widget as roma
from roma_widget.archive.capture import CaptureError, read_capture

RUN = Path(__file__).parent / "captures" / "d_failed.jsonl.xz"


@pytest.fixture(scope="module")
def saved() -> Iterator[roma.Monitor]:
    with roma.load(RUN) as m:
        yield m


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"headers": "x"}, "headers takes a mapping"),
        ({"headers": {"X Y": "s3cret"}}, "no blank: 'X Y' is none."),
        ({"headers": {"X-Y": "s3cret\r\nX-Z: 1"}}, "The value of the header X-Y must hold no line breaks"),
        ({"headers": {"X-Y": 5}}, "headers takes names and values that are strings."),
        ({"token": "s3cret\nb"}, "token takes a string without line breaks"),
        ({"token": 5}, "token takes a string, not int."),
        ({"timeout": 86_400}, "timeout takes less than a day, in seconds, not 86400."),
    ],
)
def test_what_no_request_can_carry_is_refused_at_once(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        roma.connect("http://127.0.0.1:9", **options)
    assert "s3cret" not in str(refused.value)


CALLS: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda m: roma.load(RUN, project=4), ValueError, "project takes a project's id, a string, not int."),  # type: ignore[arg-type]
    (lambda m: m.task(["root"]), roma.UnknownTask, "task_id takes one task's id, a string, not list."),
    (lambda m: m.fetch_traces("root"), ValueError, "task_ids takes a list of ids, not 'root'."),
    (lambda m: m.fetch_traces(5), ValueError, "task_ids takes a list of ids, not 5."),
    (
        lambda m: m.fetch_traces([["root"]]),
        ValueError,
        "task_ids takes a list of ids, each a string, not list.",
    ),
    (lambda m: m.wait(stall_timeout="x"), ValueError, "stall_timeout takes seconds from 0 on, not 'x'."),
    (lambda m: m.wait(stall_timeout=-5), ValueError, "stall_timeout takes seconds from 0 on, not -5."),
    (
        lambda m: setattr(m, "selection", 5),
        traitlets.TraitError,
        "selection takes a list of task ids, not 5.",
    ),
    (lambda m: setattr(m, "selection", [5]), traitlets.TraitError, "selection takes a list of task ids"),
    (lambda m: m.figures.timeline(height="x"), ValueError, "height takes pixels, 10 or more, not 'x'."),
    (lambda m: m.figures.tree(height=-1), ValueError, "height takes pixels, 10 or more, not -1."),
    (lambda m: m.figures.tree(height=10**400), ValueError, "height takes pixels, 10 or more, not 1000"),
    (lambda m: roma.demo(speed=-(10**400)), ValueError, "speed takes a number above 0, not -1000"),
    (lambda m: m.figures.status(title=5), ValueError, "title takes a text, not int."),
    (lambda m: roma.runs(RUN)[9], IndexError, "There is no run 9 among these 1 file."),
    (lambda m: roma.runs(RUN)[1.5], TypeError, "takes a name or a place from 0 on, not float."),  # type: ignore[call-overload]
    (lambda m: m.at(-5), roma.UnknownTime, "m.at(m.times[0]) is the first"),
]


@pytest.mark.parametrize(("call", "error", "says"), CALLS)
def test_what_a_method_does_not_take_is_one_sentence(
    saved: roma.Monitor, call: Callable[[Any], object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=re.escape(says)) as refused:
        call(saved)
    assert "\n" not in str(refused.value)


def test_a_saved_run_is_no_raw_recording(saved: roma.Monitor, tmp_path: Path) -> None:
    file = tmp_path / "first.roma"
    saved.save(file)
    with pytest.raises(CaptureError, match=r"is a saved run and no raw recording: roma\.load"):
        read_capture(file)
