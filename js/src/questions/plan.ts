// A plan while a person edits it. Pure: each change gives a new draft. Sub-tasks are known by key (their place in the
// proposed plan, or a number above those), so that a dependency goes on meaning the same sub-task when things move.

import type { PlanStep } from "../messages";

export interface Step {
  readonly key: number;
  readonly goal: string;
  readonly task_type: string | null;
  readonly node_type: string | null;
  /** Keys of the sub-tasks it waits for. */
  readonly after: readonly number[];
  /** Struck out, and not yet forgotten: it can be taken back. */
  readonly isRemoved: boolean;
}

export type Draft = readonly Step[];

export type Wording = Pick<Step, "goal" | "task_type" | "node_type" | "after">;

export const draftOf = (plan: readonly PlanStep[]): Draft =>
  plan.map(({ goal, task_type, node_type, depends_on }, key) => ({
    key,
    goal,
    task_type,
    node_type,
    after: depends_on,
    isRemoved: false,
  }));

export const kept = (draft: Draft): Draft => draft.filter((step) => !step.isRemoved);

/** 1-based, as people count; 0 for one that is removed or unknown. */
export const numberOf = (draft: Draft, key: number): number =>
  kept(draft).findIndex((step) => step.key === key) + 1;

export function rewrite(draft: Draft, key: number, wording: Wording): Draft {
  return draft.map((step) => (step.key === key ? { ...step, ...wording } : step));
}

/** The goal that a text field gives back; `before` itself where only line ends and outer blanks are others. */
export function readGoal(said: string, before: string | null): string {
  const bare = (goal: string) => goal.replace(/\r\n?/g, "\n").trim();
  return before !== null && bare(said) === bare(before) ? before : bare(said);
}

/** A new sub-task at the end of the plan. */
export function add(draft: Draft, wording: Wording): Draft {
  const key = Math.max(-1, ...draft.map((step) => step.key)) + 1;
  return [...draft, { key, ...wording, isRemoved: false }];
}

/** Strikes a sub-task out, or takes it back; a new one (`from` on) that is struck out is gone. */
export function toggle(draft: Draft, key: number, from: number): Draft {
  if (key >= from) {
    return draft
      .filter((step) => step.key !== key)
      .map((step) => ({ ...step, after: step.after.filter((other) => other !== key) }));
  }
  return draft.map((step) => (step.key === key ? { ...step, isRemoved: !step.isRemoved } : step));
}

/** One place up (-1) or down (1), over those that are struck out. */
export function move(draft: Draft, key: number, by: -1 | 1): Draft {
  const from = draft.findIndex((step) => step.key === key);
  const step = draft[from];
  let to = from + by;
  while (draft[to]?.isRemoved) to += by;
  if (step === undefined || draft[to] === undefined) return draft;
  const rest = draft.filter((other) => other.key !== key);
  return [...rest.slice(0, to), step, ...rest.slice(to)];
}

/** The keys that a person means with "1, 3"; a string is the sentence that says why not. */
export function readNumbers(draft: Draft, key: number | null, said: string): readonly number[] | string {
  const steps = kept(draft);
  const keys = new Set<number>();
  for (const word of said.split(/[^\d]+/).filter(Boolean)) {
    const step = steps[Number(word) - 1];
    if (step === undefined) return `There is no sub-task ${word.slice(0, 9)}.`;
    if (step.key === key) return "A sub-task cannot depend on itself.";
    keys.add(step.key);
  }
  if (/[^\d\s,;&+.]/.test(said.replace(/\band\b/gi, "")))
    return "Write the numbers of the sub-tasks, such as 1, 2.";
  const round = key === null ? null : [...keys].find((other) => waitsFor(draft, other, key));
  if (round != null)
    return `Sub-task ${numberOf(draft, round)} waits for this one already: both would wait for ever.`;
  return [...keys];
}

function waitsFor(draft: Draft, from: number, to: number): boolean {
  const byKey = new Map(draft.map((step) => [step.key, step]));
  const seen = new Set<number>();
  const next = [from];
  for (let key = next.pop(); key !== undefined; key = next.pop()) {
    if (key === to) return true;
    if (seen.has(key)) continue;
    seen.add(key);
    next.push(...(byKey.get(key)?.after ?? []));
  }
  return false;
}

/** Of numbers in some order, those that can stay when the fewest are moved to make them grow. */
export function staying(order: readonly number[]): ReadonlySet<number> {
  const length: number[] = [];
  const before: number[] = [];
  let best = -1;
  order.forEach((value, i) => {
    length[i] = 1;
    before[i] = -1;
    for (let j = 0; j < i; j++) {
      if ((order[j] as number) < value && (length[j] as number) >= (length[i] as number)) {
        length[i] = (length[j] as number) + 1;
        before[i] = j;
      }
    }
    if (best < 0 || (length[i] as number) > (length[best] as number)) best = i;
  });
  const stay = new Set<number>();
  for (let i = best; i >= 0; i = before[i] as number) stay.add(order[i] as number);
  return stay;
}
