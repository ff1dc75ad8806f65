"""The ledger of one server's questions: what was asked, what was answered, and what is known of what became of it.

Pure: facts go in (heard, answered, acknowledged, the link came and went, the run moved), `to_send` says what is to be
sent now, `take_changes` what is to be told. All times are arguments, in seconds since 1970.

    open ─answer─▶ waiting_link ─acknowledged─▶ sent ─the run shows it─▶ confirmed
      │ ▲               │  ▲ (sent again)         │
      ▼ └──the server asks again, and nothing ────┘     from any of these: superseded (somebody else's answer counts),
     held       of ours is on its way                   lost (the server says that nobody waits any more)

An answer that a relay keeps, ours or another's, stays waiting_link: nobody else's is taken any more, and ours is not
sent again, unless the relay asks again and does not say right behind it that it keeps one.

What came of an answer is concluded from what the task does and asks next, unless the server says it (`is_told`).

ROMA has no reply to an answer, swallows a second one, tells nobody of the first, and repeats an open question every
30 s. So whatever it repeats is open, whatever we thought; an answer that was acknowledged is never sent again by
itself; one that was not is sent again once when the link died right after it, and whenever the server asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..errors import AnswerError
from .events import HitlClosed, HitlQueued, HitlRequested
from .hitl import ANSWERABLE, Answer, HitlRequest, HitlState, ServerSaid
from .kept_prompts import NO_LINK, UNSURE, KeptPrompt, kept_of, taken_up
from .model import FINAL, Status
from .reading import cut, shorten
from .remembered_prompts import MOST_CHARACTERS, MOST_OPEN, MOST_SETTLED, Entry, Remembered

INTERVAL_S = 30.0
"""ROMA repeats an open question so often (measured: 30.05)."""
SLACK_S = 5.0
RESEND_WITHIN_S = 5.0
"""An answer that was sent so shortly before its link died is sent again without being asked."""
SETTLING_S = 5.0
"""For so long after an answer a repetition may have been under way already."""
KEPT_WITHIN_S = 2.0
"""So soon behind a question a relay says that it keeps an answer to it."""
LONGEST_NAME = 1_000
"""Characters of what is sent only for the server's log: too long a message is dropped, and its sender with it."""
REPLANNED = "PostModifiedPlanReview"
"""ROMA's checkpoint of a plan that was made anew because a person wanted it to be."""

StatusOf = Callable[[str, str], str | None]
"""(project_id, task_id) -> the task's status; None where that is not known."""
HasEnded = Callable[[str], bool]
"""project_id -> does the server say that its run is over, or know it no more?"""
InUtc = Callable[[datetime], datetime | None]
"""A time as stamped -> aware, in UTC; None while the server's zone is not known."""

_NOT_BEGUN = frozenset({None, Status.PENDING, Status.READY})
_ON_ITS_WAY = "It is on its way: the server has not acknowledged it yet."
_DIED = "The connection was lost right behind it: it is sent once more."
_NEVER_KNOWN = "Disconnected before the server acknowledged it: whether it counts is not known."
_NEVER_SENT = "Disconnected before it could be sent: it was not."
_NOT_REPEATED = "The server has not repeated it: perhaps nobody waits any more."
_OUT_OF_SIGHT = "It was acknowledged, and not asked again since; which task asked cannot be seen from here."
_UNHEARD = "The server asks no more, and what came of it was not heard."
_KEPT = "The relay keeps it, and sends it once, as soon as the server can be reached"


@dataclass(frozen=True, slots=True)
class Sending:
    """An answer that is to be sent now."""

    request_id: str
    argument: dict[str, str]
    """Of `hitl_response`."""
    turn: int = field(default=0, compare=False)
    """Which of all that were given out it is."""


