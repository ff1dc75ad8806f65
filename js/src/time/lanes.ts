// The run as lanes along its time: one per task while they have room, else the tasks that work by themselves, packed.
// What a task did before its newest state is not known here, so a plan is a thin line from its start to its end.

import type { Palette } from "../graph/palette";
import type { Task } from "../messages";
import { hasChildren, type RunState } from "../state";
import { CODE } from "../status";
import { placeOf, type Span } from "./axis";
import { workOf } from "./range";
import type { Wait } from "./waits";

export const LANES_PX = 43;
/** More tasks than this are packed: a lane would be thinner than 2.7 px. */
const OWN_LANES = 16;
const PACKED_LANES = 14;
const LANE_AT_MOST_PX = 5;
const PITCH_AT_MOST_PX = 7;
const DIMMED = 0.45;
const WAITING = 0.6;

export interface Bar {
  readonly id: string;
  readonly lane: number;
  readonly kind: "work" | "plan" | "wait";
  readonly created: number | null;
  readonly started: number;
  /** null: it goes on. */
  readonly ended: number | null;
  readonly hasFailed: boolean;
}

export interface Lanes {
  readonly bars: readonly Bar[];
  readonly count: number;
  readonly isPacked: boolean;
}

export function lanesOf(run: RunState, waits: readonly Wait[] = []): Lanes {
  const { tree, tasks } = run;
  const isPacked = tree.ids.length > OWN_LANES;
  const bars: Bar[] = [];
  const working = new Set<string>();
  for (let at = 0; at < tree.ids.length; at++) {
    const task = tasks.get(tree.ids[at] as string) as Task;
    const kind = hasChildren(tree, at) ? "plan" : "work";
    const hasFailed = task.status === "FAILED";
    const work = workOf(task);
    if (work === null || (isPacked && kind === "plan" && !hasFailed)) continue;
    if (kind === "work") working.add(task.id);
    bars.push({ id: task.id, lane: at, kind, created: task.created, ...work, hasFailed });
  }
  // Over the work of its task, or with room of its own.
  const over: Bar[] = [];
  for (const { task, from, to } of waits) {
    const lane = tree.at.get(task);
    if (lane === undefined) continue;
    const bar: Bar = {
      id: task,
      lane,
      kind: "wait",
      created: null,
      started: from,
      ended: to,
      hasFailed: false,
    };
    (isPacked && !working.has(task) ? bars : over).push(bar);
  }
  if (!isPacked) return { bars: [...bars, ...over], count: Math.max(1, tree.ids.length), isPacked };
  const fitted = packed(bars);
  const laneOf = new Map(fitted.map(({ id, lane }) => [id, lane]));
  const count = 1 + fitted.reduce((most, { lane }) => Math.max(most, lane), 0);
  const onTheirs = over.map((bar) => ({ ...bar, lane: laneOf.get(bar.id) as number }));
  return { bars: [...fitted, ...onTheirs], count, isPacked };
}

/** First fit; where all lanes are taken, the one that is free first. */
function packed(bars: readonly Bar[]): Bar[] {
  const freeFrom = new Array<number>(PACKED_LANES).fill(Number.NEGATIVE_INFINITY);
  return [...bars]
    .sort((a, b) => a.started - b.started)
    .map((bar) => {
      let lane = freeFrom.findIndex((free) => free <= bar.started);
      if (lane < 0) lane = freeFrom.indexOf(Math.min(...freeFrom));
      // A failed plan is a mark, not work: it takes no room.
      if (bar.kind !== "plan") freeFrom[lane] = bar.ended ?? Number.POSITIVE_INFINITY;
      return { ...bar, lane };
    });
}

export interface Drawing {
  readonly ctx: CanvasRenderingContext2D;
  readonly width: number;
  readonly left: number;
  readonly top: number;
  readonly span: Span;
  readonly palette: Palette;
  readonly selected: string | null;
  /** What a search or a range leaves undimmed; null without one. */
  readonly isMeant: ((id: string) => boolean) | null;
}

export function drawLanes(lanes: Lanes, drawing: Drawing): void {
  const { ctx, left, top, width, span, palette, selected } = drawing;
  const pitch = Math.min(PITCH_AT_MOST_PX, LANES_PX / lanes.count);
  const height = Math.min(LANE_AT_MOST_PX, Math.max(2, pitch - 1));
  const x = (time: number) => left + placeOf(time, span, width);
  const own = lanes.bars.find(({ id }) => id === selected);
  const isMeant = (bar: Bar) =>
    drawing.isMeant === null ? own === undefined || bar.id === own.id : drawing.isMeant(bar.id);
  if (own !== undefined && !lanes.isPacked) {
    ctx.fillStyle = palette.color["accent-tint"];
    ctx.fillRect(left, top + own.lane * pitch - 1, width, height + 2);
  }
  const box = (bar: Bar) => {
    const from = x(bar.started);
    const to = x(bar.ended ?? span.to);
    return { from, y: top + bar.lane * pitch, w: Math.max(1, to - from - (lanes.isPacked ? 0.5 : 0)), to };
  };
  for (const bar of lanes.bars) {
    if (bar.started > span.to || (bar.ended ?? span.to) < span.from) continue;
    const { from, y, w } = box(bar);
    const middle = Math.round(y + height / 2 - 0.5);
    ctx.globalAlpha = WAITING * (isMeant(bar) ? 1 : DIMMED);
    if (!lanes.isPacked && bar.created !== null && bar.created < bar.started) {
      ctx.fillStyle = palette.fill[CODE.PENDING] as string;
      ctx.fillRect(x(bar.created), middle, from - x(bar.created), 1);
    }
    if (bar.kind === "plan") {
      ctx.fillStyle = palette.fill[CODE.PLAN_DONE] as string;
      if (!lanes.isPacked) ctx.fillRect(from, middle, w, 1);
      continue;
    }
    ctx.globalAlpha = isMeant(bar) ? 1 : DIMMED;
    if (bar.kind === "wait") {
      drawHatched(ctx, palette, from, y, w, height);
      continue;
    }
    ctx.fillStyle = palette.fill[CODE.RUNNING] as string;
    ctx.fillRect(from, y, w, height);
  }
  ctx.fillStyle = palette.fill[CODE.FAILED] as string;
  for (const bar of lanes.bars) {
    if (!bar.hasFailed || bar.ended === null || bar.ended < span.from) continue;
    const { to, y } = box(bar);
    ctx.globalAlpha = isMeant(bar) ? 1 : DIMMED;
    ctx.fillRect(to - 1, y - 3, 2, height + 6);
  }
  ctx.globalAlpha = 1;
}

const HATCH_PX = 5;

/** Stripes at 45°, which stand still while their box grows. */
function drawHatched(
  ctx: CanvasRenderingContext2D,
  palette: Palette,
  x: number,
  y: number,
  w: number,
  h: number,
): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, w, h);
  ctx.clip();
  ctx.fillStyle = palette.color.bg;
  ctx.fillRect(x, y, w, h);
  ctx.strokeStyle = palette.color["att-fill"];
  ctx.lineWidth = 2.2;
  ctx.beginPath();
  for (let at = x - h - (x % HATCH_PX); at < x + w; at += HATCH_PX) {
    ctx.moveTo(at, y + h);
    ctx.lineTo(at + h, y);
  }
  ctx.stroke();
  ctx.restore();
}
