"""The methods by which whatever shows a run gives it out as data: frames, graphs, figures. Each is of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..core.hitl import HitlRequest
from ..core.model import Snapshot, Task, Trace
from . import finding, frames, graphs, order, trace_frames
from .figures import Figures

if TYPE_CHECKING:
    import networkx
    import pandas


class RunData:
    """Mixed into `Monitor`. Whoever mixes it in says what is shown, and what was fetched for it."""

    if TYPE_CHECKING:
        snapshot: Snapshot

    def _fetched(self, snapshot: Snapshot) -> tuple[Mapping[str, Trace], float | None]:
        """The fetched traces, times as stamped, and by how many seconds naive ones are ahead of UTC."""
        return {}, None

    def _asked(self, snapshot: Snapshot) -> Sequence[HitlRequest]:
        """What its agents asked people."""
        return ()

    def tasks(self) -> pandas.DataFrame:
        """Every task of the shown run as a DataFrame indexed by `task_id`, in plan order.

        Times are `datetime64[us, UTC]`, `duration_s` seconds; what the server did not say is NA. `n_stages`, `retries`,
        tokens and `cost_usd` come from fetched traces (`m.fetch_traces()`); `df.attrs["missing_traces"]` tasks have
        none. Example: `m.tasks().query("status == 'FAILED'")[["goal", "error"]]`
        """
        snapshot = self.snapshot
        return frames.tasks(snapshot, *self._fetched(snapshot))

    def stages(self, include_samples: bool = False) -> pandas.DataFrame:
        """Every stage of the fetched traces as a DataFrame; a retry is another row, with a higher `attempt`.

        Columns: task_id, seq, stage, attempt, status, started, completed (`datetime64[us, UTC]`), duration_s (seconds),
        agent, adapter, model, system_prompt, user_input, llm_response, output (JSON text), error, n_tool_calls,
        is_sample. `df.attrs["missing_traces"]` tasks have no fetched trace. Traces that ROMA invents are left out
        unless `include_samples`; a live monitor keeps none of them. Example:
        `m.fetch_traces(); m.stages().query("attempt > 1")[["task_id", "stage", "error"]]`
        """
        snapshot = self.snapshot
        return trace_frames.stages(snapshot, *self._fetched(snapshot), include_samples)

    def tool_calls(self, include_samples: bool = False) -> pandas.DataFrame:
        """Every call of a tool in the fetched traces: task_id, seq, call, tool, arguments, result, duration_s, error.

        `seq` is the stage's; `arguments` and `result` are JSON text; `duration_s` is in seconds, and made up by ROMA.
        Example: `m.tool_calls().groupby("tool").size()`
        """
        snapshot = self.snapshot
        return trace_frames.tool_calls(snapshot, *self._fetched(snapshot), include_samples)

    def messages(self, include_samples: bool = False) -> pandas.DataFrame:
        """Every message that a language model was sent, of the fetched traces: task_id, seq, role, content.

        `seq` is the stage's. Example: `m.messages().query("task_id == 'root'")["content"].to_list()`
        """
        snapshot = self.snapshot
        return trace_frames.messages(snapshot, *self._fetched(snapshot), include_samples)

    def context_edges(self) -> pandas.DataFrame:
        """Whose result was given to whom: source, target, content_type, summary; in plan order of the targets.

        Example: `m.context_edges().groupby("target").size()`
        """
        return frames.context_edges(self.snapshot)

    def graph(
        self, kind: str | None = None, *, portable: bool = False
    ) -> networkx.DiGraph[str] | networkx.MultiDiGraph[str]:
        """The run as a networkx MultiDiGraph with edge keys "child", "depends_on" and "context".

        With one `kind` a DiGraph of these edges alone. Nodes have the columns of `m.tasks()` as attributes, None where
        unknown; with `portable` these are left out and times are ISO text, as files need it:
        `networkx.write_graphml(m.graph(portable=True), "run.graphml")`, or `networkx.node_link_data`. Raises ValueError
        for an unknown kind. Example: `networkx.descendants(m.graph("child"), "root.1")`
        """
        snapshot = self.snapshot
        made = graphs.graph(snapshot, kind, self._fetched(snapshot)[0])
        return graphs.portable(made) if portable else made

    def find(self, text: str) -> list[Task]:
        """The tasks that the view's search finds: all words of `text` are in a task's goal, id, agent, model or error.

        Without case and accents ("resume" finds "Résumé"), in plan order; without a word every task. Here whole goals
        and errors are searched, of which a view has the first 500 characters. Raises ValueError for what is no string.
        Example: `[task.task_id for task in m.find("search timeout")]`
        """
        return finding.find(self.snapshot, text)

    def critical_path(self) -> list[str]:
        """The ids of the tasks that the run's end waited for, in the order in which they ended; the root is the last.

        Found backwards from the root: a task waited for the sub-task that ended last, or, without any, for the one
        that ended last of those which it, or the nearest task above it, needs. Tasks that have not ended count as
        ending last, so that in a run in progress the path leads through what it waits for; missing times count as
        earliest. Precisely: `roma_widget.analysis.order.critical_path`. Example:
        `m.tasks().loc[m.critical_path(), ["agent", "duration_s"]]`
        """
        return order.critical_path(self.snapshot)

    def blocked_by(self, task_id: str) -> list[str]:
        """The ids of the tasks that are not done and that this one waits for, in plan order; [] once it has ended.

        These are what it or a task above it needs (`depends_on`), and what holds up those; failed and cancelled ones,
        too. Raises UnknownTask. Example: `[m.task(each).status for each in m.blocked_by("root.3")]`
        """
        return order.blocked_by(self.snapshot, task_id)

    def context_of(self, task_id: str) -> pandas.DataFrame:
        """What a task was given: the rows of `m.context_edges()` that lead to it, with the kind in `content_type`.

        Raises UnknownTask. Example: `m.context_of("root")[["source", "content_type"]]`
        """
        return frames.context_edges(self.snapshot, task_id)

    @property
    def figures(self) -> Figures:
        """Plotly figures of the run as it stands: `timeline`, `durations`, `status`, `tree`, `tokens`.

        Example: `m.figures.timeline(title="Monday's run")`
        """
        return Figures(lambda: self.snapshot, self._fetched, self._asked)
