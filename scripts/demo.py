"""Opens JupyterLab on notebooks/01_live_run.ipynb: what `make demo` runs.

The notebooks are copied to build/demo first, so that running them changes nothing in the clone; the copy that was
there moves to build/demo.before. JupyterLab runs on loopback with a token, with its own settings in a temporary
folder (nothing is read from or written to your Jupyter), and ends with this script: kernels, server, folder.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
COPY = ROOT / "build" / "demo"
NOTEBOOK = "01_live_run.ipynb"
HOST = "127.0.0.1"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 10

# Nothing pops up over the notebook: no news, no "newer version".
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0, help="a free one unless told otherwise")
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    chosen = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, interrupt)  # SIGINT, too: a shell's background job starts with it ignored
    try:
        with tempfile.TemporaryDirectory(prefix="roma-widget-demo-") as own:
            run(Path(own), chosen.port or free_port(), open_browser=not chosen.no_browser and has_display())
    except KeyboardInterrupt:
        print("\ndemo: ended")


def run(own: Path, port: int, *, open_browser: bool) -> None:
    """Serve until the server ends or we are interrupted; leave no process behind."""
    copy_notebooks()
    token = secrets.token_urlsafe(24)
    log = own / "jupyterlab.log"
    print("demo: starting JupyterLab", flush=True)
    with log.open("wb") as output:
        server = subprocess.Popen(
            command(own, port),
            cwd=COPY,
            env=environment(own, token),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only us; we end it in order
        )
    try:
        wait_until_ready(server, port, token, log)
        address = f"http://{HOST}:{port}/lab/tree/{NOTEBOOK}?token={token}"
        print(f"demo: JupyterLab shows the notebook at\n\n    {address}\n", flush=True)
        print("demo: in it choose Run > Run All Cells; Ctrl-C here ends everything", flush=True)
        if open_browser:
            webbrowser.open(address)
        if server.wait():
            fail(f"JupyterLab ended with exit code {server.returncode}", log)
    finally:
        stop(server, port, token)


def copy_notebooks() -> None:
    if not (NOTEBOOKS / NOTEBOOK).exists():
        sys.exit(f"demo: there is no notebooks/{NOTEBOOK} in this clone")
    before = COPY.with_name("demo.before")
    if COPY.exists():
        shutil.rmtree(before, ignore_errors=True)
        COPY.rename(before)
    shutil.copytree(NOTEBOOKS, COPY, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))


def command(own: Path, port: int) -> list[str]:
    flags = [
        "--no-browser",
        f"--ServerApp.ip={HOST}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={COPY}",
        "--LabApp.extension_manager=readonly",
        f"--LabApp.workspaces_dir={own / 'workspaces'}",
        f"--LabApp.user_settings_dir={own / 'settings'}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--allow-root")
    return [sys.executable, "-m", "jupyterlab", *flags]


def environment(own: Path, token: str) -> dict[str, str]:
    """Our own Jupyter folders; this environment's commands first on the PATH, for `!` and `%` in cells."""
    for plugin, settings in SETTINGS.items():
        path = own / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "JUPYTER_TOKEN": token,  # not as an argument: everybody on the machine can read those
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "IPYTHONDIR": str(own / "ipython"),
    }


def wait_until_ready(server: subprocess.Popen[bytes], port: int, token: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            fail(f"JupyterLab ended with exit code {server.returncode}", log)
        try:
            request(port, token, "GET", "/api/status")
            return
        except OSError:
            time.sleep(0.2)
    fail(f"JupyterLab did not answer within {START_TIMEOUT_S} s", log)


def stop(server: subprocess.Popen[bytes], port: int, token: str, base: str = "") -> None:
    """Kernels first: they are in process groups of their own. Then the server's group. `base` is its path's prefix."""
    if server.poll() is not None:
        return
    try:
        for kernel in request(port, token, "GET", f"{base}/api/kernels"):
            request(port, token, "DELETE", f"{base}/api/kernels/{kernel['id']}")
    except OSError as error:
        print(f"demo: could not end the kernels in order ({error})", file=sys.stderr)
    for kind in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(server.pid, kind)
        try:
            server.wait(STOP_TIMEOUT_S)
            return
        except subprocess.TimeoutExpired:
            continue


def request(port: int, token: str, method: str, path: str) -> Any:
    """What the server answers, decoded. Raises OSError while it does not."""
    wanted = urllib.request.Request(
        f"http://{HOST}:{port}{path}", method=method, headers={"Authorization": f"token {token}"}
    )
    # No proxy of the environment stands between us and loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(wanted, timeout=STOP_TIMEOUT_S) as answer:
        return json.loads(answer.read() or b"null")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def has_display() -> bool:
    """Whether a browser that we open would be seen."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def fail(sentence: str, log: Path) -> NoReturn:
    last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    sys.exit(f"demo: {sentence}; its last words:\n{last_lines}")


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
