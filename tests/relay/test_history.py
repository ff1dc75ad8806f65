"""Who comes late looks back through a relay to where it began."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from client.servers import eventually
from relay.conftest import TIMEOUT_S, MakeRelay

import roma_widget as roma
from roma_widget.client.loop import io_thread
from roma_widget.errors import UnknownTime
from roma_widget.relay import history


def statuses(monitor: roma.Monitor) -> list[dict[str, str]]:
    """What each moment's tasks were, without moments before there were any, or in which none was another."""
    found: list[dict[str, str]] = []
    for moment in monitor.times:
        tasks = {key: str(task.status) for key, task in monitor.at(moment).snapshot.tasks.items()}
        if tasks and (not found or found[-1] != tasks):
            found.append(tasks)
    return found


@pytest.mark.parametrize("levels", [1, 2])
def test_a_late_joiner_sees_what_an_early_one_saw(
    relay_of: MakeRelay, connect: Callable[..., roma.Monitor], levels: int
) -> None:
    with roma.Server(interval_s=0.01) as above:
        relay = relay_of(above.url, interval_s=0.01)
        for _ in range(levels - 1):
            relay = relay_of(relay.url, interval_s=0.01)
        early = connect(relay.url)
        with above.project("Survey") as project, project.task("Survey") as root:
            eventually(lambda: str(_status(early, "root")) == "RUNNING")
            with root.task("Search") as leaf:
                eventually(lambda: str(_status(early, "root.1")) == "RUNNING")
                leaf.finish("found")
            eventually(lambda: str(_status(early, "root.1")) == "DONE")
            late = connect(relay.url, headers={"kernel": "late"})
            late.wait("connected", timeout=TIMEOUT_S)
            eventually(lambda: late.connection["relay"] and len(late.snapshot.tasks) == 2)
            begin = late.times[0]
            assert begin < late.snapshot.tasks["root.1"].completed
            assert statuses(late) == statuses(early)
            assert statuses(late)[0] == {"root": "RUNNING"}
            assert late.at(begin).is_exact
            found = [late.at(t).snapshot.tasks.get("root.1") for t in late.times]
            assert found[-1] is not None
            assert found[-1].result == "found"
            root.finish("done")
        late.wait("done", timeout=TIMEOUT_S)
        assert late.times[0] == begin
        assert late.at(late.times[-1]).snapshot.tasks["root"].status == "DONE"
        with pytest.raises(UnknownTime):
            late.at(-60)


def _status(monitor: roma.Monitor, task_id: str) -> object:
    task = monitor.snapshot.tasks.get(task_id)
    return None if task is None else task.status


def test_the_browser_s_slider_goes_back_as_far(
    relay_of: MakeRelay, connect: Callable[..., roma.Monitor]
) -> None:
    with roma.Server() as above:
        relay = relay_of(above.url)
        with above.project("Survey") as project, project.task("Survey") as root:
            root.finish("done")
        early = connect(relay.url)
        early.wait("done", timeout=TIMEOUT_S)
        late = connect(relay.url, headers={"kernel": "late"})
        late.wait("connected", timeout=TIMEOUT_S)
        eventually(lambda: late.connection["relay"] and late.snapshot.tasks)
        told = late.known_times()
        assert not isinstance(told, dict), "the relay is asked first"
        times = io_thread().result(told, TIMEOUT_S)["times"]
        assert times[0] in [time_us / 1000 for time_us in relay.session.times_us()]
        assert late.at(late.times[0]).snapshot.tasks, "it begins with the first tasks"
        again = late.known_times()
        assert isinstance(again, dict)
        assert again["times"] == times


def test_a_history_that_is_too_large_is_refused_and_ours_stays(
    relay_of: MakeRelay, connect: Callable[..., roma.Monitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "LARGEST", 10)
    with roma.Server() as above:
        relay = relay_of(above.url)
        with above.project("Survey") as project, project.task("Survey") as root:
            root.finish("done")
        late = connect(relay.url)
        late.wait("done", timeout=TIMEOUT_S)
        eventually(lambda: late.connection["relay"])
        assert len(late.times) >= 1
        assert len(late.at(late.times[-1]).snapshot.tasks) == 1
