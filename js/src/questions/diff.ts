// What of a plan is new: against the plan before the last modification, or against the proposed one while a person
// edits it. Pure; both give the same rows.

import { isKnown } from "../fields";
import type { PlanStep } from "../messages";
import { type Draft, draftOf, kept, staying } from "./plan";

export type Mark = "added" | "removed" | "reworded" | "moved" | "changed";

export interface PlanRow {
  /** The sub-task's key in the draft; null for one of the plan before, which is no longer there. */
  readonly key: number | null;
  /** 1-based; null where it is removed. */
  readonly number: number | null;
  /** Its number in the plan that it is compared with. */
  readonly was: number | null;
  readonly goal: string;
  /** The words as they were, where they were others. */
  readonly goalBefore: string | null;
  readonly task_type: string | null;
  readonly node_type: string | null;
  /** Numbers of the sub-tasks it waits for. */
  readonly after: readonly number[];
  readonly marks: readonly Mark[];
}

/** Two goals of which so many words are the same are one goal, reworded. */
const ALIKE = 0.5;
const PAIRS_AT_MOST = 10_000;

/** The rows of an edited plan, against the plan as it was proposed. */
export function editedRows(plan: readonly PlanStep[], draft: Draft): readonly PlanRow[] {
  const origin = (key: number) => (key < plan.length ? key : null);
  return rowsOf(plan, draft, origin, []);
}

/** The rows of `plan` against the plan before it, with what is no longer there. */
export function comparedRows(before: readonly PlanStep[], plan: readonly PlanStep[]): readonly PlanRow[] {
  const match = matchGoals(before, plan);
  const gone = before.map((_, at) => at).filter((at) => !match.includes(at));
  return rowsOf(before, draftOf(plan), (key) => match[key] ?? null, gone);
}

export const plainRows = (plan: readonly PlanStep[]): readonly PlanRow[] => editedRows(plan, draftOf(plan));

function rowsOf(
  before: readonly PlanStep[],
  draft: Draft,
  origin: (key: number) => number | null,
  gone: readonly number[],
): readonly PlanRow[] {
  const steps = kept(draft);
  const numbers = new Map(steps.map((step, i) => [step.key, i + 1]));
  const origins = steps.map((step) => origin(step.key)).filter(isKnown);
  const stay = staying(origins);
  const rows: PlanRow[] = draft.map((step) => {
    const at = origin(step.key);
    const was = at === null ? undefined : before[at];
    const { key, goal, task_type, node_type, isRemoved } = step;
    const isOther =
      was !== undefined &&
      (was.task_type !== task_type ||
        was.node_type !== node_type ||
        !isSameSet(was.depends_on, step.after.map(origin)));
    const marks: Mark[] = [];
    if (isRemoved) marks.push("removed");
    else if (was === undefined || at === null) marks.push("added");
    else {
      if (was.goal !== goal) marks.push("reworded");
      if (!stay.has(at)) marks.push("moved");
      if (isOther) marks.push("changed");
    }
    return {
      key,
      number: numbers.get(key) ?? null,
      was: at === null ? null : at + 1,
      goal,
      goalBefore: was !== undefined && was.goal !== goal ? was.goal : null,
      task_type,
      node_type,
      after: step.after
        .map((other) => numbers.get(other) ?? 0)
        .filter((number) => number > 0)
        .sort((a, b) => a - b),
      marks,
    };
  });
  for (const at of gone) {
    const step = before[at] as PlanStep;
    // Behind what stood before it and is still there.
    const behind = rows.findLastIndex((row) => row.was !== null && row.was <= at);
    rows.splice(behind + 1, 0, {
      key: null,
      number: null,
      was: at + 1,
      goal: step.goal,
      goalBefore: null,
      task_type: step.task_type,
      node_type: step.node_type,
      after: [],
      marks: ["removed"],
    });
  }
  return rows;
}

function isSameSet(a: readonly number[], b: readonly (number | null)[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}

/** For each sub-task of `plan` its place in `before`, or null. First those with the same words, then the likest. */
function matchGoals(before: readonly PlanStep[], plan: readonly PlanStep[]): (number | null)[] {
  const match: (number | null)[] = plan.map(() => null);
  const free = new Set(before.keys());
  plan.forEach((step, i) => {
    const same = [...free].find((at) => before[at]?.goal === step.goal);
    if (same === undefined) return;
    match[i] = same;
    free.delete(same);
  });
  const open = [...plan.keys()].filter((i) => match[i] === null);
  if (open.length * free.size > PAIRS_AT_MOST) return match;
  const words = (goal: string) =>
    new Set(
      goal
        .slice(0, 4_000)
        .toLowerCase()
        .match(/[\p{L}\p{N}]+/gu) ?? [],
    );
  const old = new Map([...free].map((at) => [at, words(before[at]?.goal ?? "")]));
  const pairs = open.flatMap((i) => {
    const own = words(plan[i]?.goal ?? "");
    return [...free].map((at) => ({ i, at, likeness: likeness(own, old.get(at) as Set<string>) }));
  });
  for (const { i, at, likeness } of pairs.sort((a, b) => b.likeness - a.likeness)) {
    if (likeness < ALIKE) break;
    if (match[i] !== null || !free.has(at)) continue;
    match[i] = at;
    free.delete(at);
  }
  return match;
}

function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let shared = 0;
  for (const word of a) if (b.has(word)) shared++;
  return a.size + b.size === 0 ? 0 : (2 * shared) / (a.size + b.size);
}

const ORDER: readonly Mark[] = ["added", "removed", "reworded", "moved", "changed"];

/** `1 added · 1 reworded`; empty where nothing is new. */
export function summaryOf(rows: readonly PlanRow[]): string {
  return ORDER.map((mark) => [mark, rows.filter((row) => row.marks.includes(mark)).length] as const)
    .filter(([, count]) => count > 0)
    .map(([mark, count]) => `${count} ${mark}`)
    .join(" · ");
}
