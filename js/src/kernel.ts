// The only user of the widget model: one Kernel per view. It says hello and bye, keeps the run in step with the
// kernel's revisions, asks for a new snapshot when a message was lost, and knows whether the kernel is still there.

import { atEnd } from "./ending";
import { isFields } from "./fields";
import { sentence } from "./format";
import type {
  Action,
  BrowserMessage,
  Connection,
  ConnectionState,
  Inquiry,
  KernelMessage,
  LinkQuality,
  ListedProject,
  Moment,
  Prompt,
  Question,
  Request,
  Settled,
  TaskDetail,
  Traits,
} from "./messages";
import { readPrompts, readQuestion } from "./questions/read";
import {
  readConnection,
  readIds,
  readLinkQuality,
  readMessage,
  readMoment,
  readNotes,
  readProgress,
  readProject,
  readProjects,
  readTaskDetail,
  readText,
  readTimes,
} from "./read";
import { applyDelta, applySnapshot, EMPTY, type RunState } from "./state";
import { readStageTexts, readTrace, type Trace } from "./trace/read";

/** No word for this long while a beat comes every 2 s: the kernel is gone. Nobody beats for what is still (`isStill`). */
export const GONE_AFTER_MS = 6_000;
/** A hello that brought nothing is said again after these, the last one over and over. */
const HELLO_BACKOFF_MS = [1_000, 2_000, 4_000, 8_000, 15_000] as const;
/** The kernel takes 60 s of silence for a closed tab, so a view says that it is there. */
const HERE_EVERY_MS = 20_000;
const ANSWER_WITHIN_MS = 10_000;
/** What the server has to confirm takes several steps, each of which the kernel gives up after 9 s. */
const SERVER_ANSWER_WITHIN_MS = 30_000;
/** A page of a large run takes minutes. */
const PAGE_WITHIN_MS = 900_000;

/** What we need of the widget model (a part of anywidget's). */
export interface WidgetModel {
  get(key: string): unknown;
  on(event: string, handler: (...args: never[]) => void): void;
  off(event: string, handler: (...args: never[]) => void): void;
  send(content: unknown): void;
}

export interface Link {
  readonly alive: boolean;
  /** When the kernel last told how the run is, epoch ms of this browser; null: not to this view. */
  readonly heard: number | null;
  readonly round_trip_ms: number | null;
  readonly age_ms: number | null;
}

type Part = "run" | "traits" | "link";

const TRAITS = [
  "connection",
  "projects",
  "project",
  "watching",
  "progress",
  "selection",
  "pending",
  "notes",
  "address",
  "static_key",
] as const;

const NO_PROJECTS: readonly ListedProject[] = [];
const NO_PROMPTS: readonly Prompt[] = [];

interface Waiting {
  /** Waits as long as the view is there, also for a kernel that seems to be gone. */
  readonly isPatient: boolean;
  settle(message: KernelMessage & { type: "reply" }): void;
  cancel(why: string): void;
}

export class Kernel {
  run: RunState = EMPTY;
  traits: Traits;
  link: Link;
  /** The server's clock when it was last told, and our own monotonic clock at that moment. */
  serverClock: { readonly server_now: number; readonly at: number } | null = null;

  /** Told what became of an answer. */
  onSettled: (settled: Settled) => void = () => {};

  readonly #model: WidgetModel;
  readonly #changed: (part: Part) => void;
  readonly #view = randomId();
  readonly #waiting = new Map<string, Waiting>();
  readonly #projects = new WeakMap<object, readonly ListedProject[]>();
  readonly #prompts = new WeakMap<object, readonly Prompt[]>();
  #asked = 0;
  #helloCount = 0;
  #helloNotBefore = 0;
  #retryHello: ReturnType<typeof setTimeout> | undefined;
  #gone: ReturnType<typeof setTimeout> | undefined;
  #here: ReturnType<typeof setInterval> | undefined;

