// The graph: one canvas, one pool of cards, one camera. It draws what the view knows, when the view has a frame, and
// turns gestures into the view's own verbs. What each zoom draws lives in blocks.ts, bars.ts and cards.ts.

import { type Layout, visibleAncestor } from "../layout";
import type { Task } from "../messages";
import { hasChildren } from "../state";
import type { View } from "../view";
import { anchorOf, placeUnder } from "./anchor";
import { drawBars, drawWaiting } from "./bars";
import { drawBlocks } from "./blocks";
import {
  type Box,
  type Camera,
  clampCamera,
  fitZoom,
  type Level,
  MARGIN,
  MAX_ZOOM,
  SCALED_FROM,
  scaleOf,
  TWO_LINES_FROM,
  zoomAt,
} from "./camera";
import { Card, CardPool, type Look, POOL_SIZE } from "./cards";
import { drawContext, drawCritical, drawDependencies, drawSubTaskEdges } from "./edges";
import { Flight } from "./flight";
import { isMuchLarger, newestRunning } from "./follow";
import { drawMinimap, mapToLayout, windowOnMap } from "./minimap";
import { type Palette, readPalette, watchTheme } from "./palette";
import { listenToPointer } from "./pointer";
import { type Context, contextOf, type Lane, siblingLanes } from "./relations";
import { boxOf, eachInView, idAt, isMeant, type Scene } from "./scene";

const MIN_ZOOM = 0.004;
/** A graph lower than this has no room for a legend. */
export const LEGEND_FROM_HEIGHT = 430;
/** A legend that is not there yet: five rows. */
const LEGEND_GUESS_PX = 96;

export class Graph {
  readonly element: HTMLElement;
  level: Level = "cards";
  following = true;
  /** What the legend explains. */
  shows = { dependencies: false, context: false };

  readonly #view: View;
  readonly #canvas = document.createElement("canvas");
  readonly #ctx: CanvasRenderingContext2D | null;
  readonly #pool = new CardPool();
  readonly #tip = new Card();
  #palette: Palette;
  #w = 0;
  #h = 0;
  #visible = true;
  #layout: Layout | null = null;
  #lanes: { layout: Layout; tasks: unknown; lanes: Lane[] } | null = null;
  #context: { tasks: unknown; id: string; context: Context | null } | null = null;
  /** How the graph stood when the person went to the past. */
  #left: { readonly layout: Layout | null; readonly camera: Camera } | null = null;
  /** Whether the camera went anywhere since, other than to keep something in its place. */
  #moved = false;
  #fitNext = true;
  #hoverAt: { x: number; y: number } | null = null;
  readonly #flight = new Flight();
  #map: { canvas: HTMLCanvasElement; window: HTMLElement } | null = null;
  #corner: (Box & { readonly legend: number }) | null = null;
  #mapDrawn: unknown = null;
  #followed: unknown = null;
  #said = "";

