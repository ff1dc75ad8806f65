// The corner panel over the graph, as the camera has to know it: no card is left under it.

import type { Box, Level } from "./camera";

/** A graph lower than this has no room for a legend. */
export const LEGEND_FROM_HEIGHT = 430;
/** A legend that is not there yet: five rows. */
const LEGEND_GUESS_PX = 96;

export class CornerPanel {
  readonly #graph: HTMLElement;
  #seen: (Box & { readonly legend: number }) | null = null;

  constructor(graph: HTMLElement) {
    this.#graph = graph;
  }

  /** Looks at it. Before a frame writes anything: later it would lay out the document in its middle. */
  look(): void {
    const panel = this.#graph.parentElement?.querySelector<HTMLElement>(".rw-corner") ?? null;
    const legend = panel?.querySelector<HTMLElement>(".rw-legend")?.offsetHeight ?? 0;
    this.#seen = panel && {
      x: panel.offsetLeft,
      y: panel.offsetTop,
      w: panel.offsetWidth,
      h: panel.offsetHeight,
      legend,
    };
  }

  /** As it was last seen in a graph of this height, or as it would be at another level: blocks have no legend. */
  at(level: Level, height: number): Box | null {
    if (this.#seen === null) this.look();
    if (this.#seen === null) return null;
    const { x, y, w, h, legend } = this.#seen;
    const wanted = level === "blocks" || height < LEGEND_FROM_HEIGHT ? 0 : legend || LEGEND_GUESS_PX;
    return { x, y: y + legend - wanted, w, h: h - legend + wanted };
  }
}
