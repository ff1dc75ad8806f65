"""README and docs/ as Markdown: their code blocks, the commands in them, their links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = {"python", "console", "text", "ini"}
"""What the first word behind three backticks may be."""

_FENCE = re.compile(r"^```(?P<head>[^`\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (?P<words>[^>]*) -->\n$")
_REASON = "no-run: "
A_PERSON_APPROVES = "run: a person approves"
"""A comment above a block: what its agents ask is answered as by a click on Approve."""


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is that of its first line of code, `comment` the HTML comment right above it."""

    page: str
    line: int
    language: str
    flags: tuple[str, ...]
    comment: str
    body: str

    @property
    def runs(self) -> bool:
        return self.language == "python" and "no-run" not in self.flags

    @property
    def reason(self) -> str:
        """Why it is not run; "" where nobody says."""
        return self.comment.removeprefix(_REASON) if self.comment.startswith(_REASON) else ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """What people write: all but the generated reference, whose examples are those of the docstrings."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    written = [page for page in docs if "reference" not in page.relative_to(ROOT).parts]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [_block(page, text, found) for found in _FENCE.finditer(text)]


def _block(page: Path, text: str, found: re.Match[str]) -> Block:
    language, *flags = found["head"].split() or [""]
    above = _COMMENT.search(text, 0, found.start())
    line = text.count("\n", 0, found.start("body")) + 1
    name = page.relative_to(ROOT).as_posix()
    return Block(name, line, language, tuple(flags), above["words"] if above else "", found["body"])


def prose(page: Path) -> str:
    """The page without its blocks, line for line."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text("utf-8"))


def indented_code(page: Path) -> Iterator[int]:
    """Lines that Markdown shows as code without a fence: nothing would say what language that is, or run it."""
    before = ["", ""]
    for number, line in enumerate(prose(page).splitlines(), 1):
        is_item = re.match(r"\s*([-*]|\d+\.) ", before[0])
        if line.startswith("    ") and line.strip() and not before[1].strip() and not is_item:
            yield number
        before = [line if line.strip() else before[0], line]


def commands(page: Path, program: str) -> list[str]:
    """What of `program` a person would type: in console blocks and between backticks."""
    lines = [
        line for block in blocks(page) if block.language == "console" for line in block.body.splitlines()
    ]
    spans = re.findall(r"`([^`]+)`", prose(page))
    typed = (each.partition("  #")[0].partition(" # ")[0].strip() for each in [*lines, *spans])
    return [each for each in typed if each.split()[:1] == [program]]


def links(page: Path) -> list[str]:
    """Those that lead to a file beside it."""
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", prose(page))
    return [link for pair in found for link in pair if link and "://" not in link]


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
