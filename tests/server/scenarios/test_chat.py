"""`chat`: a dozen short runs, each a project of its own."""

from __future__ import annotations

from typing import Any

from roma_widget.errors import RunStopped
from roma_widget.server.agents.instrument import Project
from roma_widget.server.scenarios.chat import RUNS


def test_twelve_conversations_each_a_project(play: Any) -> None:
    played = play("chat", seed=1)
    assert len(played.project_ids) == RUNS
    assert {project["status"] for project in played.projects()} == {"completed"}
    goals = [project["goal"] for project in played.projects()]
    assert len(set(goals)) == RUNS
    sizes = []
    for number, goal in enumerate(goals):
        tasks = played.tasks(number)
        sizes.append(len(tasks))
        assert tasks["root"]["goal"] == goal
        assert {task["status"] for task in tasks.values()} == {"DONE"}
    assert set(sizes) == {1, 2, 3, 4}


def test_every_conversation_has_its_own_texts(play: Any) -> None:
    played = play("chat", seed=1)
    texts = [str(task["full_result"]) for number in range(RUNS) for task in played.tasks(number).values()]
    sentences = [max(text.split(". "), key=len) for text in texts]
    assert len(set(sentences)) == len(sentences)


def test_it_is_quick(play: Any) -> None:
    assert play("chat").moments_s[-1] < 60


def test_a_conversation_that_is_stopped_does_not_end_the_others(play: Any, monkeypatch: Any) -> None:
    entered = []
    real = Project.__enter__

    def enter(project: Project) -> Project:
        entered.append(project)
        if len(entered) == 3:
            raise RunStopped("The run was stopped by request.")
        return real(project)

    monkeypatch.setattr(Project, "__enter__", enter)
    played = play("chat")
    assert played.error is None
    assert len(played.project_ids) == RUNS
    assert [project["status"] for project in played.projects()].count("completed") == RUNS - 1
