"""A question asked with plain `print` and `input`, for wherever a cell can ask and no button can be pressed."""

from __future__ import annotations

from collections.abc import Callable

from ..core.hitl import HitlRequest
from ..core.reading import shorten
from ..core.review import Review, review
from ..core.text import UNPRINTABLE
from ..errors import AnswerError

LONGEST_SHOWN = 4_000
_ASKS = "[a] approve, [m] modify, [x] abort, or nothing to leave it open: "

Answers = Callable[[str, str | None], object]


def ask_on_the_terminal(request: HitlRequest, answer: Answers) -> None:
    """Print the question, read an answer, and give it. Where nobody can be asked the question stays open.

    An interrupt is passed on, and leaves it open, too.
    """
    print(question_text(request))
    try:
        given = _read()
    except KeyboardInterrupt:
        raise
    except Exception as error:  # EOFError; IPython has an error of its own where no front end can ask
        print(
            f"It stays open: no answer could be read here ({shorten(str(error) or type(error).__name__, 200)})."
        )
        return
    if given is None:
        print("It stays open.")
        return
    try:
        answer(*given)
    except AnswerError as error:
        print(error)


def question_text(request: HitlRequest) -> str:
    """A question as plain text of a bounded length. No control characters: it is a stranger's."""
    attempt = f", attempt {request.attempt}" if request.attempt is not None else ""
    place = " of ".join(filter(None, (request.checkpoint, request.task_id))) or "A question"
    found = review(request.data_json)
    lines = [f"{place}{attempt}", request.message or "", *_reviewed(found)]
    text = "\n".join(line for line in lines if line)
    if len(text) > LONGEST_SHOWN:
        text = f"{shorten(text, LONGEST_SHOWN)}\n(cut: {len(text):,} characters; all of them are in request.data)"
    return _plain(text)


def _reviewed(found: Review) -> list[str]:
    facts = [f"{name}: {shorten(str(value), 300)}" for name, value in found.about.items()]
    wish = [f"asked for before: {found.wish}"] if found.wish else []
    if found.plan is None:
        return [*wish, *facts, found.text or ""] if found.kind == "text" else [*wish, found.json or ""]
    plan = []
    for number, each in enumerate(found.plan, start=1):
        kinds = "/".join(filter(None, (each.task_type, each.node_type)))
        after = (
            f" (after {', '.join(str(place + 1) for place in each.depends_on)})" if each.depends_on else ""
        )
        plan.append(f"  {number}. {f'[{kinds}] ' if kinds else ''}{each.goal}{after}")
    rest = [f"also in the data ({found.more:,} more):", found.rest] if found.rest else []
    return [*wish, *facts, *plan, *rest]


def _read() -> tuple[str, str | None] | None:
    while True:
        match input(_ASKS).strip().lower():
            case "":
                return None
            case "a" | "approve":
                return "approve", None
            case "m" | "modify":
                instructions = input("What is to be different? ").strip()
                if instructions:
                    return "modify", instructions
                print("To modify takes instructions.")
            case "x" | "abort":
                if input("Abort for good? [y] yes: ").strip().lower() in ("y", "yes"):
                    return "abort", None
            case other:
                print(f"{shorten(other, 40)!r} is none of these.")


def _plain(text: str) -> str:
    return "\n".join(UNPRINTABLE.sub("�", line) for line in text.split("\n"))
