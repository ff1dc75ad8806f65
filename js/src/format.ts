// Numbers as people read them: durations, counts, sizes, clock times. Unknown is always "—".

export const UNKNOWN = "—";

/** What went wrong, in its own words. */
export const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** `5.3 s`, `17 s`, `1:13`, `1:02:03`. */
export function duration(ms: number | null): string {
  if (ms === null || !Number.isFinite(ms)) return UNKNOWN;
  const s = Math.max(0, ms) / 1000;
  if (s < 0.995) return `${s.toFixed(2)} s`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 59.5) return `${Math.round(s)} s`;
  return clock(Math.round(s));
}

/** A running total, always as a clock: `0:48`, `42:00`, `1:02:03`. */
export function elapsed(ms: number | null): string {
  return ms === null || !Number.isFinite(ms) ? UNKNOWN : clock(Math.floor(Math.max(0, ms) / 1000));
}

function clock(s: number): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor(s / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/** `1,000` whatever the browser's language: the interface is in English. */
export function count(n: number | null): string {
  return n === null || !Number.isFinite(n) ? UNKNOWN : String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** The first of these that says something: an empty text is a missing one. */
export const firstText = (...texts: (string | null | undefined)[]): string | null =>
  texts.find((text) => text?.trim()) ?? null;

export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${count(n)} ${n === 1 ? one : many}`;

/** `850 B`, `1.5 kB`, `14 kB`, `2.4 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] = bytes < 999_500 ? [bytes / 1000, "kB"] : [bytes / 1e6, "MB"];
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** `850 characters`, `14 k characters`, `2.4 M characters`. */
export const characters = (n: number): string =>
  n === 1 ? "1 character" : `${size(n).replace(/ ?B$/, "")} characters`;

/** The person's own time of day: `20:50:56`, with tenths `20:51:05.2`. */
export function timeOfDay(epochMs: number | null, tenths = false): string {
  if (epochMs === null) return UNKNOWN;
  const date = new Date(epochMs);
  if (Number.isNaN(date.getTime())) return UNKNOWN;
  const two = (n: number) => String(n).padStart(2, "0");
  const base = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return tenths ? `${base}.${Math.floor(date.getMilliseconds() / 100)}` : base;
}

/** The person's own day and time, whole: `2026-01-05 20:50:56`, as Swedes write it. */
export const wholeTime = (epochMs: number): string => new Date(epochMs).toLocaleString("sv");

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/** The person's own day and time: `20:50:56` today, `5 Jan 20:50` this year, `5 Jan 2025 20:50` before. */
export function dayAndTime(epochMs: number | null, now: number): string {
  if (epochMs === null) return UNKNOWN;
  const date = new Date(epochMs);
  const today = new Date(now);
  if (Number.isNaN(date.getTime())) return UNKNOWN;
  if (date.toDateString() === today.toDateString()) return timeOfDay(epochMs);
  const year = date.getFullYear() === today.getFullYear() ? "" : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}${year} ${timeOfDay(epochMs).slice(0, 5)}`;
}

/** Short times: `0.4 ms`, `12 ms`, `1.2 s`. */
export function trip(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return UNKNOWN;
  const ms = seconds * 1000;
  if (ms > 0 && ms < 0.95) return `${ms.toFixed(1)} ms`;
  return ms < 999.5 ? `${Math.round(ms)} ms` : duration(ms);
}

/** Epoch ms of an ISO 8601 string, or null. */
export function epoch(iso: string | null): number | null {
  const ms = iso === null ? Number.NaN : Date.parse(iso);
  return Number.isNaN(ms) ? null : ms;
}

/** More than this is not made: the lines of deep JSON are mostly space, and 300 kB of it would become a gigabyte. */
const PRETTY_CHARS = 2_000_000;

/** JSON with two spaces; text that is not JSON after all, or too deep, comes back as it is. */
export function prettyJson(source: string): string {
  try {
    return prettyChars(source) > PRETTY_CHARS ? source : JSON.stringify(JSON.parse(source), null, 2);
  } catch {
    return source;
  }
}

/** How long JSON gets, about: each of these marks begins a line as deep as it stands. */
function prettyChars(source: string): number {
  let chars = source.length;
  let depth = 0;
  for (const mark of source) {
    if (mark === "[" || mark === "{") depth++;
    else if (mark === "]" || mark === "}") depth--;
    else if (mark !== ",") continue;
    chars += 2 * depth + 1;
  }
  return chars;
}
