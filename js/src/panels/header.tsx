// The header's one line (two when narrow) and the progress bar under it.

import { count, elapsed, UNKNOWN } from "../format";
import { unreachable } from "../kernel";
import type { Connection } from "../messages";
import { CODE, codeOf, STATUSES, wordOfCode } from "../status";
import type { View } from "../view";

function stateWord(connection: Connection): string {
  switch (connection.state) {
    case "live":
      return "Live";
    case "polling":
      return "HTTP";
    case "connecting":
      return "Connecting";
    case "reconnecting":
      return connection.attempt === null ? "Reconnecting" : `Reconnecting, try ${connection.attempt}`;
    case "failed":
      return "Not reachable";
    case "closed":
      return "Closed";
    case "archive":
      return "Archive";
    default:
      return unreachable(connection.state);
  }
}

export function Header({ view }: { view: View }) {
  const { traits, link } = view.kernel;
  const { connection, project, progress, address } = traits;
  const hasTasks = view.run.tasks.size > 0;
  const title = hasTasks || project !== null ? (project?.goal ?? project?.title ?? firstGoal(view)) : null;
  const trip =
    link.alive &&
    link.round_trip_ms !== null &&
    (connection.state === "live" || connection.state === "polling")
      ? `${Math.round(link.round_trip_ms)} ms`
      : null;
  const dot = link.alive ? connection.state : "gone";
  const note = quietNote(view);
  return (
    <header class="rw-header">
      <span class="rw-state">
        <span class={`rw-dot rw-dot-${dot}`} aria-hidden="true" />
        <span class="rw-state-word">{link.alive ? stateWord(connection) : "No kernel"}</span>
        {trip !== null && <span class="rw-quiet rw-trip">{trip}</span>}
      </span>
      <h2 class="rw-title" dir="auto" title={title ?? undefined}>
        {title ?? (connection.state === "live" ? "No project" : (address ?? "ROMA"))}
      </h2>
      {(hasTasks || note !== "") && (
        <span class="rw-numbers">
          {hasTasks ? <ProgressText view={view} /> : <span class="rw-quiet">{note}</span>}
          {hasTasks && progress.started !== null && (
            <span class="rw-quiet rw-elapsed">{elapsed(view.elapsed())}</span>
          )}
        </span>
      )}
    </header>
  );
}

const firstGoal = (view: View): string | null => view.task(view.run.tree.ids[0] ?? "")?.goal ?? null;

function quietNote(view: View): string {
  const { connection, address } = view.kernel.traits;
  if (connection.state === "live") return address ?? "";
  // "Reconnecting, try 3" stands at the left already.
  if (connection.state === "failed" && connection.attempt !== null)
    return `after ${connection.attempt} tries`;
  return "";
}

function progressParts(view: View): { done: string; failed: string | null; running: string | null } {
  const { progress } = view.kernel.traits;
  // The trait's own count adds the aggregating ones; here they would contradict the Run panel beside it.
  const working = shares(view)
    .filter(([code]) => code === CODE.RUNNING || code === CODE.AGGREGATING)
    .map(([code, tasks]) => `${count(tasks)} ${wordOfCode(code)}`)
    .reverse();
  return {
    done: `${count(progress.done)} of ${count(progress.total)}`,
    failed: progress.failed > 0 ? `${count(progress.failed)} failed` : null,
    running: working.length > 0 ? working.join(" · ") : null,
  };
}

function ProgressText({ view }: { view: View }) {
  const { done, failed, running } = progressParts(view);
  return (
    <span class="rw-progress-text">
      {done}
      {failed !== null && (
        <>
          {" · "}
          <span class="rw-s-FAILED rw-inked">{failed}</span>
        </>
      )}
      {running !== null && ` · ${running}`}
    </span>
  );
}

/** The shares of the statuses, from the server's own counts. */
function shares(view: View): [code: number, tasks: number][] {
  const totals = new Array<number>(STATUSES.length).fill(0);
  for (const [word, tasks] of view.kernel.traits.progress.by_status) {
    totals[codeOf(word)] = (totals[codeOf(word)] as number) + tasks;
  }
  return totals.map((tasks, code): [number, number] => [code, tasks]).filter(([, tasks]) => tasks > 0);
}

export function ProgressBar({ view }: { view: View }) {
  const { progress } = view.kernel.traits;
  const { done, failed, running } = progressParts(view);
  const words =
    progress.total === 0 ? UNKNOWN : [done, failed, running].filter((part) => part !== null).join(", ");
  return (
    <div
      class="rw-progress"
      role="progressbar"
      aria-label="Progress"
      aria-valuemin={0}
      aria-valuemax={Math.max(1, progress.total)}
      aria-valuenow={Math.min(progress.done, Math.max(1, progress.total))}
      aria-valuetext={words}
    >
      {shares(view).map(([code, tasks]) => (
        <span
          key={code}
          class={`rw-share rw-s-${STATUSES[code]}${code === CODE.PENDING ? " rw-faint" : ""}`}
          style={{ flexGrow: tasks }}
        />
      ))}
    </div>
  );
}
