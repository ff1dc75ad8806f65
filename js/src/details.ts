// The whole texts of tasks, asked of the kernel when somebody looks at them.

import { sentence } from "./format";
import type { Kernel } from "./kernel";
import { dropOldest } from "./maps";
import type { Task, TaskDetail } from "./messages";
import { charsOf, type Room } from "./room";

const KEPT = 50;

export type DetailState =
  | { readonly kind: "loading" }
  | { readonly kind: "loaded"; readonly detail: TaskDetail }
  | { readonly kind: "failed"; readonly why: string };

export class Details {
  readonly #kernel: Kernel;
  readonly #room: Room;
  readonly #changed: () => void;
  readonly #known = new Map<string, { readonly stamp: string; state: DetailState }>();

  constructor(kernel: Kernel, room: Room, changed: () => void) {
    this.#kernel = kernel;
    this.#room = room;
    this.#changed = changed;
  }

  /** The texts of a task as they are now, asked for once per state of the task. */
  of(shown: Task): DetailState {
    const task = this.#kernel.run.tasks.get(shown.id) ?? shown;
    const stamp = `${task.status} ${task.completed} ${task.error === null}`;
    const known = this.#known.get(task.id);
    if (known !== undefined && known.stamp === stamp) {
      this.#room.use(known);
      return known.state;
    }
    // While the new text travels the old one stays, so that a change of status does not make the panel flicker.
    const state: DetailState = known?.state.kind === "loaded" ? known.state : { kind: "loading" };
    const entry: { readonly stamp: string; state: DetailState } = { stamp, state };
    if (known !== undefined) this.#room.forget(known);
    this.#known.delete(task.id);
    this.#known.set(task.id, entry);
    dropOldest(this.#known, KEPT);
    const came = (state: DetailState) => {
      entry.state = state;
      this.#changed();
    };
    this.#kernel.ask(task.id).then(
      (detail) => {
        const { goal, error, result, objective, input } = detail;
        this.#room.keep(entry, charsOf([goal, error, result, objective, input]), () => {
          if (this.#known.get(task.id) === entry) this.#known.delete(task.id);
        });
        came({ kind: "loaded", detail });
      },
      (error: unknown) => came({ kind: "failed", why: sentence(error) }),
    );
    return state;
  }

  /** Asks again after a failure. */
  forget(id: string): void {
    this.#known.delete(id);
    this.#changed();
  }

  /** Another run is shown. */
  reset(): void {
    this.#known.clear();
  }
}
