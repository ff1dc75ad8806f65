"""The widget that a capable user would write in an afternoon, and in a day: what the project is held against.

Both have one Dict trait with the server's whole frame (python-socketio reads it with json.loads), and a plotly
FigureWidget that is redrawn with each frame. `ThreadedLink` is python-socketio's synchronous client as its manual has
it; `TunedLink` is its asynchronous client with the settings of the project's own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from roma_widget.archive.capture import FRAME

Take = Callable[[Any], None]
CONNECT_S = 20
COLORS = {"DONE": "#2e9e5b", "RUNNING": "#2878d0", "FAILED": "#c8372d", "READY": "#8a6fd1"}
# `data-revision` is the last frame that was painted; `benchmarks.pixels` waits for it.
FRONT_END = """export default { render({ model, el }) {
  const show = () => {
    const nodes = model.get("frame").all_nodes ?? {}
    const counts = {}
    for (const { status } of Object.values(nodes)) counts[status] = (counts[status] ?? 0) + 1
    el.textContent = JSON.stringify(counts)
    const mark = nodes.root?.goal ?? ""
    requestAnimationFrame(() => requestAnimationFrame(() => { el.dataset.revision = mark }))
  }
  model.on("change:frame", show)
  show()
} }"""


class ThreadedLink:
    """The synchronous client: a thread reads, one more for each frame."""

    def __init__(self, url: str, take: Take, ask: Take, **options: Any) -> None:
        import socketio

        self._client = socketio.Client(**options)
        self._client.on(FRAME, take)
        self._client.on("hitl_request", ask)
        self._client.connect(url, wait_timeout=CONNECT_S)

    def emit(self, event: str, message: Any) -> None:
        self._client.emit(event, message)

    def close(self) -> None:
        self._client.disconnect()


def unchecked_link(url: str, take: Take, ask: Take) -> ThreadedLink:
    """The synchronous client without websocket-client's own check, in Python, that each byte is valid UTF-8."""
    return ThreadedLink(url, take, ask, websocket_extra_options={"skip_utf8_validation": True})


def our_options(http: Any) -> dict[str, Any]:
    """The options of `roma_widget.client.socket`, for a socket to this machine."""
    from roma_widget.client.socket import LARGEST_FRAME

    return {
        "reconnection": False,
        "handle_sigint": False,
        "http_session": http,
        "websocket_extra_options": {"max_msg_size": LARGEST_FRAME, "compress": 0},
    }


class TunedLink:
    """The asynchronous client on a thread of its own, websocket only, no compression, frames in their order."""

    def __init__(self, url: str, take: Take, ask: Take | None = None, serializer: Any = None) -> None:
        self._url, self._take, self._ask, self._serializer = url, take, ask, serializer
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()
        if not self._ready.wait(CONNECT_S):
            raise RuntimeError(f"{url}: no connection within {CONNECT_S} s.")

    def emit(self, event: str, message: Any) -> None:
        asyncio.run_coroutine_threadsafe(self._client.emit(event, message), self._loop)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.disconnect(), self._loop).result(CONNECT_S)

    async def _run(self) -> None:
        import aiohttp
        import socketio

        options = {} if self._serializer is None else {"serializer": self._serializer}
        async with aiohttp.ClientSession() as http:
            self._loop = asyncio.get_running_loop()
            self._client = socketio.AsyncClient(**our_options(http), **options)
            self._client.on(FRAME, self._take)
            if self._ask is not None:
                self._client.on("hitl_request", self._ask)
            await self._client.connect(self._url, transports=["websocket"])
            self._ready.set()
            await self._client.wait()


def mirror() -> Any:
    """One Dict trait, and a front end that says how many tasks have which status."""
    import anywidget
    import traitlets

    class Mirror(anywidget.AnyWidget):
        _esm = FRONT_END
        frame = traitlets.Dict().tag(sync=True)

    return Mirror()


class NaiveWidget:
    """`show()` is what a cell displays. `link` is the client in place of the one that `tuned` chooses."""

    def __init__(self, url: str, *, tuned: bool, link: Callable[..., Any] | None = None) -> None:
        import ipywidgets
        import plotly.graph_objects as go

        self.frames = 0
        self.mirror = mirror()
        self.figure = go.FigureWidget(
            data=[go.Scatter(mode="lines", hoverinfo="skip"), go.Scatter(mode="markers")],
            layout={"height": 500, "showlegend": False, "uirevision": "run"},
        )
        self.questions = ipywidgets.HBox()
        self._box = ipywidgets.VBox([self.mirror, self.questions, self.figure])
        self._link = (link or (TunedLink if tuned else ThreadedLink))(url, self._take, self._ask)

    def show(self) -> Any:
        return self._box

    def close(self) -> None:
        self._link.close()
        self._box.close()

    def _take(self, frame: Any) -> None:
        self.mirror.frame = frame
        nodes = frame["all_nodes"]
        edges, points = drawn(nodes)
        with self.figure.batch_update():
            self.figure.data[0].update(edges)
            self.figure.data[1].update(points)
            self.figure.layout.title.text = nodes.get("root", {}).get("goal", "")
        self.frames += 1

    def _ask(self, request: Any) -> None:
        import ipywidgets

        button = ipywidgets.Button(description="Approve")
        answer = {"request_id": request["request_id"], "checkpoint_name": request.get("checkpoint_name")}
        button.on_click(lambda _: self._link.emit("hitl_response", {**answer, "action": "approve"}))
        self.questions.children = (*self.questions.children, button)


def drawn(nodes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Lines from parents to children, and a point for each task: a column a layer, a row for each task of it."""
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for task_id, node in nodes.items():
        layer = node.get("layer") or 0
        rows[layer] = rows.get(layer, 0) + 1
        places[task_id] = layer, -rows[layer]
    x: list[int | None] = []
    y: list[int | None] = []
    for task_id, node in nodes.items():
        parent = places.get(node.get("parent_node_id") or "")
        if parent is not None:
            x += [parent[0], places[task_id][0], None]
            y += [parent[1], places[task_id][1], None]
    points = {
        "x": [place[0] for place in places.values()],
        "y": [place[1] for place in places.values()],
        "text": [f"{task_id}: {node.get('goal')}" for task_id, node in nodes.items()],
        "marker": {"color": [COLORS.get(node.get("status"), "#999") for node in nodes.values()]},
    }
    return {"x": x, "y": y}, points
