"""What is kept of a question over the end of a process, and how a later ledger takes it up (`prompts.Prompts.restore`).

An answer that never went out goes out as soon as there is a link. One that perhaps did, and was not acknowledged, goes
out again only when the server asks again; and when it asks again behind an acknowledgement, the question is open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from .hitl import HitlRequest, HitlState
from .remembered_prompts import Entry

NO_LINK = "There is no connection: it is sent as soon as there is one."
UNSURE = "Whether the server got it is not known: it is sent again when the server asks again."


@dataclass(frozen=True, slots=True)
class KeptPrompt:
    """A pending question. The fields are those of `remembered_prompts.Entry`."""

    request: HitlRequest
    stamp: datetime | None = None
    status: str | None = None
    n_sent: int = 0
    is_kept: bool = False
    is_modified: bool = False


def kept_of(entry: Entry) -> KeptPrompt:
    """What is to be known of it later."""
    return KeptPrompt(
        entry.request, entry.stamp, entry.status, entry.n_sent, entry.is_kept, entry.is_modified
    )


def taken_up(kept: KeptPrompt, now_s: float) -> Entry:
    """The entry of a ledger that has no link yet, and knows of nothing that is on its way."""
    request = kept.request
    is_waiting = request.state is HitlState.WAITING_LINK
    never_went_out = is_waiting and request.answer is not None and not kept.n_sent and not kept.is_kept
    why = request.why
    if is_waiting and not kept.is_kept:
        why = NO_LINK if never_went_out else UNSURE
    heard_s = min(request.heard_s, now_s)  # a clock may have been set back
    return Entry(
        replace(request, why=why, heard_s=heard_s, last_heard_s=heard_s),
        stamp=kept.stamp,
        status=kept.status,
        n_sent=kept.n_sent,
        is_due=never_went_out,
        is_kept=kept.is_kept,
        is_modified=kept.is_modified,
    )
