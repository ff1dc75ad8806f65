// What every view of the widget stands in: its root, its shape by its width, the static picture that it hides.
// Everything hangs on one AbortController; the clean-up aborts it and nothing is left.

import { render as renderPreact } from "preact";
import type { Shape } from "./view";

const STACKED_UNDER_PX = 900;
const NARROW_UNDER_PX = 640;

function shapeOf(width: number): Shape {
  if (width < NARROW_UNDER_PX) return "narrow";
  return width < STACKED_UNDER_PX ? "stacked" : "wide";
}

export class Mounted {
  readonly root = document.createElement("div");
  readonly picture: StaticPicture;
  readonly signal: AbortSignal;
  shape: Shape;
  /** Called when the shape is another one. */
  onShape: () => void = () => {};
  readonly #controller = new AbortController();
  readonly #resize: ResizeObserver;

  constructor(el: HTMLElement) {
    const { root } = this;
    // The short one is the stylesheet's: it stands in it a hundred times.
    root.className = "roma-widget rw";
    // JupyterLab's single-key shortcuts must not fire while somebody types arrows or Enter here.
    root.dataset.lmSuppressShortcuts = "true";
    el.append(root);
    this.signal = this.#controller.signal;
    this.picture = new StaticPicture(root);
    this.shape = shapeOf(root.clientWidth || STACKED_UNDER_PX);
    this.#resize = new ResizeObserver(() => {
      // Zero wide is a hidden tab, not a narrow one.
      const shape = root.clientWidth === 0 ? this.shape : shapeOf(root.clientWidth);
      if (shape === this.shape) return;
      this.shape = shape;
      this.onShape();
    });
    this.#resize.observe(root);
  }

  close(): void {
    this.#controller.abort();
    this.#resize.disconnect();
    this.picture.show();
    renderPreact(null, this.root);
    this.root.remove();
  }
}

/** Hides the static picture of the same run while this view lives, whenever the picture comes. */
class StaticPicture {
  readonly #root: HTMLElement;
  readonly #style = document.createElement("style");
  #key: string | null = null;

  constructor(root: HTMLElement) {
    this.#root = root;
  }

  hide(key: string | null): void {
    if (key === this.#key) return;
    this.#key = key;
    if (key === null || key === "") return this.show();
    this.#style.textContent = `[data-static="${CSS.escape(key)}"]{display:none!important}`;
    const home = this.#root.getRootNode();
    (home instanceof ShadowRoot ? home : document.head).append(this.#style);
  }

  show(): void {
    this.#style.remove();
  }
}
