"""Python and the browser find the same tasks: `js/tests/find.test.ts` reads the same cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from analysis.snapshots import of, task

from roma_widget.analysis.finding import find

SEARCH = json.loads(Path(__file__).with_name("search.json").read_text(encoding="utf-8"))


def read(fields: dict[str, Any]) -> Any:
    return task(
        fields["id"],
        goal=fields["goal"],
        agent=fields["agent"],
        model=fields["model"],
        error=fields["error"],
    )


@pytest.mark.parametrize("case", SEARCH["cases"], ids=[case["words"] for case in SEARCH["cases"]])
def test_the_tasks(case: dict[str, Any]) -> None:
    run = of(*map(read, SEARCH["tasks"]))
    assert [task.task_id for task in find(run, case["words"])] == case["found"]


def test_no_word_is_in_every_task_and_what_is_no_text_is_said() -> None:
    run = of(*map(read, SEARCH["tasks"]))
    assert [task.task_id for task in find(run, " ")] == list(run.tasks)
    assert find(run, "zurich")[0].children == ()
    with pytest.raises(ValueError, match="text takes the words"):
        find(run, 7)  # type: ignore[arg-type]
