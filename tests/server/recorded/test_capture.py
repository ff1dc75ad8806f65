"""Given a recording, what is read from it; given a file that is none, what the person is told."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from roma_widget.archive.capture import (
    FRAME,
    LEAD_S,
    Broadcast,
    Capture,
    CaptureError,
    read_capture,
)
from roma_widget.errors import RomaError

Read = Callable[[str], Capture]

WITH_FRAMES = "a_complete b_hitl d_failed f_two_projects g_kill_restart h_rest m_midrun_connect".split()

LINE: dict[str, Any] = {
    "t": 1.0,
    "dir": "in",
    "event": FRAME,
    "args": [{"all_nodes": {}, "current_project": {"id": "p", "status": "running"}}],
    "client": "A",
}


@pytest.mark.parametrize("name", WITH_FRAMES)
def test_time_line_of_every_recording(capture: Read, name: str) -> None:
    read = capture(name)
    times = [moment.at_s for moment in read.moments]
    assert times == sorted(times)
    assert times[0] >= 0
    assert read.frames[0].project is not None
    assert read.frames[0].at_s == pytest.approx(LEAD_S)


def test_counts_of_a_complete(capture: Read) -> None:
    read = capture("a_complete")
    assert len(read.frames) == 125  # 126 were recorded; one, without a project, before the run
    assert read.duration_s == pytest.approx(46.185 - 1.5921 + LEAD_S, abs=1e-6)
    assert len(read.traces) == 15  # every node's; the invented one of "no-such-node" is left out
    assert len(read.stage_details) == 30
    project = read.frames[-1].project
    assert project is not None
    assert read.completion[project["id"], "completed"] == "completed"


def test_one_of_two_clients_is_played(capture: Read) -> None:
    prompts = [m for m in capture("b_hitl").moments if isinstance(m, Broadcast) and m.event == "hitl_request"]
    assert len(prompts) == 5  # four prompts and one re-emission, each recorded by A and by B


def test_frames_keep_their_recorded_text(capture: Read, captures_folder: Path) -> None:
    with lzma.open(captures_folder / "a_complete.jsonl.xz", "rb") as stream:
        texts = [line for line in stream if b'"event":"task_graph_update"' in line[:80]]
    assert all(
        frame.payload in text for frame, text in zip(capture("a_complete").frames, texts[1:], strict=True)
    )


def test_frames_with_nan_are_read(tmp_path: Path) -> None:
    path = tmp_path / "nan.jsonl"
    path.write_text(json.dumps({**LINE, "args": [{**LINE["args"][0], "cost": float("nan")}]}) + "\n\n")
    (frame,) = read_capture(path).frames
    assert frame.project == {"id": "p", "status": "running"}
    assert b"NaN" in frame.payload


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n  \n", "is empty"),
        (json.dumps(LINE).encode() + b"\n{nope\n", "line 2 is not JSON"),
        (b"[1, 2]\n", "line 1 is not what a recording holds"),
        (b'"text"\n', "line 1 is not what a recording holds"),
        (b'{"t": NaN}\n', "line 1 is not what a recording holds"),
        (b'{"t": NaN, "dir": "in", "args": []}\n', "line 1 is not what a recording holds"),
        (json.dumps({**LINE, "t": "soon"}).encode(), "line 1 is not what a recording holds"),
        (json.dumps({**LINE, "args": {}}).encode(), "line 1 is not what a recording holds"),
        (json.dumps({**LINE, "event": "projects_list"}).encode(), "has no frames"),
        (json.dumps({**LINE, "args": [{"current_project": None}]}).encode(), "has no frames"),
        (json.dumps({**LINE, "args": [7]}).encode(), "has no frames"),
        (b"\xff\xfe\n", "line 1 is not JSON"),
    ],
)
def test_bad_lines(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, RomaError)


@pytest.mark.parametrize("keep", [0, 10, 4000])
def test_cut_or_foreign_xz(tmp_path: Path, captures_folder: Path, keep: int) -> None:
    whole = (captures_folder / "a_complete.jsonl.xz").read_bytes()
    path = tmp_path / "cut.jsonl.xz"
    path.write_bytes(whole[:keep])
    with pytest.raises(CaptureError, match=r"cut\.jsonl\.xz is (no whole xz file|empty)"):
        read_capture(path)
    path.write_bytes(b"not xz at all")
    with pytest.raises(CaptureError, match="no whole xz file"):
        read_capture(path)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="does not exist"):
        read_capture(tmp_path / "nothing.jsonl")
    with pytest.raises(CaptureError, match="cannot be read"):
        read_capture(tmp_path)


@pytest.mark.parametrize("name", ["e_bad_input", "s_simple_stream", "t_transport"])
def test_recordings_without_a_run(captures_folder: Path, name: str) -> None:
    with pytest.raises(CaptureError, match="has no frames of a run"):
        read_capture(captures_folder / f"{name}.jsonl.xz")
