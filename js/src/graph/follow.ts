// Which task follow mode keeps in view, and when it goes nearer.

import type { Task } from "../messages";

/** Would the run be so much larger, fitted into the view, that the picture may move for it? */
export const isMuchLarger = (fittedZoom: number, zoom: number): boolean => fittedZoom > 2 * zoom;

/** The running task that began last; among equals the later one in plan order. */
export function newestRunning(tasks: Iterable<Task>): Task | null {
  let newest: Task | null = null;
  for (const task of tasks) {
    if (task.status === "RUNNING" && (newest === null || (task.started ?? 0) >= (newest.started ?? 0)))
      newest = task;
  }
  return newest;
}
