"""What becomes of a notebook that is run without a browser and turned into a page: it shows the run, too."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

CONVERT = ("nbconvert", "--to", "html")


class StaticPicture(HTMLParser):
    """What stands in `<div data-static>`: the words of its graph, and those of the table of tasks below it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.graph: set[str] = set()
        self.words: set[str] = set()
        self.found = 0
        self.n_cells = 0
        self._depth = 0
        self._in_graph = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div" and (self._depth or "data-static" in dict(attrs)):
            self.found += self._depth == 0
            self._depth += 1
        elif tag == "table":
            self._in_graph = dict(attrs).get("class") == "roma-graph"
        elif tag == "td":
            self.n_cells += self._in_graph

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._depth:
            self._depth -= 1
        elif tag == "table":
            self._in_graph = False

    def handle_data(self, data: str) -> None:
        if self._depth:
            (self.graph if self._in_graph else self.words).update(data.split())


@pytest.mark.timeout(180)
def test_nbconvert_shows_the_ended_run_as_graph_and_table(
    root: Path, tmp_path: Path, demo_statuses: dict[str, str]
) -> None:
    run(*CONVERT, "--execute", "--output-dir", str(tmp_path), str(root / "notebooks" / "01_live_run.ipynb"))
    check(tmp_path / "01_live_run.html", demo_statuses)


@pytest.mark.timeout(180)
def test_papermill_keeps_the_ended_run_as_graph_and_table(
    root: Path, tmp_path: Path, demo_statuses: dict[str, str]
) -> None:
    executed = tmp_path / "executed.ipynb"
    run("papermill", "--no-progress-bar", str(root / "notebooks" / "01_live_run.ipynb"), str(executed))
    run(*CONVERT, str(executed))
    check(executed.with_suffix(".html"), demo_statuses)


@pytest.mark.timeout(180)
def test_papermill_answers_the_questions_of_an_agent(root: Path, tmp_path: Path) -> None:
    executed = tmp_path / "executed.ipynb"
    run("papermill", "--no-progress-bar", str(root / "notebooks" / "03_answering_hitl.ipynb"), str(executed))
    outputs = [
        output
        for cell in json.loads(executed.read_text("utf-8"))["cells"]
        for output in cell.get("outputs", ())
    ]
    printed = "".join("".join(output.get("text", "")) for output in outputs)
    assert "the run has ended: succeeded" in printed
    shown = ["".join(output["data"].get("text/plain", "")) for output in outputs if "data" in output]
    assert shown.count("'succeeded'") == 2  # answered by hand, and by the policy made of that
    ledgers = [text for text in shown if "checkpoint" in text]
    assert [text.count("confirmed") for text in ledgers] == [3, 3]


def run(module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr


def check(page: Path, demo_statuses: dict[str, str]) -> None:
    picture = StaticPicture(page.read_text("utf-8"))
    assert picture.found == 1
    assert demo_statuses.keys() - picture.words == set()
    assert {"Finished", str(len(demo_statuses))} <= picture.words
    assert {"root", "✓", "←1"} <= picture.graph
    assert picture.n_cells == len(demo_statuses)
