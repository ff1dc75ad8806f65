// What must not move when the layout changes: what is under the pointer, the selected task, the run's top, or the
// middle of the screen, in this order.

import { type Layout, placeAt } from "../layout";
import { type Camera, scaleOf } from "./camera";
import { boxOf, eachInView, type Scene } from "./scene";

/** The place in `layout` whose card stays where it is; -1 when nothing is in sight. */
export function anchorOf(
  layout: Layout,
  camera: Camera,
  w: number,
  h: number,
  hovered: number,
  selected: string | null,
): number {
  if (hovered >= 0) return hovered;
  const scene = { camera, scale: scaleOf(camera.zoom), layout, w, h } as Scene;
  const at = selected === null ? undefined : layout.tree.at.get(selected);
  const place = at === undefined ? -1 : (layout.place[at] as number);
  if (place >= 0 && inSight(scene, place)) return place;
  // The run's top in sight means the person looks at the run from its top; else at what is in the middle.
  if (camera.y >= 0) return 0;
  let best = -1;
  let least = Number.POSITIVE_INFINITY;
  eachInView(scene, false, (candidate) => {
    const box = boxOf(scene, candidate);
    const away = Math.abs(box.y + box.h / 2 - h / 2);
    if (away < least) {
      least = away;
      best = candidate;
    }
  });
  return best;
}

/** The place under a point of the screen; -1 for none. */
export function placeUnder(layout: Layout, camera: Camera, x: number, y: number): number {
  const scale = scaleOf(camera.zoom);
  const depth = Math.floor((x - camera.x) / scale.columnPitch);
  const row = Math.floor((y - camera.y) / scale.rowPitch);
  if (x - camera.x - depth * scale.columnPitch > scale.cardW) return -1;
  // Between two cards is nobody, but rows of a few px leave no room to miss.
  if (scale.rowPitch > 8 && y - camera.y - row * scale.rowPitch > scale.cardH) return -1;
  const place = placeAt(layout, depth, row);
  if (place >= 0 || scale.rowPitch > 3) return place;
  return placeAt(layout, depth, row + 1);
}

function inSight(scene: Scene, place: number): boolean {
  const box = boxOf(scene, place);
  return box.x + box.w > 0 && box.x < scene.w && box.y + box.h > 0 && box.y < scene.h;
}
