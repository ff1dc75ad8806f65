"""A real JupyterLab in a real Chromium: starts the server, opens a notebook in it, runs cells, looks at the widget.

Cells are run and the kernel's state is read through JupyterLab's own objects (`window.jupyterapp`); the widget is only
looked at, and touched with mouse and keyboard as a person would. Used by the tests beside this file and by
scripts/screenshot.py.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from demo import HOST, free_port, request, stop
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, sync_playwright

START_TIMEOUT_S = 120
PAGE_TIMEOUT_MS = 60_000  # JupyterLab's first page in a new environment takes 15 s on two busy cores
VIEWPORT = {"width": 1280, "height": 900}
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
BASE = "/hub/user/ann"
"""Under a prefix, as a JupyterHub serves it: what works here works at the root, too; not so the other way round."""
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# A toast about news would cover the page; a dialog that asks for a kernel cannot come, ours name one.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

_READY = """() => {
    const panel = window.jupyterapp?.shell?.currentWidget
    const kernel = panel?.sessionContext?.session?.kernel
    return kernel?.connectionStatus === 'connected' && ['idle', 'busy'].includes(kernel.status)
        && document.querySelector('.jp-Notebook .jp-Cell') !== null
        && document.querySelector('#jupyterlab-splash') === null
}"""

_EXECUTE = """async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
    let printed = ''
    const future = kernel.requestExecute({code, store_history: false, stop_on_error: false})
    future.onIOPub = ({header, content}) => { if (header.msg_type === 'stream') printed += content.text }
    const {content} = await future.done
    if (content.status !== 'ok') throw new Error([content.ename, content.evalue, ...content.traceback].join('\\n'))
    return printed
}"""

_RUN_CELL = """(index) => {
    const {content} = window.jupyterapp.shell.currentWidget
    content.deselectAll()
    content.activeCellIndex = index
    window.romaTestRan = window.jupyterapp.commands.execute('notebook:run-cell')
}"""

_STATUSES = """(root) => {
    const rows = root.querySelectorAll('[role=treegrid][aria-label=Tasks] [role=row][data-task-id]')
    return Object.fromEntries([...rows].map((row) => [row.dataset.taskId, row.dataset.status]))
}"""

# Of an element: how bright its ground is, and its text's contrast to that.
CONTRAST = """(element) => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
    canvas.canvas.width = canvas.canvas.height = 1
    const over = (colours) => {  // bottom first
        canvas.clearRect(0, 0, 1, 1)
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1) }
        return canvas.getImageData(0, 0, 1, 1).data
    }
    const grounds = []
    for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor)
    const luminance = (rgba) => [...rgba].slice(0, 3).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
    const ground = luminance(over(grounds)), ink = luminance(over([...grounds, getComputedStyle(element).color]))
    return {ground, contrast: (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05)}
}"""


class LabServer:
    """A running JupyterLab server (Notebook 7 is in it, too), its notebooks in `folder`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, token: str, folder: Path) -> None:
        self.process = process
        self.port = port
        self.token = token
        self.folder = folder

    def ask(self, method: str, path: str) -> Any:
        return request(self.port, self.token, method, BASE + path)

    def save(self, name: str, notebook: dict[str, Any]) -> str:
        """Put a notebook there; returns its path as the server knows it."""
        path = f"{name}-{uuid.uuid4().hex[:6]}.ipynb"
        (self.folder / path).write_text(json.dumps(notebook), encoding="utf-8")
        return path

    def lab_address(self, path: str) -> str:
        """A workspace of its own for every notebook: JupyterLab would open again what was open before."""
        workspace = Path(path).stem
        return f"http://{HOST}:{self.port}{BASE}/lab/workspaces/{workspace}/tree/{path}?token={self.token}"

    def notebook_address(self, path: str) -> str:
        return f"http://{HOST}:{self.port}{BASE}/notebooks/{path}?token={self.token}"

    def end_kernels(self) -> None:
        for session in self.ask("GET", "/api/sessions"):
            self.ask("DELETE", f"/api/sessions/{session['id']}")


