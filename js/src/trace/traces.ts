// The traces that a view has asked for: one at a time for each task, again when the task has changed, and the whole
// texts of the stages that somebody reads on. Only what is shown is asked for, because ROMA answers one at a time.

import { atEnd } from "../ending";
import { prettyJson, sentence } from "../format";
import type { Kernel } from "../kernel";
import { dropOldest } from "../maps";
import type { Task } from "../messages";
import { charsOf, type Room } from "../room";
import { isOver } from "../status";
import type { Stage, TextName, Texts, Trace } from "./read";

/** An open trace is asked for again at most this often. */
export const AGAIN_AFTER_MS = 2_000;
const KEPT = 12;
/** Longer texts are shown as they came: making them pretty would hold up the page. */
const PRETTY_CHARS = 300_000;

export interface TraceState {
  readonly trace: Trace | null;
  readonly isAsking: boolean;
  /** Why the newest question has no answer. */
  readonly error: string | null;
}

interface Entry {
  state: TraceState;
  /** The task as it was when it was asked for. */
  task: Task;
  asked_ms: number;
  /** Asked before while the task was the same. */
  isRepeated: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** The whole texts of one stage. */
export interface Whole {
  texts: Texts | null;
  error: string | null;
  isCut: boolean;
  readonly done: Promise<void>;
}

export class Traces {
  readonly #kernel: Kernel;
  readonly #changed: () => void;
  readonly #signal: AbortSignal;
  readonly #room: Room;
  readonly #entries = new Map<string, Entry>();
  /** Gone with the stage, so with the trace. */
  readonly #wholes = new WeakMap<Stage, Whole>();
  /** Texts as they are shown: copies of what is JSON. */
  readonly #shown = new WeakMap<Stage, Map<string, string>>();

  constructor(kernel: Kernel, changed: () => void, signal: AbortSignal, room: Room) {
    this.#kernel = kernel;
    this.#changed = changed;
    this.#signal = signal;
    this.#room = room;
    atEnd(signal, () => this.reset());
  }

  reset(): void {
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
    this.#entries.clear();
  }

  /** What is known of the trace of a task that is shown: asks, now or when it may, for what is not. */
  of(shown: Task): TraceState {
    const task = this.#kernel.run.tasks.get(shown.id) ?? shown;
    const known = this.#entries.get(task.id);
    if (known === undefined) return this.ask(task);
    this.#room.use(known);
    if (isStale(known, task) && !known.state.isAsking && known.timer === undefined) {
      const wait_ms = known.asked_ms + AGAIN_AFTER_MS - performance.now();
      if (wait_ms <= 0) return this.ask(task);
      // Looked at again then, by who still shows it.
      known.timer = setTimeout(() => {
        known.timer = undefined;
        this.#changed();
      }, wait_ms);
    }
    return known.state;
  }

  /** Asks now: what is known stays until the answer is here. */
  ask(shown: Task): TraceState {
    const task = this.#kernel.run.tasks.get(shown.id) ?? shown;
    const before = this.#entries.get(task.id);
    if (before?.state.isAsking) return before.state;
    clearTimeout(before?.timer);
    const entry: Entry = {
      state: { trace: before?.state.trace ?? null, isAsking: true, error: null },
      task,
      asked_ms: performance.now(),
      isRepeated: before?.task === task,
      timer: undefined,
    };
    this.#entries.delete(task.id);
    this.#entries.set(task.id, entry);
    dropOldest(this.#entries, KEPT);
    const settle = (state: Partial<TraceState>) => {
      entry.state = { ...entry.state, isAsking: false, ...state };
      if (!this.#signal.aborted) this.#changed();
    };
    this.#kernel.askTrace(task.id).then(
      (trace) => {
        if (before !== undefined) this.#room.forget(before);
        const chars = charsOf(trace.stages.flatMap(({ texts }) => [...texts.values()]));
        this.#room.keep(entry, chars, () => {
          if (this.#entries.get(task.id) === entry) this.#entries.delete(task.id);
        });
        settle({ trace: sameWhereEqual(entry.state.trace, trace) });
      },
      (error: unknown) => settle({ error: sentence(error) }),
    );
    return entry.state;
  }

  /** The whole texts of a stage, asked for once; those that came with the trace may be all there are. */
  whole(task: string, stage: Stage): Whole {
    const known = this.#wholes.get(stage);
    if (known !== undefined && known.error === null) {
      this.#room.use(known);
      return known;
    }
    const isHere = stage.sizes.size === 0;
    const asked = isHere ? null : this.#kernel.askStage(task, stage.seq);
    const whole: Whole = {
      texts: isHere ? stage.texts : null,
      error: null,
      isCut: false,
      done: (asked ?? Promise.resolve(null)).then(
        (answer) => {
          if (answer === null) return;
          whole.texts = answer.texts;
          whole.isCut = answer.isCut;
          this.#room.keep(whole, charsOf(answer.texts.values()), () => {
            this.#wholes.delete(stage);
            this.#shown.delete(stage);
          });
          this.#shown.delete(stage);
          this.#changed();
        },
        (error: unknown) => {
          whole.error = sentence(error);
          this.#changed();
        },
      ),
    };
    this.#wholes.set(stage, whole);
    return whole;
  }

  /** What is known of a stage's whole texts, without asking. */
  wholeIfAsked(stage: Stage): Whole | undefined {
    return this.#wholes.get(stage);
  }

  /** A text of a stage as it is shown, as much of it as is here; null where it has none. */
  text(stage: Stage, name: TextName): string | null {
    const made = this.#shown.get(stage) ?? new Map<string, string>();
    this.#shown.set(stage, made);
    this.#room.use(made);
    const known = made.get(name);
    if (known !== undefined) return known;
    const text = (this.#wholes.get(stage)?.texts ?? stage.texts).get(name);
    if (text === undefined) return stage.sizes.has(name) ? "" : null;
    const shown = /^\s*[[{]/.test(text) && text.length <= PRETTY_CHARS ? prettyJson(text) : text;
    made.set(name, shown);
    if (shown !== text) this.#room.keep(made, charsOf(made.values()), () => this.#shown.delete(stage));
    return shown;
  }
}

/** A task may end a moment before its last stage does: then once more. */
function isStale({ task, state, isRepeated }: Entry, now: Task): boolean {
  if (task !== now) return true;
  const runs = state.trace?.stages.some(({ status }) => status === "running") ?? false;
  return runs && isOver(now.status) && !isRepeated && state.error === null;
}

/** Stages that are as before stay the same objects, and with them what was read of them. */
function sameWhereEqual(before: Trace | null, after: Trace): Trace {
  if (before === null) return after;
  const stages = after.stages.map((stage, i) => {
    const was = before.stages[i];
    return was !== undefined && printOf(was) === printOf(stage) ? was : stage;
  });
  return { ...after, stages };
}

const printOf = (stage: Stage): string =>
  JSON.stringify({ ...stage, texts: [...stage.texts], sizes: [...stage.sizes] });
