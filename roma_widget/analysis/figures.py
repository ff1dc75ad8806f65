"""The figures of a run (plotly), for `m.figures`. How they are drawn is in `timeline` and `charts`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..core.hitl import HitlRequest
from ..core.model import Snapshot, Trace
from . import by_group, over_time, timeline, tree
from .run import NO_TRACES, Run

if TYPE_CHECKING:
    import plotly.graph_objects as go

Fetched = tuple[Mapping[str, Trace], float | None]


class Figures:
    """The figures of a run as it stands when they are asked for.

    Every figure takes `height` in pixels and a `title`. It follows plotly's default template; nothing is told by colour
    alone; hovering tells more; what is missing is said in the figure. Example:
    `m.figures.timeline(height=400, title="Monday")`
    """

    def __init__(
        self,
        take: Callable[[], Snapshot],
        fetched: Callable[[Snapshot], Fetched] = lambda _: (NO_TRACES, None),
        asked: Callable[[Snapshot], Sequence[HitlRequest]] = lambda _: (),
    ) -> None:
        """`take` gives the snapshot to draw, `fetched` what was fetched for it: traces by task id, and by how many
        seconds their times without a zone are ahead of UTC; `asked` what its agents asked people.
        """
        self._take = take
        self._fetched = fetched
        self._asked = asked

    def timeline(self, *, height: int | None = None, title: str | None = None) -> go.Figure:
        """A bar per task over the time of day (UTC): what ran when, what it waited for, what failed.

        Rows are in plan order with the root on top. The light part of a bar is from the task's creation to
        its start (all of it, where the start was not seen), the full part from its start to its end, or to
        the time of the snapshot while it has none. Up to 60 tasks carry their goal, and a glyph of their
        status at the bar's end; failed ones are hatched and crossed in any number. A run without tasks gives
        an empty figure that says so.

        Tasks whose trace was fetched have a strip below their bar: their stages, each kind with a pattern of its own,
        and in outline the waits between them (for sub-tasks, for a slot). Above 6,000 stages these are left out. While
        a person was asked, the strip says so, with the answer. Example: `m.fetch_traces(); m.figures.timeline()`
        """
        run = self._run()
        return timeline.timeline(run, height, title, self._asked(run.snapshot))

    def durations(
        self, by: str = "agent", *, height: int | None = None, title: str | None = None
    ) -> go.Figure:
        """How long tasks took, in seconds: a box and all its points for each agent, or each `by="task_type"`.

        The group that took the most time in all is on top; the 30 of these are shown. Raises ValueError for another
        `by`. Example: `m.figures.durations(by="task_type")`
        """
        return by_group.durations(self._run(), by, height, title)

    def status(self, *, height: int | None = None, title: str | None = None) -> go.Figure:
        """How many tasks waited, were under way, and had ended how, over the time of day (UTC), stacked.

        Made of the times at which tasks were created, started and completed: a task whose start is not known counts as
        waiting until it ends. Example: `m.figures.status()`
        """
        return over_time.status(self._run(), height, title)

    def tree(
        self, size: str = "duration", *, height: int | None = None, title: str | None = None
    ) -> go.Figure:
        """The run as an icicle: a task above its sub-tasks, as wide as what it and they took together.

        `size="duration"`: seconds at work, which of a task with sub-tasks is the time in which none of these ran;
        `size="tokens"`: tokens of both kinds, from fetched traces. Tasks of which nothing is known take no room, and
        their number is said. Raises ValueError for another `size`. Example: `m.figures.tree(size="tokens")`
        """
        return tree.tree(self._run(), size, height, title)

    def tokens(self, *, height: int | None = None, title: str | None = None) -> go.Figure:
        """Tokens per agent, prompt and completion, and what they cost, as far as the server counted.

        From fetched traces; tasks of which nothing is known are counted in a sentence below.

        Example: `m.fetch_traces(); m.figures.tokens()`
        """
        return by_group.tokens(self._run(), height, title)

    def _run(self) -> Run:
        snapshot = self._take()
        return Run(snapshot, *self._fetched(snapshot))
