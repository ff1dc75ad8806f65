"""A project's result as a document: what its root tasks came to, and which tasks failed. Pure functions."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

_NOTHING = "There is no result."


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that did not end well."""

    task_id: str
    goal: str
    status: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a document says. `results` are the texts of the roots that have one, in order."""

    project: Mapping[str, Any]
    results: Sequence[str]
    failed: Sequence[Failed]

    @property
    def title(self) -> str:
        return str(self.project["title"])

    @property
    def missing(self) -> str | None:
        """Why there is no result; None when there is."""
        if self.results:
            return None
        status, error = self.project["status"], self.project["error"]
        return f"{_NOTHING} The project is {status}{f': {error}' if error else ''}."


@dataclass(frozen=True, slots=True)
class Format:
    write: Callable[[Report], str]
    content_type: str
    suffix: str


def report_of(project: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> Report:
    """The report of a project (as in `projects_list`) with these tasks (the fields of the wire)."""
    roots = [node for node in nodes if node["parent_node_id"] is None]
    results = [text for node in roots if node["status"] == "DONE" and (text := _text_of(node["full_result"]))]
    failed = [
        Failed(str(node["task_id"]), str(node["goal"]), str(node["status"]), node["error"])
        for node in nodes
        if node["status"] in ("FAILED", "CANCELLED")
    ]
    return Report(project, results, failed)


def _text_of(result: object) -> str:
    """A result's text: itself, its `output_text`, or its JSON."""
    if isinstance(result, msgspec.Raw):
        result = msgspec.json.decode(result)
    if isinstance(result, dict) and isinstance(result.get("output_text"), str):
        result = result["output_text"]
    if result is None or isinstance(result, str):
        return (result or "").strip()
    return json.dumps(result, ensure_ascii=False, indent=2)


def markdown(report: Report) -> str:
    project = report.project
    parts = [
        f"# {report.title}",
        f"Goal: {project['goal']}",
        f"Status: {project['status']}. Created {project['created_at']}, last change {project['updated_at']}.",
        *(report.results or [str(report.missing)]),
    ]
    if report.failed:
        parts.append("## Tasks that failed")
        parts.append("\n".join(f"- {_line(failed)}" for failed in report.failed))
    return "\n\n".join(parts) + "\n"


def as_json(report: Report) -> str:
    failed = [
        {"task_id": task.task_id, "goal": task.goal, "status": task.status, "error": task.error}
        for task in report.failed
    ]
    document = {
        "project": report.project,
        "result": "\n\n".join(report.results) or None,
        "missing": report.missing,
        "failed_tasks": failed,
    }
    return json.dumps(document, ensure_ascii=False, indent=2)


def as_html(report: Report) -> str:
    """One page without scripts; what agents wrote stands in it as text."""
    project = report.project
    results = "".join(f"<pre>{html.escape(result)}</pre>" for result in report.results)
    failed = "".join(f"<li>{html.escape(_line(task))}</li>" for task in report.failed)
    said = results or f"<p>{html.escape(str(report.missing))}</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(report.title)}</title>"
        "<style>body{max-width:50rem;margin:2rem auto;font-family:sans-serif}pre{white-space:pre-wrap}</style>"
        f"</head><body><h1>{html.escape(report.title)}</h1>"
        f"<p>{html.escape(str(project['goal']))}</p>"
        f"<p>Status: {html.escape(str(project['status']))}. Created {html.escape(str(project['created_at']))}, "
        f"last change {html.escape(str(project['updated_at']))}.</p>"
        f"{said}"
        f"{f'<h2>Tasks that failed</h2><ul>{failed}</ul>' if failed else ''}"
        "</body></html>\n"
    )


def _line(task: Failed) -> str:
    why = " ".join((task.error or "no reason given").split())
    return f"{task.task_id} ({task.status}): {' '.join(task.goal.split())}: {why}"


FORMATS: Mapping[str, Format] = {
    "markdown": Format(markdown, "text/markdown", ".md"),
    "json": Format(as_json, "application/json", ".json"),
    "html": Format(as_html, "text/html", ".html"),
}
"""What may be asked for."""
