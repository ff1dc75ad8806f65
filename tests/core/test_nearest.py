"""What somebody may have meant."""

from __future__ import annotations

import time
import uuid

import pytest

from roma_widget.core.model import Snapshot, Task
from roma_widget.core.nearest import nearest
from roma_widget.errors import UnknownTask


@pytest.mark.parametrize(
    ("name", "meant"), [("root.77.99", "root.77.9"), ("rot.450.3", "root.450.3"), ("zzz", None), ("", None)]
)
def test_the_nearest_of_many(name: str, meant: str | None) -> None:
    assert nearest(name, [f"root.{i}.{j}" for i in range(500) for j in range(20)]) == meant


def test_names_without_end_cost_little() -> None:
    names = [str(uuid.UUID(int=n * 7919**8)) for n in range(10_000)]
    start = time.perf_counter()
    assert nearest(f"{names[5000]}x", names) == names[5000]
    assert nearest("y" * 10**6, ["y" * 10**6]) is None
    assert time.perf_counter() - start < 1


def test_an_unknown_task_is_told_with_what_may_have_been_meant() -> None:
    snapshot = Snapshot({name: Task(name, "", "DONE") for name in ("root", "root.1", "root.2")})
    with pytest.raises(UnknownTask, match=r"no task 'root\.1\.' .* Did you mean 'root\.1'\?"):
        snapshot.task("root.1.")
    with pytest.raises(UnknownTask, match=r"of 3 tasks \(root, root.1, root.2…\)\.$"):
        snapshot.task("zzz")
