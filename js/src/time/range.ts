// A stretch of the run's time that a person has marked, and what happened in it. Pure; times are epoch ms.

import { count, plural } from "../format";
import type { Task } from "../messages";
import type { RunState } from "../state";
import { isOver } from "../status";
import type { Span } from "./axis";

/** As in marked text: it begins at the anchor, and the head is the end that moves. */
export interface Range {
  readonly anchor: number;
  readonly head: number;
}

export interface Work {
  readonly started: number;
  /** null: it goes on. */
  readonly ended: number | null;
}

export const spanOf = ({ anchor, head }: Range): Span => ({
  from: Math.min(anchor, head),
  to: Math.max(anchor, head),
});

/** When a task was at work; null where it has not begun. One that failed before it began is a moment. */
export function workOf(task: Task): Work | null {
  const ended = task.completed ?? (isOver(task.status) ? task.updated : null);
  const started = task.started ?? (task.status === "FAILED" ? ended : null);
  return started === null ? null : { started, ended };
}

export function isAtWork(task: Task, { from, to }: Span): boolean {
  const work = workOf(task);
  return work !== null && work.started <= to && (work.ended === null || work.ended >= from);
}

/** "9 tasks ran: 3 began, 4 finished, 1 failed", of what ran, began and ended within the range. */
export function happened(run: RunState, { from, to }: Span): string {
  const isIn = (time: number | null) => time !== null && time >= from && time <= to;
  let [ran, began, finished, failed] = [0, 0, 0, 0];
  for (const task of run.tasks.values()) {
    if (!isAtWork(task, { from, to })) continue;
    const work = workOf(task) as Work;
    ran++;
    if (isIn(work.started)) began++;
    if (!isIn(work.ended)) continue;
    if (task.status === "FAILED") failed++;
    else if (task.status === "DONE") finished++;
  }
  if (ran === 0) return "No task ran";
  const parts = [
    [began, "began"],
    [finished, "finished"],
    [failed, "failed"],
  ] as const;
  const said = parts.filter(([n]) => n > 0).map(([n, word]) => `${count(n)} ${word}`);
  return `${plural(ran, "task")} ran${said.length === 0 ? "" : `: ${said.join(", ")}`}`;
}

/** The Python that lists what happened in it, both ends included. */
export function betweenCode({ from, to }: Span): string {
  const iso = (time: number) => new Date(time).toISOString();
  return `m.between("${iso(Math.floor(from))}", "${iso(Math.ceil(to))}")`;
}
