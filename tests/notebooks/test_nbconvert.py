"""What becomes of a notebook that is run without a browser and turned into a page: it shows the run, too."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest


class StaticPicture(HTMLParser):
    """The words in `<div data-static>`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: set[str] = set()
        self.found = 0
        self._depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "div":
            return
        if self._depth or "data-static" in dict(attrs):
            self.found += self._depth == 0
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._depth:
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.words.update(data.split())


@pytest.mark.timeout(180)
def test_nbconvert_shows_the_ended_run_with_every_task(
    root: Path, tmp_path: Path, demo_statuses: dict[str, str]
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "nbconvert", "--to", "html", "--execute"),
            *("--output-dir", str(tmp_path), str(root / "notebooks" / "01_live_run.ipynb")),
        ],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    picture = StaticPicture((tmp_path / "01_live_run.html").read_text("utf-8"))
    assert picture.found == 1
    assert demo_statuses.keys() - picture.words == set()
    assert {"Finished", str(len(demo_statuses))} <= picture.words
