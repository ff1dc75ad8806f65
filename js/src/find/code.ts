// What finds in Python what a search and a filter find here, but for accents, which pandas does not fold.

import { CODE, STATUSES } from "../status";
import type { Wanted } from "./match";

/** Lines of pandas about `run`, a Python expression; null where nothing is wanted, or what they cannot say. */
export function codeOfFound(run: string, { words, codes, types, during }: Wanted): string | null {
  // A time is not told by the frame alone, and what is unknown to us may have any name there.
  if (during !== null || codes.has(CODE.UNKNOWN)) return null;
  const py = JSON.stringify;
  const conditions = (words.match(/\S+/g) ?? []).map(
    (word) => `texts.str.contains(${py(word)}, case=False, regex=False)`,
  );
  const lines = [`df = ${run}.tasks()`];
  if (conditions.length > 0) {
    lines.push(
      'fields = df.reset_index()[["goal", "task_id", "agent", "model", "error"]].fillna("")',
      'texts = fields.agg("\\n".join, axis=1).set_axis(df.index)',
    );
  }
  if (codes.size > 0) conditions.push(`df["status"].isin(${py([...codes].map((code) => STATUSES[code]))})`);
  if (types.size > 0) conditions.push(`df["task_type"].isin(${py([...types])})`);
  return conditions.length === 0 ? null : [...lines, `df[${conditions.join(" & ")}]`].join("\n");
}
