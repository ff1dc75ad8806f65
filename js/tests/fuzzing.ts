// How much is fuzzed: the same examples every time, and with ROMA_WIDGET_FUZZ=50 fifty times as many, drawn anew.
// What a stranger may say stands here, too: JSON of any shape, with the names that our readers look for.

import fc from "fast-check";

declare const process: { readonly env: Readonly<Record<string, string | undefined>> };

const TIMES = Number(process.env.ROMA_WIDGET_FUZZ ?? "1");

export const fuzzed = (examples: number) => ({
  numRuns: examples * TIMES,
  ...(TIMES === 1 ? { seed: 20 } : {}),
});

export const oddText = fc.oneof(
  fc.string({ maxLength: 12, unit: "binary" }),
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "a",
    "b",
    "a.1",
    "\ud800",
    "\u202e",
    "<b>",
    "x".repeat(5_000),
  ),
);
const oddNumber = fc.constantFrom(0, -0, -1, 1e308, 2 ** 53, 5e-324, Number.NaN, Number.POSITIVE_INFINITY);
const scalar = fc.oneof(fc.constant(null), fc.boolean(), fc.double(), fc.integer(), oddNumber, oddText);

/** Any value; where it is an object, most of its names are of these. */
export function anything(names: readonly string[]): fc.Arbitrary<unknown> {
  const name = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...names) }, oddText);
  return fc.letrec<{ any: unknown }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      scalar,
      fc.array(tie("any"), { maxLength: 5 }),
      fc.array(fc.tuple(name, tie("any")), { maxLength: 8 }).map(own),
    ),
  })).any;
}

/** An object as JSON makes it: "__proto__" is a name like any other. */
function own(entries: readonly (readonly [string, unknown])[]): unknown {
  const made = {};
  for (const [name, value] of entries)
    Object.defineProperty(made, name, { value, enumerable: true, configurable: true, writable: true });
  return made;
}

/** At most so many ms, of this machine while it does other things: what hangs or grows with the square takes longer. */
export function within<T>(ms: number, work: () => T): T {
  const began = performance.now();
  const result = work();
  const took = performance.now() - began;
  if (took > ms) throw new Error(`took ${Math.round(took)} ms`);
  return result;
}
