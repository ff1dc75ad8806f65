// What anywidget calls. Everything of a view hangs on one AbortController; the clean-up aborts it and nothing is left.

import { h, render as renderPreact } from "preact";
import { App } from "./app";
import type { WidgetModel } from "./kernel";
import { type Shape, View } from "./view";

interface RenderProps {
  readonly model: WidgetModel;
  readonly el: HTMLElement;
}

const STACKED_UNDER_PX = 900;
const NARROW_UNDER_PX = 640;

function shapeOf(width: number): Shape {
  if (width < NARROW_UNDER_PX) return "narrow";
  return width < STACKED_UNDER_PX ? "stacked" : "wide";
}

/** Nothing lives as long as the model: the kernel holds the state, each view its own picture of it. */
function initialize(): void {}

function render({ model, el }: RenderProps): () => void {
  const controller = new AbortController();
  const { signal } = controller;
  const root = document.createElement("div");
  root.className = "roma-widget";
  // JupyterLab's single-key shortcuts must not fire while somebody types arrows or Enter here.
  root.dataset.lmSuppressShortcuts = "true";
  el.append(root);

  const view = new View(model, root, signal);
  view.shape = shapeOf(root.clientWidth || STACKED_UNDER_PX);
  const picture = new StaticPicture(root);
  view.onFrame = () => {
    const { connection, static_key } = view.kernel.traits;
    root.dataset.state = connection.state;
    root.dataset.shape = view.shape;
    root.dataset.time = view.isPast ? "past" : "now";
    root.dataset.kernel = view.kernel.link.alive ? "alive" : "gone";
    picture.hide(static_key);
    renderPreact(h(App, { view }), root);
    view.graph?.draw();
  };

  root.addEventListener("keydown", (event) => event.key === "Escape" && view.deselect(), { signal });

  const resize = new ResizeObserver(() => {
    // Zero wide is a hidden tab, not a narrow one.
    const shape = root.clientWidth === 0 ? view.shape : shapeOf(root.clientWidth);
    if (shape === view.shape) return;
    view.shape = shape;
    view.schedule();
  });
  resize.observe(root);
  signal.addEventListener("abort", () => {
    resize.disconnect();
    picture.show();
    renderPreact(null, root);
    root.remove();
  });
  view.onFrame();
  view.schedule();
  return () => controller.abort();
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

export default { initialize, render };
