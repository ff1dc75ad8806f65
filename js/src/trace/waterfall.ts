// The geometry of a trace: which row each stage has, where its bar stands between the first beginning and the last end,
// and which stages wrap others. Shares of the width are numbers from 0 to 1.

import type { Stage } from "./read";

export interface Row {
  readonly stage: Stage;
  /** `execution · 2`: every attempt has its own row. */
  readonly name: string;
  /** How many attempts the stage of this name has. */
  readonly attempts: number;
  /** How many stages wrap it. */
  readonly depth: number;
  /** It goes on while others begin and end: a thin line. */
  readonly wraps: boolean;
  /** null where the server does not say when it began. */
  readonly bar: { readonly from: number; readonly to: number } | null;
  readonly duration_ms: number | null;
  readonly state: "done" | "failed" | "running" | "unknown";
}

export interface Waterfall {
  readonly rows: readonly Row[];
  /** From the first beginning to the last end, ms; null without times. */
  readonly span_ms: number | null;
}

const DEEPEST = 3;
/** Who wraps whom is looked for pair by pair. */
const STAGES_COMPARED = 300;

/** `now` is the server's clock while the task runs, and null when nothing goes on any more. */
export function waterfall(stages: readonly Stage[], now: number | null): Waterfall {
  const attempts = new Map<string, number>();
  for (const { stage } of stages) attempts.set(stage, (attempts.get(stage) ?? 0) + 1);
  const ends = stages.map((stage) => endOf(stage, now));
  const begin = lowest(stages.map((stage) => stage.started));
  const end = -lowest(ends.map((each) => (each === null ? null : -each)));
  const span = Number.isFinite(begin) && Number.isFinite(end) ? Math.max(0, end - begin) : null;
  const share = (time: number): number => (span ? Math.min(1, Math.max(0, (time - begin) / span)) : 0);

  const wraps = (a: number, b: number): boolean => {
    const [outer, inner] = [stages[a] as Stage, stages[b] as Stage];
    const [outerEnd, innerEnd] = [ends[a] ?? null, ends[b] ?? null];
    if (a === b || outer.stage === inner.stage || outer.started === null || inner.started === null)
      return false;
    if (outerEnd === null || innerEnd === null || innerEnd === inner.started) return false;
    const isInside = outer.started <= inner.started && innerEnd <= outerEnd;
    return isInside && outerEnd - outer.started > innerEnd - inner.started;
  };
  const all = stages.length <= STAGES_COMPARED ? stages.map((_, i) => i) : [];

  const rows = stages.map((stage, at): Row => {
    const stop = ends[at] ?? null;
    const count = attempts.get(stage.stage) as number;
    const isOpen = stage.completed === null && stage.status === "running";
    const measured = stage.duration_s === null ? null : stage.duration_s * 1000;
    return {
      stage,
      name: count > 1 ? `${stage.stage} · ${stage.attempt}` : stage.stage,
      attempts: count,
      depth: Math.min(DEEPEST, all.filter((other) => wraps(other, at)).length),
      wraps: all.some((other) => wraps(at, other)),
      bar: stage.started === null ? null : { from: share(stage.started), to: share(stop ?? stage.started) },
      duration_ms: measured ?? (stage.started === null || stop === null ? null : stop - stage.started),
      state:
        stage.status === "completed"
          ? "done"
          : stage.status === "failed"
            ? "failed"
            : isOpen && now !== null
              ? "running"
              : "unknown",
    };
  });
  return { rows, span_ms: span };
}

function endOf(stage: Stage, now: number | null): number | null {
  if (stage.started === null) return null;
  if (stage.completed !== null) return Math.max(stage.started, stage.completed);
  if (stage.duration_s !== null) return stage.started + stage.duration_s * 1000;
  return stage.status === "running" && now !== null ? Math.max(stage.started, now) : null;
}

/** Infinity where none is known. */
const lowest = (times: readonly (number | null)[]): number =>
  times.reduce<number>(
    (least, time) => (time !== null && time < least ? time : least),
    Number.POSITIVE_INFINITY,
  );
