"""A real kernel of the ipykernel that is installed, without a browser: a run is shown, and a click arrives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client.servers import eventually
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

LONGEST_S = 60
SHOWN = ("display_data", "execute_result")
VIEW = "application/vnd.jupyter.widget-view+json"
PROJECT = "m.snapshot.project and m.snapshot.project.project_id"
SHOW = """
import roma_widget as roma
m = roma.load({recording!r})
m
"""


@pytest.fixture
def kernel(root: Path) -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=LONGEST_S, cwd=str(root))
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(kernel: BlockingKernelClient, code: str) -> list[dict[str, Any]]:
    """What was published while it ran."""
    published: list[dict[str, Any]] = []
    reply = kernel.execute_interactive(code, timeout=LONGEST_S, output_hook=published.append)
    assert reply["content"]["status"] == "ok", reply["content"]
    return published


def value(kernel: BlockingKernelClient, expression: str) -> Any:
    """Of an expression that JSON can carry."""
    said = [each for each in run(kernel, f"print(__import__('json').dumps({expression}))") if is_print(each)]
    return json.loads("".join(each["content"]["text"] for each in said))


def is_print(message: dict[str, Any]) -> bool:
    return bool(message["msg_type"] == "stream" and message["content"]["name"] == "stdout")


def test_a_run_is_shown_and_what_the_browser_says_is_heard(
    kernel: BlockingKernelClient, captures: Path
) -> None:
    published = run(kernel, SHOW.format(recording=str(captures / "a_complete.jsonl.xz")))
    shown = [each["content"]["data"] for each in published if each["msg_type"] in SHOWN]
    model_id = next(each[VIEW]["model_id"] for each in shown if VIEW in each)
    assert any("text/html" in each for each in shown), "the picture for front ends without widgets"
    opened = {
        each["content"]["comm_id"]: each["content"] for each in published if each["msg_type"] == "comm_open"
    }
    assert opened[model_id]["data"]["state"]["_model_module"] == "anywidget"

    task = value(kernel, "list(m.tasks().index)[-1]")
    click = {"type": "do", "rid": "1", "action": "select", "project": value(kernel, PROJECT), "tasks": [task]}
    kernel.shell_channel.send(
        kernel.session.msg("comm_msg", {"comm_id": model_id, "data": {"method": "custom", "content": click}})
    )
    eventually(lambda: value(kernel, "m.selection") == [task])  # it is heard beside what the kernel executes
