"""docs/security.md names tests that are there; and what it claims of all routes and all options at once."""

from __future__ import annotations

import argparse
import ast
import html
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import Mock

from client.servers import eventually

import roma_widget as roma
from roma_widget.cli import _parser
from roma_widget.server.live import http_api
from roma_widget.widget.picture import html_of

NAMED = re.compile(r"`(?P<file>(?:tests|js/tests)/[\w./-]+\.(?:py|ts))?::(?P<test>[^`]+)`")


def test_each_test_that_is_named_exists(root: Path) -> None:
    page = (root / "docs" / "security.md").read_text(encoding="utf-8")
    assert [each for each in named_in(page) if not exists(root, *each)] == []
    assert len(list(named_in(page))) > 50


def test_each_row_of_a_defence_names_a_test(root: Path) -> None:
    page = (root / "docs" / "security.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\| \w+ \| test \|\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 30
    assert [row for row in rows if not NAMED.search(row.rpartition(" | ")[2])] == []


def test_no_option_of_the_command_line_takes_a_token() -> None:
    """Arguments can be read by every user of the machine."""
    options = [
        option for parser in parsers(_parser()) for each in parser._actions for option in each.option_strings
    ]
    secret = [option for option in options if re.search("token|password|secret|key|header", option)]
    assert set(secret) == {"--token-file", "--server-token-file"}


def test_reading_over_http_changes_nothing() -> None:
    with roma.Server() as server:
        with server.project("a survey") as project, project.task("a survey") as task:
            task.finish("done")
        told = ("/api/projects", "/api/executions", "/api/task-graph")
        eventually(lambda: '"has_saved_results":true' in asked(server.url + told[0]))  # the store's own doing
        before = [settled(asked(server.url + path)) for path in told]
        (listed,) = json.loads(asked(server.url + told[0]))["projects"]
        answers = {path: asked(server.url + path) for path in get_paths(listed["id"])}
        assert len(answers) >= 12
        assert [path for path, answer in answers.items() if answer.startswith("HTTP 5")] == []
        assert [settled(asked(server.url + path)) for path in told] == before


def test_a_saved_notebook_holds_no_results_prompts_and_traces(captures: Path) -> None:
    with roma.load(captures / "a_complete.jsonl.xz") as m:
        texts = m.stages()[["system_prompt", "user_input", "llm_response"]].stack().dropna().astype("string")
        told = [*texts, *(m.result(task.task_id) for task in m.snapshot.tasks.values())]
        state = json.dumps(m.get_state(), default=str, ensure_ascii=False)
        held = state + html.unescape(html_of(m.snapshot, m.static_key))
        goals = " ".join(task.goal for task in m.snapshot.tasks.values() if task.goal)
        goal = next(iter(m.snapshot.tasks.values())).goal
    lines = [line for text in told if text is not None for line in str(text).splitlines()]
    pieces = {line[at : at + 60] for line in lines for at in range(0, len(line) - 60, 30)}
    assert len(pieces) > 1_000
    assert goal is not None
    assert goal[:60] in held
    assert [piece for piece in pieces if piece in held and piece not in goals] == []


def named_in(page: str) -> Iterator[tuple[str, str]]:
    """(file, test); a name without a file is of the file before it."""
    file = ""
    for named in NAMED.finditer(page):
        file = named["file"] or file
        yield file, named["test"]


def exists(root: Path, file: str, test: str) -> bool:
    path = root / file
    if not path.is_file():
        return False
    return test in (python_tests(path) if path.suffix == ".py" else script_tests(path))


@cache
def python_tests(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@cache
def script_tests(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r'\btest\(\s*"([^"]+)"', path.read_text(encoding="utf-8")))


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from parsers(command)


def get_paths(project_id: str) -> list[str]:
    routes = http_api.routes(Mock())  # which is used when somebody asks
    return [route.path.replace("{project_id}", project_id) for route in routes if route.method == "GET"]


def asked(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code}"


def settled(answer: str) -> str:
    """Without the time at which it was given."""
    return re.sub(r'"(?:timestamp|server_now|server_time)": ?[^,}]+', "", answer)
