// What a person has open in the inspector. It belongs to the view and not to a panel, so that it outlives updates and
// the selection of another task.

import type { Match } from "./finding";
import type { Stage, TextName } from "./read";

export const TABS = ["Overview", "Trace", "Result", "Context", "Raw"] as const;
export type Tab = (typeof TABS)[number];

/** What is long and seldom read stays folded until somebody opens it. */
const FOLDED: readonly TextName[] = ["user_input", "messages", "output"];

export class Inspection {
  tab: Tab = "Overview";
  /** How a result is shown; null: as its kind suggests. */
  resultAs: "markdown" | "tree" | "plain" | null = null;
  /** What is looked for in the texts of traces, and which match is shown. */
  wanted = "";
  match: {
    readonly task: string;
    readonly seq: number;
    readonly name: TextName;
    readonly at: number;
  } | null = null;
  readonly folded = new Set<TextName>(FOLDED);
  readonly #open = new Map<string, number>();
  readonly #whole = new Set<string>();

  /** The open stage of a task, or null. */
  openStage(task: string): number | null {
    return this.#open.get(task) ?? null;
  }

  open(task: string, seq: number | null): void {
    if (seq === null) this.#open.delete(task);
    else this.#open.set(task, seq);
  }

  /** The place of the shown match among those of a task as they are now; -1 without. */
  matchAt(task: string, matches: readonly Match[]): number {
    const { match } = this;
    if (match?.task !== task) return -1;
    return matches.findIndex(
      ({ stage, name, at }) => stage.seq === match.seq && name === match.name && at === match.at,
    );
  }

  isWhole(task: string, { seq }: Stage, name: TextName): boolean {
    return this.#whole.has(`${seq} ${name} ${task}`);
  }

  /** Whether a text is shown from its beginning to its end, or clamped. */
  showWhole(task: string, { seq }: Stage, name: TextName, isWhole: boolean): void {
    const key = `${seq} ${name} ${task}`;
    if (isWhole) this.#whole.add(key);
    else this.#whole.delete(key);
  }

  reset(): void {
    this.match = null;
    this.#open.clear();
    this.#whole.clear();
  }
}
