// Edges on the canvas: sub-tasks as trunks, dependencies in the gutter, the selection's context in accent.

import { placeOfId } from "../layout";
import type { Lane } from "./relations";
import { boxOf, eachInView, type Scene, strength } from "./scene";

const TRUNK = 7;
const LANES = [9, 13.5, 18] as const;
const HEAD = 5.5;
/** Shares of the card's height: where data leaves and enters. */
const OUT = 36 / 48;
const IN = 29 / 48;

const crisp = (value: number): number => Math.round(value - 0.5) + 0.5;

export function drawSubTaskEdges(scene: Scene): void {
  const { ctx, layout, scale, palette } = scene;
  const { tree } = layout;
  const radius = 3;
  ctx.save();
  ctx.globalAlpha = strength(scene);
  ctx.strokeStyle = palette.color.edge;
  ctx.lineWidth = 1;
  ctx.beginPath();
  eachInView(scene, true, (place) => {
    const at = layout.node[place] as number;
    const end = tree.end[at] as number;
    if (end === at + 1 || layout.folded[place] === 1) return;
    const box = boxOf(scene, place);
    const trunkX = crisp(box.x + box.w + TRUNK * scale.gutter);
    const childX = box.x + scale.columnPitch;
    const y = crisp(box.y + scale.edgeY);
    ctx.moveTo(box.x + box.w, y);
    ctx.lineTo(childX, y);
    let last = y;
    for (let child = tree.end[at + 1] as number; child < end; child = tree.end[child] as number) {
      const childY = crisp(
        scene.camera.y + (layout.row[layout.place[child] as number] as number) * scale.rowPitch + scale.edgeY,
      );
      last = childY - radius;
      if (childY < -20) continue;
      if (childY > scene.h + 20) break;
      ctx.moveTo(trunkX, childY - radius);
      ctx.arcTo(trunkX, childY, trunkX + radius, childY, radius);
      ctx.lineTo(childX, childY);
    }
    if (last > y) {
      ctx.moveTo(trunkX, Math.max(y, -20));
      ctx.lineTo(trunkX, Math.min(last, scene.h + 20));
    }
  });
  ctx.stroke();
  ctx.restore();
}

export function drawDependencies(scene: Scene): void {
  const { ctx, palette, layout, scale, context } = scene;
  const top = -scene.camera.y / scale.rowPitch - 1;
  const bottom = (scene.h - scene.camera.y) / scale.rowPitch + 1;
  ctx.save();
  ctx.globalAlpha = strength(scene);
  ctx.strokeStyle = palette.color.fg3;
  ctx.fillStyle = palette.color.fg3;
  ctx.lineWidth = 1;
  for (const each of scene.lanes) {
    const { from, to } = each;
    const a = layout.row[from] as number;
    const b = layout.row[to] as number;
    if (Math.max(a, b) < top || Math.min(a, b) > bottom) continue;
    if (context !== null && (isId(scene, to, context.id) || isId(scene, from, context.id))) continue;
    drawLane(scene, each, [3, 2.5]);
  }
  ctx.restore();
}

function drawLane(scene: Scene, { from, to, lane }: Lane, dash: readonly number[]): void {
  const { ctx, scale } = scene;
  const source = boxOf(scene, from);
  const target = boxOf(scene, to);
  const x = crisp(target.x - (LANES[lane] as number) * scale.gutter);
  const outY = crisp(source.y + source.h * OUT);
  const inY = crisp(target.y + target.h * IN);
  ctx.setLineDash([...dash]);
  drawLine(ctx, [source.x, outY], [x, outY], [x, inY], [target.x - HEAD, inY]);
  ctx.setLineDash([]);
  head(ctx, target.x - 0.5, inY, 1);
}

type Point = readonly [x: number, y: number];

function drawLine(ctx: CanvasRenderingContext2D, ...points: readonly Point[]): void {
  ctx.beginPath();
  // The first of a path is where it begins.
  for (const [x, y] of points) ctx.lineTo(x, y);
  ctx.stroke();
}

const isId = (scene: Scene, place: number, id: string): boolean =>
  scene.layout.tree.ids[scene.layout.node[place] as number] === id;

/** The selected task's sources and users, wherever they stand: dot where data leaves, head where it arrives. */
export function drawContext(scene: Scene): void {
  const { context, layout, ctx, palette } = scene;
  if (context === null) return;
  const place = (id: string): number => placeOfId(layout, id);
  const selected = place(context.id);
  if (selected < 0) return;
  ctx.save();
  ctx.strokeStyle = palette.color.accent;
  ctx.fillStyle = palette.color.accent;
  ctx.lineWidth = 1.5;
  ctx.lineJoin = "round";
  const near = new Map<number, number>();
  // The nearest gets the nearest lane.
  const sorted = (ids: ReadonlySet<string>) =>
    [...new Set([...ids].map(place))]
      .filter((other) => other >= 0 && other !== selected)
      .sort((a, b) => distance(scene, a, selected) - distance(scene, b, selected));
  for (const other of sorted(context.sources)) route(scene, other, selected, near);
  for (const other of sorted(context.users)) route(scene, selected, other, near);
  ctx.restore();
}