class Prompts:
    """See the module. `label` is what our own answers are announced under by servers that say who answered."""

    def __init__(
        self,
        label: str = "",
        *,
        interval_s: float = INTERVAL_S,
        slack_s: float = SLACK_S,
        resend_within_s: float = RESEND_WITHIN_S,
        settling_s: float = SETTLING_S,
        most_open: int = MOST_OPEN,
        most_settled: int = MOST_SETTLED,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        self.n_left_out = 0
        """Questions for which there was no room, each time they came."""
        self.is_told = False
        """Does the server say who answered, and that nobody will? Then nothing is concluded from what is asked next."""
        self._label = label
        self._silence_s = interval_s + slack_s
        self._resend_within_s = resend_within_s
        self._settling_s = settling_s
        self._entries = Remembered(
            most_open=most_open, most_settled=most_settled, most_characters=most_characters
        )
        self._linked_s: float | None = None
        self._changed: dict[str, None] = {}
        self._turn = 0

    def all(self) -> tuple[HitlRequest, ...]:
        """Everything that is remembered, in the order it came."""
        return tuple(entry.request for entry in self._entries)

    def get(self, request_id: str) -> HitlRequest:
        """Raises AnswerError for a question that is not known."""
        return self._known(request_id).request

    def take_changes(self) -> tuple[HitlRequest, ...]:
        """What is new or in another state since the last time, as it is now."""
        changed, self._changed = self._changed, {}
        entries = (self._entries.get(each) for each in changed)
        return tuple(entry.request for entry in entries if entry is not None)

    # -- another life

    def kept(self, request_id: str) -> KeptPrompt | None:
        """What is to be kept of a question, so that a later ledger can take it up; None once it is settled."""
        entry = self._entries.get(request_id)
        return kept_of(entry) if entry is not None and entry.request.is_pending else None

    def restore(self, kept: Iterable[KeptPrompt], label: str, now_s: float) -> None:
        """Take up what an earlier ledger kept, whose answers were announced under `label`."""
        self._label = label
        for each in kept:
            if self._entries.get(each.request.request_id) is None and self._entries.put(
                taken_up(each, now_s)
            ):
                self._changed[each.request.request_id] = None

    # -- the server

    def hear(
        self,
        event: HitlRequested,
        now_s: float,
        *,
        project_id: str | None = None,
        status: str | None = None,
    ) -> None:
        """A question came, or came again. `project_id` and its task's `status` as far as they are known."""
        entry = self._entries.get(event.request_id)
        if entry is None:
            self._hear_new(event, now_s, project_id, status)
            return
        before = entry.request
        entry.request = replace(before, last_heard_s=now_s, project_id=before.project_id or project_id)
        entry.status, entry.has_moved, entry.is_asked_here = status, False, True
        if before.is_silent:
            self._note_silence(entry, is_silent=False)
        if entry.request.project_id != before.project_id:
            self._changed[event.request_id] = None
        self._hear_again(entry, now_s)

    def _hear_again(self, entry: Entry, now_s: float) -> None:
        """What the server repeats is open, unless our answer has only just gone out."""
        request, answer = entry.request, entry.request.answer
        match request.state:
            case HitlState.WAITING_LINK if entry.is_kept:
                entry.is_asked_again = True
            case HitlState.WAITING_LINK:
                is_repeated = now_s - entry.sent_s > self._settling_s
                entry.is_asked_again |= is_repeated and entry.is_out
                entry.is_due |= is_repeated and not entry.is_out
            case HitlState.SENT if now_s - entry.acknowledged_s > self._settling_s:
                assert answer is not None
                self._reopen(
                    entry, f"Your answer ({answer.action}) was acknowledged, and the server asks again."
                )
            case HitlState.CONFIRMED | HitlState.SUPERSEDED | HitlState.LOST:
                if now_s - (request.settled_s or 0.0) > self._settling_s:
                    self._reopen(entry, f"It was taken for {request.state}, and the server asks again.")

    def _hear_new(
        self, event: HitlRequested, now_s: float, project_id: str | None, status: str | None
    ) -> None:
        entry = self._entries.add(event, project_id, status, now_s)
        if entry is None:
            self.n_left_out += 1
            return
        entry.is_asked_here = True
        self._changed[event.request_id] = None
        others = self._entries.of_the_same_task(entry)
        before = _attempt_before(entry.request, others) or _perhaps_before(
            entry.request, self._entries.perhaps_of_the_same_task(entry)
        )
        if before is not None and before not in others:
            others = [*others, before]
        if not self.is_told:
            for other in others:
                self._show_what_came_of(other, now_s, has_new_attempt=other is before)
        if before is not None and before.is_modified and not before.request.is_pending:
            before.has_next = True
            entry.request = replace(entry.request, previous_id=before.request.request_id)

    def _show_what_came_of(self, entry: Entry, now_s: float, *, has_new_attempt: bool) -> None:
        """A task that asks something new has got an answer, or it would still wait; to what, the attempt may say."""
        request = entry.request
        if not request.is_pending:
            return
        is_ours = entry.n_sent > 0 and entry.is_modified
        if has_new_attempt and not is_ours:
            self._settle(entry, HitlState.SUPERSEDED, "Somebody else asked for changes first.", now_s)
            entry.is_modified = True
        elif has_new_attempt or request.state is HitlState.SENT:
            self._settle(entry, HitlState.CONFIRMED, None, now_s)

    def closed(self, event: HitlClosed, now_s: float) -> None:
        """Our servers: somebody answered, or nobody will. One that is not known, or settled, is passed over."""
        entry = self._entries.get(event.request_id)
        if entry is None or not entry.request.is_pending:
            return
        said = ServerSaid(event.action, event.instructions, event.answered_by, event.reason)
        entry.request = replace(entry.request, said=said)
        if event.action is None and event.state == HitlState.SUPERSEDED:
            self._settle(
                entry, HitlState.SUPERSEDED, shorten(event.reason or "Somebody else answered.", 300), now_s
            )
            return
        if event.action is None:
            why = f": {shorten(event.reason, 300).rstrip('.')}" if event.reason else ""
            self._settle(entry, HitlState.LOST, f"The server asks no more{why}.", now_s)
            return
        if self._is_us(event.answered_by):
            self._settle(entry, HitlState.CONFIRMED, None, now_s)
            return
        who = shorten(event.answered_by, 80) if event.answered_by else "Somebody else"
        self._settle(entry, HitlState.SUPERSEDED, f"{who} answered: {shorten(event.action, 40)}.", now_s)
        entry.is_modified = event.action == "modify"

    def queued(self, event: HitlQueued, now_s: float, *, is_reply: bool = False) -> None:
        """A relay keeps an answer, ours if it came as the reply to it. One that is not known, or settled, is passed
        over.
        """
        entry = self._entries.get(event.request_id)
        if entry is None or not entry.request.is_pending:
            return
        entry.is_kept, entry.is_asked_again = True, False
        entry.is_due = entry.is_out = False
        note = shorten(event.note, 300).rstrip(".") if event.note else ""
        is_ours = is_reply or self._is_us(event.answered_by)
        if is_ours and entry.request.answer is not None:
            self._set(entry, HitlState.WAITING_LINK, f"The relay keeps it: {note}." if note else f"{_KEPT}.")
            return
        who = shorten(event.answered_by, 80) if event.answered_by else "Somebody else"
        what = f"{who} answered: {shorten(event.action, 40)}." if event.action else f"{who} answered."
        entry.n_sent, entry.is_modified = 0, event.action == "modify"
        said = ServerSaid(event.action, event.instructions, event.answered_by)
        entry.request = replace(entry.request, answer=None, said=said)
        self._set(entry, HitlState.WAITING_LINK, f"{what} {note or _KEPT}.")

    def _is_us(self, answered_by: str | None) -> bool:
        """Did we send it, for ourselves or for somebody whose answers we pass on?"""
        label, who = self._label, answered_by or ""
        return bool(label) and (who == label or who.endswith(f" (via {label})"))

    def is_under_way(self, request_id: str) -> bool:
        """Is there an answer of which a word may come at any moment? Raises AnswerError for one that is not known."""
        entry = self._known(request_id)
        return entry.request.state is HitlState.WAITING_LINK and not entry.is_kept

    # -- a person

    def answer(self, request_id: str, answer: Answer) -> HitlRequest:
        """Take an answer; `to_send` gives it out. Raises AnswerError where the question is not known or has one."""
        entry = self._known(request_id)
        if entry.request.state not in ANSWERABLE:
            raise AnswerError(_answered_already(entry.request))
        entry.n_sent, entry.is_due = 0, True
        entry.is_modified = answer.action == "modify"
        why = NO_LINK if self._linked_s is None else _ON_ITS_WAY
        self._set(entry, HitlState.WAITING_LINK, why, answer)
        return entry.request

    def hold(self, request_id: str, why: str, answer: Answer | None = None) -> HitlRequest:
        """Somebody's code kept this answer back; it can be answered again. One that went out meanwhile stays out.

        Raises AnswerError for a question that is not known.
        """
        entry = self._known(request_id)
        if entry.request.state in ANSWERABLE:
            self._set(entry, HitlState.HELD, why, answer)
        return entry.request

    # -- the link

    @property
    def is_linked(self) -> bool:
        """Can answers be sent at this moment?"""
        return self._linked_s is not None

    def link_begins(self) -> None:
        """Whatever is heard from here on comes over a new link."""
        for entry in self._entries:
            entry.is_asked_here = False

    def link_up(self, now_s: float) -> None:
        """Questions are heard and answers can be sent from now on."""
        self._linked_s = now_s

    def link_lost(self, now_s: float) -> None:
        """What was sent and not acknowledged goes out once more, when it was sent just now."""
        self._linked_s = None
        for entry in self._entries:
            if entry.request.state is not HitlState.WAITING_LINK or entry.is_due or entry.is_kept:
                continue
            entry.is_due = entry.n_sent == 1 and now_s - entry.sent_s <= self._resend_within_s
            entry.is_out = entry.is_asked_again = False
            self._set(entry, HitlState.WAITING_LINK, _DIED if entry.is_due else UNSURE)

    def end(self) -> None:
        """Nothing is heard or sent any more."""
        self._linked_s = None
        for entry in self._entries:
            if entry.request.state is HitlState.WAITING_LINK and not entry.is_kept:
                why = _NEVER_KNOWN if entry.n_sent else _NEVER_SENT
                entry.is_due = entry.is_out = False
                self._set(entry, HitlState.WAITING_LINK, why)

    def to_send(self, now_s: float) -> list[Sending]:
        """The answers that are to go out now, each counted as sent; none without a link."""
        if self._linked_s is None:
            return []
        due = [entry for entry in self._entries if entry.is_due]
        for entry in due:
            entry.is_due, entry.sent_s = False, now_s
            entry.is_out, entry.is_asked_again = True, False
            entry.n_sent += 1
            self._turn = entry.turn = self._turn + 1
            self._set(entry, HitlState.WAITING_LINK, _ON_ITS_WAY)
        return [_sending(entry) for entry in due]

    def is_to_go(self, sending: Sending) -> bool:
        """Is that still what is to be sent? It was given out a while ago, and the disk was waited for."""
        entry = self._sent(sending.request_id)
        return entry is not None and entry.is_out and entry.turn == sending.turn

    def acknowledged(self, request_id: str, now_s: float) -> None:
        """The server got the answer."""
        entry = self._sent(request_id)
        if entry is not None:
            entry.acknowledged_s, entry.is_due, entry.is_out = now_s, False, False
            self._set(entry, HitlState.SENT, None)

    def not_sent(self, request_id: str) -> None:
        """It was given out to be sent, and others took all the time: it is to go out still."""
        entry = self._sent(request_id)
        if entry is not None:
            entry.n_sent, entry.is_due, entry.is_out = entry.n_sent - 1, True, False

    def unacknowledged(self, request_id: str) -> None:
        """No acknowledgement came, and the link is still there. What the server asked meanwhile is answered again."""
        entry = self._sent(request_id)
        if entry is None:
            return
        entry.is_out = False
        entry.is_due |= entry.is_asked_again
        if not entry.is_due:
            self._set(entry, HitlState.WAITING_LINK, f"The server did not acknowledge it. {UNSURE}")

    def taken(self, request_id: str, now_s: float) -> None:
        """Our servers: the answer counts."""
        entry = self._entries.get(request_id)
        if entry is not None and entry.request.answer is not None and entry.request.is_pending:
            self._settle(entry, HitlState.CONFIRMED, None, now_s)

    def refused(self, request_id: str, words: str, now_s: float) -> None:
        """Our servers: why the answer does not count, in their words."""
        entry = self._sent(request_id)
        if entry is None:
            return
        said = f"The server said: {shorten(words, 300).rstrip('.')}."
        if "it was answered" in words:
            is_ours = bool(self._label) and (
                f"by {self._label})" in words or f"(via {self._label}))" in words
            )
            state = HitlState.CONFIRMED if is_ours else HitlState.SUPERSEDED
            self._settle(entry, state, None if is_ours else said, now_s)
        elif any(sign in words for sign in _SIGNS_OF_LOSS):
            self._settle(entry, HitlState.LOST, said, now_s)
        elif _ASKER_IS_AWAY in words:
            entry.is_out, entry.sent_s = False, 0.0  # when the server asks again, it goes out at once
            self._set(entry, HitlState.WAITING_LINK, f"{said} It is sent again when the server asks again.")
        else:
            self._reopen(entry, said)

    def _sent(self, request_id: str) -> Entry | None:
        """Its answer is out and not acknowledged."""
        entry = self._entries.get(request_id)
        if entry is None or entry.is_kept:
            return None
        return entry if entry.request.state is HitlState.WAITING_LINK and entry.n_sent > 0 else None

    # -- the run

    def note_zone(self, in_utc: InUtc) -> None:
        """When was asked what has come since, or before the server's zone was known?"""
        for entry in self._entries:
            if entry.request.asked is None and entry.stamp is not None:
                asked = in_utc(entry.stamp)
                if asked is not None:
                    entry.request = replace(entry.request, asked=asked)
                    self._changed[entry.request.request_id] = None

    def look(self, status_of: StatusOf, now_s: float, has_ended: HasEnded = lambda _: False) -> None:
        """See what became of pending questions. When a server has not repeated one for longer than it takes, and its
        task has moved on, it has an answer; and when its run is over, nobody waits for one. Our servers ask who joins
        all that is open, so what one of them does not ask is open no more."""
        for entry in self._entries:
            request = entry.request
            if not request.is_pending:
                continue
            is_visible = self._note_status(entry, status_of)
            if self._linked_s is None:
                continue
            if entry.is_kept and entry.is_asked_again and now_s - request.last_heard_s > KEPT_WITHIN_S:
                self._ask_again(entry)
                continue
            silent_s = now_s - max(request.last_heard_s, self._linked_s)
            if silent_s <= self._silence_s:
                continue
            is_to_be_told = entry.is_kept and self.is_told  # the relay says what came of it
            if entry.has_moved and not is_to_be_told:
                self._settle_by_its_run(entry, now_s)
            elif _is_over(request, has_ended) and (is_visible or request.state is not HitlState.SENT):
                self._settle(entry, HitlState.LOST, "Its run is over.", now_s)
            elif silent_s <= 2 * self._silence_s:
                continue
            elif request.state is HitlState.SENT:
                if not is_visible:
                    self._settle(entry, HitlState.SENT, _OUT_OF_SIGHT, now_s)
            elif self._is_gone(entry, is_visible=is_visible):
                self._settle_unheard(entry, now_s)
            elif request.state in ANSWERABLE and not request.is_silent:
                self._note_silence(entry, is_silent=True)

    def _is_gone(self, entry: Entry, *, is_visible: bool) -> bool:
        """Is it certain that the server waits no more for an answer to what it does not ask?"""
        if entry.is_out or entry.is_due:
            return False
        if self.is_told and not entry.is_asked_here:
            return True
        return entry.n_sent > 0 and not entry.is_kept and not is_visible

    def _ask_again(self, entry: Entry) -> None:
        """The relay kept an answer, asks again, and says no more that it keeps one."""
        entry.is_kept = entry.is_asked_again = False
        if entry.request.answer is None:
            self._reopen(entry, "An answer to it was kept by the relay, and came to nothing.")
        else:
            entry.is_due = True

    def _note_silence(self, entry: Entry, *, is_silent: bool) -> None:
        before = entry.request
        why = None if before.why == _NOT_REPEATED else before.why
        if is_silent:
            why = why or _NOT_REPEATED
        entry.request = replace(before, is_silent=is_silent, why=why)
        self._changed[before.request_id] = None

    def _note_status(self, entry: Entry, status_of: StatusOf) -> bool:
        """Can its task be seen?"""
        request = entry.request
        if request.project_id is None or request.task_id is None:
            return False
        status = status_of(request.project_id, request.task_id)
        if status is None:
            return False
        entry.last_status = status
        if entry.status in _NOT_BEGUN:  # the question overtook the frame
            entry.status = status
        if status != entry.status or status in FINAL:
            entry.has_moved = True
        return True

    def _settle_unheard(self, entry: Entry, now_s: float) -> None:
        """Ours that went out counts, or another; nothing says which."""
        without_ours = HitlState.SUPERSEDED if entry.is_kept else HitlState.LOST
        self._settle(entry, HitlState.SENT if entry.n_sent else without_ours, _UNHEARD, now_s)

    def _settle_by_its_run(self, entry: Entry, now_s: float) -> None:
        if entry.request.state is HitlState.SENT:
            self._settle(entry, HitlState.CONFIRMED, None, now_s)
        elif entry.n_sent and entry.request.state is HitlState.WAITING_LINK:
            why = "It was never acknowledged, but the server asks no more and the run goes on."
            self._settle(entry, HitlState.CONFIRMED, why, now_s)
        elif entry.last_status in (Status.FAILED, Status.CANCELLED):
            why = f"Its task is {entry.last_status}: whether somebody answered is not known."
            self._settle(entry, HitlState.LOST, why, now_s)
        else:
            why = "The server asks no more and the run goes on: somebody else has answered."
            self._settle(entry, HitlState.SUPERSEDED, why, now_s)

    # -- entries

    def _known(self, request_id: str) -> Entry:
        entry = self._entries.get(request_id)
        if entry is None:
            raise AnswerError(
                f"There is no question {shorten(repr(request_id), 80)} here: m.hitl.pending has those that are open."
            )
        return entry

    def _reopen(self, entry: Entry, why: str) -> None:
        entry.n_sent, entry.is_due, entry.is_out, entry.is_modified = 0, False, False, False
        entry.is_kept = False
        entry.request = replace(entry.request, answer=None, settled_s=None, said=None)
        self._set(entry, HitlState.OPEN, f"{why} Answer again.")

    def _settle(self, entry: Entry, state: HitlState, why: str | None, now_s: float) -> None:
        """An answer of ours that never went out was none."""
        answer = entry.request.answer if entry.n_sent else None
        entry.is_due = entry.is_out = entry.is_kept = False
        entry.request = replace(entry.request, settled_s=now_s, answer=answer)
        self._set(entry, state, why)

    def _set(self, entry: Entry, state: HitlState, why: str | None, answer: Answer | None = None) -> None:
        before = entry.request
        entry.request = replace(before, state=state, why=why, answer=answer or before.answer)
        if entry.request != before:
            self._changed[before.request_id] = None


_ASKER_IS_AWAY = "its asker has not come back"
_SIGNS_OF_LOSS = ("no such request is open", "it was lost", "the run was stopped", "was deleted")
"""In our servers' words, for a question that nobody waits for."""


def _attempt_before(new: HitlRequest, others: Iterable[Entry]) -> Entry | None:
    """The question to which "modify" was the answer that `new` came of. `others` are of the same task, the newest
    first.

    One that was answered so comes before one of which that is only concluded; where two may be meant, none is.
    """
    able = [other for other in others if not other.has_next and _can_follow(new, other.request)]
    asked_for = [other for other in able if other.is_modified]
    if asked_for:
        return asked_for[0]
    pending = [other for other in able if other.request.is_pending]
    return pending[0] if len(pending) == 1 else None


def _perhaps_before(new: HitlRequest, others: Iterable[Entry]) -> Entry | None:
    """As `_attempt_before`, of tasks that may be others: only the one question of ours that was to be changed."""
    asked_for = [
        other
        for other in others
        if other.is_modified and other.n_sent and not other.has_next and _can_follow(new, other.request)
    ]
    return asked_for[0] if len(asked_for) == 1 else None


def _is_over(request: HitlRequest, has_ended: HasEnded) -> bool:
    return request.project_id is not None and has_ended(request.project_id)


def _can_follow(new: HitlRequest, old: HitlRequest) -> bool:
    if (new.checkpoint or "").startswith(REPLANNED):
        return "Plan" in (old.checkpoint or "")
    return new.checkpoint == old.checkpoint and new.attempt == (old.attempt or 0) + 1 > 1


def _sending(entry: Entry) -> Sending:
    """As ROMA's own page answers: checkpoint and task are for its log."""
    request, answer = entry.request, entry.request.answer
    assert answer is not None
    fields = {
        "request_id": request.request_id,
        "action": answer.action,
        "modification_instructions": answer.instructions,
        "checkpoint_name": cut(request.checkpoint, LONGEST_NAME),
        "node_id": cut(request.task_id, LONGEST_NAME),
    }
    argument = {key: value for key, value in fields.items() if value is not None}
    return Sending(request.request_id, argument, entry.turn)


def _answered_already(request: HitlRequest) -> str:
    name = shorten(repr(request.request_id), 80)
    if request.answer is None:
        return f"Question {name} is not open any more ({request.state}). {request.why or ''}".rstrip()
    at = datetime.fromtimestamp(request.answer.at_s, UTC).strftime("%H:%M:%S UTC")
    more = f" {request.why}" if request.why else ""
    return (
        f"Question {name} was answered already: {request.answer.action}, at {at} (by {request.answer.via}); "
        f"now it is {request.state}.{more}"
    )
