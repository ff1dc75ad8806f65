// The inspector's head: where the task stands, what it is to do, how it is and how long that took, its facts.

import type { ComponentChildren } from "preact";
import { durationOf } from "../../clock";
import { canGoAlong, goAlong } from "../../find/going";
import { duration, timeOfDay, UNKNOWN } from "../../format";
import type { Task } from "../../messages";
import { childIds, pathTo } from "../../state";
import { statusOf, wordOf } from "../../status";
import type { View } from "../../view";
import { Button, CLAMP_CHARS, CopyButton, Glyph, Grow, IconButton, Quiet } from "../parts";

export function TaskHead({ view, task, children }: { view: View; task: Task; children: ComponentChildren }) {
  const state = view.details.of(task);
  // The whole texts are those of now: what the record says of itself is the moment's.
  const goal = (!view.isPast && state.kind === "loaded" ? state.detail.goal : null) ?? task.goal;
  const status = statusOf(task.status);
  return (
    <div class="rw-task-head">
      <div class="rw-crumbs-row">
        <IconButton
          icon="back"
          label="Back (Alt+←)"
          isOff={!canGoAlong(view, -1)}
          onClick={() => goAlong(view, -1)}
        />
        <IconButton
          icon="closed"
          label="Forward (Alt+→)"
          isOff={!canGoAlong(view, 1)}
          onClick={() => goAlong(view, 1)}
        />
        <Breadcrumb view={view} id={task.id} />
        <CopyButton
          text={`${view.expression}.task(${JSON.stringify(task.id)})`}
          label="Copy the task's Python expression"
        />
        <IconButton icon="close" label="Close" onClick={() => view.deselect()} />
      </div>
      <h3 class="rw-task-goal" dir="auto">
        {goal.slice(0, CLAMP_CHARS)}
      </h3>
      <div class="rw-task-status">
        <Glyph status={status} />
        <b class={`rw-s-${status} rw-inked`}>{wordOf(task.status)}</b>
        {task.type !== null && <span class="rw-chip">{task.type}</span>}
        <Quiet>{kindOf(task, childIds(view.run.tree, task.id).length > 0)}</Quiet>
        <Grow />
        <Times view={view} task={task} />
      </div>
      {children}
    </div>
  );
}

function kindOf(task: Task, hasChildren: boolean): string {
  if (task.node === "PLAN" || hasChildren) return "plan";
  return task.node === "EXECUTE" ? "leaf" : "";
}

/** A shorter wait is not worth the words. */
const SHORT_MS = 100;

/** `waited 4.8 s · took 5.3 s`, and the same as a strip. */
function Times({ view, task }: { view: View; task: Task }) {
  const took = durationOf(view, task);
  const waited = task.created === null || task.started === null ? null : task.started - task.created;
  if (waited === null || waited < SHORT_MS || took === null) return <Quiet>{duration(took)}</Quiet>;
  return (
    <>
      <span class="rw-quiet rw-times">
        waited {duration(waited)} · took {duration(took)}
      </span>
      <span class="rw-history" aria-hidden>
        <i class="rw-s-PENDING" style={{ flexGrow: waited }} />
        <i class="rw-s-RUNNING" style={{ flexGrow: took }} />
      </span>
    </>
  );
}

/** About what fits into the inspector's width. */
const CRUMB_CHARS = 38;

/** The way down, its middle left out (null) where it is too long for one line. */
function shorten(path: readonly string[]): (string | null)[] {
  const chars = path.reduce((sum, id) => sum + id.length + 3, 0);
  return chars <= CRUMB_CHARS || path.length < 4 ? [...path] : [path[0] as string, null, ...path.slice(-2)];
}

function Breadcrumb({ view, id }: { view: View; id: string }) {
  const shown = shorten(pathTo(view.run.tree, id));
  return (
    <nav class="rw-crumbs" aria-label="Where the task stands">
      {shown.map((crumb, i) => (
        <span key={crumb ?? "…"} class="rw-crumb">
          {i > 0 && <span class="rw-crumb-sep">›</span>}
          {crumb === null ? (
            "…"
          ) : crumb === id ? (
            <bdi class="rw-crumb-here" title={crumb.slice(0, 300)}>
              {crumb}
            </bdi>
          ) : (
            <Button title={crumb.slice(0, 300)} onClick={() => view.goTo(crumb)}>
              <bdi>{crumb}</bdi>
            </Button>
          )}
        </span>
      ))}
    </nav>
  );
}

export function Facts({ view, task }: { view: View; task: Task }) {
  const wide: [string, string][] = [
    ["Agent", task.agent ?? UNKNOWN],
    ["Model", task.model ?? UNKNOWN],
  ];
  const narrow: [string, string][] = [
    ["Started", timeOfDay(task.started, true)],
    ["Duration", duration(durationOf(view, task))],
    ["Ended", timeOfDay(task.completed, true)],
    ["Layer", task.layer === null ? UNKNOWN : String(task.layer)],
  ];
  const fact = ([name, value]: [string, string], className: string) => (
    <div key={name} class={className}>
      <dt>{name}</dt>
      <dd dir="auto">{value}</dd>
    </div>
  );
  return (
    <dl class="rw-kv">
      {wide.map((row) => fact(row, "rw-kv-wide"))}
      {narrow.map((row) => fact(row, ""))}
    </dl>
  );
}
