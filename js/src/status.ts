// The closed set of statuses as the widget draws them: word, glyph and place in every list. A word of the server
// that is not in the set is UNKNOWN and shown as it is.

import type { Outcome } from "./messages";

export const STATUSES = [
  "DONE",
  "FAILED",
  "AGGREGATING",
  "RUNNING",
  "PLAN_DONE",
  "READY",
  "NEEDS_REPLAN",
  "CANCELLED",
  "UNKNOWN",
  "PENDING",
] as const;
export type Status = (typeof STATUSES)[number];

/** Numbers for arrays: the order of STATUSES is the order of every status bar. */
export const CODE = Object.fromEntries(STATUSES.map((status, code) => [status, code])) as Readonly<
  Record<Status, number>
>;

/** Beside the statuses: a task that waits for the person, whatever its status is. */
export const WAITS_CODE = STATUSES.length;

const WORDS: Readonly<Record<Status, string>> = {
  DONE: "done",
  FAILED: "failed",
  AGGREGATING: "aggregating",
  RUNNING: "running",
  PLAN_DONE: "planned",
  READY: "ready",
  NEEDS_REPLAN: "needs replan",
  CANCELLED: "cancelled",
  UNKNOWN: "unknown",
  PENDING: "pending",
};

const known: ReadonlyMap<string, number> = new Map(
  STATUSES.filter((status) => status !== "UNKNOWN").map((status) => [status, CODE[status]]),
);

export const codeOf = (word: string): number => known.get(word) ?? CODE.UNKNOWN;
export const statusOf = (word: string): Status => STATUSES[codeOf(word)] as Status;
export const wordOf = (word: string): string => {
  const status = statusOf(word);
  return status === "UNKNOWN" ? word || "unknown" : WORDS[status];
};
export const wordOfCode = (code: number): string =>
  code === WAITS_CODE ? "waits for you" : WORDS[STATUSES[code] as Status];
export const onlyWhat = (code: number): string =>
  `Only what ${code === WAITS_CODE ? "" : "is "}${wordOfCode(code)}`;
/** What is drawn for a code. */
export const signOf = (code: number): Status | "waits" => STATUSES[code] ?? "waits";

/** A status after which nothing more happens to the task by itself. */
export const isOver = (word: string): boolean => {
  const status = statusOf(word);
  return status === "DONE" || status === "FAILED" || status === "CANCELLED";
};

/** An outcome after which nothing more happens to the run by itself. */
export const isEnded = (outcome: Outcome): boolean =>
  outcome === "succeeded" || outcome === "with_failures" || outcome === "failed";

/** Dashed border and dotted bar: not begun, or never will be. */
export const isHollow = (status: Status): boolean =>
  status === "PENDING" || status === "CANCELLED" || status === "UNKNOWN";

export interface Glyph {
  /** SVG path on a 12 grid, drawn with the ink. */
  readonly stroke: string;
  readonly fill: string;
  readonly width: number;
  readonly dash?: readonly number[];
}

const glyph = (stroke: string, fill = "", width = 1.35): Glyph => ({ stroke, fill, width });
const dot = (x: number, y: number, r: number) =>
  `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;

export const GLYPHS: Readonly<Record<Status, Glyph>> = {
  PENDING: glyph(dot(6, 6, 3.9)),
  READY: glyph("M3.2 2.1L9.6 6L3.2 9.9z"),
  RUNNING: glyph("M3.2 2.1L9.6 6L3.2 9.9z", "M3.2 2.1L9.6 6L3.2 9.9z"),
  PLAN_DONE: glyph(
    "M2.2 6H4.2C6.4 6 5.8 2.6 8.4 2.6H9M4.2 6C6.4 6 5.8 9.4 8.4 9.4H9",
    dot(1.9, 6, 1.5) + dot(9.9, 2.6, 1.5) + dot(9.9, 9.4, 1.5),
  ),
  AGGREGATING: glyph(
    "M3 2.6H3.6C6.2 2.6 5.6 6 7.8 6H9.8M3 9.4H3.6C6.2 9.4 5.6 6 7.8 6",
    dot(2.1, 2.6, 1.5) + dot(2.1, 9.4, 1.5) + dot(10.1, 6, 1.5),
  ),
  DONE: glyph("M1.9 6.4L4.7 9.2L10.2 3", "", 1.8),
  FAILED: glyph("M2.6 2.6L9.4 9.4M9.4 2.6L2.6 9.4", "", 1.9),
  NEEDS_REPLAN: glyph("M10 6A4 4 0 1 1 8.4 2.8M8.6 .9V3.1H6.4", "", 1.5),
  CANCELLED: glyph(`${dot(6, 6, 4.1)}M3.2 8.8L8.8 3.2`),
  UNKNOWN: {
    ...glyph(
      dot(6, 6, 5),
      "M5.55 8.1h.95v.95h-.95zM4.3 4.7a1.75 1.75 0 1 1 2.6 1.5c-.35.2-.45.4-.45.9h-.9c0-.9.2-1.2.75-1.55a.9.9 0 1 0-1.15-.85z",
      1.1,
    ),
    dash: [1.6, 1.5],
  },
};

/** A task that waits for the person: what its status is stays in words beside it. */
export const WAITS: Glyph = glyph(
  "",
  "M1.7 1.7h8.6a.9.9 0 0 1 .9.9v5.1a.9.9 0 0 1-.9.9H6.3L3.5 11V8.6H1.7a.9.9 0 0 1-.9-.9V2.6a.9.9 0 0 1 .9-.9z",
);
