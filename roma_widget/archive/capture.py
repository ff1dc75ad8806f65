"""Reads a recording of a ROMA server (`.jsonl` or `.jsonl.xz`) into one immutable `Capture`.

A recording holds what several clients saw, what they asked and what they were told. Played back are: the time
line of ONE client's broadcasts (a broadcast stands in the file once per client), and the answers to requests,
found again by what was asked. Answers that the real server invented (sample traces) are left out.

Frames are 40 to 450 kB each and mostly repeat the one before, so their JSON text is kept as recorded and
never decoded whole: msgspec finds the few fields that matter.
"""

from __future__ import annotations

import json
import lzma
import stat
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import Meta

from ..core.split import decoded
from ..errors import ArchiveError

FRAME = "task_graph_update"
BROADCASTS = frozenset(
    {FRAME, "project_switched", "hitl_request", "simple_execution_update", "project_status_update"}
)
LEAD_S = 0.3
"""When the run's first frame comes: what the recording waited before is nobody's interest."""
LARGEST_CAPTURE = 512 * 2**20
"""Bytes of all lines together: a small compressed file can claim to be of any size."""
LARGEST_LINE = 128 * 2**20
MOST_LINES = 1_000_000
STARTED_S = 0.1
"""The earliest moment: a client that joins at once still sees the server without a project."""


class CaptureError(ArchiveError):
    """A recording cannot be found or read; the message names the file and, where there is one, the line."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Something the server told every client. `project` is a frame's `current_project`, if it has one."""

    at_s: float
    event: str
    payload: bytes
    project: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ProjectStarted:
    at_s: float
    project: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectDeleted:
    at_s: float
    project_id: str


Moment = Broadcast | ProjectStarted | ProjectDeleted


@dataclass(frozen=True, slots=True)
class Capture:
    """One recording. Payloads are JSON text as recorded; times are seconds from the start of the replay."""

    name: str
    moments: tuple[Moment, ...]
    traces: Mapping[tuple[str, str], bytes]
    """`node_trace_data` payloads by (project id, node id)."""
    stage_details: Mapping[tuple[str, str, str], bytes]
    """`stage_details_data` payloads by (project id, node id, stage id)."""
    completion: Mapping[tuple[str, str], str]
    """The recorded `completion_status` by (project id, project status)."""

    @property
    def duration_s(self) -> float:
        return self.moments[-1].at_s

    @property
    def frames(self) -> tuple[Broadcast, ...]:
        return tuple(m for m in self.moments if isinstance(m, Broadcast) and m.event == FRAME)


def read_capture(path: str | Path) -> Capture:
    """The recording in the file `path`; `CaptureError` says in one sentence why it cannot be read.

    >>> read_capture("a_complete.jsonl.xz").frames[-1].project["status"]
    'completed'
    """
    with closing(_numbered_lines(Path(path))) as lines:
        return _Reading(str(path)).read(lines)


class _Line(msgspec.Struct):
    t: Annotated[float, Meta(ge=-1e10, le=1e10)]
    dir: str
    event: str
    args: list[msgspec.Raw]
    client: str | None = None


class _Head(msgspec.Struct):
    """The little that is read of a frame; of any type, for the wire is not to be trusted."""

    current_project: Any = None


_SAVED_RUN = b"SQLite format 3\x00"
_line_decoder = msgspec.json.Decoder(_Line)
_head_decoder = msgspec.json.Decoder(_Head)


