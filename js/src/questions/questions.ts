// The questions of a run as one view knows them: what the kernel's trait says, what this person has just clicked, what
// became of it, and which question is open before them. Nothing here is an answer that nobody gave.

import { atEnd } from "../ending";
import { sentence } from "../format";
import type { Kernel } from "../kernel";
import { dropOldest } from "../maps";
import type { AnswerWord, Prompt, PromptState, Question, Settled } from "../messages";
import { Writing } from "./writing";

/** A click that the kernel has not acknowledged by then is shown as queued: within a second, with the frame. */
export const QUEUED_AFTER_MS = 900;
/** How long it stays to be seen what became of an answer. */
export const SETTLED_FOR_MS = 6_000;
/** A click that nobody acknowledged for so long may be lost: the person may click again. */
export const STUCK_AFTER_MS = 60_000;
/** After the kernel has taken an answer the trait tells how it goes on; `on_answer` has 5 s before. */
const TRAIT_WITHIN_MS = 6_000;
const QUESTIONS_KEPT = 20;
/** Characters. */
const LOST_SHOWN = 5_000;
/** A pointer that has not moved for so long means what is under it now. */
const JUST_MOVED_MS = 500;

export interface Entry {
  readonly prompt: Prompt;
  readonly state: PromptState | "queued" | Settled["state"];
  readonly action: AnswerWord | null;
  /** Why it is held, kept, superseded or lost. */
  readonly why: string | null;
  /** Why the kernel refused the last click. */
  readonly error: string | null;
  readonly canAnswer: boolean;
  /** The click is on its way to the kernel. */
  readonly isBusy: boolean;
}

export type QuestionState =
  | { readonly kind: "loading" }
  | { readonly kind: "loaded"; readonly question: Question }
  | { readonly kind: "failed"; readonly why: string };

interface Sending {
  readonly action: AnswerWord;
  phase: "asked" | "queued" | "stuck" | "accepted";
  timers: ReturnType<typeof setTimeout>[];
}

export class Questions {
  /** Oldest first; what is settled stays a few seconds in its place. */
  entries: readonly Entry[] = [];
  /** Grows with each change of anything in here. */
  version = 0;
  /** The question that is unfolded. */
  current: string | null = null;
  /** The questions of which our answer was lost, and why, the newest first, until a person has dismissed them. */
  lost = "";
  /** Told of questions that were not there before. */
  onNew: (fresh: readonly Prompt[]) => void = () => {};

  readonly #kernel: Kernel;
  readonly #redraw: () => void;
  #pending: readonly Prompt[] = [];
  #isClosed = false;
  /** Questions have just changed their places by themselves: the pointer may be over another one's button. */
  hasJustMoved = false;
  #moving: ReturnType<typeof setTimeout> | undefined;
  /** The last that was said of each question which is shown, in the order in which it is. */
  readonly #prompts = new Map<string, Prompt>();
  readonly #firstSeen = new Map<string, number>();
  readonly #sending = new Map<string, Sending>();
  readonly #settled = new Map<string, Settled>();
  readonly #ending = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #errors = new Map<string, string>();
  readonly #questions = new Map<string, QuestionState>();
  readonly #writings = new Map<string, Writing>();

