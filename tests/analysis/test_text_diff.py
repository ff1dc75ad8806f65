"""Texts beside each other: what is gone, what is new, and that no text costs minutes or becomes markup."""

from __future__ import annotations

import difflib
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roma_widget.analysis.comparing.diff import CONTEXT, MOST_LINES, SHOWN_HTML, SHOWN_LINES, TextDiff


def diff(a: str | None, b: str | None, *notes: str) -> TextDiff:
    return TextDiff(a, b, ("monday", "tuesday"), "result", notes)


def test_what_is_gone_and_what_is_new() -> None:
    made = diff("one\ntwo\nthree", "one\n2\nthree\nfour")
    assert made.unified() == "--- monday\n+++ tuesday\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n"
    assert (
        repr(made) == "<TextDiff: Result of monday and tuesday: 1 line gone, 2 lines new. print(…) shows it>"
    )
    assert made.is_changed is True


def test_the_same_is_said_to_be_the_same() -> None:
    made = diff("one", "one")
    assert (made.is_changed, made.unified()) == (False, "")
    assert str(made) == "Result of monday and tuesday: nothing has changed."


def test_what_is_not_known_is_no_change() -> None:
    made = diff("one", None, "tuesday: the trace of this task was not fetched.")
    assert made.is_changed is None
    assert str(made) == "tuesday: the trace of this task was not fetched."
    assert made.unified() == ""
    assert repr(made) == "<TextDiff: Result of monday and tuesday: not compared. print(…) shows it>"
    html = made._repr_html_()
    assert "was not fetched" in html
    assert "<del" not in html


lines = st.lists(st.sampled_from(["a", "b", "c", "", "d e"]), max_size=30)


@given(lines, lines)
@settings(max_examples=300, deadline=None)
def test_the_new_text_can_be_made_from_the_old_one_and_the_difference(a: list[str], b: list[str]) -> None:
    said = diff("\n".join(a), "\n".join(b)).unified().splitlines()[2:]
    old, new = "\n".join(a).split("\n"), "\n".join(b).split("\n")
    made, at = [], 0
    for line in said:
        if line.startswith("@@"):
            start, _, count = line.split()[1].lstrip("-").partition(",")
            start_at = int(start) - (count != "0")
            made += old[at:start_at]
            at = start_at
        elif line[0] != "+":
            assert old[at] == line[1:]
            made += [line[1:]] if line[0] == " " else []
            at += 1
        else:
            made.append(line[1:])
    assert made + old[at:] == new


def test_it_is_written_as_difflib_writes_it() -> None:
    chance = random.Random(1)
    a = [f"line {n}" for n in range(150)]
    b = [line for line in a if chance.random() > 0.05]
    b[50:50] = ["new 1", "new 2"]
    wanted = difflib.unified_diff(a, b, "monday", "tuesday", lineterm="", n=CONTEXT)
    assert diff("\n".join(a), "\n".join(b)).unified() == "\n".join(wanted) + "\n"


def test_words_within_a_changed_line_are_marked() -> None:
    html = diff("costs rise by 12 %", "costs fall by 12 %")._repr_html_()
    assert "costs <strong><u>rise</u></strong> by 12 %" in html
    assert "costs <strong><u>fall</u></strong> by 12 %" in html


def test_hostile_text_is_no_markup() -> None:
    texts = "<script>a</script>", "<img src=x onerror=y>\x1b\u202e\ud800"
    html = diff(*texts)._repr_html_() + diff(*texts, "<b>")._repr_html_()
    assert not any(bad in html for bad in ("<script", "<img", "\x1b", "\ud800"))
    assert "<bdi>" in html
    html.encode()


@pytest.mark.parametrize("kinds", [2, 30, 3000])
def test_long_texts_cost_little_and_are_cut_in_html_alone(kinds: int) -> None:
    chance = random.Random(kinds)
    a, b = ("\n".join(f"line {chance.randrange(kinds)}" for _ in range(MOST_LINES - 1)) for _ in range(2))
    start = time.perf_counter()
    made = diff(a, b)
    html, text = made._repr_html_(), made.unified()
    assert time.perf_counter() - start < 3.0
    assert html.count("<tr") <= 2 * SHOWN_LINES + 1
    assert "not shown here" in html
    assert text.count("\n+") == sum(line[0] == "+" for line in text.splitlines())


def test_too_many_lines_are_shown_as_replaced() -> None:
    a, b = ("first\n" + "\n".join(f"{side} {n}" for n in range(50_000)) for side in "ab")
    said = diff(a, b).unified().splitlines()
    assert said[2:5] == ["@@ -1,50001 +1,50001 @@", " first", "-a 0"]


def test_wide_lines_are_bounded_in_html() -> None:
    a, b = ("\n".join(f"{side}{'<' * 5_000}{n}" for n in range(300)) for side in "ab")
    assert len(diff(a, b)._repr_html_()) < SHOWN_HTML + 20_000