  constructor(model: WidgetModel, changed: (part: Part) => void, signal: AbortSignal) {
    this.#model = model;
    this.#changed = changed;
    this.traits = this.#takeTraits();
    this.link = { alive: true, heard: null, round_trip_ms: null, age_ms: null };

    const onMessage = (content: unknown, buffers?: readonly unknown[]) =>
      this.#receive(content, buffers ?? []);
    const onTrait = () => this.#readTraits();
    model.on("msg:custom", onMessage);
    for (const name of TRAITS) model.on(`change:${name}`, onTrait);
    this.#here = setInterval(() => this.#send({ type: "here", view: this.#view }), HERE_EVERY_MS);
    atEnd(signal, () => {
      model.off("msg:custom", onMessage);
      for (const name of TRAITS) model.off(`change:${name}`, onTrait);
      clearInterval(this.#here);
      clearTimeout(this.#retryHello);
      clearTimeout(this.#gone);
      for (const waiting of [...this.#waiting.values()]) waiting.cancel("the view was closed");
      this.#send({ type: "bye", view: this.#view });
    });
    this.#expectWord();
    this.#hello();
  }

  /** Sends a wish of the person; the answer is an error sentence or null. */
  async do(action: Action): Promise<string | null> {
    try {
      await this.#answer({ type: "do", ...action }, () => true, patienceFor(action));
      return null;
    } catch (error) {
      return sentence(error);
    }
  }

  /** The whole texts of one task; throws an Error with one sentence. */
  async ask(task: string): Promise<TaskDetail> {
    return this.#ask({ what: "task", task }, readTaskDetail);
  }

  /** Has the kernel write a page of the run; gives its path, throws an Error with one sentence. */
  async exportPage(): Promise<string> {
    const read = (body: unknown) => (isFields(body) ? readText(body.path) : null);
    return this.#answer({ type: "do", action: "export_page" }, read, PAGE_WITHIN_MS);
  }

  /** What happened inside one task; throws an Error with one sentence. */
  async askTrace(task: string): Promise<Trace> {
    return this.#ask({ what: "trace", task }, readTrace);
  }

  /** The whole texts of one stage of the trace that was told last; throws an Error with one sentence. */
  async askStage(task: string, seq: number): Promise<NonNullable<ReturnType<typeof readStageTexts>>> {
    return this.#ask({ what: "stage", task, seq }, readStageTexts);
  }

  /** How good the line to the server is; throws an Error with one sentence. */
  async askLink(): Promise<LinkQuality> {
    return this.#ask({ what: "link" }, readLinkQuality);
  }

  /** When the shown run changed, epoch ms, growing; throws an Error with one sentence. */
  async askTimes(): Promise<readonly number[]> {
    return this.#ask({ what: "times" }, readTimes);
  }

  /** The run as it stood at `at`, epoch ms; throws an Error with one sentence. */
  async askMoment(at: number): Promise<Moment> {
    return this.#ask({ what: "moment", at }, readMoment);
  }

  /** What is under review, as soon as the kernel is free to tell; throws an Error with one sentence. */
  async askQuestion(request: string): Promise<Question> {
    return this.#ask({ what: "question", request }, readQuestion, null);
  }

  #ask<T>(
    inquiry: Inquiry,
    read: (body: unknown) => T | null,
    within_ms: number | null = ANSWER_WITHIN_MS,
  ): Promise<T> {
    return this.#answer({ type: "ask", ...inquiry }, read, within_ms);
  }

  async #answer<T>(
    request: Request,
    read: (body: unknown) => T | null,
    within_ms: number | null,
  ): Promise<T> {
    const reply = await this.#request(request, within_ms);
    if (!reply.ok) throw new Error(reply.error ?? "The kernel refused and gave no reason.");
    const answer = read(reply.body);
    if (answer === null) throw new Error("The kernel's answer could not be read.");
    return answer;
  }

  #request(request: Request, within_ms: number | null): Promise<KernelMessage & { type: "reply" }> {
    const rid = `${this.#view}-${++this.#asked}`;
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(rid);
      };
      const cancel = (why: string) => {
        done();
        reject(new Error(`Asked the kernel; no answer: ${why}.`));
      };
      const timer =
        within_ms === null
          ? undefined
          : setTimeout(() => cancel(`nothing within ${within_ms / 1000} s`), within_ms);
      this.#waiting.set(rid, {
        isPatient: within_ms === null,
        settle: (reply) => {
          done();
          resolve(reply);
        },
        cancel,
      });
      this.#send({ ...request, rid });
    });
  }

  #receive(content: unknown, buffers: readonly unknown[]): void {
    const message = readMessage(content, buffers);
    if (message === null) return;
    this.#heardKernel();
    switch (message.type) {
      case "snapshot":
        this.#tellTime(message.server_now);
        // Heard after our hello, whatever its rev: the hello is answered.
        this.#helloAnswered();
        if (message.rev === this.run.rev) return;
        this.run = applySnapshot(message.rev, message.tasks);
        return this.#changed("run");
      case "delta":
        this.#tellTime(message.server_now);
        if (this.run.rev !== null && message.rev <= this.run.rev) return;
        if (message.base !== this.run.rev) return this.#hello();
        this.run = applyDelta(this.run, message.rev, message.delta);
        return this.#changed("run");
      case "beat":
        this.#tellTime(message.server_now);
        this.link = { ...this.link, round_trip_ms: message.round_trip_ms, age_ms: message.age_ms };
        if (this.run.rev === null || message.rev > this.run.rev) this.#hello();
        return this.#changed("link");
      case "reply":
        return this.#waiting.get(message.rid)?.settle(message);
      case "settled":
        return this.onSettled(message);
      default:
        return unreachable(message);
    }
  }

  /** Asks for a snapshot, at most once per back-off step however often a gap is seen. */
  #hello(): void {
    const now = performance.now();
    if (now < this.#helloNotBefore) return;
    const step = Math.min(this.#helloCount++, HELLO_BACKOFF_MS.length - 1);
    const wait = HELLO_BACKOFF_MS[step] as number;
    this.#helloNotBefore = now + wait;
    // Until the first snapshot nobody else would notice that a hello got lost.
    clearTimeout(this.#retryHello);
    if (this.run.rev === null) this.#retryHello = setTimeout(() => this.#hello(), wait + 1);
    this.#send({ type: "hello", view: this.#view, rev: this.run.rev });
  }

  #helloAnswered(): void {
    this.#helloCount = 0;
    this.#helloNotBefore = Math.min(this.#helloNotBefore, performance.now() + HELLO_BACKOFF_MS[0]);
    clearTimeout(this.#retryHello);
  }

  #takeTraits(): Traits {
    const model = this.#model;
    return {
      connection: readConnection(model.get("connection")),
      projects: this.#takeProjects(model.get("projects")),
      project: readProject(model.get("project")),
      watching: readText(model.get("watching")),
      progress: readProgress(model.get("progress")),
      selection: readIds(model.get("selection")),
      pending: this.#takePrompts(model.get("pending")),
      notes: readNotes(this.#model.get("notes")),
      address: readText(model.get("address")),
      static_key: readText(model.get("static_key")),
    };
  }

  /** The same list as before while the trait is: hundreds of projects are not read anew ten times a second. */
  #takeProjects(value: unknown): readonly ListedProject[] {
    if (typeof value !== "object" || value === null) return NO_PROJECTS;
    const projects = this.#projects.get(value) ?? readProjects(value);
    this.#projects.set(value, projects);
    return projects;
  }

  /** The same list as before while the trait is: nobody looks at questions that are as they were. */
  #takePrompts(value: unknown): readonly Prompt[] {
    if (typeof value !== "object" || value === null) return NO_PROMPTS;
    const prompts = this.#prompts.get(value) ?? readPrompts(value);
    this.#prompts.set(value, prompts);
    return prompts;
  }

  #readTraits(): void {
    this.#heardKernel();
    this.traits = this.#takeTraits();
    this.#expectWord();
    this.#changed("traits");
  }

  #heardKernel(): void {
    const wasAlive = this.link.alive;
    // An answer about a run that is over does not make what is shown any newer.
    const heard = isStill(this.traits.connection) ? this.link.heard : Date.now();
    this.link = { ...this.link, alive: true, heard };
    this.#expectWord();
    if (!wasAlive) this.#changed("link");
  }

  #expectWord(): void {
    clearTimeout(this.#gone);
    if (isStill(this.traits.connection)) return;
    this.#gone = setTimeout(() => {
      this.link = { ...this.link, alive: false, round_trip_ms: null };
      for (const waiting of [...this.#waiting.values()])
        if (!waiting.isPatient) waiting.cancel("the kernel is gone");
      this.#changed("link");
    }, GONE_AFTER_MS);
  }

  #tellTime(server_now: number | null): void {
    this.serverClock = server_now === null ? null : { server_now, at: performance.now() };
  }

  #send(message: BrowserMessage): void {
    try {
      this.#model.send(message);
    } catch {
      // A closed comm throws; the missing beats tell the person within 6 s.
    }
  }
}

/** Whether what is shown stays as it is: no beat is sent any more, and silence means nothing. */
export const isStill = (connection: Connection): boolean =>
  connection.state === "closed" || connection.state === "archive";

/** How it is with the server: behind a relay that is live for us, as that says. */
export const seen = ({ state, relay }: Connection): ConnectionState =>
  (state === "live" && relay?.state) || state;

/** Whether elapsed times go on: somebody still supplies the state. */
export const isFollowing = (connection: Connection): boolean => {
  const state = seen(connection);
  return state === "live" || state === "polling";
};

/** ms to wait for the reply to `action`. What a busy kernel has not heard it hears when it is free: null, no end. */
function patienceFor({ action }: Action): number | null {
  if (action === "answer" || action === "select") return null;
  return action === "watch" || action === "switch" ? SERVER_ANSWER_WITHIN_MS : ANSWER_WITHIN_MS;
}

const randomId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );

export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
