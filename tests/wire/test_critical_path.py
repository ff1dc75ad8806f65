"""Python and the browser find the same critical path: `js/tests/critical.test.ts` reads the same cases."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from analysis.snapshots import of, task

from roma_widget.analysis.order import critical_path
from roma_widget.core.model import Status, Task

CASES = json.loads(Path(__file__).with_name("critical_path.json").read_text(encoding="utf-8"))


def read(fields: dict[str, Any], tasks: list[dict[str, Any]]) -> Task:
    def at(name: str) -> datetime | None:
        value = fields[name]
        return None if value is None else datetime.fromtimestamp(value, UTC)

    word = fields["status"]
    return task(
        fields["id"],
        Status(word) if word in Status.__members__ else word,
        parent_id=fields["parent"],
        child_ids=tuple(each["id"] for each in tasks if each["parent"] == fields["id"]),
        depends_on=tuple(fields["depends_on"]),
        completed=at("completed"),
        updated=at("updated"),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_path(case: dict[str, Any]) -> None:
    assert critical_path(of(*(read(each, case["tasks"]) for each in case["tasks"]))) == case["path"]
