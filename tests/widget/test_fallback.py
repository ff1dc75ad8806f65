"""The static picture: readable without styles, safe with hostile text, never above its limit."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from analysis.snapshots import END, START, of, report, task, tree

from roma_widget.core.model import Outcome, Project, Snapshot, Status
from roma_widget.widget.fallback import static_html

ALLOWED_TAGS = {"b", "bdi", "div", "span", "strong", "table", "tbody", "td", "th", "thead", "tr"}
ALLOWED_ATTRIBUTES = {"cellpadding", "class", "colspan", "data-static", "rowspan", "style"}


class Page(HTMLParser):
    """What a browser that knows no styles would show: rows of cells, and all the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.graph: list[list[str]] = []
        self._in_graph = False
        self.row_styles: list[str] = []
        self.words: list[str] = []
        self.isolated: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED_TAGS
        assert {name for name, _ in attrs} <= ALLOWED_ATTRIBUTES
        style = dict(attrs).get("style") or ""
        assert not re.search(r"position|url\(|expression|javascript", style)
        self.open.append(tag)
        if tag == "table":
            self._in_graph = dict(attrs).get("class") == "roma-graph"
        rows = self.graph if self._in_graph else self.rows
        if tag == "tr":
            rows.append([])
            if not self._in_graph:
                self.row_styles.append(style)
        elif tag in ("td", "th"):
            rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if "bdi" in self.open:
            self.isolated.append(data)
        if "td" in self.open or "th" in self.open:
            (self.graph if self._in_graph else self.rows)[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def picture(snapshot: Snapshot, *, limit_bytes: int = 100_000) -> str:
    html = static_html(
        snapshot, key="k1", now=END + timedelta(hours=1), local_tz=UTC, limit_bytes=limit_bytes
    )
    assert len(html.encode()) <= limit_bytes
    return html


def test_the_finished_run() -> None:
    html = picture(report())
    page = Page(html)
    assert html.startswith('<div data-static="k1" class="roma-static"')
    assert page.rows[0] == ["Task", "Id", "Status", "Type", "Agent", "Started", "Duration"]
    assert len(page.rows) == 1 + 15
    assert page.rows[10][1:] == [
        "root.2.2.2", "failed", "think", "BasicReasoningExecutor", "20:51:10", "17 s",
    ]  # fmt: skip
    assert page.rows[10][0].split() == "✕ Compute litres per week for a 200 square metre roof".split()
    assert "Write a short briefing on urban rooftop farming ✕ Finished with 1 failed task" in page.text
    assert "14 of 15 done · took 1:13" in page.text
    assert "state as of 20:52:09, 22 November 2026" in page.text
    assert "Saved picture of a roma-widget view. Run the cell again for the live view." in page.text
    assert page.text.endswith("All 15 tasks shown")
    assert "completed" not in page.text.lower()
    assert len(html) < 20_000


def test_the_graph_has_each_task_below_the_one_that_planned_it() -> None:
    html = picture(report())
    graph = Page(html).graph
    assert [len(row) for row in graph] == [1, 3, 9, 2]
    assert graph[0] == ["✓ root Write a short briefing on urban rooftop farming"]
    assert [cell[:4].rstrip() for cell in graph[1]] == ["✓ 1", "✓ 2", "✓ 3"]
    assert graph[1][2].startswith("✓ 3 ←1")
    assert graph[2][:3] == ["✓ 1", "✓ 2", "✓ 3 ←1 2"]
    assert graph[3] == ["✓ 1", "✕ 2"]
    widths = re.findall(r'<td(?: colspan="(\d+)")?(?: rowspan="(\d+)")? style="background', html)
    assert widths[0] == ("10", "")
    assert widths[4] == ("", "2"), "a leaf reaches down to the deepest level"


def test_a_graph_that_is_too_wide_shows_its_upper_levels_or_nothing() -> None:
    assert [len(row) for row in Page(picture(tree(700))).graph] == [1, 35]
    assert "The upper 2 levels." in picture(tree(700))
    assert "The upper" not in picture(report())
    assert Page(picture(tree(10_000))).graph == []
    assert Page(picture(of(task("only")))).graph == []
    hostile = tuple(task(str(n), goal="&" * 500, depends_on=("0",), parent_id=None) for n in range(40))
    assert Page(picture(of(*hostile), limit_bytes=12_000)).graph == []


def test_levels_are_there_without_styles() -> None:
    rows = Page(picture(report())).rows
    indents = [len(re.match(r"\s*", row[0]).group()) for row in rows[1:]]  # type: ignore[union-attr]
    assert indents[:3] == [0, 2, 4]
    assert indents[9] == 6


def test_only_failed_rows_are_tinted() -> None:
    page = Page(picture(report()))
    tinted = [
        row[1] for row, style in zip(page.rows, page.row_styles, strict=True) if "background:#" in style
    ]
    assert tinted == ["root.2.2.2"]


def test_no_ink_depends_on_the_page_being_light() -> None:
    html = picture(report())
    assert "--jp-ui-font-color1" in html
    assert not re.search(r"[;\"]color:#", html)


@pytest.mark.parametrize(
    ("outcome", "reason", "said"),
    [
        ("succeeded", None, "✓ Finished 14 of 15 done"),
        ("failed", "the root task root failed", "✕ Failed 14 of 15 done · 1 failed · took 1:13"),
        (
            "stalled",
            "root.3 waits for root.1, which failed.",
            "⧗ Stalled 14 of 15 done · 1 failed · 1:13 since the start",
        ),
        ("running", None, "Running 14 of 15 done · 1 failed · 1:13 since the start"),
        ("unknown", "the run ended, its root did not", "? Outcome unknown"),
    ],
)
def test_outcomes_in_words(outcome: Outcome, reason: str | None, said: str) -> None:
    text = Page(picture(replace(report(), outcome=outcome, reason=reason))).text
    assert said in text
    assert (reason or "") in text


def test_running_tasks_say_how_long_so_far() -> None:
    tasks = (
        task("a", Status.RUNNING, created=START, started=START),
        task("b", Status.PENDING, created=START),
        task("c", Status.DONE, started=START),
        task("d", "ON_HOLD"),
    )
    page = Page(picture(of(*tasks, time=END, outcome="running")))
    assert [row[2] for row in page.rows[1:]] == ["running", "pending", "done", "ON_HOLD"]
    assert [row[6] for row in page.rows[1:]] == ["1:13", "—", "—", "—"]
    assert [row[5] for row in page.rows[1:]] == ["20:50:56", "—", "20:50:56", "—"]
    assert page.rows[2][3:5] == ["—", "—"]
    assert "1 of 4 done · 1 running" in page.text


def test_times_are_shown_in_the_zone_asked_for() -> None:
    tokyo = timezone(timedelta(hours=9))
    early = task("early", Status.DONE, started=START - timedelta(days=2), completed=START)
    snapshot = of(*report().tasks.values(), early, time=END)
    page = Page(static_html(snapshot, key="k", now=END, local_tz=tokyo))
    assert "state as of 05:52:09, 23 November 2026" in page.text
    assert page.rows[1][5] == "05:50:56"
    assert page.rows[-1][5] == "21 Nov 05:50:56"


def test_now_counts_where_the_server_said_no_time() -> None:
    now = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    text = Page(static_html(replace(report(), time=None), key="k", now=now, local_tz=UTC)).text
    assert "state as of 03:04:05, 2 January 2027" in text


def test_a_run_without_tasks() -> None:
    page = Page(picture(Snapshot()))
    assert page.rows == []
    assert "Nothing has run yet" in page.text
    page = Page(picture(Snapshot(project=Project("p", goal="My goal"), outcome="running")))
    assert page.text.startswith("My goal")
    assert "no tasks yet" in page.text


HOSTILE = [
    "<script>alert(1)</script>",
    "</td></tr></table></div><img src=x onerror=alert(1)>",
    "\"'><svg/onload=alert(1)>",
    "&lt;script&gt; &amp; &#60;",
    "\u202eevil\u2066 text",
    "line\nbreak\x00\x1b[31m \ud83d",
    "<!-- <![CDATA[ ]]> -->",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(text: str) -> None:
    bad = task("root." + text, text, goal=text, task_type=text, agent=text, depth=10**9, started=START)
    snapshot = of(bad, task("b"), project=Project("p", goal=text), outcome="stalled", reason=text, time=END)
    html = static_html(snapshot, key=text.replace("\ud83d", ""), now=END, local_tz=UTC)
    html.encode()  # a notebook is UTF-8
    assert "<script" not in html.lower()
    page = Page(html)
    assert len(page.rows) == 3
    shown = " ".join(
        text.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\ud83d", "\ufffd").split()
    )
    assert page.rows[1][0].endswith(shown)
    assert page.rows[1][4] == ((shown if len(shown) <= 40 else f"{shown[:39]}…") or "—")


def test_turned_text_turns_nothing_else() -> None:
    page = Page(picture(of(task("a", goal="\u202eevil", agent="\u202egent"))))
    assert {"\u202eevil", "\u202egent"} <= set(page.isolated)


def test_long_texts_are_cut_with_an_ellipsis() -> None:
    page = Page(
        picture(of(task("i" * 10_000, goal="g" * 10_000, agent="a" * 10_000, task_type="t" * 10_000)))
    )
    assert page.rows[1][1] == "i" * 79 + "…"
    assert max(map(len, page.rows[1])) <= 125
    assert page.rows[1][0].endswith("g…")


@pytest.mark.parametrize("goal", ["g" * 500, "&" * 500, "𝔊" * 500, "word " * 100])
@pytest.mark.parametrize("limit_bytes", [12_000, 100_000])
def test_10_000_tasks_stay_under_the_limit(goal: str, limit_bytes: int) -> None:
    snapshot = replace(
        tree(10_000, goal=goal), reason=goal, project=Project("p", goal=goal), outcome="stalled"
    )
    page = Page(picture(snapshot, limit_bytes=limit_bytes))
    shown = len(page.rows) - 1
    assert shown >= limit_bytes // 3000
    assert f"{shown:,} of 10,000 tasks shown: failed and running ones, then the upper levels" in page.text


def test_200_tasks_of_usual_size_are_cut_at_what_fits() -> None:
    html = picture(tree(1_000, failed_every=10**9))
    assert 120 <= len(Page(html).rows) - 1 <= 200
    assert len(html.encode()) > 90_000


def test_what_must_not_be_missed_is_chosen_first() -> None:
    snapshot = tree(2_000, failed_every=100)
    running = replace(snapshot.tasks["root.77.7"], status=Status.RUNNING, completed=None)
    snapshot = replace(snapshot, tasks={**snapshot.tasks, running.task_id: running})
    shown = [row[1] for row in Page(picture(snapshot)).rows[1:]]
    failed = [t.task_id for t in snapshot.tasks.values() if t.status is Status.FAILED]
    assert len(failed) > 10
    assert {"root", running.task_id, *failed} <= set(shown)
    plans = [t.task_id for t in snapshot.tasks.values() if t.depth == 1]
    assert len(plans) > 90
    assert set(plans[:50]) <= set(shown)
    order = list(snapshot.tasks)
    assert shown == sorted(shown, key=order.index)


def test_a_limit_that_the_frame_alone_may_need_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 12,000"):
        static_html(Snapshot(), key="k", now=END, limit_bytes=500)
