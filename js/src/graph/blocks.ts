// Far zoom on the canvas: one block per task. A parent shows the mix of its whole sub-tree and a rail over its rows;
// names and counts stand where there is room under it. Folded neighbours share one bracket and one label.

import { count, plural } from "../format";
import { addTo } from "../maps";
import type { Task } from "../messages";
import { hasChildren, sizeOfSubTree } from "../state";
import { CODE, wordOfCode } from "../status";
import { countIn, mixOf } from "../tally";
import { BANDS_UNDER_PITCH, bandsOf } from "./bands";
import { boxOf, cut, DIMMED, eachInView, idAt, isMeant, type Scene, strength, xOf, yOf } from "./scene";

const PENDING_ALPHA = 0.42;
const FOLDED_ALPHA = 0.62;
/** Free px under a parent that make room for its words. */
const NAME_FROM = 18;
const TWO_LINES_FROM = 30;
const ID_FROM = 13;
const BRACKET_FROM = 12;
/** Down to this depth goals are written under their blocks. */
const WORDS_DEPTH = 1;

export function drawBlocks(scene: Scene): void {
  const { ctx } = scene;
  if (scene.scale.rowPitch < BANDS_UNDER_PITCH) return drawAsBands(scene);
  ctx.save();
  drawTrunks(scene);
  const leaves = new Map<number, number[]>();
  const dimmed = new Map<number, number[]>();
  const parents: number[] = [];
  const { layout, tally } = scene;
  eachInView(scene, true, (place) => {
    const at = layout.node[place] as number;
    if (hasChildren(layout.tree, at)) {
      parents.push(place);
      return;
    }
    const code = tally.code[at] as number;
    const group = isMeant(scene, place) ? leaves : dimmed;
    addTo(group, code, place);
  });
  fillLeaves(scene, dimmed, DIMMED);
  fillLeaves(scene, leaves, 1);
  for (const place of parents) drawParent(scene, place);
  ctx.globalAlpha = 1;
  for (const place of parents) drawWords(scene, place);
  drawBrackets(scene, parents);
  ctx.restore();
}

/** Thousands of rows: bands for the deep columns, words and rails for the first two. */
function drawAsBands(scene: Scene): void {
  const { ctx, layout, tally, palette, scale } = scene;
  ctx.save();
  drawTrunks(scene, WORDS_DEPTH);
  const pieces = new Map<number, [number, number, number, number][]>();
  const put = (code: number, x: number, y: number, w: number, h: number) => addTo(pieces, code, [x, y, w, h]);
  const area = { w: scale.cardW, y: scene.camera.y, pitch: scale.rowPitch, top: 0, bottom: scene.h };
  layout.columns.forEach((column, depth) => {
    const x = xOf(scene, depth);
    if (depth > WORDS_DEPTH && x < scene.w && x + scale.cardW > 0)
      bandsOf(layout, tally, column, { ...area, x }, put);
  });
  for (const [code, boxes] of pieces) {
    ctx.globalAlpha = strength(scene) * (code === CODE.PENDING ? PENDING_ALPHA : 1);
    ctx.fillStyle = palette.fill[code] as string;
    for (const [x, y, w, h] of boxes) ctx.fillRect(x, y, w, h - 0.4);
  }
  drawMatches(scene);
  ctx.globalAlpha = 1;
  eachInView(scene, true, (place, depth) => {
    if (depth > WORDS_DEPTH) return;
    drawParent(scene, place);
    ctx.globalAlpha = 1;
    drawWords(scene, place);
  });
  ctx.restore();
}

/** What was found, over the dimmed bands. */
function drawMatches(scene: Scene): void {
  const { ctx, layout, tally, palette, found } = scene;
  ctx.globalAlpha = 1;
  for (const at of found?.at ?? []) {
    const place = layout.place[at] as number;
    if (place < 0 || (layout.tree.depth[at] as number) <= WORDS_DEPTH) continue;
    const box = boxOf(scene, place);
    if (box.y > scene.h || box.y + box.h < 0) continue;
    ctx.fillStyle = palette.fill[tally.code[at] as number] as string;
    ctx.fillRect(box.x, box.y, box.w, box.h);
  }
}

