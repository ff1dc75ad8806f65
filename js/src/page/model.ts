// Stands where the widget's model stands in a notebook, in a page without a kernel: it has the traits of a saved run
// and answers what a view asks out of what the page holds, in the words of docs/messages.md. So the page has the view
// of the notebook, with the same reader of what it is told.

import { type Fields, isFields, number, text } from "../fields";
import type { WidgetModel } from "../kernel";
import { TEXTS } from "../trace/read";
import { Moments } from "./moments";

const REVISION = 1;
const TOO_DEEP = "What this page holds of it is nested too deep to be shown.";
const NOBODY = "This page is a saved run: there is nobody to do that.";

type Handler = (...args: never[]) => void;
/** What there is to say, or why there is nothing. */
type Answer = { readonly body?: unknown } | { readonly error: string };

const encoder = new TextEncoder();

export class PageModel implements WidgetModel {
  readonly #page: Fields;
  readonly #moments: Moments;
  readonly #traits: Record<string, unknown>;
  readonly #handlers = new Map<string, Set<Handler>>();

  /** `page` is the body that docs/messages.md calls "A page of one run". */
  constructor(page: Fields) {
    this.#page = page;
    this.#moments = new Moments(page.steps);
    const left_out = Array.isArray(page.left_out) ? page.left_out.filter((each) => text(each) !== null) : [];
    this.#traits = {
      connection: {
        state: "archive",
        reason: `A page of one run, made by ${text(page.made_by) ?? "roma-widget"}. It needs no server.`,
        error: left_out.length === 0 ? null : left_out.join(" "),
      },
      project: page.project,
      progress: page.progress,
      notes: { n: Array.isArray(page.annotations) ? page.annotations.length : 0, newest: page.annotations },
      selection: [],
    };
  }

  get(key: string): unknown {
    return this.#traits[key];
  }

  on(event: string, handler: Handler): void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
  }

  off(event: string, handler: Handler): void {
    this.#handlers.get(event)?.delete(handler);
  }

  /** Answered a moment later, as a kernel would: who asks may not be ready to hear yet. */
  send(content: unknown): void {
    if (isFields(content)) queueMicrotask(() => this.#hear(content));
  }

  #hear(message: Fields): void {
    const { type, rid } = message;
    if (type === "hello") {
      const server_now = number(this.#page.time);
      const { tasks } = this.#page;
      const sayable = Array.isArray(tasks) ? tasks.filter((task) => encoded(task) !== null) : tasks;
      this.#say({ type: "snapshot", rev: REVISION, server_now }, encoded({ tasks: sayable }));
    }
    if (type !== "ask" && type !== "do") return;
    const answer = type === "ask" ? this.#answer(message) : this.#do(message);
    const body = "body" in answer ? encoded(answer.body) : undefined;
    const error = body === null ? TOO_DEEP : "error" in answer ? answer.error : null;
    this.#say({ type: "reply", rid, ok: error === null, error }, body);
  }

  #answer(message: Fields): Answer {
    switch (message.what) {
      case "task":
        return this.#of("details", message.task) ?? { error: "Nothing more of this task is in this page." };
      case "trace":
        return this.#trace(message.task);
      case "stage":
        return this.#stage(message.task, message.seq);
      case "times":
        return { body: { times: this.#moments.times, n: this.#moments.times.length } };
      case "moment": {
        const moment = this.#moments.at(number(message.at) ?? Number.NaN);
        return moment === null ? { error: "Nothing is known of that moment." } : { body: moment };
      }
      default:
        return { error: NOBODY };
    }
  }

  #do(message: Fields): Answer {
    if (message.action === "open_stage") return {}; // nobody listens, and nothing is wrong
    if (message.action !== "select") return { error: NOBODY };
    this.#traits.selection = message.tasks;
    this.#tell("change:selection");
    return {};
  }

  /** With whole texts: nothing has to be asked for once more. */
  #trace(task: unknown): Answer {
    const trace = this.#of("traces", task)?.body;
    if (!isFields(trace))
      return { error: "The trace of this task was not fetched before this page was made." };
    const why = text(trace.left_out);
    if (why !== null) return { error: `The trace of this task is not in this page: ${why}.` };
    return { body: { ...trace, task } };
  }

  #stage(task: unknown, seq: unknown): Answer {
    const trace = this.#of("traces", task)?.body;
    const stages = isFields(trace) && Array.isArray(trace.stages) ? trace.stages : [];
    const stage = stages.find((each) => isFields(each) && each.seq === seq);
    if (stage === undefined) return { error: "This stage is not in this page." };
    const texts = Object.fromEntries(TEXTS.map(([name]) => [name, stage[name]]));
    return { body: { task, seq, texts, cut: false } };
  }

  /** What the page holds of one task under a name. */
  #of(name: string, task: unknown): { readonly body: unknown } | null {
    const all = this.#page[name];
    if (!isFields(all) || typeof task !== "string" || !Object.hasOwn(all, task)) return null;
    return { body: all[task] };
  }

  #say(content: Fields, body?: Uint8Array | null): void {
    this.#tell("msg:custom", content, body ? [body] : []);
  }

  #tell(event: string, ...args: unknown[]): void {
    for (const handler of this.#handlers.get(event) ?? []) (handler as (...args: unknown[]) => void)(...args);
  }
}

/** As a kernel sends it; null where it is nested so deep that it cannot be written again. */
function encoded(value: unknown): Uint8Array | null {
  try {
    return encoder.encode(JSON.stringify(value));
  } catch {
    return null;
  }
}
