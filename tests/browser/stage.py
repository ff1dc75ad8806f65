"""The front end on a bare page, told what a test says: quick, for it needs neither kernel nor Jupyter.

Whatever the page asks the network for is refused, and noted in `left`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from browser.lab import VIEWPORT
from playwright.sync_api import Browser, Page, Route

ORIGIN = "http://stage.test"
HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "roma_widget" / "static"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
JS = HERE.parents[1] / "js"
FILES = {
    "/stage.js": HERE / "stage.js",
    "/widget.js": STATIC / "widget.js",
    "/widget.css": STATIC / "widget.css",
    "/dev": JS / "dev.html",
    **{f"/{name}.js": JS / f"{name}.js" for name in ("dev-model", "dev-questions", "dev-traces")},
    "/static/widget.js": STATIC / "widget.js",
    "/static/widget.css": STATIC / "widget.css",
}
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A stage</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/widget.css"><style>body { margin: 0; }</style>
<body%s><main id="here"></main><script type="module" src="/stage.js"></script></body></html>"""

NOW_MS = 1_767_646_304_000.0
LIVE = {"state": "live", "transport": "websocket", "reconnects": 0, "server": "ready"}


def told(tasks: Sequence[Mapping[str, Any]], answers: Mapping[str, Any] | None = None, **traits: Any) -> Any:
    """What the page's model tells: a live run of these tasks; `traits` in the words of docs/messages.md."""
    by_status: dict[str, int] = {}
    for task in tasks:
        by_status[task["status"]] = by_status.get(task["status"], 0) + 1
    progress = {"total": len(tasks), "done": by_status.get("DONE", 0), "failed": by_status.get("FAILED", 0)}
    usual = {
        "connection": LIVE,
        "projects": [],
        "project": {"id": "p", "title": "A run", "goal": "A run", "status": "running"},
        "progress": {**progress, "by_status": by_status, "outcome": "running"},
        "selection": [],
        "pending": [],
        "address": "127.0.0.1:5000",
    }
    return {"now": NOW_MS, "tasks": tasks, "answers": answers or {}, "traits": {**usual, **traits}}


class Stage:
    """A page with one view. `left` are addresses it asked for in vain, `complaints` what went wrong on it."""

    def __init__(self, page: Page, told: Any, theme: str | None) -> None:
        self.page = page
        self.left: list[str] = []
        self.complaints: list[str] = []
        self._told = json.dumps(told)  # in ASCII: also half a surrogate pair arrives
        self._theme = theme
        page.on("pageerror", lambda error: self.complaints.append(error.stack or error.message))
        page.on(
            "dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        page.on("popup", lambda popup: self.complaints.append(f"opened {popup.url}"))
        page.context.route("**/*", self._serve)
        page.goto(f"{ORIGIN}/")
        page.wait_for_function("() => window.stage?.isReady")

    def _serve(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        if path == "/":
            theme = (
                "" if self._theme is None else f' data-jp-theme-light="{str(self._theme == "light").lower()}"'
            )
            route.fulfill(content_type="text/html", body=PAGE % theme)
        elif path == "/told.json":
            route.fulfill(content_type="application/json", body=self._told)
        elif path in FILES:
            file = FILES[path]
            route.fulfill(content_type=TYPES[file.suffix], body=file.read_text("utf-8"))
        else:
            self.left.append(route.request.url)
            route.abort()


@contextmanager
def staged(browser: Browser, told: Any, *, theme: str | None = "light", **context: Any) -> Iterator[Stage]:
    with browser.new_context(**{"viewport": VIEWPORT, "locale": "en-US", **context}) as own:
        yield Stage(own.new_page(), told, theme)


@contextmanager
def dev_page(browser: Browser, query: str, **context: Any) -> Iterator[Page]:
    """js/dev.html, the page of a made-up run, with what `query` says (js/dev.mjs tells it)."""
    with browser.new_context(**{"viewport": VIEWPORT, "locale": "en-US", **context}) as own:
        page = own.new_page()

        def serve(route: Route) -> None:
            file = FILES.get(urlsplit(route.request.url).path)
            if file is None:
                route.abort()
            else:
                route.fulfill(content_type=TYPES[file.suffix], body=file.read_text("utf-8"))

        own.route("**/*", serve)
        page.goto(f"{ORIGIN}/dev?{query}")
        page.wait_for_function("() => document.querySelector('.roma-widget')?.dataset.revision !== undefined")
        yield page