/** One colour at a time: setting a fill costs more than a rectangle. Failures last, on top. */
function fillLeaves(scene: Scene, groups: ReadonlyMap<number, number[]>, alpha: number): void {
  const { ctx, palette, scale } = scene;
  const codes = [...groups.keys()].sort((a, b) => Number(a === CODE.FAILED) - Number(b === CODE.FAILED));
  for (const code of codes) {
    const hollow = code === CODE.CANCELLED || code === CODE.UNKNOWN;
    ctx.globalAlpha = alpha * (code === CODE.PENDING ? PENDING_ALPHA : 1);
    ctx.fillStyle = palette.fill[code] as string;
    ctx.strokeStyle = palette.fill[code] as string;
    ctx.lineWidth = 1;
    ctx.setLineDash(code === CODE.UNKNOWN ? [3, 2] : []);
    for (const place of groups.get(code) as number[]) {
      const box = boxOf(scene, place);
      if (hollow && scale.cardH >= 3) ctx.strokeRect(box.x + 0.5, box.y + 0.5, box.w - 1, box.h - 1);
      else ctx.fillRect(box.x, box.y, box.w, box.h);
    }
    ctx.setLineDash([]);
  }
}

function drawParent(scene: Scene, place: number): void {
  const { ctx, layout, tally, palette } = scene;
  const at = layout.node[place] as number;
  const box = boxOf(scene, place);
  const folded = layout.folded[place] === 1;
  const meant = isMeant(scene, place) ? 1 : DIMMED;
  const own = palette.fill[tally.code[at] as number] as string;
  // Its own status at the left, then the mix of the sub-tree.
  const h = Math.min(box.h, 4);
  ctx.globalAlpha = meant;
  ctx.fillStyle = own;
  ctx.fillRect(box.x, box.y, 3, folded ? box.h : h);
  const mix = mixOf(tally, at);
  const size = sizeOfSubTree(layout.tree, at);
  const width = box.w - 4;
  let x = box.x + 4;
  for (const [code, tasks] of mix) {
    const w = (tasks / size) * width;
    ctx.globalAlpha = meant * (code === CODE.PENDING ? PENDING_ALPHA : folded ? FOLDED_ALPHA : 1);
    ctx.fillStyle = palette.fill[code] as string;
    ctx.fillRect(x, box.y, Math.max(w - (w > 3 ? 0.5 : 0), 0.5), folded ? box.h : h);
    x += w;
  }
  if (folded) return;
  const bottom = yOf(scene, layout.lastRow[place] as number) + box.h;
  if (bottom - box.y < h + 2) return;
  ctx.globalAlpha = 0.55 * meant;
  ctx.fillStyle = own;
  ctx.fillRect(box.x, box.y, 1, bottom - box.y);
}

function drawTrunks(scene: Scene, deepest = Number.POSITIVE_INFINITY): void {
  const { ctx, layout, scale, palette } = scene;
  ctx.globalAlpha = strength(scene);
  ctx.fillStyle = palette.color.hair2;
  eachInView(scene, true, (place, depth) => {
    if (
      depth > deepest ||
      layout.folded[place] === 1 ||
      !hasChildren(layout.tree, layout.node[place] as number)
    )
      return;
    const bottom = yOf(scene, layout.lastRow[place] as number) + scale.cardH;
    const top = yOf(scene, layout.row[place] as number);
    const x = Math.round(xOf(scene, depth) + scale.cardW + 16);
    if (bottom - top > 3) ctx.fillRect(x, top, 1, bottom - top);
    ctx.fillRect(xOf(scene, depth) + scale.cardW, Math.round(top + Math.min(2, scale.cardH / 2)), 32, 1);
  });
}

