// The tasks that the run's end waited for. The rule is that of `roma_widget.analysis.order.critical_path`, and
// tests/wire/critical_path.json holds both to it.

import type { Task } from "../messages";
import { hasChildren, type RunState } from "../state";
import { CODE, codeOf, isOver } from "../status";

/** How late a task ends, as far as that can be said; among equals the later in plan order. */
function endOf(task: Task): readonly [certainty: number, time: number] {
  if (isOver(task.status)) {
    const time = task.completed ?? task.updated;
    return time === null ? [0, 0] : [1, time];
  }
  const code = codeOf(task.status);
  if (code === CODE.RUNNING || code === CODE.AGGREGATING) return [2, 0];
  return [code === CODE.UNKNOWN ? 0 : 3, 0];
}

/** Positions in the tree, in the order in which they ended: the last is the root. */
export function criticalPath(run: RunState): number[] {
  const { ids, at: positions, parent, end } = run.tree;
  const taskAt = (at: number) => run.tasks.get(ids[at] as string) as Task;
  const found = new Set<number>();
  let best = -1;
  let bestEnd: readonly [number, number] = [0, 0];
  const consider = (at: number) => {
    if (found.has(at)) return;
    const own = endOf(taskAt(at));
    const order = best < 0 ? 1 : own[0] - bestEnd[0] || own[1] - bestEnd[1] || at - best;
    if (order > 0) [best, bestEnd] = [at, own];
  };
  for (let root = 0; root < ids.length; root = end[root] as number) consider(root);
  while (best >= 0) {
    const here = best;
    found.add(here);
    best = -1;
    for (let child = here + 1; child < (end[here] as number); child = end[child] as number) consider(child);
    if (hasChildren(run.tree, here)) continue;
    for (let up = here; up >= 0 && best < 0; up = parent[up] as number) {
      for (const id of taskAt(up).depends_on) {
        const source = positions.get(id);
        if (source !== undefined) consider(source);
      }
    }
  }
  return [...found].reverse();
}
