// When tasks waited for a person, as far as this view has seen it: from a question's moment until it is asked no more.

import { epoch } from "../format";
import type { Prompt } from "../messages";

const KEPT = 1_000;

export interface Wait {
  readonly task: string;
  /** Epoch ms by the server's clock. */
  readonly from: number;
  /** null: it goes on. */
  readonly to: number | null;
}

export class Waits {
  /** Oldest first; another object whenever something in it is another. */
  all: readonly Wait[] = [];
  readonly #byRequest = new Map<string, Wait>();

  /** `pending` are the questions that are open at `now`, the server's clock; null: it was never told. */
  take(pending: readonly Prompt[], now: number | null): void {
    const open = new Set<string>();
    let isChanged = false;
    const keep = (id: string, wait: Wait) => {
      this.#byRequest.set(id, wait);
      isChanged = true;
    };
    for (const { request_id, task_id, asked } of pending) {
      open.add(request_id);
      const known = this.#byRequest.get(request_id);
      const from = known?.from ?? epoch(asked) ?? now;
      // A question that is asked once more was never settled.
      if (task_id !== null && from !== null && known?.to !== null)
        keep(request_id, { task: task_id, from, to: null });
    }
    for (const [id, wait] of this.#byRequest)
      if (wait.to === null && !open.has(id)) keep(id, { ...wait, to: Math.max(wait.from, now ?? wait.from) });
    if (!isChanged) return;
    for (const id of this.#byRequest.keys()) {
      if (this.#byRequest.size <= KEPT) break;
      this.#byRequest.delete(id);
    }
    this.all = [...this.#byRequest.values()];
  }

  reset(): void {
    this.#byRequest.clear();
    this.all = [];
  }
}
