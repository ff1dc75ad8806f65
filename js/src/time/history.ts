// What a task went through, as far as anybody knows: the server's own stamps, and when the kernel saw which status.

import type { StatusChange, Task } from "../messages";
import { isOver } from "../status";

/** `word` is a status of the server or, where `isStamp`, what happened then. */
export interface Step {
  readonly time: number | null;
  readonly word: string;
  readonly isStamp?: true;
}

/** Oldest first, until `until` (epoch ms; null: all of it). What is not known is not there. */
export function historyOf(task: Task, changes: readonly StatusChange[], until: number | null): Step[] {
  const began = changes.findIndex(({ status }) => status === "RUNNING");
  const ended = changes.findLastIndex(({ status }) => isOver(status));
  const steps: Step[] = changes.map(({ time, status }, i) => ({
    // The server's own stamp is more exact than when we heard of it.
    time: (i === began ? task.started : i === ended ? task.completed : null) ?? time,
    word: status,
  }));
  if (began < 0 && task.started !== null)
    steps.unshift({ time: task.started, word: "started", isStamp: true });
  if (ended < 0 && task.completed !== null)
    steps.push({ time: task.completed, word: isOver(task.status) ? task.status : "ended" });
  if (task.created !== null) steps.unshift({ time: task.created, word: "created", isStamp: true });
  return steps.filter(({ time }) => until === null || time === null || time <= until);
}
