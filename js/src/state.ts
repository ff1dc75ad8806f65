// The run as the browser knows it: tasks by id and who has which children. Pure: a snapshot or a delta in, a new
// state out. Parts that did not change keep their identity, so "is it the same object" answers "is it dirty".

import { addTo } from "./maps";
import type { Delta, Task, TaskChange } from "./messages";
import { taskFromChange } from "./read";

export interface RunState {
  readonly rev: number | null;
  /** Maps, not objects: an id may be "__proto__". */
  readonly tasks: ReadonlyMap<string, Task>;
  /** Who hangs under whom, in plan order; the same object as before while the structure is the same. */
  readonly tree: Tree;
}

/** All tasks in plan order (depth first), as arrays: one number per task, whatever its id looks like. */
export interface Tree {
  readonly ids: readonly string[];
  readonly at: ReadonlyMap<string, number>;
  /** Position of the parent, -1 for a root. */
  readonly parent: Int32Array;
  readonly depth: Int32Array;
  /** One past the last position of the sub-tree; a leaf has end = its position + 1. */
  readonly end: Int32Array;
  readonly levels: number;
}

export const EMPTY: RunState = { rev: null, tasks: new Map(), tree: growTree(new Map()) };

export function applySnapshot(rev: number, tasks: readonly Task[]): RunState {
  const byId = new Map<string, Task>();
  for (const task of tasks) byId.set(task.id, task);
  return { rev, tasks: byId, tree: growTree(byId) };
}

/** The state after `delta`. The caller has checked that the delta's base is this state's rev. */
export function applyDelta(state: RunState, rev: number, delta: Delta): RunState {
  const tasks = new Map(state.tasks);
  let sameTree = true;
  for (const id of delta.removed) {
    if (tasks.delete(id)) sameTree = false;
  }
  for (const [id, change] of delta.changed) {
    const before = tasks.get(id);
    const after = before === undefined ? taskFromChange(id, change) : merge(before, change);
    if (before === undefined || before.parent !== after.parent || before.index !== after.index)
      sameTree = false;
    tasks.set(id, after);
  }
  return { rev, tasks, tree: sameTree ? state.tree : growTree(tasks) };
}

/** A moment of the past as a run. What is as it is in `shown` keeps its identity there: neighbours are much alike. */
export function applyMoment(shown: RunState, tasks: readonly Task[]): RunState {
  const byId = new Map<string, Task>();
  let sameTree = tasks.length === shown.tasks.size;
  for (const task of tasks) {
    const known = shown.tasks.get(task.id);
    if (known === undefined || known.parent !== task.parent || known.index !== task.index) sameTree = false;
    byId.set(task.id, known !== undefined && isSame(known, task) ? known : task);
  }
  return { rev: null, tasks: byId, tree: sameTree ? shown.tree : growTree(byId) };
}

function isSame(a: Task, b: Task): boolean {
  for (const name in a) {
    const [one, other] = [a[name as keyof Task], b[name as keyof Task]];
    if (one !== other && !isSameList(one, other)) return false;
  }
  return true;
}

const isSameList = (a: unknown, b: unknown): boolean =>
  Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((id, i) => id === b[i]);

function merge(task: Task, change: TaskChange): Task {
  return { ...task, ...change, id: task.id };
}

/** Depth first without recursion (a chain may be 10,000 deep). A lost parent or a cycle makes a root: never lost. */
function growTree(tasks: ReadonlyMap<string, Task>): Tree {
  const children = new Map<string, Task[]>();
  const roots: Task[] = [];
  for (const task of tasks.values()) {
    if (task.parent === null || task.parent === task.id || !tasks.has(task.parent)) {
      roots.push(task);
      continue;
    }
    addTo(children, task.parent, task);
  }
  for (const siblings of children.values()) sortByIndex(siblings);
  sortByIndex(roots);

  const count = tasks.size;
  const ids: string[] = [];
  const at = new Map<string, number>();
  const parent = new Int32Array(count);
  const depth = new Int32Array(count);
  const end = new Int32Array(count);
  let levels = 0;
  const visit = (root: Task) => {
    const stack: Task[] = [root];
    const parents: number[] = [-1];
    for (let task = stack.pop(); task !== undefined; task = stack.pop()) {
      const parentAt = parents.pop() as number;
      if (at.has(task.id)) continue;
      const here = ids.length;
      const level = parentAt < 0 ? 0 : (depth[parentAt] as number) + 1;
      ids.push(task.id);
      at.set(task.id, here);
      parent[here] = parentAt;
      depth[here] = level;
      levels = Math.max(levels, level + 1);
      const below = children.get(task.id);
      for (let i = (below?.length ?? 0) - 1; i >= 0; i--) {
        stack.push(below?.[i] as Task);
        parents.push(here);
      }
    }
  };
  for (const root of roots) visit(root);
  if (ids.length < count) for (const task of tasks.values()) if (!at.has(task.id)) visit(task);

  for (let i = count - 1; i >= 0; i--) {
    end[i] = Math.max(end[i] as number, i + 1);
    const up = parent[i] as number;
    if (up >= 0) end[up] = Math.max(end[up] as number, end[i] as number);
  }
  return { ids, at, parent, depth, end, levels };
}

function sortByIndex(siblings: Task[]): void {
  if (siblings.every((task, i) => i === 0 || (siblings[i - 1] as Task).index <= task.index)) return;
  siblings.sort((a, b) => a.index - b.index);
}

export const hasChildren = (tree: Tree, at: number): boolean => (tree.end[at] as number) > at + 1;
export const sizeOfSubTree = (tree: Tree, at: number): number => (tree.end[at] as number) - at;

/** Positions of the direct children of `at`. */
export function childrenOf(tree: Tree, at: number): number[] {
  const found: number[] = [];
  const end = tree.end[at] as number;
  for (let i = at + 1; i < end; i = tree.end[i] as number) found.push(i);
  return found;
}

export function childIds(tree: Tree, id: string): string[] {
  const at = tree.at.get(id);
  return at === undefined ? [] : childrenOf(tree, at).map((child) => tree.ids[child] as string);
}

/** The ids from the root down to `id`. */
export function pathTo(tree: Tree, id: string): string[] {
  const path: string[] = [];
  for (let at = tree.at.get(id) ?? -1; at >= 0; at = tree.parent[at] as number)
    path.push(tree.ids[at] as string);
  return path.reverse();
}
