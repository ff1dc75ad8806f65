// What the kernel says of a trace: unknown values in, typed values out; a stage that cannot be read is left out.

import { amount, count, isFields, isKnown, line, number, text } from "../fields";

/** The long texts of a stage, in the order in which they are shown. */
export const TEXTS = [
  ["error", "Error"],
  ["system_prompt", "Prompt"],
  ["user_input", "Input"],
  ["llm_response", "Response"],
  ["tool_calls", "Tool calls"],
  ["messages", "Messages"],
  ["output", "Output"],
] as const;
export type TextName = (typeof TEXTS)[number][0];
export type Texts = ReadonlyMap<TextName, string>;

export interface Stage {
  readonly seq: number;
  readonly stage: string;
  readonly attempt: number;
  /** The server's own word: `running`, `completed`, `failed`, … */
  readonly status: string;
  /** Epoch ms. */
  readonly started: number | null;
  readonly completed: number | null;
  readonly duration_s: number | null;
  readonly agent: string | null;
  readonly adapter: string | null;
  readonly model: string | null;
  readonly n_tool_calls: number | null;
  readonly prompt_tokens: number | null;
  readonly completion_tokens: number | null;
  readonly cost_usd: number | null;
  /** Their beginnings, where `sizes` has them. */
  readonly texts: Texts;
  /** Characters of the texts that are not wholly here. */
  readonly sizes: ReadonlyMap<TextName, number>;
}

export interface Trace {
  readonly task: string;
  /** The server has none of this task and invented one. */
  readonly isSample: boolean;
  readonly stages: readonly Stage[];
  /** What is not here, one sentence. */
  readonly leftOut: string | null;
}

/** Of a trace's stages; the kernel tells 2,000. */
const STAGES_READ = 5_000;

export function readTrace(value: unknown): Trace | null {
  if (!isFields(value) || typeof value.task !== "string" || !Array.isArray(value.stages)) return null;
  return {
    task: value.task,
    isSample: value.is_sample === true,
    stages: value.stages.slice(0, STAGES_READ).map(readStage).filter(isKnown),
    leftOut: text(value.left_out),
  };
}

function readStage(value: unknown): Stage | null {
  if (!isFields(value)) return null;
  const seq = number(value.seq);
  if (seq === null) return null;
  const sizes = isFields(value.sizes) ? value.sizes : {};
  const cut = TEXTS.map(([name]) => [name, count(sizes[name])] as const);
  return {
    seq,
    stage: line(value.stage) || "stage",
    attempt: Math.max(1, count(value.attempt)),
    status: line(value.status) ?? "",
    started: number(value.started),
    completed: number(value.completed),
    duration_s: amount(value.duration_s),
    agent: line(value.agent),
    adapter: line(value.adapter),
    model: line(value.model),
    n_tool_calls: amount(value.n_tool_calls),
    prompt_tokens: amount(value.prompt_tokens),
    completion_tokens: amount(value.completion_tokens),
    cost_usd: amount(value.cost_usd),
    texts: readTexts(value),
    sizes: new Map(cut.filter(([, chars]) => chars > 0)),
  };
}

/** The answer to `ask stage`. */
export function readStageTexts(value: unknown): { readonly texts: Texts; readonly isCut: boolean } | null {
  if (!isFields(value) || !isFields(value.texts)) return null;
  return { texts: readTexts(value.texts), isCut: value.cut === true };
}

/** An empty text is a missing one, where it is not the beginning of a longer one. */
function readTexts(fields: Readonly<Record<string, unknown>>): Texts {
  const texts = new Map<TextName, string>();
  for (const [name] of TEXTS) {
    const value = text(fields[name]);
    if (value) texts.set(name, value);
  }
  return texts;
}