  constructor(view: View, element: HTMLElement, hasFocus: () => boolean, signal: AbortSignal) {
    this.#view = view;
    this.element = element;
    this.#ctx = this.#canvas.getContext("2d");
    this.#canvas.setAttribute("aria-hidden", "true");
    this.#tip.element.classList.add("rw-tip");
    element.prepend(this.#canvas, this.#pool.layer);
    this.#palette = readPalette(view.root);
    watchTheme(view.root, () => this.#themeChanged(), signal);

    const resize = new ResizeObserver(() => this.#measure());
    resize.observe(element);
    const sight = new IntersectionObserver((entries) => {
      this.#visible = entries.at(-1)?.isIntersecting ?? true;
      if (this.#visible) view.schedule();
    });
    sight.observe(element);
    signal.addEventListener("abort", () => {
      resize.disconnect();
      sight.disconnect();
      this.#canvas.remove();
      this.#pool.layer.remove();
    });
    listenToPointer(
      element,
      {
        pan: (dx, dy) => this.#moveBy(dx, dy),
        zoom: (factor, x, y) => this.zoomBy(factor, x, y),
        click: (x, y, target) => this.#click(x, y, target),
        doubleClick: (x, y, target) => this.#doubleClick(x, y, target),
        hover: (x, y) => this.#hover({ x, y }),
        leave: () => this.#hover(null),
        hasFocus,
      },
      signal,
    );
    this.following = view.selected === null;
    this.#measure();
  }

  // What the rest of the widget asks for

  /** As last measured: asking the document in the middle of a frame would lay it out twice. */
  get height(): number {
    return this.#h;
  }

  get camera(): Camera {
    return this.#flight.camera;
  }

  stopFollowing(): void {
    this.following = false;
  }

  toggleFollowing(): void {
    this.following = !this.following;
    this.#followed = null;
    this.#view.schedule();
  }

  fitOnNextRun(): void {
    this.#fitNext = true;
    this.#moved = true;
    this.following = true;
  }

  fit(): void {
    this.#moveTo(this.#fitted());
  }

  zoomBy(factor: number, x = this.#w / 2, y = this.#h / 2): void {
    this.stopFollowing();
    this.#moved = true;
    const zoom = Math.max(
      Math.min(this.#fitted().zoom, MIN_ZOOM),
      Math.min(MAX_ZOOM, this.camera.zoom * factor),
    );
    this.#flight.place(this.#clamped(zoomAt(this.camera, zoom, x, y)));
    this.#view.schedule();
  }

  /** Moves as little as possible until the task's card is in sight and not under the corner panel. */
  reveal(id: string): void {
    const layout = this.#view.layout;
    // Its own frame may not have come yet: lay the anchor first.
    this.#takeLayout(layout);
    const at = layout.tree.at.get(id);
    const place = at === undefined ? -1 : visibleAncestor(layout, at);
    if (place < 0 || this.#w === 0) return;
    const { target } = this.#flight;
    const box = boxOf({ camera: target, scale: scaleOf(target.zoom), layout } as Scene, place);
    let dx = into(box.x, box.w, MARGIN, this.#w - MARGIN);
    let dy = into(box.y, box.h, MARGIN, this.#h - MARGIN);
    const panel = this.#panel();
    if (panel !== null && box.x + dx + box.w > panel.x - 6 && box.y + dy + box.h > panel.y - 6) {
      if (panel.y - 12 - box.h > 12) dy = panel.y - 12 - box.h - box.y;
      else dx = panel.x - 12 - box.w - box.x;
    }
    if (dx !== 0 || dy !== 0) this.#moveTo({ ...target, x: target.x + dx, y: target.y + dy });
  }

  zoomTo(id: string): void {
    const { layout } = this.#view;
    const at = layout.tree.at.get(id);
    const place = at === undefined ? -1 : (layout.place[at] as number);
    if (place < 0) return;
    this.stopFollowing();
    const zoom = this.camera.zoom >= 0.99 && this.camera.zoom < 1.3 ? 1.4 : 1;
    const scale = scaleOf(zoom);
    const box = boxOf({ camera: { zoom, x: 0, y: 0 }, scale, layout } as Scene, place);
    this.#moveTo(this.#clamped({ zoom, x: (this.#w - box.w) / 2 - box.x, y: (this.#h - box.h) / 2 - box.y }));
  }

  useMinimap(canvas: HTMLCanvasElement | null, window: HTMLElement | null): void {
    this.#map = canvas === null || window === null ? null : { canvas, window };
    this.#mapDrawn = null;
  }

  /** The point of the minimap goes to the middle of the screen. */
  goToMap(x: number, y: number): void {
    const { depth, row } = mapToLayout(this.#view.layout, x, y);
    const scale = scaleOf(this.camera.zoom);
    this.stopFollowing();
    this.#moved = true;
    this.#flight.place(
      this.#clamped({
        zoom: this.camera.zoom,
        x: this.#w / 2 - depth * scale.columnPitch,
        y: this.#h / 2 - row * scale.rowPitch,
      }),
    );
    this.#view.schedule();
  }

  // One frame

  draw(): void {
    if (!this.#visible || this.#w === 0 || this.#ctx === null) return;
    const { layout, run } = this.#view;
    this.#takeLayout(layout);
    if (this.#fitNext && layout.count > 0) {
      // The corner panel comes one frame after the graph, and "fit" has to know it.
      if (this.#map === null) return this.#view.schedule();
      this.#flight.place(this.#fitted());
      this.#fitNext = false;
      if (this.#view.selected !== null) this.reveal(this.#view.selected);
    }
    this.#follow();
    this.#flight.step();
    const scene = this.#scene();
    const ctx = this.#ctx;
    ctx.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    ctx.clearRect(0, 0, this.#w, this.#h);
    const drawn = this.#drawLevel(scene);
    this.level = drawn;
    this.shows = {
      dependencies: (drawn === "cards" || drawn === "details") && scene.lanes.length > 0,
      context: scene.context !== null && scene.context.sources.size + scene.context.users.size > 0,
    };
    this.#drawTip(scene, drawn);
    this.#drawMap(layout, run);
    // The corner panel was written before this frame moved: what it says must not lag behind.
    const said = `${this.camera.zoom} ${this.level} ${this.following} ${this.shows.dependencies} ${this.shows.context}`;
    if (this.#flight.moving || said !== this.#said) this.#view.schedule();
    this.#said = said;
  }

  #drawLevel(scene: Scene): Level {
    let level = scene.scale.level;
    const places: number[] = [];
    if (level === "cards" || level === "details") {
      eachInView(scene, false, (place) => places.push(place));
      // A very large window: more cards than the pool has elements.
      if (places.length > POOL_SIZE) level = "bars";
    }
    switch (level) {
      case "blocks":
        drawBlocks(scene);
        break;
      case "bars":
        drawSubTaskEdges(scene);
        drawBars(scene);
        break;
      case "cards":
      case "details":
        drawSubTaskEdges(scene);
        drawDependencies(scene);
        break;
    }
    drawCritical(scene);
    drawContext(scene);
    const asCards = level === "cards" || level === "details";
    this.#showCards(scene, asCards ? places : []);
    if (!asCards) this.#outline(scene);
    return level;
  }

  #showCards(scene: Scene, places: readonly number[]): void {
    const { scale, camera } = scene;
    const style = this.#pool.layer.style;
    const { zoom } = scale;
    style.transform = `translate(${camera.x}px,${camera.y}px)`;
    style.setProperty("--z", String(zoom < SCALED_FROM ? 0.92 : zoom));
    style.setProperty("--card-w", `${scale.cardW}px`);
    style.setProperty("--card-h", `${scale.cardH}px`);
    style.setProperty("--edge-y", `${scale.edgeY}px`);
    this.#pool.layer.dataset.size =
      scale.level === "details"
        ? "details"
        : zoom >= SCALED_FROM
          ? "card"
          : zoom >= TWO_LINES_FROM
            ? "two"
            : "one";
    this.#pool.show(
      places.map((place) => this.#look(scene, place)),
      scene.tally,
    );
  }

  #look(scene: Scene, place: number): Look {
    const { layout, scale, context } = scene;
    const at = layout.node[place] as number;
    const id = layout.tree.ids[at] as string;
    const task = scene.run.tasks.get(id) as Task;
    const isDimmed = !isMeant(scene, place);
    const mark =
      context?.id === id
        ? "selected"
        : context?.sources.has(id)
          ? "source"
          : context?.users.has(id)
            ? "user"
            : isDimmed
              ? "dimmed"
              : null;
    return {
      task,
      duration_ms: this.#view.durationOf(task),
      waits: scene.waiting.get(place) ?? null,
      left: Math.round((layout.tree.depth[at] as number) * scale.columnPitch),
      top: Math.round((layout.row[place] as number) * scale.rowPitch),
      mark,
      ring: scene.ring === id,
      parentAt: hasChildren(layout.tree, at) ? at : null,
      folded: layout.folded[place] === 1,
      found: scene.found?.inside[at] ?? 0,
      isDimmed,
      isCritical: scene.critical?.includes(at) ?? false,
    };
  }

  /** Selection, hover and keyboard focus where there are no cards. */
  #outline(scene: Scene): void {
    const { ctx, layout, palette, context } = scene;
    const around = (place: number, grow: number, width: number, ink = palette.color.accent) => {
      const box = boxOf(scene, place);
      ctx.strokeStyle = ink;
      ctx.lineWidth = width;
      ctx.strokeRect(box.x - grow, box.y - grow, box.w + 2 * grow, Math.max(box.h, 2) + 2 * grow);
    };
    const placeOf = (id: string): number => {
      const at = layout.tree.at.get(id);
      return at === undefined ? -1 : visibleAncestor(layout, at);
    };
    for (const at of scene.critical ?? []) {
      const place = layout.place[at] as number;
      if (place >= 0) around(place, 0.5, 1.5, palette.color.fg);
    }
    for (const place of scene.waiting.keys()) drawWaiting(scene, place);
    if (scene.hover >= 0) around(scene.hover, 1.5, 1.5);
    if (context !== null) {
      for (const id of [...context.sources, ...context.users]) {
        const place = placeOf(id);
        if (place >= 0) around(place, 0.5, 1);
      }
      const place = placeOf(context.id);
      if (place >= 0) around(place, 1.5, 2);
    }
    const ring = scene.ring === null ? -1 : placeOf(scene.ring);
    if (ring >= 0) around(ring, 4, 2);
  }

  #drawTip(scene: Scene, level: Level): void {
    const tip = this.#tip.element;
    if (scene.hover < 0 || (level !== "blocks" && level !== "bars") || this.#hoverAt === null) {
      tip.remove();
      return;
    }
    const box = boxOf(scene, scene.hover);
    const left = Math.max(6, Math.min(box.x + 10, this.#w - 206));
    const above = box.y - 62;
    const top = above > 4 ? above : Math.min(box.y + box.h + 12, this.#h - 54);
    this.#tip.show(
      { ...this.#look(scene, scene.hover), mark: null, ring: false, parentAt: null, left, top },
      scene.tally,
    );
    tip.classList.add("rw-tip");
    if (!tip.isConnected) this.element.append(tip);
  }

  #drawMap(layout: Layout, run: unknown): void {
    if (this.#map === null) return;
    const { canvas, window } = this.#map;
    const { tally, waiting } = this.#view;
    const key = [layout, run, this.#palette, waiting];
    if (!Array.isArray(this.#mapDrawn) || key.some((part, i) => part !== (this.#mapDrawn as unknown[])[i])) {
      drawMinimap(canvas, layout, tally, this.#palette, this.#waiting(layout).keys());
      this.#mapDrawn = key;
    }
    const box = windowOnMap(layout, this.camera, this.#w, this.#h);
    window.style.transform = `translate(${box.x}px,${box.y}px)`;
    window.style.width = `${box.w}px`;
    window.style.height = `${box.h}px`;
  }

  #scene(): Scene {
    const { layout, run, tally, selected } = this.#view;
    const scale = scaleOf(this.camera.zoom);
    if (this.#lanes?.layout !== layout || this.#lanes.tasks !== run.tasks) {
      this.#lanes = { layout, tasks: run.tasks, lanes: siblingLanes(layout, run) };
    }
    if (selected !== null && (this.#context?.id !== selected || this.#context.tasks !== run.tasks)) {
      this.#context = { id: selected, tasks: run.tasks, context: contextOf(run, selected) };
    }
    // Whole device pixels: half ones blur the cards' text.
    const crisp = (value: number) => Math.round(value * this.#ratio) / this.#ratio;
    const scene: Scene = {
      ctx: this.#ctx as CanvasRenderingContext2D,
      w: this.#w,
      h: this.#h,
      camera: { zoom: this.camera.zoom, x: crisp(this.camera.x), y: crisp(this.camera.y) },
      scale,
      layout,
      run,
      tally,
      palette: this.#palette,
      lanes: this.#lanes.lanes,
      context: selected === null ? null : (this.#context?.context ?? null),
      found: this.#view.found,
      critical: this.#view.critical,
      hover: -1,
      ring: this.#view.focusRing ? this.#view.focused : null,
      waiting: this.#waiting(layout),
    };
    return {
      ...scene,
      hover: this.#hoverAt === null ? -1 : this.#placeUnder(this.#hoverAt.x, this.#hoverAt.y),
    };
  }

  /** Where the tasks that wait for the person are seen: their own places, or those of what they are folded into. */
  #waiting(layout: Layout): Scene["waiting"] {
    const places = new Map<number, { for_ms: number | null }>();
    for (const [id, prompt] of this.#view.waiting) {
      const at = layout.tree.at.get(id);
      const place = at === undefined ? -1 : visibleAncestor(layout, at);
      if (place >= 0 && !places.has(place)) places.set(place, { for_ms: this.#view.waitedFor(prompt) });
    }
    return places;
  }

  // The camera

  /** Who comes back from the past finds the graph as they left it, where they have not moved it meanwhile. */
  #takeTravel(): void {
    if (this.#view.isPast === (this.#left !== null)) return;
    if (this.#left === null) {
      this.#left = { layout: this.#layout, camera: this.#flight.target };
      this.#moved = false;
      return;
    }
    if (!this.#moved) {
      this.#layout = this.#left.layout;
      this.#flight.place(this.#left.camera);
    }
    this.#left = null;
  }

  /** A new layout must not move what the person looks at: what is under the pointer, selected, or in the middle. */
  #takeLayout(layout: Layout): void {
    this.#takeTravel();
    const before = this.#layout;
    if (before === layout) return;
    if (before !== null && before.count > 0 && layout.count > 0 && !this.#fitNext) {
      const hovered =
        this.#hoverAt === null ? -1 : this.#placeUnder(this.#hoverAt.x, this.#hoverAt.y, before);
      const anchor = anchorOf(before, this.camera, this.#w, this.#h, hovered, this.#view.selected);
      const at = anchor < 0 ? undefined : layout.tree.at.get(idAt(before, anchor));
      const place = at === undefined ? -1 : visibleAncestor(layout, at);
      if (place >= 0) {
        const rows = (layout.row[place] as number) - (before.row[anchor] as number);
        this.#flight.shift(-rows * scaleOf(this.camera.zoom).rowPitch);
      }
    }
    this.#layout = layout;
  }

  /** While following: the newest running task stays in view, and what has folded by itself is not left tiny. */
  #follow(): void {
    const { run, layout } = this.#view;
    if (!this.following || this.#view.isPast || this.#followed === run.tasks || layout.count === 0) return;
    this.#followed = run.tasks;
    const fitted = this.#fitted();
    if (isMuchLarger(fitted.zoom, this.camera.zoom)) return this.#moveTo(fitted);
    const newest = newestRunning(run.tasks.values());
    if (newest !== null) this.reveal(newest.id);
  }

  #fitted(): Camera {
    const { layout } = this.#view;
    const lastRows = layout.columns.map((column) => {
      const last = column[column.length - 1];
      return last === undefined ? 0 : (layout.row[last] as number);
    });
    return { zoom: fitZoom(this.#w, this.#h, lastRows, (level) => this.#panel(level)), x: MARGIN, y: MARGIN };
  }

  #clamped(camera: Camera): Camera {
    const { layout } = this.#view;
    return clampCamera(camera, this.#w, this.#h, layout.columns.length, layout.rows);
  }

  #moveBy(dx: number, dy: number): void {
    this.stopFollowing();
    this.#hoverAt = null;
    this.#moved = true;
    this.#flight.place(this.#clamped({ ...this.camera, x: this.camera.x + dx, y: this.camera.y + dy }));
    this.#view.schedule();
  }

  #moveTo(camera: Camera): void {
    this.#moved = true;
    this.#flight.goTo(camera, this.#visible);
    this.#view.schedule();
  }

  // The person

  #placeUnder(x: number, y: number, layout = this.#view.layout): number {
    return placeUnder(layout, this.camera, x, y);
  }

  #idUnder(x: number, y: number, target: Element): string | null {
    const card = target.closest<HTMLElement>(".rw-card[data-card]");
    if (card?.dataset.card !== undefined) return card.dataset.card;
    const place = this.#placeUnder(x, y);
    return place < 0 ? null : idAt(this.#view.layout, place);
  }

  #click(x: number, y: number, target: Element): void {
    const id = this.#idUnder(x, y, target);
    if (id !== null && target.closest(".rw-fold") !== null) {
      this.stopFollowing();
      this.#view.fold(id, !this.#view.isFolded(id));
      return;
    }
    this.#view.select(id);
  }

  #doubleClick(x: number, y: number, target: Element): void {
    if (target.closest(".rw-fold") !== null) return;
    const id = this.#idUnder(x, y, target);
    if (id !== null) this.zoomTo(id);
  }

  #hover(at: { x: number; y: number } | null): void {
    this.#hoverAt = at;
    if (this.level === "blocks" || this.level === "bars") this.#view.schedule();
  }

  // The frame around it

  /** Looks at the corner panel. Before a frame writes anything: later it would lay out the document in its middle. */
  look(): void {
    const panel = this.element.parentElement?.querySelector<HTMLElement>(".rw-corner") ?? null;
    const legend = panel?.querySelector<HTMLElement>(".rw-legend")?.offsetHeight ?? 0;
    this.#corner = panel && {
      x: panel.offsetLeft,
      y: panel.offsetTop,
      w: panel.offsetWidth,
      h: panel.offsetHeight,
      legend,
    };
  }

  /** The corner panel as it is, or as it would be at another level: blocks have no legend. */
  #panel(level = this.level): Box | null {
    if (this.#corner === null || this.#fitNext) this.look();
    if (this.#corner === null) return null;
    const { x, y, w, h, legend } = this.#corner;
    const wanted = level === "blocks" || this.#h < LEGEND_FROM_HEIGHT ? 0 : legend || LEGEND_GUESS_PX;
    return { x, y: y + legend - wanted, w, h: h - legend + wanted };
  }

  get #ratio(): number {
    return window.devicePixelRatio || 1;
  }

  #measure(): void {
    // Nobody has moved the view: what was fitted into the old width is fitted into the new one.
    if (this.following && this.#w !== 0 && this.element.clientWidth !== this.#w) {
      this.#fitNext = true;
      this.#followed = null;
    }
    this.#w = this.element.clientWidth;
    this.#h = this.element.clientHeight;
    this.#canvas.width = Math.round(this.#w * this.#ratio);
    this.#canvas.height = Math.round(this.#h * this.#ratio);
    // Drawn at once: a resized canvas is empty, and a frame later would flicker.
    this.draw();
    this.#view.schedule();
  }

  #themeChanged(): void {
    this.#palette = readPalette(this.#view.root);
    this.#view.schedule();
  }
}

/** How far to move so that `at`…`at + size` lies between `low` and `high`; its start wins. */
function into(at: number, size: number, low: number, high: number): number {
  if (at < low) return low - at;
  if (at + size <= high) return 0;
  return Math.max(high - size, low) - at;
}
