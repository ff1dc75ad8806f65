// Which task follow mode keeps in view.

import type { Task } from "../messages";

/** The running task that began last; among equals the later one in plan order. */
export function newestRunning(tasks: Iterable<Task>): Task | null {
  let newest: Task | null = null;
  for (const task of tasks) {
    if (task.status === "RUNNING" && (newest === null || (task.started ?? 0) >= (newest.started ?? 0)))
      newest = task;
  }
  return newest;
}
