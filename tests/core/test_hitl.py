"""The ledger of questions: heard once, answered once, sent until acknowledged, settled by what the server shows."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from roma_widget.core.events import HitlClosed, HitlQueued, HitlRequested
from roma_widget.core.hitl import Answer, HitlRequest, ServerSaid, checked_answer
from roma_widget.core.prompts import Prompts, Sending
from roma_widget.errors import AnswerError

ME = "notebook 1"
APPROVE = checked_answer("approve", None, "python", 5.0)
MODIFY = checked_answer("modify", "Add a step.", "python", 5.0)


def question(request_id: str = "r1", **fields: Any) -> HitlRequested:
    asked: dict[str, Any] = {
        "checkpoint": "PostInitialPlanGeneration",
        "task_id": "root",
        "attempt": 1,
        "message": "Good?",
        "asked": None,
        **fields,
    }
    return HitlRequested(request_id, **asked)


def linked(*questions: HitlRequested, **limits: Any) -> Prompts:
    """A ledger with a link, which heard these at second 0 while their tasks ran."""
    prompts = Prompts(ME, **limits)
    prompts.link_up(0.0)
    for each in questions or (question(),):
        prompts.hear(each, 0.0, project_id="p1", status="RUNNING")
    return prompts


def sent(prompts: Prompts, now_s: float) -> list[str]:
    return [each.request_id for each in prompts.to_send(now_s)]


def answered(prompts: Prompts, answer: Answer = APPROVE, at_s: float = 10.0) -> list[Sending]:
    prompts.answer("r1", answer)
    return prompts.to_send(at_s)


def state(prompts: Prompts, request_id: str = "r1") -> str:
    return str(prompts.get(request_id).state)


class TestHearing:
    def test_one_entry_however_often_it_comes(self) -> None:
        prompts = linked()
        for repetition in range(1, 20):
            prompts.hear(question(), 30.0 * repetition)
        (request,) = prompts.all()
        assert (request.heard_s, request.last_heard_s) == (0.0, 570.0)
        assert request.project_id == "p1"
        assert [each.request_id for each in prompts.take_changes()] == ["r1"]
        assert prompts.take_changes() == ()

    def test_fifty_at_once_stay_fifty_in_order(self) -> None:
        prompts = linked(*(question(f"r{n}", task_id=f"root.{n}") for n in range(50)))
        for n in range(50):
            prompts.answer(f"r{n}", APPROVE)
        assert sent(prompts, 1.0) == [f"r{n}" for n in range(50)]
        assert [each.request_id for each in prompts.all()] == [f"r{n}" for n in range(50)]

    @pytest.mark.parametrize(
        "empty",
        [
            question(task_id=None),
            HitlRequested("r1", None, None, None, None, None),
            question(data_json='{"x": "' + "y" * 5_000_000 + '"}'),
            question(message="<img src=x onerror=alert(1)>" * 1000, checkpoint="\N{PILE OF POO}" * 10_000),
        ],
    )
    def test_whatever_it_says_or_lacks_it_can_be_answered(self, empty: HitlRequested) -> None:
        prompts = linked(empty)
        assert len(str(prompts.get("r1").as_trait())) < 3_000
        assert [each.argument["action"] for each in answered(prompts)] == ["approve"]
        prompts.look(lambda *_: "DONE", 1000.0)

    def test_when_it_was_asked_is_known_once_the_zone_is(self) -> None:
        prompts = linked(question(asked=datetime(2026, 1, 1, 12)))
        assert prompts.get("r1").asked is None
        prompts.note_zone(lambda stamp: (stamp - timedelta(hours=2)).replace(tzinfo=UTC))
        assert prompts.get("r1").asked == datetime(2026, 1, 1, 10, tzinfo=UTC)

    def test_what_is_settled_makes_room_and_what_is_pending_stays(self) -> None:
        prompts = linked(question(), most_open=2, most_settled=0)
        prompts.hear(question("r2"), 1.0)
        prompts.hear(question("r3"), 1.0)
        assert [each.request_id for each in prompts.all()] == ["r1", "r2"]
        assert prompts.n_left_out == 1
        prompts.closed(HitlClosed("r1"), 2.0)
        prompts.hear(question("r3"), 31.0)  # its server asks again
        assert [each.request_id for each in prompts.all()] == ["r2", "r3"]
        prompts.hear(question("huge", data_json="x" * 70_000_000), 31.0)
        assert prompts.n_left_out == 2


class TestAnswering:
    @pytest.mark.parametrize(
        ("action", "instructions", "words"),
        [
            ("frobnicate", None, "not 'frobnicate'"),
            (None, None, "not None"),
            (["approve"], None, "not ['approve']"),
            ("modify", None, "takes instructions"),
            ("modify", " \n", "takes instructions"),
            ("modify", 7, "text, not int"),
            ("modify", "x" * 80_001, "too long"),
        ],
    )
    def test_what_is_no_answer_is_refused(self, action: Any, instructions: Any, words: str) -> None:
        with pytest.raises(AnswerError) as refused:
            checked_answer(action, instructions, "button", 0.0)
        assert words in str(refused.value)

    def test_it_is_said_as_romas_page_says_it(self) -> None:
        (sending,) = answered(linked(), MODIFY)
        assert sending.argument == {
            "request_id": "r1",
            "action": "modify",
            "modification_instructions": "Add a step.",
            "checkpoint_name": "PostInitialPlanGeneration",
            "node_id": "root",
        }

    def test_a_checkpoint_and_a_task_with_long_names_are_cut_for_the_servers_log(self) -> None:
        prompts = linked(question(checkpoint="c" * 10**6, task_id="t" * 10**6))
        (sending,) = answered(prompts)
        assert max(map(len, sending.argument.values())) <= 1_000

    def test_the_second_answer_is_refused_with_what_the_first_was(self) -> None:
        prompts = linked()
        answered(prompts)
        with pytest.raises(AnswerError, match=r"answered already: approve, at 00:00:05 UTC \(by python\)"):
            prompts.answer("r1", MODIFY)
        prompts.acknowledged("r1", 11.0)
        with pytest.raises(AnswerError, match="now it is sent"):
            prompts.answer("r1", APPROVE)
        assert sent(prompts, 12.0) == []
        with pytest.raises(AnswerError, match=r"no question 'r9' here: m\.hitl\.pending"):
            prompts.answer("r9", APPROVE)

    def test_a_held_one_can_be_answered_again_and_what_went_out_cannot_be_held(self) -> None:
        prompts = linked()
        assert prompts.hold("r1", "not on Fridays", MODIFY).why == "not on Fridays"
        assert prompts.get("r1").answer == MODIFY
        assert sent(prompts, 1.0) == []
        assert len(answered(prompts)) == 1
        assert prompts.hold("r1", "too late").state == "waiting_link"
        assert prompts.get("r1").answer == APPROVE

    def test_nothing_is_ever_answered_by_itself(self) -> None:
        prompts = linked()
        for second in range(0, 7200, 30):
            prompts.hear(question(), second)
            prompts.look(lambda *_: "RUNNING", second)
            assert sent(prompts, second) == []
        assert state(prompts) == "open"


class TestTheLink:
    def test_an_answer_waits_for_it_and_goes_out_once(self) -> None:
        prompts = linked()
        prompts.link_lost(5.0)
        assert answered(prompts) == []
        assert state(prompts) == "waiting_link"
        assert "no connection" in str(prompts.get("r1").why)
        prompts.link_up(600.0)
        assert sent(prompts, 600.0) == ["r1"]
        assert sent(prompts, 601.0) == []
        prompts.acknowledged("r1", 601.0)
        assert state(prompts) == "sent"

    def test_lost_right_behind_it_sends_it_once_more(self) -> None:
        prompts = linked()
        answered(prompts, at_s=10.0)
        prompts.link_lost(14.9)
        prompts.link_up(20.0)
        assert sent(prompts, 20.0) == ["r1"]
        prompts.link_lost(21.0)
        prompts.link_up(22.0)
        assert sent(prompts, 22.0) == []  # once, and from then on when the server asks again
        prompts.hear(question(), 30.0)
        assert sent(prompts, 30.0) == ["r1"]

    def test_lost_later_it_is_sent_again_when_the_server_asks_again(self) -> None:
        prompts = linked()
        answered(prompts, at_s=10.0)
        prompts.link_lost(15.1)
        prompts.link_up(20.0)
        assert sent(prompts, 20.0) == []
        assert "is not known" in str(prompts.get("r1").why)
        prompts.hear(question(), 30.0)
        assert sent(prompts, 30.0) == ["r1"]

    def test_acknowledged_it_is_not_sent_again(self) -> None:
        prompts = linked()
        answered(prompts, at_s=10.0)
        prompts.acknowledged("r1", 10.1)
        prompts.link_lost(10.2)
        prompts.link_up(20.0)
        prompts.hear(question(), 12.0)  # a repetition that was under way
        assert sent(prompts, 20.0) == []
        assert state(prompts) == "sent"

    def test_not_acknowledged_on_a_link_that_lives_it_waits_for_the_next_asking(self) -> None:
        prompts = linked()
        answered(prompts, at_s=10.0)
        prompts.unacknowledged("r1")
        assert "did not acknowledge" in str(prompts.get("r1").why)
        prompts.hear(question(), 11.0)
        assert sent(prompts, 11.0) == []
        prompts.hear(question(), 41.0)
        assert sent(prompts, 41.0) == ["r1"]

    def test_while_its_acknowledgement_may_still_come_it_is_not_sent_again(self) -> None:
        prompts = linked()
        answered(prompts, at_s=10.0)
        prompts.hear(question(), 16.0)
        assert sent(prompts, 16.0) == []
        prompts.unacknowledged("r1")
        assert sent(prompts, 30.0) == ["r1"]
        prompts.hear(question(), 46.0)
        prompts.acknowledged("r1", 49.0)
        assert sent(prompts, 49.0) == []
        assert state(prompts) == "sent"

    @pytest.mark.parametrize("is_out", [False, True])
    def test_what_was_not_sent_when_all_ends_says_so(self, is_out: bool) -> None:
        prompts = linked()
        prompts.answer("r1", APPROVE)
        if is_out:
            prompts.to_send(1.0)
        prompts.end()
        assert ("not known" if is_out else "it was not") in str(prompts.get("r1").why)
        assert sent(prompts, 2.0) == []

    def test_what_could_not_go_out_for_others_goes_out_next(self) -> None:
        prompts = linked()
        answered(prompts)
        prompts.not_sent("r1")
        assert sent(prompts, 20.0) == ["r1"]

    def test_what_was_given_out_and_waits_for_a_disk_goes_out_once(self) -> None:
        prompts = linked()
        (first,) = answered(prompts)
        assert prompts.is_to_go(first)
        prompts.link_lost(10.5)
        assert not prompts.is_to_go(first)
        prompts.link_up(11.0)
        (second,) = prompts.to_send(11.0)
        assert not prompts.is_to_go(first)
        assert prompts.is_to_go(second)

    def test_what_waits_for_a_disk_while_another_answer_counts_does_not_go_out(self) -> None:
        prompts = linked()
        (sending,) = answered(prompts)
        prompts.closed(HitlClosed("r1", "abort", "Ann"), 11.0)
        assert not prompts.is_to_go(sending)


class TestARelayKeepsTheAnswer:
    NOTE = "http://above:5000 cannot be reached"

    def kept(self, by: str = ME, **more: Any) -> HitlQueued:
        return HitlQueued("r1", "approve", by, self.NOTE, **more)

    @pytest.mark.parametrize("is_reply", [True, False])
    def test_ours_waits_and_says_who_keeps_it_and_why(self, is_reply: bool) -> None:
        prompts = linked()
        answered(prompts)
        prompts.queued(self.kept(by="" if is_reply else ME), 10.1, is_reply=is_reply)
        request = prompts.get("r1")
        assert (request.state, request.why) == ("waiting_link", f"The relay keeps it: {self.NOTE}.")
        assert request.answer == APPROVE
        assert not prompts.is_under_way("r1")
        prompts.closed(HitlClosed("r1", "approve", ME), 700.0)
        assert state(prompts) == "confirmed"

    def test_ours_is_not_sent_again_whatever_the_link_does(self) -> None:
        prompts = linked()
        prompts.is_told = True
        answered(prompts)
        prompts.queued(self.kept(), 10.1, is_reply=True)
        for now_s in (
            11.0,
            12.0,
            400.0,
        ):  # joined again: the relay asks, and says right behind it that it keeps one
            prompts.link_lost(now_s)
            prompts.unacknowledged("r1")
            assert prompts.get("r1").why == f"The relay keeps it: {self.NOTE}."
            prompts.link_up(now_s + 1)
            prompts.hear(question(), now_s + 1, project_id="p1", status="DONE")
            assert sent(prompts, now_s + 1.1) == []
            prompts.queued(self.kept(), now_s + 1.2)
            prompts.look(lambda *_: "DONE", now_s + 60, lambda _: False)
            assert sent(prompts, now_s + 60) == []
        prompts.end()
        assert prompts.get("r1").why == f"The relay keeps it: {self.NOTE}."

    def test_a_relay_that_has_forgotten_it_gets_it_again(self) -> None:
        prompts = linked()
        answered(prompts)
        prompts.queued(self.kept(), 10.1, is_reply=True)
        prompts.hear(question(), 50.0, project_id="p1", status="RUNNING")
        prompts.look(lambda *_: "RUNNING", 51.0)
        assert sent(prompts, 51.0) == []
        prompts.look(lambda *_: "RUNNING", 53.0)
        assert sent(prompts, 53.0) == ["r1"]

    def test_anothers_leaves_it_pending_and_a_second_answer_is_refused_with_whose_it_is(self) -> None:
        prompts = linked()
        prompts.queued(self.kept(by="Ann"), 1.0)
        why = f"Ann answered: approve. {self.NOTE}."
        request = prompts.get("r1")
        assert (request.is_pending, request.state, request.answer, request.why) == (
            True,
            "waiting_link",
            None,
            why,
        )
        with pytest.raises(AnswerError, match=r"not open any more \(waiting_link\). Ann answered: approve"):
            prompts.answer("r1", MODIFY)
        assert sent(prompts, 2.0) == []
        prompts.closed(HitlClosed("r1", "approve", "Ann"), 3.0)
        assert (state(prompts), prompts.get("r1").why) == ("superseded", "Ann answered: approve.")

    def test_anothers_that_came_to_nothing_leaves_it_open(self) -> None:
        prompts = linked()
        prompts.queued(self.kept(by="Ann"), 1.0)
        prompts.hear(question(), 50.0, project_id="p1", status="RUNNING")
        prompts.look(lambda *_: "RUNNING", 53.0)
        assert state(prompts) == "open"
        assert [each.request_id for each in answered(prompts)] == ["r1"]

    def test_anothers_comes_before_ours_that_waits_or_is_on_its_way(self) -> None:
        for is_out in (False, True):
            prompts = linked()
            prompts.answer("r1", APPROVE)
            if is_out:
                assert sent(prompts, 1.0) == ["r1"]
            prompts.queued(self.kept(by="Ann"), 1.0)
            prompts.refused("r1", "it was answered (approve by Ann)", 1.1)
            assert sent(prompts, 2.0) == []
            assert (prompts.get("r1").answer, state(prompts)) == (None, "waiting_link")

    @pytest.mark.parametrize(
        "hostile", [HitlQueued("r1"), HitlQueued("r1", "x" * 9_000, "y" * 9_000, "z" * 9_000)]
    )
    def test_whatever_it_says_is_one_short_sentence(self, hostile: HitlQueued) -> None:
        prompts = linked()
        prompts.queued(hostile, 1.0)
        prompts.queued(HitlQueued("unheard of"), 1.0)
        assert 20 < len(prompts.get("r1").why or "") < 600


class TestAnotherLife:
    """What a relay keeps on disk is taken up by a later one's ledger, whatever moment the first one ended at."""

    @staticmethod
    def later(prompts: Prompts) -> Prompts:
        again = Prompts("made up at its start")
        kept = [prompts.kept(each.request_id) for each in prompts.all()]
        again.restore([each for each in kept if each is not None], ME, 20.0)
        return again

    def test_an_open_question_is_open(self) -> None:
        again = self.later(linked())
        assert again.all() == linked().all()
        again.link_up(21.0)
        assert again.to_send(21.0) == []

    def test_an_answer_that_never_went_out_is_sent_once(self) -> None:
        prompts = linked()
        prompts.link_lost(10.0)
        assert answered(prompts) == []
        again = self.later(self.later(prompts))
        again.link_up(21.0)
        assert [sent(again, 21.0), sent(again, 22.0)] == [["r1"], []]
        assert again.get("r1").answer == APPROVE

    def test_one_that_perhaps_did_is_sent_when_the_server_asks_again(self) -> None:
        prompts = linked()
        answered(prompts)
        again = self.later(prompts)
        again.link_up(21.0)
        assert (sent(again, 21.0), state(again)) == ([], "waiting_link")
        again.link_lost(22.0)
        again.link_up(23.0)
        assert sent(again, 23.0) == []
        again.hear(question(), 23.1)
        assert sent(again, 23.1) == ["r1"]

    def test_one_that_was_acknowledged_leaves_it_open_when_the_server_asks_again(self) -> None:
        prompts = linked()
        answered(prompts)
        prompts.acknowledged("r1", 10.0)
        again = self.later(prompts)
        again.link_up(21.0)
        assert state(again) == "sent"
        again.hear(question(), 21.1)
        assert (state(again), sent(again, 21.1)) == ("open", [])

    def test_one_that_a_relay_above_keeps_is_not_sent(self) -> None:
        prompts = linked()
        answered(prompts)
        kept = HitlQueued("r1", action="approve", answered_by=ME)
        prompts.queued(kept, 11.0, is_reply=True)
        again = self.later(prompts)
        again.link_up(21.0)
        again.hear(question(), 21.1)
        again.queued(kept, 21.1)
        assert (sent(again, 21.1), state(again)) == ([], "waiting_link")

    @pytest.mark.parametrize("told", [ME, f"Ann (via {ME})"])
    def test_the_name_is_the_same(self, told: str) -> None:
        prompts = linked()
        answered(prompts)
        again = self.later(prompts)
        again.closed(HitlClosed("r1", action="approve", answered_by=told), 21.0)
        assert state(again) == "confirmed"

    def test_what_a_relay_of_plain_roma_concludes_is_told_in_its_words(self) -> None:
        prompts = linked()
        prompts.closed(HitlClosed("r1", reason="The run goes on.", state="superseded"), 10.0)
        assert (state(prompts), prompts.get("r1").why) == ("superseded", "The run goes on.")

    def test_what_is_settled_is_kept_no_more(self) -> None:
        prompts = linked()
        prompts.closed(HitlClosed("r1", reason="it ended"), 10.0)
        assert prompts.kept("r1") is None
        assert prompts.get("r1").said == ServerSaid(reason="it ended")


