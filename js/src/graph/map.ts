// The minimap's two elements: the map, drawn anew when what it shows is another, and the window that moves on it.

import type { View } from "../view";
import type { Camera } from "./camera";
import { drawMinimap, windowOnMap } from "./minimap";
import type { Palette } from "./palette";

export class Minimap {
  #elements: { readonly canvas: HTMLCanvasElement; readonly window: HTMLElement } | null = null;
  #drawn: readonly unknown[] = [];

  get isThere(): boolean {
    return this.#elements !== null;
  }

  use(canvas: HTMLCanvasElement | null, window: HTMLElement | null): void {
    this.#elements = canvas === null || window === null ? null : { canvas, window };
    this.#drawn = [];
  }

  /** `waiting`: the places of the tasks that wait for the person. */
  draw(view: View, palette: Palette, waiting: Iterable<number>): void {
    if (this.#elements === null) return;
    const { layout, run, tally } = view;
    const shown = [layout, run, palette, view.waiting];
    if (shown.every((part, i) => part === this.#drawn[i])) return;
    drawMinimap(this.#elements.canvas, layout, tally, palette, waiting);
    this.#drawn = shown;
  }

  /** Where the window of the screen, `w`×`h`, lies. */
  show(view: View, camera: Camera, w: number, h: number): void {
    if (this.#elements === null) return;
    const { style } = this.#elements.window;
    const box = windowOnMap(view.layout, camera, w, h);
    style.transform = `translate(${box.x}px,${box.y}px)`;
    style.width = `${box.w}px`;
    style.height = `${box.h}px`;
  }
}
