"""A function that answers in a person's place: what it was not asked, or asked too often, it does not answer."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..core.hitl import ANSWERABLE
from ..errors import AnswerError
from .answering import read_answer
from .callbacks import Fail
from .question import Desk, Question

MOST_ASKED = 10_000
"""Remembered so long: more than any ledger keeps."""
_log = logging.getLogger("roma_widget.hitl")


class Policy:
    """A function that answers in a person's place, and how often it may. Called in the thread of callbacks."""

    def __init__(self, fn: Callable[[Question], object], limit: int, desk: Desk, fail: Fail) -> None:
        self.is_over = False
        self._fn = fn
        self._limit = limit
        self._desk = desk
        self._fail = fail
        self._n_given = 0
        self._asked: dict[str, None] = {}
        self._has_said = False

    def __call__(self, question: Question) -> None:
        if self.is_over or question.state not in ANSWERABLE or question.is_silent:
            return
        if question.request_id in self._asked:
            self._fail(
                "policy",
                f"Question {question.request_id[:40]} came again and waits: {question.why or 'open'}",
            )
            return
        if self._n_given >= self._limit:
            self._say_that_it_was_enough()
            return
        self._asked[question.request_id] = None
        if len(self._asked) > MOST_ASKED:
            del self._asked[next(iter(self._asked))]
        try:
            said = read_answer(self._fn(question))
        except BaseException as error:  # whatever it is: the person is asked
            _log.exception("the policy raised")
            waits = f" (question {question.request_id[:40]} waits)" if question.state in ANSWERABLE else ""
            self._fail("policy", f"{type(error).__name__}: {error}{waits}")
        else:
            if said is not None and not self.is_over:
                self._answer(question, *said)
        finally:
            # also what it answered by itself
            self._n_given += question.answer is not None and question.answer.via in ("policy", "python")

    def _answer(self, question: Question, action: str, instructions: str | None) -> None:
        try:
            self._desk.give(question.request_id, action, instructions, "policy")
        except AnswerError as error:
            if question.state in ANSWERABLE:  # else somebody was quicker
                self._fail("policy", str(error))

    def _say_that_it_was_enough(self) -> None:
        if self._has_said:
            return
        self._has_said = True
        answers = f"{self._limit:,} answer{'s' if self._limit > 1 else ''}"
        sentence = (
            f"The policy has given its {answers} (limit={self._limit}): further questions wait for a person."
        )
        _log.warning(sentence)
        self._fail("policy", sentence)
