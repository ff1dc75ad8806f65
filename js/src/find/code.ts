// What finds in Python what a search and a filter find here.

import { CODE, STATUSES, WAITS_CODE } from "../status";
import type { Wanted } from "./match";

const WAITING = 'waiting = [q["task_id"] for q in m.pending if q["state"] in ("open", "held")]';

/**
 * Lines of Python about `run`, an expression; null where nothing is wanted, or what they cannot say. `isAsking`: there
 * are tasks that wait for a person, and are not found by their status.
 */
export function codeOfFound(
  run: string,
  { words, codes, types, during }: Wanted,
  isAsking: boolean,
): string | null {
  // A time is not told by the frame alone, and what is unknown to us may have any name there.
  const asked = codes.has(WAITS_CODE);
  if (during !== null || codes.has(CODE.UNKNOWN) || (asked && !isAsking)) return null;
  const py = JSON.stringify;
  const found = words.trim() === "" ? null : `${run}.find(${py(words.trim())})`;
  const conditions = found === null ? [] : [`df.index.isin([task.task_id for task in ${found}])`];
  if (codes.size > 0) {
    const statuses = [...codes].flatMap((code) => STATUSES[code] ?? []);
    const among = `df["status"].isin(${py(statuses)})`;
    if (!asked) conditions.push(isAsking ? `${among} & ~df.index.isin(waiting)` : among);
    else
      conditions.push(
        statuses.length === 0 ? "df.index.isin(waiting)" : `(${among} | df.index.isin(waiting))`,
      );
  }
  if (types.size > 0) conditions.push(`df["task_type"].isin(${py([...types])})`);
  if (codes.size + types.size === 0) return found;
  const lines = codes.size > 0 && isAsking ? [WAITING] : [];
  return [...lines, `df = ${run}.tasks()`, `df[${conditions.join(" & ")}]`].join("\n");
}
