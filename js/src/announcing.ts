// What the live region says of what happened by itself.

import type { Prompt, Task } from "./messages";

type Tasks = ReadonlyMap<string, Task>;

export function failedOf(tasks: Tasks): ReadonlySet<string> {
  const failed = new Set<string>();
  for (const task of tasks.values()) if (task.status === "FAILED") failed.add(task.id);
  return failed;
}

/** What failed since `before`; null: nothing. */
export function failureWords(
  before: ReadonlySet<string>,
  failed: ReadonlySet<string>,
  tasks: Tasks,
): string | null {
  const fresh = [...failed].filter((id) => !before.has(id));
  if (fresh.length === 0) return null;
  const goal = tasks.get(fresh[0] as string)?.goal ?? "";
  return fresh.length === 1 ? `Failed: ${goal}` : `${fresh.length} tasks failed, first: ${goal}`;
}

export function questionWords(first: Prompt, count: number): string {
  const words = first.message ?? first.checkpoint ?? first.task_id ?? "";
  return count === 1 ? `New question: ${words}` : `${count} new questions: ${words}`;
}
