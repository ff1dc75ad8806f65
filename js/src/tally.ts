// Statuses counted per sub-tree, and which sub-trees are finished: what folded sub-trees, far zoom and the Run
// panel say. One pass over the tree per revision (10,000 tasks: about a millisecond).

import type { Task } from "./messages";
import type { RunState } from "./state";
import { CODE, codeOf, STATUSES, WAITS_CODE } from "./status";

const WIDTH = STATUSES.length;

export interface Tally {
  /** Status code of each task, by position in the tree. */
  readonly code: Uint8Array;
  /** WIDTH counts per task: its whole sub-tree, itself included. */
  readonly counts: Int32Array;
  /** Counts of the whole run. */
  readonly all: readonly number[];
}

export function tallyUp(run: RunState): Tally {
  const { tree, tasks } = run;
  const total = tree.ids.length;
  const code = new Uint8Array(total);
  const counts = new Int32Array(total * WIDTH);
  const all = new Array<number>(WIDTH).fill(0);
  for (let at = total - 1; at >= 0; at--) {
    const own = codeOf((tasks.get(tree.ids[at] as string) as Task).status);
    code[at] = own;
    all[own] = (all[own] as number) + 1;
    const base = at * WIDTH;
    counts[base + own] = (counts[base + own] as number) + 1;
    const up = tree.parent[at] as number;
    if (up < 0) continue;
    for (let k = 0; k < WIDTH; k++) {
      counts[up * WIDTH + k] = (counts[up * WIDTH + k] as number) + (counts[base + k] as number);
    }
  }
  return { code, counts, all };
}

/** How many tasks have which code; one that waits for the person counts as that alone. */
export function shownCounts(tally: Tally, run: RunState, waiting: Iterable<string>): readonly number[] {
  const counts = [...tally.all, 0];
  for (const id of waiting) {
    const at = run.tree.at.get(id);
    if (at === undefined) continue;
    (counts[tally.code[at] as number] as number) -= 1;
    (counts[WAITS_CODE] as number) += 1;
  }
  return counts;
}

/** How many tasks of the sub-tree at `at` have the status code. */
export const countIn = (tally: Tally, at: number, code: number): number =>
  tally.counts[at * WIDTH + code] as number;

/** The mix of a sub-tree in the order of every status bar: [code, tasks]; `without` leaves the task itself out. */
export function mixOf(tally: Tally, at: number, without = false): [code: number, tasks: number][] {
  const mix: [number, number][] = [];
  for (let code = 0; code < WIDTH; code++) {
    const tasks = countIn(tally, at, code) - (without && tally.code[at] === code ? 1 : 0);
    if (tasks > 0) mix.push([code, tasks]);
  }
  return mix;
}

/** Every task of the sub-tree is done: nothing failed, nothing is open. */
export const isAllDone = (tally: Tally, at: number, size: number): boolean =>
  countIn(tally, at, CODE.DONE) === size;