class TestWhatBecameOfIt:
    @pytest.mark.parametrize(
        ("status", "last_heard_s", "now_s", "becomes"),
        [
            ("PLAN_DONE", 0.0, 36.0, "confirmed"),
            ("PLAN_DONE", 0.0, 34.0, "sent"),  # it may ask again yet
            ("RUNNING", 0.0, 3600.0, "sent"),  # nothing moved
        ],
    )
    def test_confirmed_when_it_asks_no_more_and_the_task_moves_on(
        self, status: str | None, last_heard_s: float, now_s: float, becomes: str
    ) -> None:
        prompts = linked()
        answered(prompts, at_s=1.0)
        prompts.acknowledged("r1", 1.1)
        prompts.look(lambda *_: status, now_s - 0.1)
        prompts.look(lambda *_: "RUNNING", now_s)  # a plan that is done runs again when it is summed up
        assert state(prompts) == becomes

    def test_the_silence_of_a_link_that_was_down_is_no_sign(self) -> None:
        prompts = linked()
        prompts.link_lost(1.0)
        prompts.look(lambda *_: "PLAN_DONE", 100.0)
        prompts.link_up(101.0)
        prompts.look(lambda *_: "PLAN_DONE", 130.0)
        assert state(prompts) == "open"
        prompts.look(lambda *_: "PLAN_DONE", 137.0)
        assert state(prompts) == "superseded"
        assert "somebody else" in str(prompts.get("r1").why)

    def test_a_frame_that_lags_behind_the_question_moves_nothing(self) -> None:
        prompts = Prompts()
        prompts.link_up(0.0)
        prompts.hear(question(), 0.0, project_id="p1", status="READY")
        prompts.look(lambda *_: "RUNNING", 1.0)
        prompts.look(lambda *_: "RUNNING", 60.0)
        assert state(prompts) == "open"
        prompts.look(lambda *_: "RUNNING", 100.0)
        assert "has not repeated it" in str(prompts.get("r1").why)
        prompts.hear(question(), 101.0, project_id="p1", status="RUNNING")
        assert prompts.get("r1").why is None

    def test_a_new_attempt_confirms_ours_and_names_the_one_before(self) -> None:
        prompts = linked()
        answered(prompts, MODIFY)
        prompts.acknowledged("r1", 10.1)
        again = question("r2", checkpoint="PostModifiedPlanReview_Attempt_0", attempt=0)
        prompts.hear(again, 12.0, project_id="p1")
        assert state(prompts) == "confirmed"
        assert prompts.get("r2").previous_id == "r1"

    @pytest.mark.parametrize(
        ("checkpoint", "attempt"), [("PostModifiedPlanReview_Attempt_0", 0), ("PostInitialPlanGeneration", 2)]
    )
    @pytest.mark.parametrize("approved", [False, True])
    def test_a_new_attempt_that_we_did_not_ask_for_is_anothers(
        self, checkpoint: str, attempt: int, approved: bool
    ) -> None:
        prompts = linked()
        if approved:
            answered(prompts)
            prompts.acknowledged("r1", 10.1)
        prompts.hear(question("r2", checkpoint=checkpoint, attempt=attempt), 12.0, project_id="p1")
        assert state(prompts) == "superseded"
        assert prompts.get("r2").previous_id == "r1"

    def test_two_questions_of_one_task_can_be_open_together(self) -> None:
        prompts = linked(question(), question("r2", checkpoint="PreExecutionCheck"))
        assert state(prompts) == state(prompts, "r2") == "open"
        prompts.hear(question("r3"), 1.0)  # of a project that is not known: no sign of anything
        assert state(prompts) == "open"
        assert prompts.get("r2").previous_id is None

    @pytest.mark.parametrize("is_told", [False, True])
    def test_of_two_open_questions_the_one_that_was_to_be_modified_has_the_new_attempt(
        self, is_told: bool
    ) -> None:
        other = question("r2", checkpoint="PostRePlanGeneration")
        prompts = linked(question(), other)
        prompts.is_told = is_told
        answered(prompts, MODIFY)
        prompts.acknowledged("r1", 10.1)
        if is_told:
            prompts.taken("r1", 10.2)
        again = question("r3", checkpoint="PostModifiedPlanReview_Attempt_0", attempt=0)
        prompts.hear(again, 12.0, project_id="p1")
        assert [state(prompts, f"r{n}") for n in (1, 2, 3)] == ["confirmed", "open", "open"]
        assert prompts.get("r3").previous_id == "r1"
        prompts.hear(question("r4", checkpoint="PostModifiedPlanReview"), 13.0, project_id="p1")
        assert (
            prompts.get("r4").previous_id is None
        )  # r1 has its next attempt, and of the others two may be meant
        assert [state(prompts, f"r{n}") for n in (2, 3)] == ["open", "open"]

    def test_who_is_told_of_answers_concludes_none(self) -> None:
        prompts = linked()
        prompts.is_told = True
        prompts.hear(question("r2", attempt=2), 12.0, project_id="p1")
        assert state(prompts) == "open"
        assert prompts.get("r2").previous_id is None

    @pytest.mark.parametrize("action", [None, "approve"])
    def test_an_answer_that_was_held_or_never_went_out_is_not_reported_as_given(
        self, action: str | None
    ) -> None:
        prompts = linked(question(), question("r2", task_id="root.2"))
        prompts.link_lost(1.0)
        prompts.hold("r1", "not on Fridays", MODIFY)
        prompts.answer("r2", APPROVE)
        for request_id in ("r1", "r2"):
            prompts.closed(HitlClosed(request_id, action, "Ann"), 2.0)
            assert prompts.get(request_id).answer is None

    @pytest.mark.parametrize("project_id", [None, "p1"])
    def test_acknowledged_for_a_task_that_cannot_be_seen_it_is_pending_no_more(
        self, project_id: str | None
    ) -> None:
        prompts = Prompts(most_open=1)
        prompts.link_up(0.0)
        prompts.hear(question(), 0.0, project_id=project_id)
        answered(prompts)
        prompts.acknowledged("r1", 10.1)
        prompts.look(lambda *_: None, 60.0)
        assert prompts.get("r1").is_pending
        prompts.look(lambda *_: None, 71.0)
        request = prompts.get("r1")
        assert (request.state, request.is_pending) == ("sent", False)
        assert "cannot be seen" in str(request.why)
        prompts.hear(question(), 75.0)
        assert state(prompts) == "open"  # the server asks again

    @pytest.mark.parametrize(
        ("happens", "becomes"),
        [("", "lost"), ("sent", "sent"), ("kept", "sent"), ("kept for Ann", "superseded")],
    )
    def test_what_our_server_does_not_ask_of_who_joins_is_pending_no_more(
        self, happens: str, becomes: str
    ) -> None:
        prompts = linked(question(), question("r2"))
        if happens in ("sent", "kept"):
            answered(prompts)
        if happens.startswith("kept"):
            prompts.queued(HitlQueued("r1", "approve"), 10.1, is_reply=happens == "kept")
        prompts.link_lost(100.0)
        prompts.link_begins()
        prompts.is_told = True
        prompts.hear(question("r2"), 101.0)
        prompts.link_up(102.0)
        prompts.look(lambda *_: "RUNNING", 172.0)
        assert prompts.get("r1").is_pending
        prompts.look(lambda *_: "RUNNING", 173.0)
        assert (state(prompts), prompts.get("r1").is_pending) == (becomes, False)
        assert prompts.get("r1").why == "The server asks no more, and what came of it was not heard."
        assert (state(prompts, "r2"), prompts.get("r2").is_silent) == ("open", True)

    def test_never_acknowledged_for_a_task_that_cannot_be_seen_it_is_pending_no_more(self) -> None:
        prompts = Prompts()
        prompts.link_up(0.0)
        prompts.hear(question(), 0.0)
        answered(prompts)
        prompts.unacknowledged("r1")
        prompts.look(lambda *_: None, 70.0)
        assert prompts.get("r1").is_pending
        prompts.look(lambda *_: None, 71.0)
        assert (state(prompts), prompts.get("r1").is_pending) == ("sent", False)

    def test_what_a_relay_kept_is_settled_by_its_run_where_the_relay_cannot_say_it(self) -> None:
        prompts = linked()
        prompts.is_told = True
        prompts.queued(HitlQueued("r1", "approve", "Ann"), 10.1)
        prompts.look(lambda *_: "PLAN_DONE", 60.0)
        assert state(prompts) == "waiting_link"
        prompts.is_told = False
        prompts.look(lambda *_: "PLAN_DONE", 61.0)
        assert state(prompts) == "superseded"

    def test_who_waits_for_no_answer_is_lost_when_its_run_is_over(self) -> None:
        prompts = linked()
        prompts.look(lambda *_: "RUNNING", 30.0, lambda project_id: project_id == "p1")
        assert state(prompts) == "open"  # it may ask again yet
        prompts.look(lambda *_: "RUNNING", 36.0, lambda project_id: project_id == "p1")
        assert (state(prompts), prompts.get("r1").why) == ("lost", "Its run is over.")

    def test_a_task_that_failed_says_nothing_of_an_answer(self) -> None:
        prompts = linked()
        prompts.look(lambda *_: "FAILED", 36.0)
        assert state(prompts) == "lost"
        assert "whether somebody answered is not known" in str(prompts.get("r1").why)

    def test_what_is_not_repeated_for_long_is_silent_until_it_is(self) -> None:
        prompts = linked(question(), question("r2", task_id="root.2"))
        prompts.hold("r2", "not on Fridays", APPROVE)
        prompts.take_changes()
        prompts.look(lambda *_: "RUNNING", 71.0)
        assert [each.is_silent for each in prompts.take_changes()] == [True, True]
        assert prompts.get("r2").why == "not on Fridays"
        prompts.hear(question(), 72.0)
        prompts.hear(question("r2"), 72.0)
        assert [(each.is_silent, each.why) for each in prompts.all()] == [
            (False, None),
            (False, "not on Fridays"),
        ]
        assert len(prompts.take_changes()) == 2

    def test_a_new_attempt_finds_the_one_before_also_where_the_project_is_not_known(self) -> None:
        prompts = Prompts()
        prompts.link_up(0.0)
        prompts.hear(question(), 0.0)
        answered(prompts, MODIFY)
        prompts.acknowledged("r1", 10.1)
        prompts.hear(question("r2", checkpoint="PostModifiedPlanReview_Attempt_0", attempt=0), 12.0)
        assert (state(prompts), prompts.get("r2").previous_id) == ("confirmed", "r1")

    def test_of_two_that_may_be_meant_none_is_the_one_before(self) -> None:
        prompts = Prompts()
        prompts.link_up(0.0)
        for request_id in ("r1", "r2"):
            prompts.hear(question(request_id), 0.0)
            prompts.answer(request_id, MODIFY)
        prompts.to_send(1.0)
        prompts.hear(question("r3", checkpoint="PostModifiedPlanReview_Attempt_0", attempt=0), 12.0)
        assert prompts.get("r3").previous_id is None
        assert state(prompts) == state(prompts, "r2") == "waiting_link"

    def test_another_question_of_the_task_confirms_an_approval(self) -> None:
        prompts = linked()
        answered(prompts)
        prompts.acknowledged("r1", 10.1)
        prompts.hear(question("r2", checkpoint="PreExecutionCheck"), 12.0, project_id="p1")
        assert state(prompts) == "confirmed"
        assert prompts.get("r2").previous_id is None

    def test_our_server_says_it(self) -> None:
        told = linked(*(question(f"r{n}") for n in range(5)))
        for n in (1, 2, 3):
            told.answer(f"r{n}", APPROVE)
        told.to_send(10.0)
        told.taken("r1", 11.0)
        told.closed(HitlClosed("r2", "modify", "Ann"), 11.0)
        told.closed(HitlClosed("r3", "approve", ME), 11.0)  # of a link that was lost since
        told.closed(HitlClosed("r4", reason="the run was stopped"), 11.0)
        told.closed(HitlClosed("unheard of", "approve"), 11.0)
        assert [state(told, f"r{n}") for n in range(5)] == [
            "open",
            "confirmed",
            "superseded",
            "confirmed",
            "lost",
        ]
        assert told.get("r2").why == "Ann answered: modify."
        assert told.get("r4").why == "The server asks no more: the run was stopped."
        told.closed(HitlClosed("r1", "abort", "Ann"), 12.0)
        assert told.get("r1").settled_s == 11.0
        with pytest.raises(AnswerError, match=r"not open any more \(lost\)"):
            told.answer("r4", APPROVE)

    @pytest.mark.parametrize(
        ("words", "becomes"),
        [
            ("request r1: it was answered (approve by Ann)", "superseded"),
            (f"request r1: it was answered (approve by {ME})", "confirmed"),
            (f"request r1: it was answered (approve by Ann (via {ME}))", "confirmed"),
            (f"request r1: it was answered (approve by {ME} (via Ann))", "superseded"),
            ("request r1: no such request is open", "lost"),
            ("too many requests", "open"),
        ],
    )
    def test_a_refusal_says_where_it_stands(self, words: str, becomes: str) -> None:
        prompts = linked()
        answered(prompts)
        prompts.refused("r1", words, 10.1)
        assert state(prompts) == becomes
        if becomes == "open":
            prompts.hear(question(), 11.0)
            assert words in str(prompts.get("r1").why)
            assert len(answered(prompts, at_s=20.0)) == 1

    def test_an_answer_for_which_the_asker_is_not_back_yet_waits_for_it(self) -> None:
        prompts = linked()
        answered(prompts)
        prompts.refused("r1", "request r1: its asker has not come back since the server restarted", 10.1)
        assert state(prompts) == "waiting_link"
        assert sent(prompts, 10.2) == []
        prompts.hear(question(), 11.0)
        assert sent(prompts, 11.0) == ["r1"]

    @pytest.mark.parametrize("settled", ["sent", "confirmed", "superseded", "lost"])
    def test_what_the_server_asks_again_is_open_whatever_we_thought(self, settled: str) -> None:
        prompts = linked()
        answered(prompts)
        prompts.acknowledged("r1", 10.1)
        if settled == "confirmed":
            prompts.taken("r1", 10.1)
        if settled in ("superseded", "lost"):
            prompts.closed(HitlClosed("r1", "approve" if settled == "superseded" else None), 10.1)
        prompts.hear(question(), 11.0)
        assert state(prompts) == settled
        prompts.hear(question(), 41.0)
        request = prompts.get("r1")
        assert (request.state, request.answer, request.settled_s) == ("open", None, None)
        assert "Answer again" in str(request.why)
        assert len(answered(prompts, at_s=42.0)) == 1


