// What changed in words and signs: colour only repeats it. Pure.

import { plural } from "../format";
import { type Status, statusOf, wordOf } from "../status";
import type { Compared, Pair, RunFacts } from "./read";

export interface Mark {
  /** Before the text; "" where the text has one in it. */
  readonly sign: string;
  readonly text: string;
  readonly tone: "worse" | "better" | "quiet" | Status;
}

const WORD_CHARS = 24;
/** No two runs take the same time: what is less counts as the same. */
const LEAST_PERCENT = 10;

export function marksOf(pair: Pair, names: Compared["names"]): readonly Mark[] {
  const { a, b } = pair;
  if (a === null) return [{ sign: "+", text: `only in ${names[1]}`, tone: "quiet" }];
  if (b === null) return [{ sign: "−", text: `only in ${names[0]}`, tone: "quiet" }];
  const untold = new Set(pair.changed);
  const marks: Mark[] = [];
  if (untold.delete("status")) {
    const [before, after] = [wordOf(a.status ?? ""), wordOf(b.status ?? "")];
    marks.push({ sign: "", text: `${before} → ${after}`, tone: statusOf(b.status ?? "") });
  }
  const factor = untold.has("duration") ? pace(a.duration_s, b.duration_s) : null;
  if (factor !== null) {
    untold.delete("duration");
    marks.push(factor);
  }
  if (untold.delete("goal")) marks.push({ sign: "≈", text: "reworded", tone: "quiet" });
  const others = [...untold].map((what) => what.slice(0, WORD_CHARS).replaceAll("_", " "));
  if (others.length > 0) marks.push({ sign: "≠", text: others.join(", "), tone: "quiet" });
  return marks;
}

/** `2.1× slower`, `12 % faster`; null where it is about the same, or not known. */
export function pace(before_s: number | null, after_s: number | null): Mark | null {
  if (before_s === null || after_s === null || before_s <= 0 || after_s <= 0) return null;
  const isSlower = after_s > before_s;
  const factor = isSlower ? after_s / before_s : before_s / after_s;
  const percent = Math.round(100 * Math.abs(after_s / before_s - 1));
  if (percent < LEAST_PERCENT) return null;
  const amount = factor < 1.5 ? `${percent} %` : `${factor < 9.95 ? factor.toFixed(1) : Math.round(factor)}×`;
  return isSlower
    ? { sign: "▲", text: `${amount} slower`, tone: "worse" }
    : { sign: "▼", text: `${amount} faster`, tone: "better" };
}

export function outcomeOf(run: RunFacts): { readonly words: string; readonly status: Status | null } {
  switch (run.outcome) {
    case "succeeded":
      return { words: "Finished", status: "DONE" };
    case "with_failures":
      return {
        words:
          run.failed > 0 ? `Finished with ${plural(run.failed, "failed task")}` : "Finished with failures",
        status: "FAILED",
      };
    case "failed":
      return { words: "Failed", status: "FAILED" };
    case "running":
      return { words: "Running", status: "RUNNING" };
    case "stalled":
      return { words: "Stalled", status: null };
    default:
      return { words: "Outcome unknown", status: null };
  }
}
