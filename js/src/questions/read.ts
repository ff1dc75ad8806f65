// The reader of what the kernel says of questions: unknown values in, typed values out. All of it may be text of a
// model or of a stranger's server: bounded, and nothing throws.

import { type Fields, isFields, line, number, text } from "../fields";
import type { AnswerWord, PlanStep, Prompt, PromptState, Question, Settled } from "../messages";

const PROMPTS_AT_MOST = 1_000;
const STEPS_AT_MOST = 500;
const FACTS_AT_MOST = 30;
const FACT_CHARS = 2_000;
const PROMPT_STATES: readonly PromptState[] = ["open", "held", "waiting_link", "sent"];
const ANSWERS: readonly AnswerWord[] = ["approve", "modify", "abort"];
const ENDS: readonly Settled["state"][] = ["confirmed", "superseded", "lost"];
const KINDS: readonly Question["kind"][] = ["plan", "text", "data", "none"];

const oneOf = <Word extends string>(words: readonly Word[], value: unknown): Word | null =>
  words.find((word) => word === value) ?? null;

/** The open questions; one that comes twice counts once. */
export function readPrompts(value: unknown): readonly Prompt[] {
  const prompts = new Map<string, Prompt>();
  for (const fields of Array.isArray(value) ? value.slice(0, PROMPTS_AT_MOST) : []) {
    if (!isFields(fields) || typeof fields.request_id !== "string" || prompts.has(fields.request_id))
      continue;
    prompts.set(fields.request_id, {
      request_id: fields.request_id,
      checkpoint: line(fields.checkpoint),
      task_id: text(fields.task_id),
      attempt: number(fields.attempt),
      message: text(fields.message),
      asked: text(fields.asked),
      state: oneOf(PROMPT_STATES, fields.state) ?? "open",
      why: text(fields.why),
      action: oneOf(ANSWERS, fields.action),
      project_id: text(fields.project_id),
      previous_id: text(fields.previous_id),
    });
  }
  return [...prompts.values()];
}

export function readSettled(fields: Fields): ({ readonly type: "settled" } & Settled) | null {
  const state = oneOf(ENDS, fields.state);
  if (state === null || typeof fields.request_id !== "string") return null;
  return {
    type: "settled",
    request_id: fields.request_id,
    state,
    action: oneOf(ANSWERS, fields.action),
    why: text(fields.why),
  };
}

export function readQuestion(value: unknown): Question | null {
  if (!isFields(value) || typeof value.request_id !== "string") return null;
  const plan = readPlan(value.plan);
  const kind = oneOf(KINDS, value.kind);
  if (kind === null || (kind === "plan" && plan === null)) return null;
  return {
    request_id: value.request_id,
    message: text(value.message),
    kind,
    plan,
    text: text(value.text),
    json: text(value.json),
    about: readFacts(value.about),
    more: number(value.more) ?? 0,
    previous_plan: readPlan(value.previous_plan),
    previous_instructions: text(value.previous_instructions),
    cut: value.cut === true,
  };
}

function readPlan(value: unknown): readonly PlanStep[] | null {
  if (!Array.isArray(value)) return null;
  const steps = value.slice(0, STEPS_AT_MOST);
  return steps.map((fields, at) => {
    const known = isFields(fields) ? fields : {};
    const after = Array.isArray(known.depends_on) ? known.depends_on.slice(0, STEPS_AT_MOST) : [];
    const isPlace = (place: unknown) =>
      Number.isInteger(place) && Number(place) >= 0 && Number(place) < steps.length && place !== at;
    return {
      goal: text(known.goal) ?? "",
      task_type: line(known.task_type),
      node_type: line(known.node_type),
      more: number(known.more) ?? 0,
      depends_on: [...new Set(after.filter(isPlace) as number[])].sort((a, b) => a - b),
    };
  });
}

function readFacts(value: unknown): Question["about"] {
  if (!isFields(value)) return [];
  const facts: (readonly [string, string])[] = [];
  for (const [name, said] of Object.entries(value).slice(0, FACTS_AT_MOST)) {
    const words = typeof said === "string" ? said : JSON.stringify(said);
    if (said === null || words === undefined || words.trim() === "") continue;
    facts.push([name.slice(0, 60), words.length > FACT_CHARS ? `${words.slice(0, FACT_CHARS)}…` : words]);
  }
  return facts;
}
