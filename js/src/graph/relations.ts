// Who feeds whom: the sources and users of the selected task, and the dependency lanes inside a sibling group.

import type { Layout } from "../layout";
import { addTo } from "../maps";
import type { RunState } from "../state";

export interface Context {
  readonly id: string;
  /** Tasks whose results the selected one gets. */
  readonly sources: ReadonlySet<string>;
  /** Tasks that get the selected one's result. */
  readonly users: ReadonlySet<string>;
}

export function contextOf(run: RunState, id: string): Context | null {
  const task = run.tasks.get(id);
  if (task === undefined) return null;
  const sources = new Set([...task.context, ...task.depends_on]);
  const users = new Set<string>();
  for (const other of run.tasks.values()) {
    if (other.context.includes(id) || other.depends_on.includes(id)) users.add(other.id);
  }
  sources.delete(id);
  users.delete(id);
  return { id, sources, users };
}

/** One dependency between two visible siblings. */
export interface Lane {
  readonly from: number;
  readonly to: number;
  /** 0, 1, 2: how far from the card; the third is shared by all the rest. */
  readonly lane: number;
}

const LANES = 3;

/** Short spans get the near lanes, so that lines do not cross; places are visible places of `layout`. */
export function assignLanes(layout: Layout, pairs: readonly (readonly [from: number, to: number])[]): Lane[] {
  const rows = (pair: readonly [number, number]): [number, number] => {
    const a = layout.row[pair[0]] as number;
    const b = layout.row[pair[1]] as number;
    return a < b ? [a, b] : [b, a];
  };
  const sorted = [...pairs].sort((a, b) => rows(a)[1] - rows(a)[0] - (rows(b)[1] - rows(b)[0]));
  const taken: [number, number][][] = [[], [], []];
  return sorted.map((pair) => {
    const [top, bottom] = rows(pair);
    let lane = 0;
    while (lane < LANES - 1 && taken[lane]?.some(([a, b]) => top < b + 0.5 && bottom > a - 0.5)) lane++;
    taken[lane]?.push([top, bottom]);
    return { from: pair[0], to: pair[1], lane };
  });
}

/** Every dependency inside the sibling groups of a layout, with its lane; computed once per layout and run. */
export function siblingLanes(layout: Layout, run: RunState): Lane[] {
  const { tree } = layout;
  const groups = new Map<number, [number, number][]>();
  for (let place = 0; place < layout.count; place++) {
    const at = layout.node[place] as number;
    const task = run.tasks.get(tree.ids[at] as string);
    if (task === undefined) continue;
    for (const id of task.depends_on) {
      const source = tree.at.get(id);
      if (source === undefined || tree.parent[source] !== tree.parent[at]) continue;
      const from = layout.place[source] as number;
      if (from < 0 || from === place) continue;
      const parent = tree.parent[at] as number;
      addTo(groups, parent, [from, place]);
    }
  }
  return [...groups.values()].flatMap((pairs) => assignLanes(layout, pairs));
}
