// The minimap: the whole layout in the corner panel with the window on it. Redrawn only when the run or the theme
// changed; the window is an element of its own that only moves.

import type { Layout } from "../layout";
import { addTo } from "../maps";
import { CODE } from "../status";
import { mixOf, type Tally } from "../tally";
import { BANDS_UNDER_PITCH, bandsOf } from "./bands";
import { type Box, extent, MARGIN, scaleOf } from "./camera";
import type { Palette } from "./palette";

export const MAP_W = 190;
export const MAP_H = 70;
const PAD = 4;
/** In the map a column is this share of its pitch wide. */
const BAR_SHARE = 0.86;
const FOLDED_MARK_W = 4;
const LEAST_MARK_H = 2;

/** Rows and columns of the layout in map px. */
interface MapScale {
  readonly column: number;
  readonly row: number;
}

function mapScale(layout: Layout): MapScale {
  return {
    column: Math.min((MAP_W - 2 * PAD) / Math.max(1, layout.columns.length), 48),
    row: Math.min((MAP_H - 2 * PAD) / Math.max(1, layout.rows), 7),
  };
}

/** `waiting`: the places of the tasks that wait for the person, which are drawn last, and never too small to be seen. */
export function drawMinimap(
  canvas: HTMLCanvasElement,
  layout: Layout,
  tally: Tally,
  palette: Palette,
  waiting: Iterable<number>,
): void {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = MAP_W * ratio;
  canvas.height = MAP_H * ratio;
  const ctx = canvas.getContext("2d");
  if (ctx === null) return;
  ctx.scale(ratio, ratio);
  const scale = mapScale(layout);
  const h = Math.max(0.8, scale.row - Math.min(1, scale.row * 0.2));
  const byCode = new Map<number, [number, number, number][]>();
  const put = (code: number, x: number, y: number, w: number) => addTo(byCode, code, [x, y, w]);
  const w = scale.column * BAR_SHARE;
  if (scale.row < BANDS_UNDER_PITCH) {
    const area = { w, y: PAD, pitch: scale.row, top: 0, bottom: MAP_H };
    layout.columns.forEach((column, depth) => {
      bandsOf(layout, tally, column, { ...area, x: PAD + depth * scale.column }, put);
    });
  } else {
    for (let place = 0; place < layout.count; place++) {
      const at = layout.node[place] as number;
      const y = PAD + (layout.row[place] as number) * scale.row;
      let x = PAD + (layout.tree.depth[at] as number) * scale.column;
      const mix = layout.folded[place] === 1 ? mixOf(tally, at) : [[tally.code[at] as number, 1] as const];
      const total = mix.reduce((sum, [, tasks]) => sum + tasks, 0);
      for (const [code, tasks] of mix) {
        put(code, x, y, (w * tasks) / total);
        x += (w * tasks) / total;
      }
    }
  }
  const codes = [...byCode.keys()].sort((a, b) => Number(a === CODE.FAILED) - Number(b === CODE.FAILED));
  for (const code of codes) {
    ctx.globalAlpha = code === CODE.PENDING ? 0.42 : 1;
    ctx.fillStyle = palette.fill[code] as string;
    for (const [x, y, width] of byCode.get(code) as [number, number, number][]) ctx.fillRect(x, y, width, h);
  }
  ctx.globalAlpha = 1;
  ctx.fillStyle = palette.color["att-fill"];
  for (const place of waiting) {
    const depth = layout.tree.depth[layout.node[place] as number] as number;
    // What is folded is more than what waits.
    const width = layout.folded[place] === 1 ? Math.min(w, FOLDED_MARK_W) : w;
    const y = PAD + (layout.row[place] as number) * scale.row;
    ctx.fillRect(PAD + depth * scale.column, y, width, Math.max(LEAST_MARK_H, h));
  }
}

/** Where the window of the screen lies on the map, clipped to it. */
export function windowOnMap(
  layout: Layout,
  camera: { zoom: number; x: number; y: number },
  w: number,
  h: number,
): Box {
  const screen = scaleOf(camera.zoom);
  const map = mapScale(layout);
  const size = extent(screen, layout.columns.length, layout.rows);
  const left = Math.max(-MARGIN, -camera.x) / screen.columnPitch;
  const top = Math.max(-MARGIN, -camera.y) / screen.rowPitch;
  const right = Math.min(size.w + MARGIN, w - camera.x) / screen.columnPitch;
  const bottom = Math.min(size.h + MARGIN, h - camera.y) / screen.rowPitch;
  const clip = (value: number, most: number) => Math.max(1, Math.min(most - 1, value));
  const x = clip(PAD + left * map.column, MAP_W);
  const y = clip(PAD + top * map.row, MAP_H);
  return {
    x,
    y,
    w: Math.max(4, clip(PAD + right * map.column, MAP_W) - x),
    h: Math.max(4, clip(PAD + bottom * map.row, MAP_H) - y),
  };
}

/** The depth and row (fractions) under a point of the map. */
export function mapToLayout(layout: Layout, x: number, y: number): { depth: number; row: number } {
  const map = mapScale(layout);
  return { depth: (x - PAD) / map.column, row: (y - PAD) / map.row };
}
