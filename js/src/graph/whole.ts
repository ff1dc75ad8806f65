// The whole graph as one picture, whatever part of it is on the screen.

import type { View } from "../view";
import { MARGIN, scaleOf } from "./camera";
import { CardPool } from "./cards";
import { drawLines } from "./lines";
import { showCards } from "./looks";
import { drawCards, pictureSize, TITLE_PX } from "./picture";
import { cut, type Scene } from "./scene";

/** Of a bounded size, under a line of `title` and `time`. `sceneOn`: what is on the screen, to be drawn elsewhere. */
export function wholePicture(
  view: View,
  stage: HTMLElement,
  sceneOn: (ctx: CanvasRenderingContext2D) => Scene,
  title: string,
  time: string,
): HTMLCanvasElement {
  const { columns, rows, count, folded, node } = view.layout;
  const picture = document.createElement("canvas");
  const ctx = picture.getContext("2d");
  if (ctx === null) return picture;
  const { zoom, ratio, w, h } = pictureSize(columns.length, rows, count, folded.includes(1));
  picture.width = Math.floor(w * ratio);
  picture.height = Math.floor(h * ratio);
  ctx.scale(ratio, ratio);
  const shown = sceneOn(ctx);
  const { color, font } = shown.palette;
  ctx.fillStyle = color.canvas;
  ctx.fillRect(0, 0, w, h);
  ctx.textBaseline = "middle";
  ctx.font = `12px ${font}`;
  ctx.fillStyle = color.fg2;
  const timeWidth = ctx.measureText(time).width;
  ctx.fillText(time, w - MARGIN - timeWidth, TITLE_PX / 2);
  ctx.font = `600 13px ${font}`;
  ctx.fillStyle = color.fg;
  ctx.fillText(cut(ctx, title, w - timeWidth - 4 * MARGIN), MARGIN, TITLE_PX / 2);

  const camera = { zoom, x: MARGIN, y: MARGIN + TITLE_PX };
  const scene = { ...shown, w, h, camera, scale: scaleOf(zoom), hover: -1, ring: null };
  drawLines(scene, scene.scale.level);
  if (scene.scale.level !== "cards") return picture;
  const pool = new CardPool();
  pool.layer.classList.add("rw-unseen");
  stage.append(pool.layer);
  showCards(view, pool, scene, [...node.keys()]);
  drawCards(ctx, stage, pool.layer);
  pool.layer.remove();
  return picture;
}
