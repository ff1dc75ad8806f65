// What the tests build runs from: a task with all fields, a seeded random generator, messages as the kernel sends them.

import type { Task } from "../src/messages";
import { readTask } from "../src/read";

export const task = (id: string, parent: string | null = null, more: Partial<Task> = {}): Task =>
  readTask({ id, parent, index: 0, goal: `goal of ${id}`, status: "PENDING", ...more }) as Task;

/** Numbers in [0, 1), the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    return state / 2 ** 32;
  };
}

/** A random run: parents before children, as the kernel sends them. */
export function randomRun(seed: number, size: number): Task[] {
  const random = seeded(seed);
  const tasks: Task[] = [];
  const words = ["PENDING", "RUNNING", "DONE", "FAILED", "PLAN_DONE", "ON_HOLD"];
  for (let i = 0; i < size; i++) {
    const parent = i === 0 || random() < 0.02 ? null : `t${Math.floor(random() * i)}`;
    const status = words[Math.floor(random() * words.length)] as string;
    tasks.push(task(`t${i}`, parent, { index: Math.floor(random() * 50), status }));
  }
  return tasks;
}

const encoder = new TextEncoder();
export const buffer = (value: unknown): DataView =>
  new DataView(encoder.encode(JSON.stringify(value)).buffer);
export const snapshot = (rev: number, tasks: readonly unknown[]) =>
  [{ type: "snapshot", rev, server_now: 1000 }, [buffer({ tasks })]] as const;
export const delta = (rev: number, base: number, changed: unknown, removed: readonly string[] = []) =>
  [{ type: "delta", rev, base, server_now: 1000 }, [buffer({ changed, removed })]] as const;
export const beat = (rev: number) =>
  [{ type: "beat", rev, age_ms: 10, server_now: 2000, round_trip_ms: 4 }, []] as const;

/** A widget model that remembers what was sent and who listens. */
export class FakeModel {
  readonly sent: { type: string; [key: string]: unknown }[] = [];
  /** A kernel always names the picture beside its view. */
  readonly values = new Map<string, unknown>([["static_key", "k"]]);
  readonly #listeners = new Map<string, Set<(...args: never[]) => void>>();

  get(key: string): unknown {
    return this.values.get(key);
  }
  on(event: string, handler: (...args: never[]) => void): void {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(handler));
  }
  off(event: string, handler: (...args: never[]) => void): void {
    this.#listeners.get(event)?.delete(handler);
  }
  send(content: unknown): void {
    this.sent.push(content as { type: string });
  }
  say(message: readonly [unknown, readonly unknown[]]): void {
    this.#emit("msg:custom", ...message);
  }
  set(key: string, value: unknown): void {
    this.values.set(key, value);
    this.#emit(`change:${key}`);
  }
  listeners(): number {
    return [...this.#listeners.values()].reduce((sum, handlers) => sum + handlers.size, 0);
  }
  sentOf(type: string): { type: string; [key: string]: unknown }[] {
    return this.sent.filter((message) => message.type === type);
  }
  lastRid(type: string): string {
    return String(this.sentOf(type).at(-1)?.rid);
  }
  #emit(event: string, ...args: unknown[]): void {
    for (const handler of [...(this.#listeners.get(event) ?? [])]) handler(...(args as never[]));
  }
}