function drawWords(scene: Scene, place: number): void {
  const { ctx, layout, tally, palette, scale, run } = scene;
  if (layout.folded[place] === 1) return;
  const at = layout.node[place] as number;
  const depth = layout.tree.depth[at] as number;
  const box = boxOf(scene, place);
  const free = ((layout.lastRow[place] as number) - (layout.row[place] as number)) * scale.rowPitch;
  const id = idAt(layout, place);
  const task = run.tasks.get(id) as Task;
  const tasks = sizeOfSubTree(layout.tree, at);
  const failed = countIn(tally, at, CODE.FAILED);
  const running = countIn(tally, at, CODE.RUNNING);
  ctx.globalAlpha = isMeant(scene, place) ? 1 : DIMMED;
  ctx.textBaseline = "alphabetic";
  const top = box.y + Math.min(box.h, 4);
  if (depth <= WORDS_DEPTH && free >= NAME_FROM) {
    ctx.font = `600 11px ${palette.font}`;
    ctx.fillStyle = palette.color.fg;
    ctx.fillText(cut(ctx, task.goal, box.w - 8), box.x + 7, top + 12);
    if (free < TWO_LINES_FROM) return;
    ctx.font = `10px ${palette.font}`;
    const parts = [plural(tasks, "task")];
    if (countIn(tally, at, CODE.DONE) === tasks) parts.push("done");
    if (failed > 0) parts.push(`${count(failed)} failed`);
    if (running > 0) parts.push(`${count(running)} running`);
    ctx.fillStyle = palette.color.fg2;
    ctx.fillText(cut(ctx, parts.join(" · "), box.w - 8), box.x + 7, top + 24);
  } else if (depth === WORDS_DEPTH + 1 && free >= ID_FROM) {
    ctx.font = `10px ${palette.font}`;
    ctx.textAlign = "right";
    let right = box.x + box.w;
    if (failed > 0) {
      const word = ` · ${count(failed)} failed`;
      ctx.fillStyle = palette.ink[CODE.FAILED] as string;
      ctx.fillText(word, right, top + 10.5);
      right -= ctx.measureText(word).width;
    }
    ctx.fillStyle = palette.color.fg2;
    ctx.fillText(plural(tasks, "task"), right, top + 10.5);
    right -= ctx.measureText(plural(tasks, "task")).width;
    ctx.textAlign = "left";
    ctx.font = `10px ${palette.mono}`;
    ctx.fillText(cut(ctx, id, right - box.x - 14), box.x + 7, top + 10.5);
  }
}

function drawBrackets(scene: Scene, parents: readonly number[]): void {
  const { layout, scale } = scene;
  let group: number[] = [];
  const flush = () => {
    if (group.length * scale.rowPitch >= BRACKET_FROM) drawBracket(scene, group);
    group = [];
  };
  for (const place of parents) {
    const last = group.at(-1);
    const next =
      layout.folded[place] === 1 &&
      last !== undefined &&
      (layout.row[place] as number) === (layout.row[last] as number) + 1 &&
      layout.tree.parent[layout.node[place] as number] === layout.tree.parent[layout.node[last] as number];
    if (!next) flush();
    if (layout.folded[place] === 1) group.push(place);
  }
  flush();
}

function drawBracket(scene: Scene, group: readonly number[]): void {
  const { ctx, layout, tally, palette } = scene;
  const first = boxOf(scene, group[0] as number);
  const last = boxOf(scene, group.at(-1) as number);
  const x = Math.round(first.x + first.w + 7) + 0.5;
  const top = Math.round(first.y) + 0.5;
  const bottom = Math.round(last.y + last.h) - 0.5;
  ctx.globalAlpha = strength(scene);
  ctx.strokeStyle = palette.color.edge;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x - 3, top);
  ctx.lineTo(x, top);
  ctx.lineTo(x, bottom);
  ctx.lineTo(x - 3, bottom);
  ctx.stroke();

  const mix = new Map<number, number>();
  let hidden = 0;
  let found = 0;
  for (const place of group) {
    found += scene.found?.inside[layout.node[place] as number] ?? 0;
    for (const [code, tasks] of mixOf(tally, layout.node[place] as number, true)) {
      mix.set(code, (mix.get(code) ?? 0) + tasks);
      hidden += tasks;
    }
  }
  const y = (top + bottom) / 2 + 0.5;
  ctx.textBaseline = "middle";
  ctx.font = `10px ${palette.font}`;
  let at = x + 7;
  const say = (text: string, color: string) => {
    ctx.fillStyle = color;
    ctx.fillText(text, at, y);
    at += ctx.measureText(text).width;
  };
  if (found > 0) {
    ctx.globalAlpha = 1;
    say(`${count(found)} found · `, palette.color["accent-ink"]);
    ctx.globalAlpha = strength(scene);
  }
  say(`+${count(hidden)}`, palette.color.fg);
  say(` in ${plural(group.length, "folded tree")} · `, palette.color.fg2);
  if (mix.size === 1 && mix.has(CODE.DONE)) return say("all done", palette.color.fg2);
  [...mix]
    .sort(([a], [b]) => a - b)
    .forEach(([code, tasks], i) => {
      const word = `${i > 0 ? " · " : ""}${count(tasks)} ${wordOfCode(code)}`;
      say(word, code === CODE.FAILED ? (palette.ink[code] as string) : palette.color.fg2);
    });
}
