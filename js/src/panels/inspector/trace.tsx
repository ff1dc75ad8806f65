// The trace of a task: a search through its texts, its stages as a waterfall, the open stage. And what stands there
// while there is none: loading, none recorded, refused.

import { useMemo } from "preact/hooks";
import { newest } from "../../clock";
import type { Task } from "../../messages";
import { isOver } from "../../status";
import { findIn } from "../../trace/finding";
import type { TraceState } from "../../trace/traces";
import { waterfall } from "../../trace/waterfall";
import type { View } from "../../view";
import { CopyButton, IconButton, LinkButton, pressable } from "../parts";
import { SearchNote, TraceSearch } from "./search";
import { Failed } from "./shared";
import { OpenStage } from "./stage";
import { Stages } from "./stages";

export function TraceTab({ view, task }: { view: View; task: Task }) {
  const state = view.traces.of(task);
  const { trace } = state;
  const now = isOver((view.kernel.run.tasks.get(task.id) ?? task).status) ? null : newest(view);
  const stages = trace?.stages ?? [];
  const fall = useMemo(() => waterfall(stages, now), [stages, now]);
  const { wanted } = view.inspection;
  // Texts that came since are searched, too.
  const read = stages.filter((stage) => view.traces.wholeIfAsked(stage)?.texts != null).length;
  const matches = useMemo(
    () => findIn(stages, wanted, (stage, name) => view.traces.text(stage, name)),
    [stages, wanted, read],
  );
  if (trace === null || stages.length === 0) return <NoStages view={view} task={task} state={state} />;
  const row = fall.rows.find(({ stage }) => stage.seq === view.inspection.openStage(task.id));
  const code = `m.trace(${JSON.stringify(task.id)})`;
  return (
    <>
      <div class="rw-trace-bar">
        <TraceSearch view={view} task={task} stages={stages} matches={matches} />
        <CopyButton text={code} label="Copy the trace's Python expression" />
        <IconButton
          icon="again"
          label="Ask for the trace again"
          isOff={state.isAsking || !canAsk(view)}
          onClick={() => again(view, task)}
        />
      </div>
      <SearchNote view={view} task={task} stages={stages} />
      {view.isPast && <p class="rw-trace-note rw-quiet">This is the trace as it is now.</p>}
      {trace.isSample && (
        <p class="rw-trace-note">
          <SampleGlyph />
          <span>
            <b>Invented by the server.</b> It has no trace of this task, and shows an example in its place.
          </span>
        </p>
      )}
      {trace.leftOut !== null && <p class="rw-trace-note rw-quiet">{trace.leftOut}</p>}
      {state.error !== null && (
        <div class="rw-trace-note">
          <Failed view={view} why={state.error} again={() => again(view, task)} />
        </div>
      )}
      <Stages view={view} task={task} fall={fall} isSample={trace.isSample} />
      {row === undefined ? (
        <p class="rw-trace-note rw-quiet">Open a stage to read what went in and what came out.</p>
      ) : (
        <OpenStage
          view={view}
          task={task}
          row={row}
          matches={matches}
          current={matches[view.inspection.matchAt(task.id, matches)] ?? null}
        />
      )}
    </>
  );
}

/** A saved run has nobody to ask. */
const canAsk = (view: View): boolean => view.canAct && view.traits.connection.state !== "archive";

function again(view: View, task: Task): void {
  view.traces.ask(task);
  view.schedule();
}

function NoStages({ view, task, state }: { view: View; task: Task; state: TraceState }) {
  if (state.trace === null && state.error === null) {
    return (
      <div class="rw-section" role="status">
        <p class="rw-quiet">Asking for the trace…</p>
        {[56, 30, 74].map((width) => (
          <i key={width} class="rw-bone" style={{ width: `${width}%` }} />
        ))}
      </div>
    );
  }
  if (state.error !== null) {
    return (
      <div class="rw-section">
        <b>The trace is not here</b>
        <Failed view={view} why={state.error} again={() => again(view, task)} />
      </div>
    );
  }
  return (
    <div class="rw-section">
      <b>No trace was recorded</b>
      <p class="rw-quiet">
        {isOver(task.status)
          ? "The server says nothing of what happened inside this task. "
          : "Stages come here when the task's agents report them. "}
        <LinkButton {...pressable(state.isAsking || !canAsk(view), () => again(view, task))}>
          Ask again
        </LinkButton>
      </p>
    </div>
  );
}

/** LOOK: a wave in a dashed square. */
function SampleGlyph() {
  return (
    <svg viewBox="0 0 12 12" class="rw-glyph rw-s-UNKNOWN" aria-hidden>
      <path class="rw-glyph-stroke" stroke-width="1.1" stroke-dasharray="1.6 1.5" d="M.8.8H11.2V11.2H.8z" />
      <path class="rw-glyph-stroke" stroke-width="1.2" d="M2.6 6.8C3.8 3.4 5 4 6 6S8.2 8.6 9.4 5.2" />
    </svg>
  );
}
