// Middle zoom on the canvas: one bar per task with its status, glyph and one line of goal.

import type { Task } from "../messages";
import { CODE, GLYPHS, type Glyph, isHollow, STATUSES, type Status, WAITS } from "../status";
import { mixOf } from "../tally";
import type { Box } from "./camera";
import { boxOf, cut, DIMMED, eachInView, idAt, isMeant, type Scene } from "./scene";

const GLYPH_FROM_HEIGHT = 10;
const GOAL_FROM_PITCH = 14;

const paths = new Map<Glyph, { stroke: Path2D; fill: Path2D }>();

export function drawBars(scene: Scene): void {
  const { ctx, layout, tally, scale } = scene;
  ctx.save();
  ctx.textBaseline = "middle";
  eachInView(scene, false, (place) => {
    const id = idAt(layout, place);
    const box = boxOf(scene, place);
    const code = tally.code[layout.node[place] as number] as number;
    ctx.globalAlpha = isMeant(scene, place) ? 1 : DIMMED;
    drawBar(scene, box, code, scene.run.tasks.get(id) as Task);
    if (layout.folded[place] === 1) drawFold(scene, place, box, scale.rowPitch);
  });
  ctx.restore();
}

function drawBar(scene: Scene, box: Box, code: number, task: Task): void {
  const { ctx, palette, scale } = scene;
  const status = STATUSES[code] as Status;
  const x = Math.round(box.x) + 0.5;
  const y = Math.round(box.y) + 0.5;
  const w = box.w - 1;
  const h = Math.round(box.h) - 1;
  ctx.fillStyle = palette.color.bg;
  ctx.strokeStyle = code === CODE.FAILED ? (palette.fill[code] as string) : palette.color.hair2;
  ctx.lineWidth = 1;
  if (isHollow(status)) ctx.setLineDash([3, 2.5]);
  ctx.beginPath();
  ctx.roundRect(x, y, w, h, 2);
  ctx.fill();
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.fillStyle = palette.fill[code] as string;
  if (isHollow(status)) for (let dot = y; dot < y + h - 1; dot += 4) ctx.fillRect(x, dot, 3, 2);
  else ctx.fillRect(x - 0.5, y - 0.5, 4, h + 1);
  if (box.h < GLYPH_FROM_HEIGHT) return;
  drawGlyph(scene, GLYPHS[status], palette.ink[code] as string, x + 8, y + h / 2 - 4.5, 9);
  if (scale.rowPitch < GOAL_FROM_PITCH) return;
  ctx.font = `9.5px ${palette.font}`;
  ctx.fillStyle = palette.color.fg;
  ctx.fillText(cut(ctx, task.goal, w - 26), x + 21, y + h / 2 + 0.5);
}

/** Around a task that waits for the person, and its sign over the status where there is room. */
export function drawWaiting(scene: Scene, place: number): void {
  const { ctx, palette } = scene;
  const box = boxOf(scene, place);
  const ink = palette.color["att-ink"];
  ctx.strokeStyle = ink;
  ctx.lineWidth = 1.5;
  ctx.strokeRect(box.x - 0.5, box.y - 0.5, box.w + 1, Math.max(box.h, 2) + 1);
  const size = Math.max(7, Math.min(9, box.h));
  const isBar = scene.scale.level === "bars" && box.h >= GLYPH_FROM_HEIGHT;
  const x = isBar ? box.x + 8.5 : box.x - size - 2;
  const y = box.y + box.h / 2 - size / 2;
  ctx.fillStyle = isBar ? palette.color.bg : palette.color.canvas;
  ctx.fillRect(x - 1, y - 1, size + 2, size + 2);
  drawGlyph(scene, WAITS, ink, x, y, size);
}

export function drawGlyph(scene: Scene, glyph: Glyph, ink: string, x: number, y: number, size: number): void {
  const { ctx } = scene;
  let path = paths.get(glyph);
  if (path === undefined) {
    path = { stroke: new Path2D(glyph.stroke), fill: new Path2D(glyph.fill) };
    paths.set(glyph, path);
  }
  ctx.save();
  ctx.translate(x, y);
  ctx.scale(size / 12, size / 12);
  ctx.strokeStyle = ink;
  ctx.fillStyle = ink;
  ctx.lineWidth = glyph.width;
  ctx.lineCap = "round";
  ctx.lineJoin = "round";
  if (glyph.dash !== undefined) ctx.setLineDash([...glyph.dash]);
  ctx.stroke(path.stroke);
  ctx.fill(path.fill);
  ctx.restore();
}

/** Beside a folded bar: how many tasks it hides and their mix. */
function drawFold(scene: Scene, place: number, box: Box, pitch: number): void {
  const { ctx, layout, tally, palette } = scene;
  const mix = mixOf(tally, layout.node[place] as number, true);
  const hidden = mix.reduce((sum, [, tasks]) => sum + tasks, 0);
  const x = box.x + box.w + 8;
  const y = box.y + box.h / 2;
  let from = x;
  for (const [code, tasks] of mix) {
    const w = Math.max(1, (tasks / hidden) * 48);
    ctx.fillStyle = palette.fill[code] as string;
    ctx.fillRect(from, y - 1.5, w, 3);
    from += w;
  }
  if (pitch < GOAL_FROM_PITCH) return;
  ctx.font = `9.5px ${palette.font}`;
  ctx.fillStyle = palette.color.fg2;
  const inside = scene.found?.inside[layout.node[place] as number] ?? 0;
  ctx.fillText(`+${hidden}${inside > 0 ? ` · ${inside} found` : ""}`, from + 6, y + 0.5);
}
