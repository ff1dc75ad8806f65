// The header's one line (two when narrow): connection, project, numbers; and the progress bar under it.

import { runTime } from "../clock";
import { isKnown } from "../fields";
import { count, elapsed, timeOfDay, UNKNOWN } from "../format";
import { isAside } from "../projects";
import { CODE, codeOf, STATUSES, wordOfCode } from "../status";
import type { View } from "../view";
import { LinkState } from "./link";
import { Menu } from "./menu";
import { Quiet } from "./parts";
import { ProjectMenu } from "./projects";
import { QuestionsElsewhere } from "./questions/elsewhere";
import { QuestionBadge } from "./questions/tray";
import { Search } from "./search";

export function Header({ view }: { view: View }) {
  const { connection, address } = view.traits;
  const hasTasks = view.kernel.run.tasks.size > 0 || view.isPast;
  const { progress, title } = view;
  const note = quietNote(view);
  const aside = isAside(view.traits);
  return (
    <header class="rw-header">
      <LinkState view={view} />
      <ProjectMenu
        view={view}
        title={title ?? (connection.state === "live" ? "No project" : (address ?? "ROMA"))}
      />
      {(hasTasks || aside || note !== "") && (
        <span class="rw-numbers">
          {aside && (
            <span
              class="rw-quiet rw-aside"
              title="This view holds to a project that is not the server's current one."
            >
              <span class="rw-aside-verb">watching · </span>not current
            </span>
          )}
          {connection.state === "archive" && hasTasks && address !== null && view.shape === "wide" && (
            <bdi class="rw-quiet rw-file" title={address.slice(0, 300)}>
              {address}
            </bdi>
          )}
          {hasTasks ? <ProgressText view={view} /> : note !== "" && <Quiet>{note}</Quiet>}
          {hasTasks && view.travel.past !== null && (
            <span class="rw-then">at {timeOfDay(view.travel.past.time)}</span>
          )}
          {hasTasks && progress.started !== null && (
            <span class="rw-quiet rw-elapsed">{elapsed(runTime(view))}</span>
          )}
        </span>
      )}
      <QuestionBadge view={view} />
      <QuestionsElsewhere view={view} />
      {hasTasks && <Search view={view} />}
      {hasTasks && <Menu view={view} />}
    </header>
  );
}

function quietNote(view: View): string {
  const { connection, address } = view.traits;
  if (connection.state === "live") return address ?? "";
  // "Reconnecting, try 3" stands at the left already.
  if (connection.state === "failed" && connection.attempt !== null)
    return `after ${connection.attempt} tries`;
  return "";
}

interface ProgressParts {
  done: string;
  failed: string | null;
  running: string | null;
  waiting: string | null;
}

function progressParts(view: View): ProgressParts {
  const { progress, waiting } = view;
  // The trait's own count adds the aggregating ones; here they would contradict the Run panel beside it.
  const working = shares(view)
    .filter(([code]) => code === CODE.RUNNING || code === CODE.AGGREGATING)
    .map(([code, tasks]) => `${count(tasks)} ${wordOfCode(code)}`)
    .reverse();
  return {
    done: `${count(progress.done)} of ${count(progress.total)}`,
    failed: progress.failed > 0 ? `${count(progress.failed)} failed` : null,
    running: working.length > 0 ? working.join(" · ") : null,
    waiting:
      waiting.size > 0 ? `${count(waiting.size)} ${waiting.size === 1 ? "waits" : "wait"} for you` : null,
  };
}

function ProgressText({ view }: { view: View }) {
  const { done, failed, running, waiting } = progressParts(view);
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
      {waiting !== null && ` · ${waiting}`}
    </span>
  );
}

/** The shares of the statuses, from the server's own counts, without what waits for the person. */
function shares(view: View): [code: number, tasks: number][] {
  const totals = new Array<number>(STATUSES.length).fill(0);
  for (const [word, tasks] of view.progress.by_status) {
    totals[codeOf(word)] = (totals[codeOf(word)] as number) + tasks;
  }
  for (const id of view.waiting.keys()) {
    const code = codeOf(view.task(id)?.status ?? "");
    totals[code] = Math.max(0, (totals[code] as number) - 1);
  }
  return totals.map((tasks, code): [number, number] => [code, tasks]).filter(([, tasks]) => tasks > 0);
}

export function ProgressBar({ view }: { view: View }) {
  const { progress } = view;
  const parts = Object.values(progressParts(view)).filter(isKnown);
  const words = progress.total === 0 ? UNKNOWN : parts.join(", ");
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
      {view.waiting.size > 0 && <span class="rw-share rw-s-waits" style={{ flexGrow: view.waiting.size }} />}
    </div>
  );
}
