// An edited plan in words: what stands in the instructions before they are sent. The numbers are those of the plan that
// the server proposed, because that is the plan which the words go to.

import { isKnown } from "../fields";
import type { PlanStep } from "../messages";
import { type Draft, kept, type Step, staying } from "./plan";

const QUOTED_CHARS = 80;

/** The instructions that turn `plan` into `draft`; empty where nothing was changed. */
export function instructionsFor(plan: readonly PlanStep[], draft: Draft): string {
  const steps = kept(draft);
  const isNew = (step: Step) => step.key >= plan.length;
  const stay = staying(steps.filter((step) => !isNew(step)).map((step) => step.key));
  const sentences: string[] = [];
  for (const step of draft) {
    if (step.isRemoved)
      sentences.push(`Remove ${nameOf(step, plan, draft)} (${quoted(plan[step.key]?.goal ?? "")}).`);
  }
  steps.forEach((step, i) => {
    const before = steps[i - 1];
    const place = before === undefined ? "at the beginning" : `after ${nameOf(before, plan, draft)}`;
    if (isNew(step)) {
      sentences.push(`Add a sub-task ${place}: ${added(step, steps, plan)}.`);
      return;
    }
    if (!stay.has(step.key)) {
      const there = before === undefined ? "to the beginning" : place;
      sentences.push(`Move ${nameOf(step, plan, draft)} ${there}.`);
    }
    sentences.push(...changes(step, plan[step.key] as PlanStep, draft, plan));
  });
  if (sentences.length < 2) return sentences.join("");
  const lead = "Change the proposed plan as follows. Numbers are those of the proposed plan.";
  return [lead, ...sentences.map((sentence) => `- ${sentence}`)].join("\n");
}

function changes(step: Step, was: PlanStep, draft: Draft, plan: readonly PlanStep[]): string[] {
  const name = nameOf(step, plan, draft);
  const sentences: string[] = [];
  if (step.goal !== was.goal) sentences.push(`Reword ${name} to “${step.goal}”.`);
  for (const [field, what] of [
    ["task_type", "the type of "],
    ["node_type", ""],
  ] as const) {
    const [before, now] = [was[field], step[field]];
    if (before !== now) sentences.push(`Change ${what}${name} from ${before ?? "none"} to ${now ?? "none"}.`);
  }
  const steps = kept(draft);
  const isThere = (key: number) => steps.some((other) => other.key === key);
  // A removed sub-task takes its dependencies with it: that needs no words.
  const now = step.after.filter(isThere);
  const before = was.depends_on.filter(isThere);
  if (now.length !== before.length || now.some((key) => !before.includes(key))) {
    const names = namesOf(now, steps, plan);
    sentences.push(`Let ${name} depend on ${names === "" ? "no other sub-task" : names}.`);
  }
  return sentences;
}

function added(step: Step, steps: Draft, plan: readonly PlanStep[]): string {
  const types = [step.task_type, step.node_type].filter(isKnown).join(", ");
  const names = namesOf(step.after, steps, plan);
  return `“${step.goal}”${numberAmongTwins(step, plan, steps)}${types === "" ? "" : ` (${types})`}${names === "" ? "" : `, depending on ${names}`}`;
}

const quoted = (goal: string): string =>
  `“${goal.length > QUOTED_CHARS ? `${goal.slice(0, QUOTED_CHARS).trimEnd()}…` : goal}”`;

const nameOf = (step: Step, plan: readonly PlanStep[], draft: Draft): string =>
  step.key < plan.length
    ? `sub-task ${step.key + 1}`
    : `the new sub-task ${quoted(step.goal)}${numberAmongTwins(step, plan, draft)}`;

/** ` (2)` for the second of several new sub-tasks with the same words; empty for one alone. */
function numberAmongTwins(step: Step, plan: readonly PlanStep[], draft: Draft): string {
  const twins = kept(draft).filter(
    ({ key, goal }) => key >= plan.length && quoted(goal) === quoted(step.goal),
  );
  return twins.length < 2 ? "" : ` (${twins.findIndex(({ key }) => key === step.key) + 1})`;
}

/** `sub-task 1`, `sub-tasks 1 and 2`, `sub-task 1 and the new sub-task “…”`. */
function namesOf(keys: readonly number[], steps: Draft, plan: readonly PlanStep[]): string {
  const old = keys.filter((key) => key < plan.length).sort((a, b) => a - b);
  const fresh = steps.filter((step) => step.key >= plan.length && keys.includes(step.key));
  const numbers = list(old.map((key) => String(key + 1)));
  const parts = old.length === 0 ? [] : [`${old.length === 1 ? "sub-task" : "sub-tasks"} ${numbers}`];
  return list([...parts, ...fresh.map((step) => nameOf(step, plan, steps))]);
}

const list = (words: readonly string[]): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
