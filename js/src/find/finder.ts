// What the person looks for in one view: the words, the filter and the time, and what they mean in the run that is shown.

import type { RunState } from "../state";
import type { Tally } from "../tally";
import type { Range } from "../time/range";
import { ALL, type Found, findTasks, type Wanted } from "./match";

export class Finder {
  wanted: Wanted = ALL;
  /** What was found last, and in what. */
  #found: Found | null = null;
  #in: readonly unknown[] = [];

  found(run: RunState, tally: Tally, waiting: ReadonlyMap<string, unknown>): Found | null {
    const { wanted } = this;
    const now = [wanted, run, waiting];
    if (now.some((each, i) => each !== this.#in[i])) {
      this.#in = now;
      this.#found = findTasks(run, tally, wanted, waiting);
    }
    return this.#found;
  }

  get isFiltering(): boolean {
    return this.wanted.codes.size + this.wanted.types.size > 0;
  }

  say(words: string): void {
    this.wanted = { ...this.wanted, words };
  }

  toggleStatus(code: number): void {
    this.wanted = { ...this.wanted, codes: toggled(this.wanted.codes, code) };
  }

  toggleType(type: string): void {
    this.wanted = { ...this.wanted, types: toggled(this.wanted.types, type) };
  }

  /** null: whenever they ran. */
  within(during: Range | null): void {
    this.wanted = { ...this.wanted, during };
  }

  endFilter(): void {
    this.wanted = { ...this.wanted, codes: ALL.codes, types: ALL.types };
  }

  reset(): void {
    this.wanted = ALL;
  }
}

function toggled<T>(set: ReadonlySet<T>, one: T): ReadonlySet<T> {
  const next = new Set(set);
  if (!next.delete(one)) next.add(one);
  return next;
}