@contextmanager
def lab_server(own: Path, theme: str = LIGHT) -> Iterator[LabServer]:
    """A server with nothing of the person's Jupyter in it; its kernels and itself end here, also on SIGTERM."""
    folder = own / "notebooks"
    folder.mkdir(parents=True)
    port, token, log = free_port(), secrets.token_urlsafe(24), own / "jupyterlab.log"
    with ended_in_order(), log.open("wb") as output:
        process = subprocess.Popen(
            _command(own, folder, port),
            cwd=folder,
            env=_environment(own, token, theme),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_it_answers(process, port, token, log)
            yield LabServer(process, port, token, folder)
        finally:
            stop(process, port, token, BASE)


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM becomes an exception, so that `finally` runs: an outer time limit leaves no server behind."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _command(own: Path, folder: Path, port: int) -> list[str]:
    flags = [
        "--no-browser",
        f"--ServerApp.ip={HOST}",
        f"--ServerApp.port={port}",
        f"--ServerApp.base_url={BASE}/",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.extension_manager=readonly",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        f"--LabApp.workspaces_dir={own / 'workspaces'}",
        f"--LabApp.user_settings_dir={own / 'settings'}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--allow-root")
    return [sys.executable, "-m", "jupyterlab", *flags]


def _environment(own: Path, token: str, theme: str) -> dict[str, str]:
    for plugin, settings in {**SETTINGS, "@jupyterlab/apputils-extension/themes": {"theme": theme}}.items():
        path = own / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    own_folders = {f"JUPYTER_{name}": str(own / name.lower()) for name in names}
    return {**os.environ, **own_folders, "IPYTHONDIR": str(own / "ipython"), "JUPYTER_TOKEN": token}


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, token: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            request(port, token, "GET", f"{BASE}/api/status")
            return
        except OSError:
            time.sleep(0.1)
    said = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise RuntimeError(f"JupyterLab did not start (exit code {process.poll()}); its last words:\n{said}")


@contextmanager
def chromium_browser(executable: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=CHROMIUM_ARGUMENTS,
            ignore_default_args=["--enable-unsafe-swiftshader"],
        )
        try:
            yield browser
        finally:
            browser.close()


def notebook_of(*sources: str) -> dict[str, Any]:
    """A notebook of these code cells."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": source,
            }
            for number, source in enumerate(sources)
        ],
        "metadata": {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


class OpenNotebook:
    """A notebook on a page. `page_errors` are the exceptions that nobody caught, from readiness on."""

    def __init__(self, page: Page, server: LabServer, path: str) -> None:
        self.page = page
        self.server = server
        self.path = path
        self.page_errors: list[str] = []
        self.console_errors: list[str] = []
        page.set_default_timeout(PAGE_TIMEOUT_MS)
        page.on("pageerror", self._note_page_error)
        page.on("console", self._note_console)
        page.on("dialog", lambda dialog: dialog.accept())  # a reload asks whether to leave, also after saving

    def _note_page_error(self, error: Error) -> None:
        self.page_errors.append(error.stack or error.message)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console_errors.append(message.text)

    # -- the page

    def open(self, address: str) -> None:
        self.page.goto(address)
        self._wait_until_ready()

    def reload(self) -> None:
        self.page.reload()
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        self.page.wait_for_function(_READY)
        self.page_errors.clear()  # Notebook 7 throws one of its own while it starts
        self.console_errors.clear()

    def until(self, condition: str, argument: Any = None, *, timeout_s: float = 30) -> Any:
        """Wait until the JavaScript function `condition` returns something true; returns that."""
        handle = self.page.wait_for_function(condition, arg=argument, timeout=timeout_s * 1000)
        return handle.json_value()

    def command(self, name: str, **arguments: Any) -> None:
        """Run a command of the application and wait for its end."""
        self.page.evaluate(
            "([name, arguments]) => window.jupyterapp.commands.execute(name, arguments).then(() => null)",
            [name, arguments],
        )

    def save(self) -> Path:
        self.command("docmanager:save")
        return self.server.folder / self.path

    # -- cells and kernel

    def start_all(self) -> None:
        """Run all cells; `finish` waits for their end."""
        self.page.evaluate(
            "() => { window.romaTestRan = window.jupyterapp.commands.execute('notebook:run-all-cells') }"
        )

    def start_cell(self, index: int) -> None:
        self.page.evaluate(_RUN_CELL, index)

    def finish(self) -> None:
        """Wait for the end of what was started. Raises AssertionError with the first error that a cell shows."""
        self.page.evaluate("() => window.romaTestRan.then(() => null)")
        errors = self.page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]')
        assert errors.count() == 0, errors.first.inner_text()

    def run_all(self) -> None:
        self.start_all()
        self.finish()

    def run_cell(self, index: int) -> None:
        self.start_cell(index)
        self.finish()

    def execute(self, code: str) -> str:
        """Run code that is no cell's in the kernel; returns what it printed."""
        printed: str = self.page.evaluate(_EXECUTE, code)
        return printed

    def value(self, expression: str) -> Any:
        """What the expression is in the kernel, through JSON."""
        return json.loads(self.execute(f"import json; print(json.dumps({expression}))"))

    def kernel_state(self) -> dict[str, Any]:
        """The monitor `m` as the kernel has it: its revision, and each task's status."""
        state: dict[str, Any] = self.value(
            "(lambda s: {'revision': s.revision, 'statuses': {k: str(t.status) for k, t in s.tasks.items()}})"
            "(m.snapshot)"
        )
        return state

    # -- the widget

    @property
    def root(self) -> Locator:
        return self.page.locator(".jp-OutputArea-output .roma-widget")

    @property
    def picture(self) -> Locator:
        """The static one."""
        return self.page.locator(".jp-OutputArea-output [data-static]")

    def row(self, task_id: str) -> Locator:
        return self.root.locator(f'[role=row][data-task-id="{task_id}"]')

    def card(self, task_id: str) -> Locator:
        return self.root.locator(f'.rw-card[data-card="{task_id}"]')

    def statuses(self) -> dict[str, str]:
        """Of every task in the treegrid."""
        shown: dict[str, str] = self.root.evaluate(_STATUSES)
        return shown

    def revision(self) -> int:
        return int(self.root.get_attribute("data-revision") or -1)

    def until_revision(self, above: int, *, timeout_s: float = 30) -> int:
        """Wait until more than `above` has been painted."""
        revision: int = self.until(
            "(above) => { const said = Number(document.querySelector('.roma-widget')?.dataset.revision ?? -1);"
            " return said > above && said }",
            above,
            timeout_s=timeout_s,
        )
        return revision

    def until_like_the_kernel(self, *, timeout_s: float = 15) -> None:
        """Wait until the browser shows what the kernel holds, and fail with both when it does not in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            kernel = self.kernel_state()
            shown = {"revision": self.revision(), "statuses": self.statuses()}
            if shown == kernel:
                return
            if time.monotonic() > deadline:
                assert shown == kernel
            self.page.wait_for_timeout(100)


OpenInLab = Callable[[dict[str, Any]], OpenNotebook]


@contextmanager
def opened(
    browser: Browser, server: LabServer, notebook: dict[str, Any], name: str = "notebook", **context: Any
) -> Iterator[OpenNotebook]:
    """The notebook, open in JupyterLab on a page of its own; its kernel ends with it."""
    path = server.save(name, notebook)
    with browser.new_context(**{"viewport": VIEWPORT, "locale": "en-US", **context}) as own:
        try:
            shown = OpenNotebook(own.new_page(), server, path)
            shown.open(server.lab_address(path))
            yield shown
        finally:
            server.end_kernels()
