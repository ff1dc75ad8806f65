// Where every visible task stands: x = depth, y = row, a parent level with its first child. Pure and O(n); nothing
// here knows pixels. Status plays no part, so a change of status alone never lays out again.

import type { Tree } from "./state";

export interface Layout {
  readonly tree: Tree;
  /** Visible place → position in the tree, in plan order. */
  readonly node: Int32Array;
  readonly row: Int32Array;
  /** Last row of the visible sub-tree. */
  readonly lastRow: Int32Array;
  /** 1 where the sub-tree is folded away. */
  readonly folded: Uint8Array;
  /** Position in the tree → visible place, -1 inside a folded sub-tree. */
  readonly place: Int32Array;
  /** Visible places per depth, by row: what lies in a window is found by bisection. */
  readonly columns: readonly Int32Array[];
  readonly rows: number;
  readonly count: number;
}

/** Lays out `tree`; `isFolded` is asked once per visible parent. */
export function layOut(tree: Tree, isFolded: (at: number) => boolean): Layout {
  const total = tree.ids.length;
  const node = new Int32Array(total);
  const row = new Int32Array(total);
  const folded = new Uint8Array(total);
  const place = new Int32Array(total).fill(-1);
  const perDepth = new Int32Array(tree.levels);
  let count = 0;
  let nextRow = 0;
  for (let at = 0; at < total; ) {
    const up = tree.parent[at] as number;
    const isFirstChild = up >= 0 && at === up + 1;
    const here = count++;
    node[here] = at;
    row[here] = isFirstChild ? (row[place[up] as number] as number) : nextRow++;
    place[at] = here;
    const depth = tree.depth[at] as number;
    perDepth[depth] = (perDepth[depth] as number) + 1;
    const end = tree.end[at] as number;
    const fold = end > at + 1 && isFolded(at);
    folded[here] = fold ? 1 : 0;
    at = fold ? end : at + 1;
  }

  const lastRow = row.slice(0, count);
  const columns = Array.from(perDepth, (size) => new Int32Array(size));
  const filled = new Int32Array(tree.levels);
  for (let here = 0; here < count; here++) {
    const depth = tree.depth[node[here] as number] as number;
    (columns[depth] as Int32Array)[filled[depth] as number] = here;
    filled[depth] = (filled[depth] as number) + 1;
  }
  for (let here = count - 1; here >= 0; here--) {
    const up = tree.parent[node[here] as number] as number;
    if (up < 0) continue;
    const parent = place[up] as number;
    lastRow[parent] = Math.max(lastRow[parent] as number, lastRow[here] as number);
  }
  return {
    tree,
    node: node.subarray(0, count),
    row: row.subarray(0, count),
    lastRow,
    folded: folded.subarray(0, count),
    place,
    columns,
    rows: nextRow,
    count,
  };
}

/** First index in `column` whose row is at least `row`. */
export function firstAtRow(layout: Layout, column: Int32Array, row: number): number {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((layout.row[column[middle] as number] as number) < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The visible place at a depth and row, or -1. */
export function placeAt(layout: Layout, depth: number, row: number): number {
  const column = layout.columns[depth];
  if (column === undefined) return -1;
  const found = column[firstAtRow(layout, column, row)];
  return found !== undefined && layout.row[found] === row ? found : -1;
}

/** The nearest visible task at or above a position in the tree. */
export function visibleAncestor(layout: Layout, at: number): number {
  let up = at;
  while (up >= 0 && layout.place[up] === -1) up = layout.tree.parent[up] as number;
  return up < 0 ? -1 : (layout.place[up] as number);
}

/** Where a task is seen: its own place or that of what it is folded into; -1 where there is no such task. */
export function placeOfId(layout: Layout, id: string): number {
  const at = layout.tree.at.get(id);
  return at === undefined ? -1 : visibleAncestor(layout, at);
}
