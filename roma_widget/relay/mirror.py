"""The projects of the server above, as the state of a server of ours: written with every word from above.

From there on it is a server like every other: frames, changes, lists and HTTP answers are made of that state.
Runs on the loop of `roma-io`, behind the session whose clock knows the server's zone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from ..client.feed import Feed
from ..client.rest import Unreachable
from ..core import wire
from ..core.clock import ServerClock
from ..core.events import NO_NODES, GraphUpdate, Node, TaskRest
from ..core.model import Connection, Project
from ..core.state import ProjectState
from ..server.live.lean import started_in
from ..server.state.state import State
from ..server.wire.requests import Refused, shown
from .above import passed_up
from .stamps import node_fields, project_fields, whole_fields

RUNNING = "running"
REST_WITHIN_S = 20.0
MOST_WHOLE = 256 * 2**20
"""Characters of what had been left out of tasks and is kept with them; what does not fit is asked for when read."""
MOST_TOLD = 32
"""Projects of which it is remembered how they were written last: clients may look at any number."""


class Known(Protocol):
    """The session of the feed, which has heard each event before the mirror does."""

    def server_clock(self) -> ServerClock: ...

    def project(self, project_id: str) -> ProjectState | None: ...


class Mirror:
    """A `Sink` of the feed. `on_switched` hears that another project is current."""

    wanted_project: str | None = None

    def __init__(self, feed: Feed, state: State, known: Known) -> None:
        self._feed = feed
        self._state = state
        self._known = known
        self._clock = known.server_clock
        self._told: OrderedDict[str, Mapping[str, Node]] = OrderedDict()
        """The tasks of projects as they were written last, the oldest first; those that did not change are the same
        objects."""
        self._needs: dict[str, dict[str, tuple[str, ...]]] = {}
        self._zone: timedelta | None = None
        self._rest_sizes: dict[tuple[str, str], int] = {}
        self._rest_size = 0
        """Of all of them, in characters."""
        feed.left_out.listeners.append(self._take_rest)
        self.on_switched: Callable[[str | None], None] = lambda project_id: None
        self.on_connection_moved: Callable[[Connection], None] = lambda connection: None
        self.on_heard: Callable[[wire.Event], None] = lambda event: None

    def on_connection(self, connection: Connection) -> None:
        self.on_connection_moved(connection)

    def on_event(self, event: wire.Event, *, live: bool) -> None:
        self._note_zone()
        match event:
            case GraphUpdate():
                self._take_graph(event)
            case wire.ProjectsListed():
                self._take_list(event)
            case wire.ProjectStarted():
                with self._state.lock:
                    self._put(event.project)
            case wire.ProjectStatus(project_id, status) if project_id in self._state.projects:
                with self._state.lock:
                    record = self._state.projects.get(project_id)
                    changed = {**record.fields, "status": status or record.fields["status"]}
                    self._state.projects.put(project_id, changed, alive=changed["status"] == RUNNING)
            case wire.TracesCleared(project_id) if project_id in self._state.projects:
                with self._state.lock:
                    self._state.traces.clear(project_id)
            case _:
                pass
        self._follow_current()
        self.on_heard(event)

    def _note_zone(self) -> None:
        """The server's zone is known now, or another: all stamps are another time."""
        zone = self._clock().offset
        if zone != self._zone:
            self._zone = zone
            again, self._told = self._told, OrderedDict()
            for project_id, nodes in again.items():
                self._write(project_id, nodes, self._needs[project_id])

    def _take_graph(self, frame: GraphUpdate) -> None:
        project_id = frame.project_id
        if project_id is None:
            return
        with self._state.lock:
            projects = self._state.projects
            if not frame.nodes and project_id in projects and projects.get(project_id).node_count:
                return  # a file that was being written
            if frame.project is not None and frame.project.project_id == project_id:
                self._put(frame.project)
            elif project_id not in projects:
                self._put(Project(project_id, goal=frame.goal))
        needs: dict[str, list[str]] = {}
        for needed, dependent in frame.edges:
            needs.setdefault(dependent, []).append(needed)
        self._write(project_id, frame.nodes, {key: tuple(value) for key, value in needs.items()})

    def _write(
        self, project_id: str, nodes: Mapping[str, Node], needs: Mapping[str, tuple[str, ...]]
    ) -> None:
        told, needed = self._told.get(project_id, NO_NODES), self._needs.get(project_id, {})
        if nodes is told and needs == needed:
            self._told.move_to_end(project_id)
            return
        clock, projects = self._clock(), self._state.projects
        with self._state.lock:
            record = projects.get(project_id)
            # of one that was forgotten here, the state knows
            before = told.keys() if project_id in self._told else projects.nodes(record).keys()
            if not before <= nodes.keys():
                projects.clear(record)  # the run was begun anew, or tasks were taken back
                told = NO_NODES
            for task_id, node in nodes.items():
                if told.get(task_id) is not node or needs.get(task_id) != needed.get(task_id):
                    rest = (
                        None
                        if node.is_whole
                        else self._feed.left_out.known(project_id, task_id, node.raw_json)
                    )
                    fields = node_fields(node, clock) if rest is None else whole_fields(node, rest, clock)
                    self._note_start(project_id, node, fields)
                    projects.put_node(record, fields, needs.get(task_id, ()))
        self._told[project_id], self._needs[project_id] = nodes, dict(needs)
        self._told.move_to_end(project_id)
        self._forget_some()

    def _forget_some(self) -> None:
        current_id = self._feed.hearing.current_id
        n_more = len(self._told) - MOST_TOLD
        for project_id in [key for key in self._told if key != current_id][: max(0, n_more)]:
            self._forget(project_id)

    def close(self) -> None:
        self._feed.left_out.listeners.remove(self._take_rest)

    async def whole(self, project_id: str, task_id: str) -> Mapping[str, Any]:
        """The fields of a task with all that the server above left out, asked for there. Raises `Refused`."""
        if project_id not in self._told:  # it was forgotten here
            with suppress(Unreachable):
                await self._feed.look_at(project_id)
        node = self._told.get(project_id, NO_NODES).get(task_id)
        if node is None:
            raise Refused(f"No task {shown(task_id)} in project {shown(project_id)}")
        if node.is_whole:
            return node_fields(node, self._clock())
        with passed_up():
            rest = await self._feed.left_out.fetch(project_id, task_id, node.raw_json, REST_WITHIN_S)
        return whole_fields(node, rest, self._clock())

    def _take_rest(self, project_id: str, task_id: str, lean_json: str, rest: TaskRest) -> None:
        """It stands with the task from now on, for those who are told whole tasks."""
        node = self._told.get(project_id, NO_NODES).get(task_id)
        if node is None or node.raw_json != lean_json or not self._has_room(project_id, task_id, rest.size):
            return
        with self._state.lock:
            record = self._state.projects.get(project_id)
            fields = whole_fields(node, rest, self._clock())
            self._note_start(project_id, node, fields)
            self._state.projects.complete_node(record, fields)

    def _note_start(self, project_id: str, node: Node, fields: dict[str, Any]) -> None:
        """When work on a task began, for who comes later: by the server's word, else as it was seen here."""
        if node.began is not None:
            fields.setdefault("started", started_in(fields.get("execution_details")))
            return
        project = self._known.project(project_id)
        task = None if project is None else project.tasks.get(node.task_id)
        fields["started"] = None if task is None or task.started is None else task.started.isoformat()

    def _has_room(self, project_id: str, task_id: str, size: int) -> bool:
        """Whether so many characters may be kept with that task, and counts them then."""
        more = size - self._rest_sizes.get((project_id, task_id), 0)
        if self._rest_size + more > MOST_WHOLE:
            return False
        self._rest_sizes[project_id, task_id] = size
        self._rest_size += more
        return True

    def _take_list(self, listed: wire.ProjectsListed) -> None:
        with self._state.lock:
            for project in listed.projects:
                self._put(project)
            if not listed.is_whole:
                return
            named = {project.project_id for project in listed.projects}
            gone = [
                record.project_id
                for record in self._state.projects.records()
                if record.project_id not in named
            ]
            for project_id in gone:
                self._forget(project_id)
                self._state.traces.clear(project_id)
                self._state.projects.delete(project_id)

    def _forget(self, project_id: str) -> None:
        self._told.pop(project_id, None)
        self._needs.pop(project_id, None)
        for key in [key for key in self._rest_sizes if key[0] == project_id]:
            self._rest_size -= self._rest_sizes.pop(key)

    def _put(self, project: Project) -> None:
        clock = self._clock()
        in_utc = Project(
            project.project_id,
            project.title,
            project.goal,
            project.status,
            clock.utc(project.created),
            clock.utc(project.updated),
        )
        known: dict[str, Any] = project_fields(in_utc)
        self._state.projects.put(project.project_id, known, alive=project.status == RUNNING)

    def _follow_current(self) -> None:
        current_id = self._feed.hearing.current_id
        with self._state.lock:
            projects = self._state.projects
            if current_id == projects.current_id or (current_id is not None and current_id not in projects):
                return
            before = projects.current_id
            projects.make_current(None if current_id is None else projects.get(current_id))
        if before is not None:
            self.on_switched(current_id)
