// What anywidget calls for a monitor. A comparison has a bundle of its own: compare/index.ts.

import { h, render as renderPreact } from "preact";
import { App } from "./app";
import { isTicking } from "./clock";
import { atEnd } from "./ending";
import type { WidgetModel } from "./kernel";
import { hasModifier } from "./keyboard";
import { Mounted } from "./mount";
import { activeElement } from "./panels/popover";
import { onShortcut } from "./shortcuts";
import { applyKey } from "./tree/keys";
import { View } from "./view";

interface RenderProps {
  readonly model: WidgetModel;
  readonly el: HTMLElement;
}

/** Nothing lives as long as the model: the kernel holds the state, each view its own picture of it. */
function initialize(): void {}

function render({ model, el }: RenderProps): () => void {
  const mounted = new Mounted(el);
  mountRun(model, mounted);
  return () => mounted.close();
}

function mountRun(model: WidgetModel, mounted: Mounted): void {
  const { root, signal } = mounted;
  const view = new View(model, root, signal);
  view.shape = mounted.shape;
  view.onFrame = () => {
    // Before anything is written: later it would lay out the document in the middle of a frame.
    view.height = root.clientHeight;
    view.graph?.corner.look();
    const { connection, static_key } = view.traits;
    root.dataset.state = connection.state;
    root.dataset.shape = view.shape;
    root.dataset.time = view.isPast ? "past" : isTicking(view) ? "now" : "still";
    root.dataset.kernel = view.kernel.link.alive ? "alive" : "gone";
    mounted.picture.hide(static_key);
    const { graph } = view;
    renderPreact(h(App, { view }), root);
    // What belongs to a graph that has just come is there with it, and not a frame later.
    if (view.graph !== graph) renderPreact(h(App, { view }), root);
    view.graph?.draw();
    keepFocus();
  };
  const keepFocus = focusKeeper(view, () => {
    const active = activeElement(root);
    if (view.run.tasks.size === 0 || (active !== null && active !== document.body)) return;
    view.wantsFocus = true;
    // At once: a key that comes before the next frame would be the browser's.
    renderPreact(h(App, { view }), root);
  });
  root.addEventListener("keydown", (event) => onShortcut(view, event), { signal });
  if (!view.hasKernel) {
    // A page of a run is nothing but this view: its keys work before anything has the focus.
    const onPage = (event: KeyboardEvent) => {
      if (event.target !== document.body) return;
      const isOurs = !/^( |Page.*)$/.test(event.key) && !hasModifier(event);
      if (!isOurs || !applyKey(view, event.key)) return onShortcut(view, event);
      event.preventDefault();
      view.wantsFocus = true;
      view.schedule();
    };
    document.addEventListener("keydown", onPage, { signal });
  }
  const sight = new IntersectionObserver((entries) =>
    view.frames.see(entries.at(-1)?.isIntersecting ?? true),
  );
  sight.observe(root);
  atEnd(signal, () => sight.disconnect());
  mounted.onShape = () => {
    view.shape = mounted.shape;
    view.schedule();
  };
  view.onFrame();
}

/** Called after each frame: where what had the focus went with an update, the tasks have it. */
function focusKeeper({ root, signal }: View, toTasks: () => void): () => void {
  let last: Element | null = null;
  const enter = (event: FocusEvent) => {
    last = event.target as Element;
  };
  // An element that is taken away tells so, too, while it is still there; afterwards it is not.
  const leave = ({ target }: FocusEvent) =>
    queueMicrotask(() => {
      if (target === last && last?.isConnected) last = null;
    });
  root.addEventListener("focusin", enter, { signal });
  root.addEventListener("focusout", leave, { signal });
  return () => {
    if (last === null || last.isConnected) return;
    last = null;
    toTasks();
  };
}

export default { initialize, render };