  constructor(kernel: Kernel, redraw: () => void, signal: AbortSignal) {
    this.#kernel = kernel;
    this.#redraw = redraw;
    kernel.onSettled = (settled) => this.#settle(settled);
    this.take();
    atEnd(signal, () => {
      clearTimeout(this.#moving);
      for (const timer of this.#ending.values()) clearTimeout(timer);
      for (const { timers } of this.#sending.values()) for (const timer of timers) clearTimeout(timer);
    });
  }

  get isOpen(): boolean {
    return this.entries.length > 0 && !this.#isClosed;
  }

  dismissLost(): void {
    this.lost = "";
    this.#changed();
  }

  /** How many wait for the person. */
  get count(): number {
    return this.entries.filter((entry) => isWaiting(entry)).length;
  }

  /** How many are answered, and nobody has said what became of the answer. */
  get unconfirmed(): number {
    return this.entries.filter((entry) => !isWaiting(entry) && !this.#settled.has(entry.prompt.request_id))
      .length;
  }

  /** Opens the tray, and unfolds the question `id` in it. */
  open(id: string | null = this.current): void {
    this.#isClosed = false;
    this.current = id;
    this.#changed();
  }

  close(): void {
    this.#isClosed = true;
    this.#changed();
  }

  /** The next (1) or last (-1) question, round and round. */
  step(by: 1 | -1): void {
    const at = this.entries.findIndex(({ prompt }) => prompt.request_id === this.current);
    const there = this.entries.at((at + by) % this.entries.length);
    if (there !== undefined) this.open(there.prompt.request_id);
  }

  /** When this view first saw it, epoch ms of this browser. */
  firstSeen(id: string): number | null {
    return this.#firstSeen.get(id) ?? null;
  }

  /** The place of a question among Python's pending ones; null: it is not one of them any more. */
  placeOf(entry: Entry): number | null {
    const at = this.#pending.findIndex(({ request_id }) => request_id === entry.prompt.request_id);
    return at < 0 ? null : at;
  }

  /** Takes what the trait says now. */
  take(): void {
    const { pending } = this.#kernel.traits;
    if (pending === this.#pending) return;
    const before = new Map(this.#pending.map((prompt) => [prompt.request_id, prompt]));
    this.#pending = pending;
    const fresh = pending.filter(({ request_id }) => !this.#firstSeen.has(request_id));
    for (const prompt of pending) {
      const id = prompt.request_id;
      const known = before.get(id);
      if (known === undefined) this.#firstSeen.set(id, Date.now());
      else if (this.#sending.get(id)?.phase === "accepted" && !isSame(known, prompt)) this.#stopSending(id);
      this.#prompts.set(id, prompt);
      before.delete(id);
    }
    // What became of these may be said a moment later.
    for (const id of before.keys()) this.#endSoon(id);
    this.#changed(fresh);
    if (fresh.length > 0) this.onNew(fresh);
  }

  /** Sends an answer, once: further clicks mean nothing until the kernel has said how it goes on. */
  answer(id: string, action: AnswerWord, instructions: string | null): void {
    const entry = this.entries.find(({ prompt }) => prompt.request_id === id);
    if (entry === undefined || !entry.canAnswer) return;
    this.#stopSending(id);
    this.#errors.delete(id);
    const sending: Sending = { action, phase: "asked", timers: [] };
    const later = (phase: Sending["phase"], wait_ms: number) =>
      setTimeout(() => {
        sending.phase = phase;
        this.#changed();
      }, wait_ms);
    sending.timers = [later("queued", QUEUED_AFTER_MS), later("stuck", STUCK_AFTER_MS)];
    this.#sending.set(id, sending);
    this.#changed();
    void this.#kernel
      .do({ action: "answer", request: id, answer: action, instructions })
      .then((error) => this.#heard(id, sending, error));
  }

  /** What is under review, asked of the kernel when somebody looks at it. */
  question(id: string): QuestionState {
    const known = this.#questions.get(id);
    if (known !== undefined) return known;
    const keep = (state: QuestionState) => {
      this.#questions.set(id, state);
      this.#changed();
    };
    const state: QuestionState = { kind: "loading" };
    this.#questions.set(id, state);
    dropOldest(this.#questions, QUESTIONS_KEPT);
    this.#kernel.askQuestion(id).then(
      (question) => keep({ kind: "loaded", question }),
      (error: unknown) => keep({ kind: "failed", why: sentence(error) }),
    );
    return state;
  }

  askAgain(id: string): void {
    this.#questions.delete(id);
    this.#changed();
  }

  /** What the person is writing and editing of an answer. */
  writing(id: string): Writing {
    let writing = this.#writings.get(id);
    if (writing === undefined) {
      writing = new Writing(() => this.#changed());
      this.#writings.set(id, writing);
    }
    return writing;
  }

  #heard(id: string, sending: Sending, error: string | null): void {
    if (this.#sending.get(id) !== sending) return;
    this.#stopSending(id);
    if (error !== null) this.#errors.set(id, error);
    else if (this.#pending.some(({ request_id, state }) => request_id === id && isUnanswered(state))) {
      const timers = [setTimeout(() => this.#stopSending(id), TRAIT_WITHIN_MS)];
      this.#sending.set(id, { action: sending.action, phase: "accepted", timers });
    }
    this.#changed();
  }

  #stopSending(id: string): void {
    for (const timer of this.#sending.get(id)?.timers ?? []) clearTimeout(timer);
    if (this.#sending.delete(id)) this.#changed();
  }

  #settle(settled: Settled): void {
    const id = settled.request_id;
    const prompt = this.#prompts.get(id);
    if (prompt === undefined) return;
    this.#settled.set(id, settled);
    if (settled.state === "lost" && settled.action !== null) {
      const about = prompt.message ?? prompt.checkpoint;
      this.lost = `“${about ?? id}” ${settled.why ?? ""} ${this.lost}`.slice(0, LOST_SHOWN);
    }
    this.#stopSending(id);
    this.#endSoon(id);
    this.#changed();
  }

  /** Forgets a question a while after it was settled or left the trait. */
  #endSoon(id: string): void {
    clearTimeout(this.#ending.get(id));
    const end = () => {
      this.#ending.delete(id);
      this.#settled.delete(id);
      this.#errors.delete(id);
      this.#stopSending(id);
      if (!this.#pending.some(({ request_id }) => request_id === id)) {
        this.#prompts.delete(id);
        this.#firstSeen.delete(id);
        this.#questions.delete(id);
        this.#writings.delete(id);
      }
      this.#changed();
    };
    this.#ending.set(id, setTimeout(end, SETTLED_FOR_MS));
  }

  #entry(prompt: Prompt): Entry {
    const id = prompt.request_id;
    const settled = this.#settled.get(id);
    const sending = this.#sending.get(id);
    const isOpen = settled === undefined && isUnanswered(prompt.state);
    const isQueued = sending?.phase === "queued" || sending?.phase === "stuck";
    return {
      prompt,
      state: settled?.state ?? (isOpen && isQueued ? "queued" : prompt.state),
      action: settled?.action ?? sending?.action ?? prompt.action,
      why: settled === undefined ? prompt.why : settled.why,
      error: this.#errors.get(id) ?? null,
      canAnswer: isOpen && (sending === undefined || sending.phase === "stuck"),
      isBusy: isOpen && sending !== undefined,
    };
  }

  #changed(fresh: readonly Prompt[] = []): void {
    const open = new Set(this.#pending.map(({ request_id }) => request_id));
    const { entries, current } = this;
    this.entries = [...this.#prompts.values()]
      .filter(({ request_id }) => open.has(request_id) || this.#settled.has(request_id))
      .map((prompt) => this.#entry(prompt));
    if (this.entries.length === 0) this.#isClosed = false;
    this.#choose(fresh);
    const isElsewhere = ({ prompt }: Entry, i: number) =>
      this.entries[i]?.prompt.request_id !== prompt.request_id;
    if (entries.some(isElsewhere) || (current !== null && current !== this.current)) this.#moved();
    this.version++;
    this.#redraw();
  }

  /** The unfolded question stays until the next attempt comes or it is gone; then it is the oldest that waits. */
  #choose(fresh: readonly Prompt[]): void {
    const { current, entries } = this;
    const here = entries.find(({ prompt }) => prompt.request_id === current);
    const follows = fresh.find(({ previous_id }) => current !== null && previous_id === current);
    if (here !== undefined && (follows === undefined || here.canAnswer)) return;
    const next = follows ?? (entries.find(isWaiting) ?? entries[0])?.prompt;
    this.current = next?.request_id ?? null;
  }

  #moved(): void {
    this.hasJustMoved = true;
    clearTimeout(this.#moving);
    this.#moving = setTimeout(() => {
      this.hasJustMoved = false;
      this.#changed();
    }, JUST_MOVED_MS);
  }
}

const isUnanswered = (state: PromptState): boolean => state === "open" || state === "held";

/** Nobody has answered it yet. */
export const isWaiting = (entry: Entry): boolean => entry.canAnswer && entry.state !== "queued";

const isSame = (a: Prompt, b: Prompt): boolean =>
  a.state === b.state && a.why === b.why && a.action === b.action;