@dataclass(slots=True)
class _Reading:
    """One pass over the lines. Broadcasts of all clients are kept until it is known whose are the most."""

    name: str
    broadcasts: list[tuple[str, Broadcast]] = field(default_factory=list)
    projects: list[ProjectStarted | ProjectDeleted] = field(default_factory=list)
    traces: dict[tuple[str, str], bytes] = field(default_factory=dict)
    stage_details: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    completion: dict[tuple[str, str], str] = field(default_factory=dict)
    asked_of: dict[tuple[str | None, str, str | None], str] = field(default_factory=dict)
    """Replies do not name their project: who asked for (node, stage) last, and of which project."""

    def read(self, numbered_lines: Iterable[tuple[int, bytes]]) -> Capture:
        any_line = False
        for number, text in numbered_lines:
            any_line = True
            self._read_line(_decode_line(text, self.name, number))
        if not any_line:
            raise CaptureError(f"{self.name} is empty: a recording has one JSON object per line.")
        return Capture(self.name, self._moments(), self.traces, self.stage_details, self.completion)

    def _read_line(self, line: _Line) -> None:
        if line.event == "http":
            self._read_http(line.t, _decode(line.args[0]) if line.args else None)
        elif not line.args:
            return
        elif line.dir == "in" and line.event in BROADCASTS:
            self._read_broadcast(line)
        elif line.dir == "in" and line.event == "project_started":
            self._read_started(line.t, _decode(line.args[0]))
        elif line.dir == "in" and line.event == "projects_list":
            self._read_listed(_decode(line.args[0]))
        elif line.dir == "out" and line.event in ("request_node_trace", "request_stage_details"):
            self._read_request(line.client, _decode(line.args[0]))
        elif line.dir == "in" and line.event in ("node_trace_data", "stage_details_data"):
            self._read_answer(line.client, bytes(line.args[0]))

    def _read_broadcast(self, line: _Line) -> None:
        payload = bytes(line.args[0])  # a copy: a Raw would keep the whole line alive
        project = _current_project(payload) if line.event == FRAME else None
        self.broadcasts.append((line.client or "", Broadcast(line.t, line.event, payload, project)))

    def _read_started(self, t: float, reply: object) -> None:
        project = reply.get("project") if isinstance(reply, dict) else None
        if isinstance(project, dict) and isinstance(project.get("id"), str):
            self.projects.append(ProjectStarted(t, project))

    def _read_listed(self, listing: object) -> None:
        entries = listing.get("projects") if isinstance(listing, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            match entry:
                case {"id": str(project_id), "status": str(status), "completion_status": str(completion)}:
                    self.completion[project_id, status] = completion

    def _read_http(self, t: float, call: object) -> None:
        match call:
            case {"method": "GET", "path": "/api/projects", "body": body}:
                self._read_listed(body)
            case {"method": "POST", "path": str(path), "status": 201, "body": body} if "projects" in path:
                self._read_started(t, body)
            case {"method": "DELETE", "path": str(path), "status": 200}:
                self.projects.append(ProjectDeleted(t, path.rpartition("/")[2]))

    def _read_request(self, client: str | None, request: object) -> None:
        match request:
            case {"project_id": str(project_id), "node_id": str(node_id), **rest}:
                stage_id = rest.get("stage_id")
                self.asked_of[client, node_id, stage_id if isinstance(stage_id, str) else None] = project_id

    def _read_answer(self, client: str | None, payload: bytes) -> None:
        match _decode(payload):
            case {"node_id": str(node_id), "trace": {"trace_id": str(trace_id)}}:
                project_id = self.asked_of.get((client, node_id, None))
                if project_id is not None and not trace_id.startswith("sample-"):
                    self.traces[project_id, node_id] = payload
            case {"node_id": str(node_id), "stage_id": str(stage_id)}:
                project_id = self.asked_of.get((client, node_id, stage_id))
                if project_id is not None:
                    self.stage_details[project_id, node_id, stage_id] = payload

    def _moments(self) -> tuple[Moment, ...]:
        """The time line of the client that saw most, without the dead time before the run."""
        counts = Counter(client for client, broadcast in self.broadcasts if broadcast.project)
        if not counts:
            raise CaptureError(f"{self.name} has no frames of a run: there is nothing to play.")
        reference = counts.most_common(1)[0][0]
        seen = [broadcast for client, broadcast in self.broadcasts if client == reference]
        first_s = next(broadcast.at_s for broadcast in seen if broadcast.project)
        of_the_run = [b for b in seen if b.event != FRAME or b.project or b.at_s > first_s]
        merged: list[Moment] = sorted([*self.projects, *of_the_run], key=lambda moment: moment.at_s)
        return tuple(_moved(moment, LEAD_S - first_s) for moment in merged)


def _moved(moment: Moment, by_s: float) -> Moment:
    at_s = max(STARTED_S, moment.at_s + by_s)
    match moment:
        case Broadcast():
            return Broadcast(at_s, moment.event, moment.payload, moment.project)
        case ProjectStarted():
            return ProjectStarted(at_s, moment.project)
        case ProjectDeleted():
            return ProjectDeleted(at_s, moment.project_id)


def _numbered_lines(path: Path) -> Generator[tuple[int, bytes], None, None]:
    """The lines that are not blank, with their numbers from 1."""
    number = 0
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CaptureError(f"{path} cannot be read: it is no file.")
        with _opened(path) as stream:
            left = LARGEST_CAPTURE
            while line := stream.readline(min(left, LARGEST_LINE) + 1):
                number += 1
                left -= len(line)
                if left < 0 or len(line) > LARGEST_LINE or number > MOST_LINES:
                    raise CaptureError(
                        f"{path} is too large: a recording has up to {LARGEST_CAPTURE // 2**20} MiB, and "
                        f"{MOST_LINES:,} lines of up to {LARGEST_LINE // 2**20} MiB."
                    )
                if number == 1 and line.startswith(_SAVED_RUN):
                    raise CaptureError(
                        f"{path} is a saved run and no raw recording: roma.load(…) shows it, and `roma-widget export` "
                        "makes a page of it."
                    )
                if line.strip():
                    yield number, line
    except FileNotFoundError:
        raise CaptureError(f"{path} does not exist.") from None
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (lzma.LZMAError, EOFError) as error:
        raise CaptureError(f"{path} is no whole xz file (after line {number}): {error}.") from error


def _opened(path: Path) -> lzma.LZMAFile | BinaryIO:
    if path.suffix == ".xz":
        return lzma.open(path, "rb")
    return path.open("rb")


def compact_json(value: object) -> bytes:
    """`value` as ROMA writes it: no blanks, and NaN as it is."""
    return json.dumps(value, separators=(",", ":")).encode()


def _decode_line(text: bytes, name: str, number: int) -> _Line:
    """A line as msgspec reads it or, where the server wrote NaN, as the tolerant `json` does."""
    try:
        return _line_decoder.decode(text)
    except msgspec.ValidationError as error:
        raise CaptureError(f"{name}, line {number} is not what a recording holds: {error}.") from error
    except (ValueError, RecursionError):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CaptureError(f"{name}, line {number} is not JSON: {error}.") from error
    if not isinstance(value, dict) or not isinstance(value.get("args"), list):
        raise CaptureError(f"{name}, line {number} is not what a recording holds: an object with args.")
    try:
        line = msgspec.convert({**value, "args": []}, _Line)
        line.args = [msgspec.Raw(compact_json(arg)) for arg in value["args"]]
        return line
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"{name}, line {number} is not what a recording holds: {error}.") from error


def _current_project(payload: bytes) -> Mapping[str, Any] | None:
    try:
        project = _head_decoder.decode(payload).current_project
    except (ValueError, RecursionError):
        frame = _decode(payload)
        project = frame.get("current_project") if isinstance(frame, dict) else None
    return project if isinstance(project, dict) and isinstance(project.get("id"), str) else None


def _decode(text: bytes | msgspec.Raw) -> object:
    """A value of the wire; None where it cannot be read."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return decoded(bytes(text).decode("utf-8", "replace"))
