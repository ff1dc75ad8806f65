// Which tasks somebody means: by words, by status, by type, by when they ran. Pure; the text of a task is folded once and remembered.

import type { Task } from "../messages";
import type { RunState } from "../state";
import { WAITS_CODE } from "../status";
import type { Tally } from "../tally";
import { isAtWork, type Range, spanOf } from "../time/range";

export interface Wanted {
  readonly words: string;
  /** Status codes and types; none means all. */
  readonly codes: ReadonlySet<number>;
  readonly types: ReadonlySet<string>;
  /** The time in which they ran; null means any. */
  readonly during: Range | null;
}

export interface Found {
  /** Positions in the tree, in plan order. */
  readonly at: readonly number[];
  /** By position: 1 for a match. */
  readonly isMatch: Uint8Array;
  /** By position: matches in the sub-tree, the task itself not counted. */
  readonly inside: Int32Array;
}

export const ALL: Wanted = { words: "", codes: new Set(), types: new Set(), during: null };

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII, which needs no folding of accents.
const ASCII = /^[\x00-\x7f]*$/;

/** Without case and accents: "Résumé" → "resume". */
export function folded(text: string): string {
  return ASCII.test(text) ? text.toLowerCase() : text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

const texts = new WeakMap<Task, string>();
function textOf(task: Task): string {
  let text = texts.get(task);
  if (text === undefined) {
    const { goal, id, agent, model, error } = task;
    text = folded(`${goal}\n${id}\n${agent ?? ""}\n${model ?? ""}\n${error ?? ""}`);
    texts.set(task, text);
  }
  return text;
}

const FOLD_MS = 8;

/** Folds the texts of tasks while nobody waits for it, some ms at a time: the first letter of a search finds them done. */
export function foldAhead(tasks: Iterator<Task>): void {
  const until = performance.now() + FOLD_MS;
  for (let next = tasks.next(); !next.done; next = tasks.next()) {
    textOf(next.value);
    if (performance.now() >= until) return void setTimeout(() => foldAhead(tasks));
  }
}

const NOBODY: ReadonlyMap<string, unknown> = new Map();

/** What `wanted` means in a run, of which `waiting` wait for the person; null where nothing is wanted. Of several words all must be there. */
export function findTasks(
  run: RunState,
  tally: Tally,
  wanted: Wanted,
  waiting: ReadonlyMap<string, unknown> = NOBODY,
): Found | null {
  const words = folded(wanted.words)
    .split(/\s+/)
    .filter((word) => word !== "");
  const { codes, types } = wanted;
  const during = wanted.during === null ? null : spanOf(wanted.during);
  if (words.length === 0 && codes.size === 0 && types.size === 0 && during === null) return null;
  const { ids, parent } = run.tree;
  const at: number[] = [];
  const isMatch = new Uint8Array(ids.length);
  const inside = new Int32Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    const task = run.tasks.get(ids[i] as string) as Task;
    const code = waiting.has(task.id) ? WAITS_CODE : (tally.code[i] as number);
    if (codes.size > 0 && !codes.has(code)) continue;
    if (types.size > 0 && !types.has(task.type ?? "")) continue;
    if (during !== null && !isAtWork(task, during)) continue;
    if (words.length > 0) {
      const text = textOf(task);
      if (!words.every((word) => text.includes(word))) continue;
    }
    isMatch[i] = 1;
    at.push(i);
  }
  for (let i = ids.length - 1; i >= 0; i--) {
    const up = parent[i] as number;
    if (up >= 0) inside[up] = (inside[up] as number) + (inside[i] as number) + (isMatch[i] as number);
  }
  return { at, isMatch, inside };
}

/** The match after (or before) a position, around the end; null without a match. */
export function nextMatch({ at }: Found, from: number, step: 1 | -1): number | null {
  if (step === 1) return at.find((each) => each > from) ?? at[0] ?? null;
  return at.findLast((each) => each < from) ?? at.at(-1) ?? null;
}