IDS = st.sampled_from(["r1", "r2", "r3"])
STATUSES = st.sampled_from([None, "RUNNING", "PLAN_DONE", "DONE"])


class AnyOrder(RuleBasedStateMachine):
    """No order of things loses a question, or sends again what was acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts = Prompts(ME, most_open=3, most_settled=0)
        self.now_s = 1000.0
        self.n_answers = 0
        self.out: dict[str, Answer] = {}
        self.acknowledged: list[Answer] = []
        self.pending: set[str] = set()

    def known(self, request_id: str) -> HitlRequest | None:
        return next((each for each in self.prompts.all() if each.request_id == request_id), None)

    @rule(later_s=st.sampled_from([0.1, 3.0, 6.0, 40.0]))
    def time_passes(self, later_s: float) -> None:
        self.now_s += later_s

    @rule(request_id=IDS, status=STATUSES)
    def hear(self, request_id: str, status: str | None) -> None:
        project_id = "p1" if status else None
        event = question(request_id, attempt=int(request_id[1:]))
        self.prompts.hear(event, self.now_s, project_id=project_id, status=status)
        here = self.known(request_id)
        assert here is not None
        assert here.is_pending or self.now_s - (here.settled_s or 0.0) <= 5.0

    @rule(request_id=IDS)
    def answer(self, request_id: str) -> None:
        self.n_answers += 1
        with suppress(AnswerError):
            self.prompts.answer(request_id, Answer("approve", None, "button", float(self.n_answers)))

    @rule(request_id=IDS)
    def hold(self, request_id: str) -> None:
        with suppress(AnswerError):
            self.prompts.hold(request_id, "no")

    @rule()
    def send(self) -> None:
        for sending in self.prompts.to_send(self.now_s):
            answer = self.prompts.get(sending.request_id).answer
            assert answer is not None
            assert answer not in self.acknowledged
            self.out[sending.request_id] = answer

    @rule(request_id=IDS)
    def acknowledge(self, request_id: str) -> None:
        request = self.known(request_id)
        if (
            request is not None
            and request.state == "waiting_link"
            and request.answer is not None
            and request.answer == self.out.get(request_id)
        ):
            self.prompts.acknowledged(request_id, self.now_s)
            self.acknowledged.append(request.answer)

    @rule(request_id=IDS, what=st.sampled_from(["unacknowledged", "not_sent"]))
    def fail(self, request_id: str, what: str) -> None:
        getattr(self.prompts, what)(request_id)
        if what == "not_sent":
            self.out.pop(request_id, None)

    @rule(request_id=IDS, words=st.sampled_from(["it was answered (x)", "it was lost", "what?"]))
    def refuse(self, request_id: str, words: str) -> None:
        self.prompts.refused(request_id, words, self.now_s)

    @rule(request_id=IDS, action=st.sampled_from([None, "approve", "modify"]))
    def close(self, request_id: str, action: str | None) -> None:
        self.prompts.closed(HitlClosed(request_id, action), self.now_s)

    @rule(request_id=IDS, by=st.sampled_from([ME, "Ann"]))
    def queue(self, request_id: str, by: str) -> None:
        if by != ME or request_id in self.out:
            self.prompts.queued(HitlQueued(request_id, "approve", by), self.now_s)

    @rule(request_id=IDS)
    def take(self, request_id: str) -> None:
        self.prompts.taken(request_id, self.now_s)

    @rule(is_up=st.booleans())
    def link(self, is_up: bool) -> None:
        (self.prompts.link_up if is_up else self.prompts.link_lost)(self.now_s)

    @rule(status=STATUSES)
    def look(self, status: str | None) -> None:
        self.prompts.look(lambda *_: status, self.now_s)

    @invariant()
    def nothing_is_lost(self) -> None:
        known = self.prompts.all()
        ids = {each.request_id for each in known}
        assert len(ids) == len(known)
        assert self.pending <= ids
        self.pending = {each.request_id for each in known if each.is_pending}
        for each in known:
            assert (each.settled_s is None) == each.is_pending
            is_anothers = " answered: approve" in (each.why or "")
            assert each.answer is not None or is_anothers or each.state not in ("waiting_link", "sent")


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, deadline=None)
