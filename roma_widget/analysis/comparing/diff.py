"""Two texts, line by line and within changed lines word by word: as text and as HTML.

difflib compares everything with everything that is alike, so what it gets is bounded: of long texts the lines between
the first and the last difference, and beyond `MOST_LINES` of these all are shown as replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from html import escape

from ...core.reading import clean
from ...core.text import UNPRINTABLE, count_text, one_line

MOST_LINES = 2_000
"""Of each text, after what both begin and end with."""
MOST_WORDS = 400
"""Of a line that is compared word by word."""
MOST_WORD_COMPARISONS = 1_000_000
"""Words times words, of all the lines that are shown."""
WORTH_MARKING = 0.5
"""Of two lines with less in common, marks on all that is different are no help."""
CONTEXT = 3
SHOWN_LINES, SHOWN_CHARACTERS, SHOWN_HTML = 400, 2_000, 300_000
"""In HTML: lines, characters of one, characters of all."""

_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)
_SKIPPED = '<tr><td colspan="2" style="text-align:left;padding:2px 8px;color:var(--quiet)">{}</td></tr>'
_Opcode = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class TextDiff:
    """What became of a text: `print(diff)` or `diff.unified()` gives it as text, a notebook shows it in colours.

    `a` and `b` are the texts, None where there is none; `names` are those of the runs; `what` is what they are;
    `notes` are sentences on what is not known; where there are any, nothing is compared.
    """

    a: str | None
    b: str | None
    names: tuple[str, str]
    what: str
    notes: tuple[str, ...] = ()

    @property
    def is_changed(self) -> bool | None:
        """None where that is not known, which `notes` explains."""
        return None if self.notes else self.a != self.b

    def unified(self) -> str:
        """As `diff -u` has it, with three lines around each change; "" where nothing has changed or is not known.

        Example: `print(c.text_diff("root.1").unified())`
        """
        if not self.is_changed:
            return ""
        found = [f"--- {one_line(self.names[0], 200)}", f"+++ {one_line(self.names[1], 200)}"]
        for hunk in _hunks(self._opcodes):
            (_, a_from, _, b_from, _), (_, _, a_to, _, b_to) = hunk[0], hunk[-1]
            found.append(f"@@ -{_range(a_from, a_to)} +{_range(b_from, b_to)} @@")
            found += (mark + line for mark, line, _ in self._lines(hunk))
        return "\n".join(found) + "\n"

    def __str__(self) -> str:
        return "\n".join(self.notes) or self.unified() or self._sentence

    def __repr__(self) -> str:
        return f"<TextDiff: {self._sentence} print(…) shows it>"

    def _repr_html_(self) -> str:
        """Without scripts; a stranger's text is escaped. At most 400 lines, and it says how many more there are."""
        quiet = "color:var(--quiet)"
        head = "".join(f"<div>{_shown(note, 500)}</div>" for note in (self._sentence, *self.notes))
        body = "".join(self._rows()) if self.is_changed else ""
        return (
            '<div style="--quiet:color-mix(in srgb,currentColor 72%,transparent);font-size:12px;max-width:1100px">'
            f'<div style="{quiet}">{head}</div>'
            '<table style="border-collapse:collapse;width:100%;margin:4px 0px;font:12px monospace;color:inherit">'
            f"<tbody>{body}</tbody></table></div>"
        )

    @property
    def _sentence(self) -> str:
        names = " and ".join(one_line(name, 60) for name in self.names)
        if self.notes:
            return f"{self.what.capitalize()} of {names}: not compared."
        if self.a is None and self.b is None:
            return f"{self.what.capitalize()} of {names}: there are none."
        if self.a == self.b:
            return f"{self.what.capitalize()} of {names}: nothing has changed."
        gone = sum(to - start for tag, start, to, _, _ in self._opcodes if tag != "equal")
        new = sum(to - start for tag, _, _, start, to in self._opcodes if tag != "equal")
        return f"{self.what.capitalize()} of {names}: {count_text(gone, 'line')} gone, {count_text(new, 'line')} new."

    @cached_property
    def _texts(self) -> tuple[list[str], list[str]]:
        a, b = ([] if text is None else text.split("\n") for text in (self.a, self.b))
        return a, b

    @cached_property
    def _opcodes(self) -> list[_Opcode]:
        return list(_compared(*self._texts))

    def _lines(self, hunk: Sequence[_Opcode]) -> Iterator[tuple[str, str, str]]:
        """Mark, line, and for a line with a partner on the other side that one."""
        a, b = self._texts
        for tag, a_from, a_to, b_from, b_to in hunk:
            if tag == "equal":
                yield from ((" ", line, "") for line in a[a_from:a_to])
                continue
            gone, new = a[a_from:a_to], b[b_from:b_to]
            yield from (("-", line, new[n] if n < len(new) else "") for n, line in enumerate(gone))
            yield from (("+", line, gone[n] if n < len(gone) else "") for n, line in enumerate(new))

    def _rows(self) -> Iterator[str]:
        hunks = list(_hunks(self._opcodes))
        left, shown, size = MOST_WORD_COMPARISONS, 0, 0
        for place, hunk in enumerate(hunks):
            if place:
                yield _SKIPPED.format("…")
            for mark, line, other in self._lines(hunk):
                if shown == SHOWN_LINES or size > SHOWN_HTML:
                    more = count_text(sum(map(_n_lines, hunks)) - shown, "more line")
                    yield _SKIPPED.format(f"{more} not shown here: print(….unified()) has all.")
                    return
                words, others = (_WORD.findall(text[: SHOWN_CHARACTERS + 1]) for text in (line, other))
                cost = len(words) * len(others)
                if 0 < cost <= left and max(len(words), len(others)) <= MOST_WORDS:
                    left -= cost
                    html = _with_words_marked(words, others)
                else:
                    html = _shown(line, SHOWN_CHARACTERS)
                yield (row := _row(mark, html))
                shown += 1
                size += len(row)


