// The graph: one canvas, one pool of cards, one camera. It draws what the view knows, when the view has a frame, and
// turns gestures into the view's own verbs. What each zoom draws lives in blocks.ts, bars.ts and cards.ts.

import { atEnd } from "../ending";
import { type Layout, placeOfId } from "../layout";
import type { View } from "../view";
import { anchorOf, placeUnder } from "./anchor";
import { type Camera, clampCamera, fitZoom, type Level, MARGIN, MAX_ZOOM, scaleOf, zoomAt } from "./camera";
import { Card, CardPool, POOL_SIZE } from "./cards";
import { CornerPanel } from "./corner";
import { Flight } from "./flight";
import { isMuchLarger, newestRunning } from "./follow";
import { drawLines } from "./lines";
import { lookOf, showCards } from "./looks";
import { Minimap } from "./map";
import { mapToLayout } from "./minimap";
import { type Palette, readPalette, watchTheme } from "./palette";
import { listenToPointer } from "./pointer";
import { boxOf, eachInView, idAt, type Scene } from "./scene";
import { Scenes } from "./scenes";
import { wholePicture } from "./whole";

const MIN_ZOOM = 0.004;
export class Graph {
  readonly element: HTMLElement;
  readonly corner: CornerPanel;
  readonly map = new Minimap();
  level: Level = "cards";
  following = true;
  /** What the legend explains. */
  shows = { dependencies: false, context: false };

  readonly #view: View;
  readonly #canvas = document.createElement("canvas");
  readonly #ctx: CanvasRenderingContext2D | null;
  readonly #pool = new CardPool();
  readonly #tip = new Card();
  readonly #scenes: Scenes;
  #palette: Palette;
  #w = 0;
  #h = 0;
  #visible = true;
  #layout: Layout | null = null;
  /** How the graph stood when the person went to the past. */
  #left: { readonly layout: Layout | null; readonly camera: Camera } | null = null;
  /** Whether the camera went anywhere since, other than to keep something in its place. */
  #moved = false;
  #fitNext = true;
  #hoverAt: { x: number; y: number } | null = null;
  readonly #flight = new Flight();
  #followed: unknown = null;
  #said = "";

  constructor(view: View, element: HTMLElement, hasFocus: () => boolean, signal: AbortSignal) {
    this.#view = view;
    this.#scenes = new Scenes(view);
    this.element = element;
    this.corner = new CornerPanel(element);
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
    atEnd(signal, () => {
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
    const place = placeOfId(layout, id);
    if (place < 0 || this.#w === 0) return;
    const { target } = this.#flight;
    const box = boxOf({ camera: target, scale: scaleOf(target.zoom), layout } as Scene, place);
    let dx = into(box.x, box.w, MARGIN, this.#w - MARGIN);
    let dy = into(box.y, box.h, MARGIN, this.#h - MARGIN);
    const panel = this.corner.at(this.level, this.#h);
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
    const { layout } = this.#view;
    this.#takeLayout(layout);
    if (this.#fitNext && layout.count > 0) {
      // The corner panel comes one frame after the graph, and "fit" has to know it.
      if (!this.map.isThere) return this.#view.schedule();
      this.#flight.place(this.#fitted());
      this.#fitNext = false;
      if (this.#view.selected !== null) this.reveal(this.#view.selected);
    }
    this.#follow();
    this.#flight.step();
    const ctx = this.#ctx;
    const scene = this.#scene(ctx);
    ctx.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    ctx.clearRect(0, 0, this.#w, this.#h);
    const drawn = this.#drawLevel(scene);
    this.level = drawn;
    this.shows = {
      dependencies: (drawn === "cards" || drawn === "details") && scene.lanes.length > 0,
      context: scene.context !== null && scene.context.sources.size + scene.context.users.size > 0,
    };
    this.#drawTip(scene, drawn);
    if (this.#view.frames.hasPainted) {
      this.map.draw(this.#view, this.#palette, scene.waiting.keys());
      this.map.show(this.#view, this.camera, this.#w, this.#h);
    }
    // The corner panel was written before this frame moved: what it says must not lag behind.
    const said = `${this.camera.zoom} ${this.level} ${this.following} ${this.shows.dependencies} ${this.shows.context}`;
    if (this.#flight.moving || said !== this.#said) this.#view.schedule();
    this.#said = said;
  }

  /** The whole graph as one picture of a bounded size, under a line that says what it is and of when. */
  picture(title: string, time: string): HTMLCanvasElement {
    return wholePicture(this.#view, this.element, (ctx) => this.#scene(ctx), title, time);
  }

  #drawLevel(scene: Scene): Level {
    let level = scene.scale.level;
    const places: number[] = [];
    if (level === "cards" || level === "details") {
      eachInView(scene, false, (place) => places.push(place));
      // A very large window: more cards than the pool has elements.
      if (places.length > POOL_SIZE) level = "bars";
    }
    drawLines(scene, level);
    const asCards = level === "cards" || level === "details";
    showCards(this.#view, this.#pool, scene, asCards ? places : []);
    return level;
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
      { ...lookOf(this.#view, scene, scene.hover), mark: null, ring: false, parentAt: null, left, top },
      scene.tally,
    );
    tip.classList.add("rw-tip");
    if (!tip.isConnected) this.element.append(tip);
  }

  #scene(ctx: CanvasRenderingContext2D): Scene {
    const hover = this.#hoverAt === null ? -1 : this.#placeUnder(this.#hoverAt.x, this.#hoverAt.y);
    return this.#scenes.of(this.camera, {
      ctx,
      w: this.#w,
      h: this.#h,
      palette: this.#palette,
      hover,
      ratio: this.#ratio,
    });
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
      const place = anchor < 0 ? -1 : placeOfId(layout, idAt(before, anchor));
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
    if (this.#fitNext) this.corner.look();
    const panelAt = (level: Level) => this.corner.at(level, this.#h);
    return { zoom: fitZoom(this.#w, this.#h, lastRows, panelAt), x: MARGIN, y: MARGIN };
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
      const { layout } = this.#view;
      this.#view.fold(id, layout.folded[placeOfId(layout, id)] !== 1);
      return;
    }
    this.#view.selection.choose(id);
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

  get #ratio(): number {
    return window.devicePixelRatio || 1;
  }

  #measure(): void {
    const { clientWidth, clientHeight } = this.element;
    // An observer's first word says what is known: for it everything would be drawn twice before anybody sees it.
    if (clientWidth === this.#w && clientHeight === this.#h) return;
    // Nobody has moved the view: what was fitted into the old width is fitted into the new one.
    if (this.following && this.#w !== 0 && clientWidth !== this.#w) {
      this.#fitNext = true;
      this.#followed = null;
    }
    this.#w = clientWidth;
    this.#h = clientHeight;
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