const distance = (scene: Scene, a: number, b: number): number =>
  Math.abs((scene.layout.row[a] as number) - (scene.layout.row[b] as number));

function route(scene: Scene, from: number, to: number, near: Map<number, number>): void {
  const { ctx, layout, scale } = scene;
  const source = boxOf(scene, from);
  const target = boxOf(scene, to);
  const sourceDepth = layout.tree.depth[layout.node[from] as number] as number;
  const targetDepth = layout.tree.depth[layout.node[to] as number] as number;
  const outY = crisp(source.y + source.h * OUT);
  const inY = crisp(target.y + target.h * IN);
  const laneOf = (depth: number): number => {
    const lane = near.get(depth) ?? 0;
    near.set(depth, lane + 1);
    return (LANES[Math.min(lane, LANES.length - 1)] as number) * scale.gutter;
  };
  const down = targetDepth > sourceDepth;
  const gutterDepth = down ? sourceDepth + 1 : sourceDepth;
  const x = crisp(scene.camera.x + gutterDepth * scale.columnPitch - laneOf(gutterDepth));
  const startX = down ? source.x + source.w : source.x;
  const start = [startX, outY] as const;
  if (targetDepth === sourceDepth || (down && targetDepth === sourceDepth + 1)) {
    drawLine(ctx, start, [x, outY], [x, inY], [target.x - HEAD, inY]);
    head(ctx, target.x - 1, inY, 1);
  } else if (targetDepth === sourceDepth - 1) {
    const backY = crisp(target.y + target.h * OUT);
    drawLine(ctx, start, [x, outY], [x, backY], [target.x + target.w + HEAD, backY]);
    head(ctx, target.x + target.w + 1, backY, -1);
  } else {
    // Far apart: along the gap above the target's row, where no card stands.
    const gapY = crisp(target.y - (scale.rowPitch - scale.cardH) / 2);
    const targetX = crisp(target.x - laneOf(targetDepth));
    const end = [target.x - HEAD, inY] as const;
    drawLine(ctx, start, [x, outY], [x, gapY], [targetX, gapY], [targetX, inY], end);
    head(ctx, target.x - 1, inY, 1);
  }
  ctx.beginPath();
  ctx.arc(startX + (down ? 1 : -1), outY, 2.5, 0, Math.PI * 2);
  ctx.fill();
}

function head(ctx: CanvasRenderingContext2D, x: number, y: number, direction: 1 | -1): void {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(x - HEAD * direction, y - HEAD / 2);
  ctx.lineTo(x - HEAD * direction, y + HEAD / 2);
  ctx.closePath();
  ctx.fill();
}

/** The critical path: from each of its tasks to the one that waited for it, while both are seen. */
export function drawCritical(scene: Scene): void {
  const { critical, layout, ctx, palette, scale } = scene;
  if (critical === null) return;
  const { tree } = layout;
  ctx.save();
  ctx.strokeStyle = palette.color.fg;
  ctx.fillStyle = palette.color.fg;
  ctx.lineWidth = 2;
  ctx.lineJoin = "round";
  const order = new Map<number, number>();
  critical.forEach((at, i) => {
    const place = layout.place[at] as number;
    if (place < 0) return;
    order.set(place, i);
    const parent = tree.parent[at] as number;
    if (parent >= 0 && parent === critical[i + 1]) drawToParent(scene, layout.place[parent] as number, place);
  });
  for (const lane of scale.level === "cards" || scale.level === "details" ? scene.lanes : []) {
    const next = critical[(order.get(lane.from) ?? critical.length) + 1];
    const user = layout.node[lane.to] as number;
    // The one that needs it is the next task, or a task above that.
    if (next !== undefined && next >= user && next < (tree.end[user] as number)) drawLane(scene, lane, []);
  }
  ctx.restore();
}

function drawToParent(scene: Scene, parent: number, child: number): void {
  const { ctx, scale } = scene;
  const from = boxOf(scene, parent);
  const to = boxOf(scene, child);
  const trunkX = crisp(from.x + from.w + TRUNK * scale.gutter);
  const fromY = crisp(from.y + scale.edgeY);
  const toY = crisp(to.y + scale.edgeY);
  drawLine(ctx, [from.x + from.w, fromY], [trunkX, fromY], [trunkX, toY], [to.x, toY]);
}
