// The run's time as a line: where a moment stands on it, which moment stands at a place, which one is next, and what
// is written along it. Pure. Times are epoch ms, places are px from the line's beginning.

import { duration } from "../format";

export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A place this near to the line's end means the end. */
const END_PX = 4;
const LABEL_PX = 120;
const STEPS_S = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200,
] as const;
const DAY_S = 86_400;

export function placeOf(time: number, span: Span, width: number): number {
  const share = (time - span.from) / (span.to - span.from);
  return Number.isFinite(share) ? Math.max(0, Math.min(1, share)) * width : width;
}

/** null: the end. */
export function timeAt(place: number, span: Span, width: number): number | null {
  if (width <= 0 || place >= width - END_PX) return null;
  return span.from + (Math.max(0, place) / width) * (span.to - span.from);
}

/** The next moment at which something changed, before (-1) or after (1) `time`; null: the end. */
export function nextChange(times: readonly number[], time: number | null, way: -1 | 1): number | null {
  const last = times.length - 1;
  if (time === null) return way > 0 ? null : (times[Math.max(0, last - 1)] ?? null);
  if (way < 0) {
    const before = times.filter((other) => other < time);
    return before.at(-1) ?? times[0] ?? null;
  }
  const after = times.find((other) => other > time);
  // The last change is where the run stands now.
  return after === undefined || after === times[last] ? null : after;
}

/** A tenth of the line on; null: the end. */
export function aPageOn(time: number | null, span: Span, way: -1 | 1): number | null {
  const page = (span.to - span.from) / 10;
  const there = (time ?? span.to) + way * page;
  return there >= span.to ? null : Math.max(span.from, there);
}

export interface Tick {
  readonly time: number;
  readonly label: string;
}

/** `+10 s`, `+20 s`, …: as many as have room; the beginning has its clock time and is none of them. */
export function ticks(span: Span, width: number): readonly Tick[] {
  const length_s = (span.to - span.from) / 1000;
  const most = Math.floor(width / LABEL_PX);
  if (!(length_s > 0) || most < 1) return [];
  const least = length_s / most;
  const step = STEPS_S.find((step) => step >= least) ?? Math.ceil(least / DAY_S) * DAY_S;
  const found: Tick[] = [];
  for (let n = 1; n * step < length_s; n++) {
    const at_s = n * step;
    found.push({ time: span.from + at_s * 1000, label: `+${after(at_s, step)}` });
  }
  return found;
}

function after(at_s: number, step: number): string {
  if (step < 1) return `${at_s.toFixed(1)} s`;
  if (step < 60) return at_s < 60 ? `${at_s} s` : duration(at_s * 1000);
  return step < 3600 ? `${at_s / 60} min` : `${at_s / 3600} h`;
}
