"""One HTML file that shows one run by itself: the view of the notebook with the run inside, for any browser.

It needs no network, no kernel and no server, and its policy lets it ask for nothing: only our own script and style
sheet count, told by their hashes. Without scripts it shows the static picture.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

from ..analysis.run_data import RunData
from ..archive.page import Gathered, PageData, gathered
from ..archive.place import checked_place, replacing, unwritable
from ..archive.redaction import Redaction
from ..archive.source import Source
from ..core.model import Project, Snapshot
from ..core.text import count_text, one_line
from ..errors import ArchiveError, RomaError
from .assets import asset
from .fallback import static_html

BEGINNING = b"<!doctype html><!-- A run of ROMA, made by roma-widget -->\n"
"""How every page begins: only what does is replaced by another."""
MOST_UNPACKED = 100_000_000
"""Bytes of JSON that a browser is asked to unpack."""
PICTURE_BYTES = 100_000
LONGEST_TITLE = 120
_STYLE = """
html { height: 100%; color-scheme: light dark; }
body { height: 100%; margin: 0; background: Canvas; color: CanvasText; }
noscript > div { margin: 16px auto; }
#roma-page { height: 100%; font: 14px/20px system-ui, sans-serif; }
#roma-page:empty { display: none; }
#roma-page .rw { height: 100%; border: 0; }
#roma-page .rw[data-shape="stacked"] { min-height: 720px; }
#roma-page .rw[data-shape="narrow"] { min-height: 640px; }
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was written. `left_out` says in sentences what is not in it."""

    path: Path
    n_bytes: int
    left_out: tuple[str, ...]


def write_page(
    path: str | Path, run: RunData, source: Source, n_steps: int, redaction: Redaction, max_mb: float
) -> Page:
    """Write what `run` shows, with the `n_steps` steps of `source`, to a file of at most `max_mb` megabytes.

    Raises ArchiveError where it cannot be written, and then what was there stays; RomaError where the tasks alone
    are too many; ValueError for what is no path and no size.
    """
    path = page_place(path)
    most_bytes = _checked_bytes(max_mb)
    page, data = _page(gathered(run, redaction, tuple(source.annotations), source.steps, n_steps), most_bytes)
    with replacing(path) as part:
        part.write_bytes(page)
    return Page(path, len(page), data.left_out)


def page_name(project: Project | None) -> str:
    """What a page of this run is called where nobody says: nothing but small letters, digits and hyphens of it.

    Example: `page_name(Project("3f2a-77", title="A survey"))` is "a-survey-3f2a77.html"
    """
    title = (project.title or project.goal) if project is not None else None
    words = re.findall("[a-z0-9]+", (title or "").lower()[:200])
    unique = "".join(re.findall("[a-z0-9]", project.project_id.lower()))[:6] if project is not None else ""
    return "-".join(filter(None, ("-".join(words)[:40].strip("-") or "roma-run", unique))) + ".html"


def page_place(path: str | Path) -> Path:
    """Where a page may be written. Raises ArchiveError for what is no place, ValueError for no path."""
    path = checked_place(path)
    try:
        if not path.exists():
            return path
        if not path.is_file():  # a pipe would be waited for, for ever
            raise ArchiveError(f"{path} is there already, and is no file.")
        with path.open("rb") as file:
            beginning = file.read(len(BEGINNING))
    except OSError as error:
        raise unwritable(path, error) from error
    if beginning not in (BEGINNING, b""):
        raise ArchiveError(f"{path} is there already, and is no page of roma-widget: it is not overwritten.")
    return path


def _checked_bytes(max_mb: float) -> int:
    try:
        size_mb = float(max_mb)
    except (TypeError, ValueError):
        size_mb = math.nan
    if not 0 < size_mb < math.inf:
        raise ValueError(f"max_mb takes a size in megabytes, as in 20, not {str(max_mb)[:60]!r}.")
    return round(size_mb * 1e6)


def _page(run: Gathered, most_bytes: int) -> tuple[bytes, PageData]:
    """The page, and what of the run is in it: as much as makes no more than `most_bytes`."""
    before, after = _frame(run.snapshot)
    room = most_bytes - len(before) - len(after)
    packed, data = run.packed(MOST_UNPACKED, room, most_bytes, _packed)
    if len(packed) > room:
        n_tasks = count_text(len(run.snapshot.tasks), "task")
        least_mb = math.ceil((most_bytes - room + len(packed)) / 1e4) / 100
        raise RomaError(
            f"The {n_tasks} of this run alone make a page of {least_mb:g} MB, not of {most_bytes / 1e6:g} MB: "
            "give a larger max_mb."
        )
    return before + packed + after, data


def _packed(body: bytes) -> bytes:
    return base64.b64encode(gzip.compress(body, 6, mtime=0))


def _frame(shown: Snapshot) -> tuple[bytes, bytes]:
    """What stands before and after the packed run."""
    note = "A page of one run, made by roma-widget. With scripts it has the whole graph, texts and moments."
    picture, classes = _classed(
        static_html(shown, key="page", now=datetime.now(UTC), limit_bytes=PICTURE_BYTES, note=note)
    )
    script, style = asset("page.js"), asset("widget.css") + _STYLE + classes
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "img-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    project = shown.project
    title = (project.goal or project.title) if project is not None else None
    before = f"""<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="roma-widget {escape(version("roma-widget"))}">
<title>{escape(one_line(title or "A run of ROMA", LONGEST_TITLE))}</title>
<style>{style}</style>
</head>
<body>
<main id="roma-page"></main>
<noscript>{picture}</noscript>
<script type="application/json" id="roma-run">\""""
    after = f"""\"</script>
<script>{script}</script>
</body>
</html>
"""
    return BEGINNING + before.encode(), after.encode()


def _hash(text: str) -> str:
    """How a policy names one inline script or style sheet."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _classed(html: str) -> tuple[str, str]:
    """`html` with a class in the place of each style, and their rules: a policy lets no style stand in an element.

    No text has a quotation mark in it that is not escaped, so none is taken for a style.
    """
    styles = {style: f"rp{place}" for place, style in enumerate(_distinct(_STYLES.findall(html)))}

    def named(tag: re.Match[str]) -> str:
        style = _STYLES.search(tag[0])
        bare = _CLASSES.sub("", tag[0])  # the style sheet means others by these names
        return bare if style is None else bare.replace(style[0], f' class="{styles[style[1]]}"')

    rules = "".join(f".{name}{{{style}}}" for style, name in styles.items())
    return _TAGS.sub(named, html), rules


_STYLES = re.compile(r' style="([^"<>{}]*)"')
_CLASSES = re.compile(r' class="[^"<>]*"')
_TAGS = re.compile(r"<[a-z][^<>]*>")


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
