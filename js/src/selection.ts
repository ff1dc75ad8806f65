// Which task is selected: what the person clicked, at once; Python's trait has the last word.

import type { View } from "./view";

export class Selection {
  id: string | null = null;
  /** Why the kernel did not take the newest one. */
  refusal: string | null = null;
  readonly #view: View;
  /** The trait as it was when it was last taken. */
  #told: readonly string[] = [];
  /** On their way to the kernel, oldest first. */
  #asked: { readonly id: string | null }[] = [];

  constructor(view: View) {
    this.#view = view;
  }

  /** The person selects, or clears with null. */
  choose(id: string | null): void {
    const view = this.#view;
    if (this.id === id) return;
    this.id = id;
    if (id !== null) {
      view.focused = id;
      view.trail.visit(id);
    }
    this.refusal = null;
    view.graph?.stopFollowing();
    view.schedule();
    // What there was only in the past Python cannot select.
    if (id !== null && !view.kernel.run.tasks.has(id)) return;
    const asked = { id };
    this.#asked.push(asked);
    const tasks = id === null ? [] : [id];
    void view.kernel
      .do({ action: "select", project: view.projectId, tasks })
      .then((error) => this.#answered(asked, error));
  }

  /** Takes what the trait says, where it is not what it said before. */
  take(): void {
    const ids = this.#view.traits.selection;
    if (!sameIds(ids, this.#told)) this.#take(ids);
  }

  /** Another run is shown. */
  reset(): void {
    this.id = null;
    this.refusal = null;
    this.#asked = [];
    this.#told = [];
  }

  #answered(asked: { readonly id: string | null }, error: string | null): void {
    const view = this.#view;
    const isNewest = this.#asked.at(-1) === asked;
    this.#asked = this.#asked.filter((other) => other !== asked);
    if (error === null || !isNewest || view.signal.aborted) return;
    this.refusal = error;
    view.announcement = `Not selected: ${error}`;
    this.#take(view.traits.selection);
    view.schedule();
  }

  #take(ids: readonly string[]): void {
    const view = this.#view;
    // The echo of an earlier click must not undo the click after it.
    const isEcho = this.#asked.slice(0, -1).some((asked) => (asked.id ?? undefined) === ids[0]);
    if (isEcho) return;
    const id = ids.find((wanted) => view.run.tasks.has(wanted)) ?? null;
    // A selection of tasks we have not heard of yet is taken when they come.
    if (id === null && ids.length > 0) return;
    this.#told = ids;
    if (id === this.id) return;
    this.id = id;
    if (id === null) return;
    view.trail.visit(id);
    view.graph?.stopFollowing();
    view.reveal(id);
  }
}

const sameIds = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);
