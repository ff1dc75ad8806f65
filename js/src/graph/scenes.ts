// The scene of a frame out of what the view knows. What is expensive is kept while the run is the same.

import { waitedFor } from "../clock";
import { type Layout, placeOfId } from "../layout";
import type { View } from "../view";
import { type Camera, scaleOf } from "./camera";
import { type Context, contextOf, type Lane, siblingLanes } from "./relations";
import type { Scene } from "./scene";

/** What the graph's own element has for a frame. */
export type Stage = Pick<Scene, "ctx" | "w" | "h" | "palette" | "hover"> & { readonly ratio: number };

export class Scenes {
  readonly #view: View;
  #lanes: { layout: Layout; tasks: unknown; lanes: Lane[] } | null = null;
  #context: { tasks: unknown; id: string; context: Context | null } | null = null;

  constructor(view: View) {
    this.#view = view;
  }

  of(camera: Camera, { ratio, ...stage }: Stage): Scene {
    const view = this.#view;
    const { layout, run, tally, selected } = view;
    if (this.#lanes?.layout !== layout || this.#lanes.tasks !== run.tasks)
      this.#lanes = { layout, tasks: run.tasks, lanes: siblingLanes(layout, run) };
    if (selected !== null && (this.#context?.id !== selected || this.#context.tasks !== run.tasks))
      this.#context = { id: selected, tasks: run.tasks, context: contextOf(run, selected) };
    // Whole device pixels: half ones blur the cards' text.
    const crisp = (value: number) => Math.round(value * ratio) / ratio;
    return {
      ...stage,
      camera: { zoom: camera.zoom, x: crisp(camera.x), y: crisp(camera.y) },
      scale: scaleOf(camera.zoom),
      layout,
      run,
      tally,
      lanes: this.#lanes.lanes,
      context: selected === null ? null : (this.#context?.context ?? null),
      found: view.found,
      critical: view.critical,
      ring: view.focusRing ? view.focused : null,
      waiting: waitingIn(view),
    };
  }
}

/** Where the tasks that wait for the person are seen: their own places, or those of what they are folded into. */
function waitingIn(view: View): Scene["waiting"] {
  const places = new Map<number, { for_ms: number | null }>();
  for (const [id, prompt] of view.waiting) {
    const place = placeOfId(view.layout, id);
    if (place >= 0 && !places.has(place)) places.set(place, { for_ms: waitedFor(view, prompt) });
  }
  return places;
}
