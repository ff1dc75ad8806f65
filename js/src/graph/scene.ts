// What one frame of the graph draws: everything the canvas painters need, gathered once, and what lies in view.

import type { Found } from "../find/match";
import { firstAtRow, type Layout } from "../layout";
import type { RunState } from "../state";
import type { Tally } from "../tally";
import type { Box, Camera, Scale } from "./camera";
import type { Palette } from "./palette";
import type { Context, Lane } from "./relations";

export interface Scene {
  readonly ctx: CanvasRenderingContext2D;
  readonly w: number;
  readonly h: number;
  readonly camera: Camera;
  readonly scale: Scale;
  readonly layout: Layout;
  readonly run: RunState;
  readonly tally: Tally;
  readonly palette: Palette;
  readonly lanes: readonly Lane[];
  readonly context: Context | null;
  /** What the search and the filter leave undimmed; null while there is neither. */
  readonly found: Found | null;
  /** Positions of the critical path while it is shown, in the order in which they ended. */
  readonly critical: readonly number[] | null;
  readonly hover: number;
  /** The task with the keyboard's ring, or null. */
  readonly ring: string | null;
  /** By visible place: what waits for the person there, and how long. */
  readonly waiting: ReadonlyMap<number, { readonly for_ms: number | null }>;
}

export const DIMMED = 0.45;

export const xOf = (scene: Scene, depth: number): number => scene.camera.x + depth * scene.scale.columnPitch;
export const yOf = (scene: Scene, row: number): number => scene.camera.y + row * scene.scale.rowPitch;

export function boxOf(scene: Scene, place: number): Box {
  const { layout, scale } = scene;
  const depth = layout.tree.depth[layout.node[place] as number] as number;
  return { x: xOf(scene, depth), y: yOf(scene, layout.row[place] as number), w: scale.cardW, h: scale.cardH };
}

export const idAt = (layout: Layout, place: number): string =>
  layout.tree.ids[layout.node[place] as number] as string;

/** Whether a task is not dimmed. A search has the word, then the selection's context; else all are meant. */
export function isMeant({ found, context, layout }: Scene, place: number): boolean {
  if (found !== null) {
    const at = layout.node[place] as number;
    return found.isMatch[at] === 1 || (layout.folded[place] === 1 && (found.inside[at] as number) > 0);
  }
  if (context === null) return true;
  const id = idAt(layout, place);
  return context.id === id || context.sources.has(id) || context.users.has(id);
}

/** How strong what joins or surrounds tasks is drawn. */
export const strength = ({ found, context }: Scene): number =>
  found === null && context === null ? 1 : DIMMED;

/** Calls `visit` for every visible place whose card may touch the screen; `reach` includes sub-trees that do. */
export function eachInView(
  scene: Scene,
  reach: boolean,
  visit: (place: number, depth: number) => void,
): void {
  const { layout, scale, camera, h, w } = scene;
  const top = Math.floor((-camera.y - scale.cardH) / scale.rowPitch);
  const bottom = Math.ceil((h - camera.y) / scale.rowPitch);
  const slack = reach ? scale.columnPitch : 0;
  for (let depth = 0; depth < layout.columns.length; depth++) {
    const x = xOf(scene, depth);
    if (x > w + slack || x + scale.cardW + slack < 0) continue;
    const column = layout.columns[depth] as Int32Array;
    // Sub-trees of one column follow each other, so at most the one before the first row reaches into view.
    const from = Math.max(0, firstAtRow(layout, column, top) - (reach ? 1 : 0));
    for (let i = from; i < column.length; i++) {
      const place = column[i] as number;
      if ((layout.row[place] as number) > bottom) break;
      visit(place, depth);
    }
  }
}

/** Text cut to a width with an ellipsis; measured by bisection, remembered per font. */
const cuts = new Map<string, string>();
export function cut(ctx: CanvasRenderingContext2D, text: string, width: number): string {
  if (width <= 0) return "";
  const plain = text.slice(0, 200);
  const key = `${ctx.font}|${Math.round(width)}|${plain}`;
  const known = cuts.get(key);
  if (known !== undefined) return known;
  let answer = plain;
  if (plain.length < text.length || ctx.measureText(plain).width > width) {
    let low = 0;
    let high = plain.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (ctx.measureText(`${plain.slice(0, middle)}…`).width <= width) low = middle;
      else high = middle - 1;
    }
    answer = low === 0 ? "" : `${plain.slice(0, low).trimEnd()}…`;
  }
  if (cuts.size > 4000) cuts.clear();
  cuts.set(key, answer);
  return answer;
}