def _n_lines(hunk: Sequence[_Opcode]) -> int:
    """How many lines are shown of it: those that are equal once."""
    return sum(a_to - a_from + (b_to - b_from) * (tag != "equal") for tag, a_from, a_to, b_from, b_to in hunk)


def _compared(a: Sequence[str], b: Sequence[str]) -> Iterator[_Opcode]:
    """As difflib's opcodes."""
    shorter = min(len(a), len(b))
    start = next((n for n in range(shorter) if a[n] != b[n]), shorter)
    end = next((n for n in range(shorter - start) if a[-1 - n] != b[-1 - n]), shorter - start)
    a_to, b_to = len(a) - end, len(b) - end
    if start:
        yield "equal", 0, start, 0, start
    if max(a_to, b_to) - start > MOST_LINES:
        yield "replace", start, a_to, start, b_to
    else:
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, a[start:a_to], b[start:b_to]).get_opcodes():
            yield tag, i1 + start, i2 + start, j1 + start, j2 + start
    if end:
        yield "equal", a_to, len(a), b_to, len(b)


def _hunks(opcodes: Sequence[_Opcode]) -> Iterator[list[_Opcode]]:
    """Changes with the lines around them; those that are near each other together."""
    hunk: list[_Opcode] = []
    for place, (tag, a_from, a_to, b_from, b_to) in enumerate(opcodes):
        if tag != "equal":
            hunk.append((tag, a_from, a_to, b_from, b_to))
            continue
        after, before = (CONTEXT if place else 0), (CONTEXT if place < len(opcodes) - 1 else 0)
        if a_to - a_from <= after + before:
            hunk.append((tag, a_from, a_to, b_from, b_to))
            continue
        if place:
            yield [*hunk, (tag, a_from, a_from + after, b_from, b_from + after)]
        hunk = [(tag, a_to - before, a_to, b_to - before, b_to)]
    if any(tag != "equal" for tag, *_ in hunk):
        yield hunk


def _range(start: int, to: int) -> str:
    """As `diff -u` writes it: counted from 1, and an empty one by the line before it."""
    if to - start == 1:
        return str(start + 1)
    return f"{start + 1 if to > start else start},{to - start}"


def _with_words_marked(words: Sequence[str], others: Sequence[str]) -> str:
    matcher = SequenceMatcher(None, words, others, autojunk=False)
    if matcher.ratio() < WORTH_MARKING:
        return _shown("".join(words), SHOWN_CHARACTERS)
    found = []
    for tag, start, to, _, _ in matcher.get_opcodes():
        text = _shown("".join(words[start:to]), SHOWN_CHARACTERS)
        found.append(text if tag == "equal" or not text else f"<strong><u>{text}</u></strong>")
    return "".join(found)


_SIGNS = {" ": ("\u00a0", "transparent"), "-": ("−", "#f9352a24"), "+": ("+", "#2ea06824")}


def _row(mark: str, html: str) -> str:
    sign, ground = _SIGNS[mark]
    tag = {"-": "del", "+": "ins"}.get(mark, "span")
    return (
        f'<tr style="background:{ground}"><td style="text-align:left;vertical-align:top;width:1em;padding:0px 4px">'
        f'{sign}</td><td style="text-align:left;padding:0px 8px;white-space:pre-wrap;overflow-wrap:anywhere">'
        f'<{tag} style="text-decoration:none">{html}</{tag}></td></tr>'
    )


def _shown(text: str, limit: int) -> str:
    """A stranger's text, escaped."""
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    line = escape(UNPRINTABLE.sub("\ufffd", clean(cut).replace("\t", "    ")))
    return line if line.isascii() else f"<bdi>{line}</bdi>"
