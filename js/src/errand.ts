// One thing at a time that a person had done and that may take a while, and what came of it. It belongs to the view:
// the panel in which it was begun may be closed before it has ended.

import { sentence } from "./format";

export class Errand {
  isBusy = false;
  outcome: { readonly text: string; readonly isError: boolean } | null = null;
  readonly #told: (outcome: string) => void;

  /** `told` hears the outcome, and "" when an errand begins. */
  constructor(told: (outcome: string) => void) {
    this.#told = told;
  }

  begin(work: () => Promise<string>): void {
    if (this.isBusy) return;
    this.isBusy = true;
    this.outcome = null;
    this.#told("");
    work().then(
      (text) => this.#end(text, false),
      (error: unknown) => this.#end(sentence(error), true),
    );
  }

  #end(text: string, isError: boolean): void {
    this.isBusy = false;
    this.outcome = { text, isError };
    this.#told(text);
  }
}
