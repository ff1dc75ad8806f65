// Selection, hover, keyboard focus, the critical path and what waits, where there are no cards that could show them.

import { placeOfId } from "../layout";
import { drawWaiting } from "./bars";
import { boxOf, type Scene } from "./scene";

export function drawMarks(scene: Scene): void {
  const { ctx, layout, palette, context } = scene;
  const around = (place: number, grow: number, width: number, ink = palette.color.accent) => {
    if (place < 0) return;
    const box = boxOf(scene, place);
    ctx.strokeStyle = ink;
    ctx.lineWidth = width;
    ctx.strokeRect(box.x - grow, box.y - grow, box.w + 2 * grow, Math.max(box.h, 2) + 2 * grow);
  };
  const aroundId = (id: string, grow: number, width: number) => around(placeOfId(layout, id), grow, width);
  for (const at of scene.critical ?? []) around(layout.place[at] as number, 0.5, 1.5, palette.color.fg);
  for (const place of scene.waiting.keys()) drawWaiting(scene, place);
  around(scene.hover, 1.5, 1.5);
  if (context !== null) {
    for (const id of [...context.sources, ...context.users]) aroundId(id, 0.5, 1);
    aroundId(context.id, 1.5, 2);
  }
  if (scene.ring !== null) aroundId(scene.ring, 4, 2);
}
