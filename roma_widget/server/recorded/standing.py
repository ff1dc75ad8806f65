"""How the recorded server stands at one moment of the replay: its projects, their newest frames, what runs.

A fold over `capture.Moment`s: no clock, no socket. The one writer is `apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from roma_widget.archive.capture import (
    FRAME,
    Broadcast,
    Capture,
    Moment,
    ProjectDeleted,
    ProjectStarted,
)


class Standing:
    """The projects as the moments applied so far leave them."""

    def __init__(self, capture: Capture) -> None:
        self._completion = capture.completion
        self._projects: dict[str, Mapping[str, Any]] = {}
        self._frames: dict[str, bytes] = {}
        self.current_id: str | None = None

    def apply(self, moment: Moment) -> None:
        match moment:
            case Broadcast(event=event, payload=payload, project=project):
                if event == FRAME:
                    self._apply_frame(payload, project)
            case ProjectStarted(project=project):
                # the reply that announces a run says "active", every list after it "running"
                self.current_id = project["id"]
                self._projects[project["id"]] = {**project, "status": "running"}
            case ProjectDeleted(project_id=project_id):
                self._projects.pop(project_id, None)
                self._frames.pop(project_id, None)
                if self.current_id == project_id:
                    self.current_id = None
            case _:
                assert_never(moment)

    def _apply_frame(self, payload: bytes, project: Mapping[str, Any] | None) -> None:
        self.current_id = project["id"] if project else None
        if project is not None:
            self._projects[project["id"]] = project
            self._frames[project["id"]] = payload

    def frame(self, project_id: str) -> bytes | None:
        """The newest frame of a project, as recorded; None before its first."""
        return self._frames.get(project_id)

    def current_frame(self) -> bytes | None:
        return self._frames.get(self.current_id) if self.current_id is not None else None

    def knows(self, project_id: object) -> bool:
        return isinstance(project_id, str) and project_id in self._projects

    def project(self, project_id: str) -> dict[str, Any]:
        """The entry of a known project, as in `projects_list`."""
        project = self._projects[project_id]
        if project_id not in self._frames:
            return {**project, "has_saved_results": False}
        status = str(project.get("status"))
        return {
            **project,
            "has_saved_results": True,
            "last_saved": project.get("updated_at"),
            "completion_status": self._completion.get((project_id, status), status),
        }

    def projects_list(self) -> dict[str, Any]:
        """`{"projects": [...], "current_project_id": ...}`, the project that moved last first."""
        entries = [self.project(project_id) for project_id in self._projects]
        entries.sort(key=lambda entry: str(entry.get("updated_at")), reverse=True)
        return {"projects": entries, "current_project_id": self.current_id}

    def executions(self) -> dict[str, Any]:
        """The runs that are alive: from the start of a project until a frame says otherwise."""
        return {
            "running_executions": {
                project_id: {
                    "goal": project.get("goal"),
                    "max_steps": project.get("max_steps"),
                    "started_at": project.get("created_at"),
                    "is_alive": True,
                }
                for project_id, project in self._projects.items()
                if project.get("status") == "running"
            }
        }
