// Which rows of a comparison are seen: the tree behind the merged list, the filter and what is folded. Pure.

import type { Compared, Pair } from "./read";

export const FILTERS = ["all", "changed", "one"] as const;
export type Filter = (typeof FILTERS)[number];

/** From this many rows on, sub-trees without a difference are folded at first. */
export const FOLD_FROM = 200;

export interface Tree {
  readonly pairs: readonly Pair[];
  /** For each row its parent's place; -1: none. */
  readonly parent: Int32Array;
  /** For each row the place behind its last descendant. */
  readonly end: Int32Array;
  /** For each row how many of its descendants differ. */
  readonly below: Int32Array;
}

export const isInOne = (pair: Pair): boolean => pair.a === null || pair.b === null;
/** Not the same in both runs; what only one of them has differs, too. */
export const differs = (pair: Pair): boolean => pair.changed.length > 0 || isInOne(pair);

const KEEPS: Readonly<Record<Filter, (pair: Pair) => boolean>> = {
  all: () => true,
  changed: differs,
  one: isInOne,
};

export function treeOf({ pairs }: Compared): Tree {
  const parent = new Int32Array(pairs.length).fill(-1);
  const end = new Int32Array(pairs.length);
  const below = new Int32Array(pairs.length);
  const path: number[] = [];
  pairs.forEach((pair, at) => {
    path.length = Math.min(path.length, pair.depth);
    parent[at] = path.at(-1) ?? -1;
    path.push(at);
  });
  for (let at = pairs.length - 1; at >= 0; at--) {
    end[at] = Math.max(end[at] as number, at + 1);
    const up = parent[at] as number;
    if (up < 0) continue;
    end[up] = Math.max(end[up] as number, end[at] as number);
    below[up] = (below[up] as number) + (below[at] as number) + (differs(pairs[at] as Pair) ? 1 : 0);
  }
  return { pairs, parent, end, below };
}

export const isParent = (tree: Tree, at: number): boolean => (tree.end[at] as number) > at + 1;

export const countOf = (tree: Tree, filter: Filter): number =>
  tree.pairs.reduce((sum, pair) => sum + (KEEPS[filter](pair) ? 1 : 0), 0);

/** The places of the rows that are seen: what the filter keeps, and what stands above it. */
export function seenRows(tree: Tree, filter: Filter, folded: ReadonlySet<number>): number[] {
  const { pairs, parent, end } = tree;
  const kept = pairs.map(KEEPS[filter]);
  for (let at = pairs.length - 1; at >= 0; at--) {
    const up = parent[at] as number;
    if (kept[at] && up >= 0) kept[up] = true;
  }
  const seen: number[] = [];
  for (let at = 0; at < pairs.length; at = folded.has(at) ? (end[at] as number) : at + 1) {
    if (kept[at]) seen.push(at);
  }
  return seen;
}

export function foldedAtFirst(tree: Tree): ReadonlySet<number> {
  const folded = new Set<number>();
  if (tree.pairs.length < FOLD_FROM) return folded;
  tree.pairs.forEach((_, at) => {
    if (isParent(tree, at) && tree.below[at] === 0) folded.add(at);
  });
  return folded;
}
