// The only reader of a comparison's body: unknown values in, typed values out. Goals and names are texts that models
// and people wrote; a wrong type becomes null or is left out, and nothing throws.

export interface Side {
  readonly id: string;
  readonly goal: string | null;
  readonly status: string | null;
  readonly duration_s: number | null;
}

/** A task of the first run beside its counterpart in the second; one of both may be missing. */
export interface Pair {
  readonly a: Side | null;
  readonly b: Side | null;
  readonly depth: number;
  readonly why: string;
  readonly changed: readonly string[];
}

export interface RunFacts {
  readonly goal: string | null;
  readonly outcome: string;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly duration_s: number | null;
}

export interface Compared {
  readonly names: readonly [string, string];
  readonly runs: readonly [RunFacts, RunFacts];
  readonly pairs: readonly Pair[];
  /** Rows that the kernel did not send, because there are too many. */
  readonly left_out: number;
}

type Fields = Readonly<Record<string, unknown>>;

export const ROWS_AT_MOST = 20_000;
const NAME_CHARS = 120;
const TEXT_CHARS = 600;
const CHANGES_AT_MOST = 8;

const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown, chars = TEXT_CHARS): string | null =>
  typeof value !== "string" ? null : value.length > chars ? `${value.slice(0, chars)}…` : value;
/** Amounts are never negative; one that says so is not known. */
const amountOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;

/** null: there is no comparison in it. */
export function readCompared(value: unknown): Compared | null {
  const body = fieldsOf(value);
  if (!Array.isArray(body.rows)) return null;
  const names = listOf(body.names).map((name) => textOf(name, NAME_CHARS));
  const runs = listOf(body.runs);
  const pairs: Pair[] = [];
  for (const row of body.rows.slice(0, ROWS_AT_MOST)) {
    const pair = readPair(fieldsOf(row), pairs.at(-1)?.depth ?? -1);
    if (pair !== null) pairs.push(pair);
  }
  return {
    names: [names[0] || "a", names[1] || "b"],
    runs: [readRun(runs[0]), readRun(runs[1])],
    pairs,
    left_out: amountOf(body.left_out) ?? 0,
  };
}

function readRun(value: unknown): RunFacts {
  const run = fieldsOf(value);
  return {
    goal: textOf(run.goal),
    outcome: textOf(run.outcome, NAME_CHARS) ?? "unknown",
    total: amountOf(run.total) ?? 0,
    done: amountOf(run.done) ?? 0,
    failed: amountOf(run.failed) ?? 0,
    duration_s: amountOf(run.duration_s),
  };
}

/** `above` is the depth of the row before: a row is at most one level deeper. */
function readPair(row: Fields, above: number): Pair | null {
  const [a, b] = [readSide(row, "a", 0), readSide(row, "b", 1)];
  if (a === null && b === null) return null;
  return {
    a,
    b,
    depth: Math.min(Math.floor(amountOf(row.depth) ?? 0), above + 1),
    why: textOf(row.why) ?? "",
    changed: listOf(row.changed)
      .slice(0, CHANGES_AT_MOST)
      .filter((what): what is string => typeof what === "string"),
  };
}

function readSide(row: Fields, name: "a" | "b", place: 0 | 1): Side | null {
  const id = row[name];
  if (typeof id !== "string") return null;
  return {
    id,
    goal: textOf(listOf(row.goal)[place]),
    status: textOf(listOf(row.status)[place], NAME_CHARS),
    duration_s: amountOf(listOf(row.duration_s)[place]),
  };
}

/** The JSON in the trait `body`, gzipped; throws where it is none. */
export async function unpack(value: unknown): Promise<unknown> {
  const bytes = ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value as ArrayBuffer);
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(plain).text());
}
