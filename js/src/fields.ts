// One field of what came from outside: the type that was agreed upon, or null.

export type Fields = Readonly<Record<string, unknown>>;

/** What one line shows of a foreign text. */
const LINE_CHARS = 300;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
export const number = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;
export const count = (value: unknown): number => Math.max(0, number(value) ?? 0);
/** Amounts are never negative; one that says so is not known. */
export const amount = (value: unknown): number | null => {
  const read = number(value);
  return read === null || read < 0 ? null : read;
};
export const line = (value: unknown): string | null => {
  const read = text(value);
  return read === null || read.length <= LINE_CHARS ? read : `${read.slice(0, LINE_CHARS)}…`;
};

export const isKnown = <T>(value: T | null): value is T => value !== null;
