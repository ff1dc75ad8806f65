"""The file of a page: what is in it, what it may do, how large it is, and what is said where it cannot be written."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

import pytest
from analysis.snapshots import report, stage, trace, traces
from archive.runs import tree
from archive.test_page import Given

import roma_widget as roma
from roma_widget.archive.redaction import redaction
from roma_widget.archive.source import Source, SourceStep
from roma_widget.cli import main
from roma_widget.core.model import Project, Snapshot, Status, Task
from roma_widget.core.view import status_history, task_record
from roma_widget.errors import ArchiveError, RomaError
from roma_widget.widget.page import Page, page_name, write_page

HOSTILE = '</script></title></noscript><script>alert(1)</script><img src=x onerror=alert(1)> " style="x" \''


class Read(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.policy = self.title = ""
        self._in = ""
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(told)
        self._in = tag
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        elif self._in == "style":
            self.styles.append(data)
        elif self._in == "title":
            self.title += data

    @property
    def run(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(json.loads(self.scripts[0]))))
        return body


def written(path: Path, snapshot: Snapshot, max_mb: float = 20, redact: Any = None, **fetched: Any) -> Page:
    project = snapshot.project or Project("p")
    steps = [SourceStep(1_000_000, 1.0, project, snapshot.tasks)]
    return write_page(path, Given(snapshot, **fetched), Source(steps), 1, redaction(redact), max_mb)


def test_a_page_has_nothing_that_its_policy_does_not_name(tmp_path: Path) -> None:
    snapshot = report()
    tasks = {each: replace(task, goal=HOSTILE, agent=HOSTILE) for each, task in snapshot.tasks.items()}
    page = written(
        tmp_path / "p.html",
        replace(snapshot, tasks=tasks, project=Project("p", goal=HOSTILE), reason=HOSTILE),
    )
    read = Read(page.path)
    assert len(read.scripts) == 2
    for text in (read.scripts[1], read.styles[0]):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in read.policy
    assert len(re.findall("sha256-", read.policy)) == 2
    assert "default-src 'none'" in read.policy
    assert "require-trusted-types-for 'script'" in read.policy
    assert "unsafe" not in read.policy
    assert not read.tags & {"img", "link", "iframe", "object", "svg", "a"}
    assert not {each for each in read.attributes if each.startswith("on")} | read.attributes & {
        "style",
        "src",
    }
    assert read.title.startswith("</script></title></noscript><script>alert(1)")
    assert read.run["tasks"][0]["goal"] == HOSTILE


def test_fifteen_tasks_take_less_than_a_megabyte(tmp_path: Path, captures: Path) -> None:
    with roma.load(captures / "a_complete.jsonl.xz") as m:
        path = m.to_html(tmp_path / "p.html")
        assert path.stat().st_size < 1_000_000
        run = Read(path).run
        assert run["progress"] == m.progress
        tasks: dict[str, Any] = {}
        numbers: dict[str, Any] = {}
        for step in run["steps"]:
            for task_id in step.get("removed", ()):
                del tasks[task_id]
            for task_id, fields in step.get("changed", {}).items():
                tasks[task_id] = tasks.get(task_id, {}) | fields
            numbers |= step.get("progress", {})
            then = m.at(datetime.fromtimestamp(step["time"] / 1000, UTC) + timedelta(milliseconds=1))
            assert tasks == {each: told(task) for each, task in then.snapshot.tasks.items()}
            assert numbers == then.progress
        assert len(run["steps"]) == len(m.times)
        for each, details in run["details"].items():
            assert details["history"] == status_history(m._session.statuses(each))


def told(task: Task) -> Any:
    return json.loads(json.dumps(task_record(task)))


def test_a_thousand_tasks_with_all_their_changes_take_less_than_five(tmp_path: Path) -> None:
    snapshot = Snapshot(tree(1_000))
    page = write_page(
        tmp_path / "p.html", Given(snapshot), Source(growing(3_000)), 3_000, redaction(None), 20
    )
    assert page.n_bytes < 5_000_000
    steps = Read(page.path).run["steps"]
    assert len(steps) == 2_000
    assert steps[0]["time"] == 0
    assert steps[-1]["time"] == 2_999
    assert page.left_out[-1] == "Of the 3,000 moments of this run 2,000 are in this page, evenly taken."


def growing(n_steps: int) -> Iterator[SourceStep]:
    """A run of 1,000 tasks of which one changes at each step."""
    tasks = tree(1_000)
    names = list(tasks)
    for place in range(n_steps):
        task_id = names[place % 1_000]
        status = (Status.PENDING, Status.RUNNING, Status.DONE)[place // 1_000]
        tasks[task_id] = replace(tasks[task_id], status=status)
        changed = tasks if place == 0 else {task_id: tasks[task_id]}
        yield SourceStep(place * 1_000, float(place), Project("p"), dict(changed))


def test_the_largest_texts_are_left_out_and_it_is_said(tmp_path: Path) -> None:
    noise = os.urandom(600_000).hex()
    fetched = traces(trace("root", stage(llm_response=noise)), trace("root.1", stage()))
    page = written(tmp_path / "p.html", report(), max_mb=0.6, fetched=fetched)
    assert page.n_bytes <= 600_000
    said = "The traces of 1 task (1.2 MB) were left out to keep the page below 0.6 MB: root."
    assert said in page.left_out
    run = Read(page.path).run
    assert said in run["left_out"]
    assert run["traces"]["root"]["stages"] == []
    assert len(run["traces"]["root.1"]["stages"]) == 1


def test_the_smallest_size_that_is_said_to_do_does(tmp_path: Path) -> None:
    with pytest.raises(
        RomaError, match=r"The 15 tasks of this run alone make a page of 0\.\d\d MB"
    ) as refused:
        written(tmp_path / "p.html", report(), max_mb=0.1)
    said = re.search(r"a page of (\S+) MB", str(refused.value))
    assert said is not None
    assert written(tmp_path / "p.html", report(), max_mb=float(said[1])).n_bytes <= float(said[1]) * 1e6


def test_what_packs_well_leaves_room_for_what_does_not(tmp_path: Path) -> None:
    snapshot = Snapshot(tree(500))  # much alike
    smallest = written(tmp_path / "p.html", snapshot).n_bytes
    random = Random(1)
    texts = (base64.b64encode(random.randbytes(1_500)).decode() for _ in snapshot.tasks)
    fetched = traces(
        *(trace(each, stage(llm_response=text)) for each, text in zip(snapshot.tasks, texts, strict=True))
    )
    for max_bytes in (smallest + 50_000, smallest + 400_000):
        page = written(tmp_path / "p.html", snapshot, max_mb=max_bytes / 1e6, fetched=fetched)
        assert page.n_bytes <= max_bytes
        kept = sum(len(each["stages"]) for each in Read(page.path).run["traces"].values())
        assert kept * 2_000 > 0.8 * (max_bytes - smallest)


def test_what_is_redacted_is_in_no_part_of_a_page(tmp_path: Path) -> None:
    snapshot = report()
    key = "sk-ant-api03-aB3dE5fG7hJ9kL1mN3pQ5rS7"
    root = replace(snapshot.tasks["root"], goal=key, error=key)
    snapshot = replace(snapshot, tasks={**snapshot.tasks, "root": root}, project=Project("p", key, key))
    page = written(tmp_path / "p.html", snapshot, redact="secrets")
    text = page.path.read_text("utf-8")
    assert key not in text
    assert key not in json.dumps(Read(page.path).run)


def test_where_no_page_can_be_written_is_said_and_what_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.html"
    other.write_text("mine")
    with pytest.raises(ArchiveError, match="is no page of roma-widget: it is not overwritten"):
        written(other, report())
    with pytest.raises(ArchiveError, match="is a folder: give the name of a file in it"):
        written(tmp_path, report())
    with pytest.raises(ArchiveError, match="There is no folder"):
        written(tmp_path / "no" / "p.html", report())
    with pytest.raises(ValueError, match="max_mb takes a size in megabytes"):
        written(tmp_path / "p.html", report(), max_mb=-1)
    page = written(tmp_path / "p.html", report()).path
    before = page.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ArchiveError, match=r"p\.html cannot be written: No space left on device"):
        written(page, report())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["other.html", "p.html"]
    assert (other.read_text(), page.read_bytes()) == ("mine", before)


def full(path: Path, data: bytes) -> int:
    with path.open("wb") as file:
        file.write(data[:1_000])
    raise OSError(28, os.strerror(28))


def test_a_saved_run_is_exported_from_the_command_line(
    tmp_path: Path, captures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, page = str(captures / "d_failed.jsonl.xz"), tmp_path / "p.html"
    assert main(["export", saved, str(page), "--redact", "prompts", "--max-mb", "5"]) == 0
    assert capsys.readouterr().out.startswith(f"{page}: 0.")
    assert Read(page).run["redaction"]["rules"][0]["rule"] == "prompts"
    assert main(["export", saved, str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"roma-widget: {tmp_path} is a folder: give the name of a file in it.\n"


def test_a_page_that_is_asked_for_in_the_browser_lies_beside_the_notebook_without_secrets(
    tmp_path: Path, captures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with roma.load(captures / "d_failed.jsonl.xz") as m:
        for _ in range(2):  # the second time it is replaced
            told = m._io.result(m.export_page())
        (page,) = tmp_path.iterdir()
        assert told == {"path": str(page)}
        assert page.name == page_name(m.snapshot.project)
    assert [each["rule"] for each in Read(page).run["redaction"]["rules"]] == ["secrets"]


def test_no_secret_is_in_the_name_of_a_page_that_is_made_to_be_sent(
    tmp_path: Path, captures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with roma.load(captures / "d_failed.jsonl.xz") as m:
        project = Project("p", title="Deploy with sk-abcdefghijklmnopqrstuvwx1234")
        monkeypatch.setattr(type(m), "snapshot", replace(m.snapshot, project=project))
        told = m._io.result(m.export_page())
    assert Path(told["path"]).name == "deploy-with-redacted-api-key-p.html"


@pytest.mark.parametrize(
    ("project", "name"),
    [
        (None, "roma-run.html"),
        (Project("3f2a-77c9", title="A survey"), "a-survey-3f2a77.html"),
        (Project("../..", title="../../etc/passwd\0"), "etc-passwd.html"),
        (Project("p", goal="x" * 1_000), f"{'x' * 40}-p.html"),
        (Project("Ä", title="日本"), "roma-run.html"),
    ],
)
def test_the_name_of_a_page_is_a_name(project: Project | None, name: str) -> None:
    assert page_name(project) == name
