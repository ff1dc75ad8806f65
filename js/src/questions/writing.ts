// What a person is writing of an answer: instructions by hand, and the edited plan, whose words stand among them.

import type { PlanStep } from "../messages";
import { type Draft, draftOf } from "./plan";
import { instructionsFor } from "./words";

export class Writing {
  /** Whether the instructions are open. */
  isOpen = false;
  instructions = "";
  /** Why it is to be aborted, if the person says so. */
  reason = "";
  /** The plan as it is edited; null: as proposed. */
  draft: Draft | null = null;
  /** The edits in words, as they were last put into the instructions. */
  #composed = "";
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  open(): void {
    this.isOpen = true;
    this.#changed();
  }

  /** Closes the instructions; what is written and edited stays. */
  close(): void {
    this.isOpen = false;
    this.#changed();
  }

  write(instructions: string): void {
    this.instructions = instructions;
    this.#changed();
  }

  /** Gives up the edits and the words. */
  discard(): void {
    this.isOpen = false;
    this.instructions = this.#composed = "";
    this.draft = null;
    this.#changed();
  }

  /** Takes an edited plan. Its words take the place of those before or, where a person rewrote these, stand below. */
  edit(plan: readonly PlanStep[], change: (draft: Draft) => Draft): void {
    this.draft = change(this.draft ?? draftOf(plan));
    const before = this.#composed;
    const composed = instructionsFor(plan, this.draft);
    const isThere = before !== "" && this.instructions.includes(before);
    this.instructions = (
      isThere ? this.instructions.replace(before, () => composed) : `${this.instructions.trim()}\n${composed}`
    ).trim();
    this.#composed = composed;
    this.open();
  }
}
