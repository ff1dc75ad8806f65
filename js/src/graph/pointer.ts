// Mouse, touch and wheel on the graph, turned into what they mean: pan, zoom at a point, click, double click, hover.

export interface Gestures {
  pan(dx: number, dy: number): void;
  zoom(factor: number, x: number, y: number): void;
  click(x: number, y: number, target: Element): void;
  doubleClick(x: number, y: number, target: Element): void;
  hover(x: number, y: number): void;
  leave(): void;
  /** Whether a plain wheel belongs to the graph; otherwise it scrolls the page. */
  hasFocus(): boolean;
}

const CLICK_SLOP_PX = 4;
const WHEEL_LINE_PX = 16;

export function listenToPointer(area: HTMLElement, gestures: Gestures, signal: AbortSignal): void {
  const pointers = new Map<number, { x: number; y: number }>();
  let moved = 0;
  const at = (event: MouseEvent): { x: number; y: number } => {
    const box = area.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const spread = (): number => {
    const [a, b] = [...pointers.values()];
    return a && b ? Math.hypot(a.x - b.x, a.y - b.y) : 0;
  };

  area.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      pointers.set(event.pointerId, at(event));
      moved = pointers.size > 1 ? CLICK_SLOP_PX + 1 : 0;
    },
    { signal },
  );
  area.addEventListener(
    "pointermove",
    (event) => {
      const now = at(event);
      const before = pointers.get(event.pointerId);
      if (before === undefined) {
        if (event.pointerType === "mouse") gestures.hover(now.x, now.y);
        return;
      }
      const spreadBefore = spread();
      moved += Math.hypot(now.x - before.x, now.y - before.y);
      if (moved <= CLICK_SLOP_PX) return;
      // Captured only once it is a drag: a captured pointer would keep clicks from the cards.
      if (!area.hasPointerCapture(event.pointerId)) area.setPointerCapture(event.pointerId);
      area.classList.add("rw-dragging");
      pointers.set(event.pointerId, now);
      const share = 1 / pointers.size;
      gestures.pan((now.x - before.x) * share, (now.y - before.y) * share);
      if (pointers.size === 2 && spreadBefore > 0) {
        const [a, b] = [...pointers.values()] as [{ x: number; y: number }, { x: number; y: number }];
        gestures.zoom(spread() / spreadBefore, (a.x + b.x) / 2, (a.y + b.y) / 2);
      }
    },
    { signal },
  );
  const end = (event: PointerEvent) => {
    if (!pointers.delete(event.pointerId)) return;
    area.classList.remove("rw-dragging");
    if (event.type !== "pointerup" || moved > CLICK_SLOP_PX || !(event.target instanceof Element)) return;
    const { x, y } = at(event);
    gestures.click(x, y, event.target);
  };
  area.addEventListener("pointerup", end, { signal });
  area.addEventListener("pointercancel", end, { signal });
  area.addEventListener("pointerleave", () => gestures.leave(), { signal });
  area.addEventListener(
    "dblclick",
    (event) => {
      const { x, y } = at(event);
      if (event.target instanceof Element) gestures.doubleClick(x, y, event.target);
    },
    { signal },
  );
  area.addEventListener(
    "wheel",
    (event) => {
      const unit = event.deltaMode === 1 ? WHEEL_LINE_PX : event.deltaMode === 2 ? area.clientHeight : 1;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        const { x, y } = at(event);
        // A mouse notch is 100 or 120 px, a pinch some px per event: both feel right with a limit per event.
        const step = Math.max(-60, Math.min(60, event.deltaY * unit));
        gestures.zoom(Math.exp(-step / 160), x, y);
        return;
      }
      if (!gestures.hasFocus()) return;
      event.preventDefault();
      const sideways = event.shiftKey && event.deltaX === 0;
      gestures.pan(-(sideways ? event.deltaY : event.deltaX) * unit, sideways ? 0 : -event.deltaY * unit);
    },
    { signal, passive: false },
  );
}
