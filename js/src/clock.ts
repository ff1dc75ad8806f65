// What time it is in the run that a view shows, and how long what is in it takes.

import { epoch } from "./format";
import { isFollowing } from "./kernel";
import type { Prompt, Task } from "./messages";
import { isOver } from "./status";
import type { View } from "./view";

/** Whether time goes on: the kernel is there, and somebody supplies the state. */
export const isTicking = ({ kernel }: View): boolean =>
  kernel.link.alive && isFollowing(kernel.traits.connection);

/** The server's clock now, whatever is shown, epoch ms; null where it was never told. */
export function newest(view: View): number | null {
  const clock = view.kernel.serverClock;
  if (clock === null) return null;
  return isTicking(view) ? clock.server_now + (performance.now() - clock.at) : clock.server_now;
}

/** The moment that is shown: the server's clock now, epoch ms, or the past one; null where it was never told. */
export const now = (view: View): number | null => view.travel.past?.time ?? newest(view);

/** How long a task took, or has been taking. */
export function durationOf(view: View, task: Task): number | null {
  if (task.started === null) return null;
  if (task.completed !== null) return task.completed - task.started;
  if (isOver(task.status)) return task.updated === null ? null : task.updated - task.started;
  const time = now(view);
  return time === null ? null : time - task.started;
}

/** How long the whole run took, or has been taking. */
export function runTime(view: View): number | null {
  const { started, ended } = view.progress;
  const from = epoch(started);
  const to = epoch(ended) ?? now(view);
  return from === null || to === null ? null : to - from;
}

/** How long a question has waited: since it was asked or, where nobody said when, since it was first seen here. */
export function waitedFor(view: View, prompt: Prompt): number | null {
  const asked = epoch(prompt.asked);
  const time = newest(view);
  if (asked !== null && time !== null) return Math.max(0, time - asked);
  const seen = view.questions.firstSeen(prompt.request_id);
  return seen === null ? null : Date.now() - seen;
}
