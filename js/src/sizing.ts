// How large the person wants the widget: its height and the inspector's width, remembered by the browser, and whether
// it is as high as the window, as wide as it, or fills it.

export const HEIGHT_PX = { least: 520, most: 3000 };
export const INSPECTOR_PX = { least: 320, most: 420, usual: 364 };
const STORED_AS = "roma-widget.size";

/** tall: as high as the window; wide: across its lower edge, the notebook stays above; window: all of it. */
export type Mode = "usual" | "tall" | "wide" | "window";

export class Sizing {
  mode: Mode = "usual";
  /** null: the shape's own height. */
  height: number | null = null;
  inspector: number = INSPECTOR_PX.usual;
  readonly #root: HTMLElement;

  constructor(root: HTMLElement) {
    this.#root = root;
    const { height, inspector } = remembered();
    if (height !== null) this.height = within(height, HEIGHT_PX);
    if (inspector !== null) this.inspector = within(inspector, INSPECTOR_PX);
    this.#apply();
  }

  /** Whether it has left its cell, which hosts clip: nothing in a cell can be wider than it. */
  get isOut(): boolean {
    return this.mode === "wide" || this.mode === "window";
  }

  /** null: as high as at first. */
  setHeight(px: number | null): void {
    this.height = px === null ? null : within(px, HEIGHT_PX);
    this.mode = this.mode === "tall" ? "usual" : this.mode;
    this.#keep();
  }

  setInspector(px: number): void {
    this.inspector = within(px, INSPECTOR_PX);
    this.#keep();
  }

  /** Turns a mode on, or off where it is on. */
  toggle(mode: Mode): void {
    this.mode = this.mode === mode ? "usual" : mode;
    this.#apply();
    if (this.mode === "tall") this.#root.scrollIntoView({ block: "start" });
  }

  #keep(): void {
    this.#apply();
    try {
      localStorage.setItem(STORED_AS, JSON.stringify({ height: this.height, inspector: this.inspector }));
    } catch {
      // Storage may be forbidden or full: the size holds for as long as the view does.
    }
  }

  #apply(): void {
    const { style, dataset } = this.#root;
    dataset.size = this.mode;
    if (this.height === null) style.removeProperty("--height");
    else style.setProperty("--height", `${this.height}px`);
    style.setProperty("--inspector", `${this.inspector}px`);
    breakOut(this.#root, this.isOut);
  }
}

/** The top layer is the only place that no ancestor of a notebook clips or moves. */
function breakOut(root: HTMLElement, on: boolean): void {
  if (on === root.hasAttribute("popover")) return;
  if (on) {
    root.setAttribute("popover", "manual");
    root.showPopover?.();
  } else root.removeAttribute("popover");
}

function remembered(): { height: number | null; inspector: number | null } {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORED_AS) ?? "{}");
    const { height, inspector } = stored as Record<string, unknown>;
    return { height: numberOf(height), inspector: numberOf(inspector) };
  } catch {
    return { height: null, inspector: null };
  }
}

const numberOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

const within = (value: number, { least, most }: { least: number; most: number }): number =>
  Math.round(Math.max(least, Math.min(most, value)));
