// What the cards show in one frame.

import { durationOf } from "../clock";
import type { Task } from "../messages";
import { hasChildren } from "../state";
import type { View } from "../view";
import type { CardPool, Look } from "./cards";
import { isMeant, type Scene } from "./scene";

export function showCards(view: View, pool: CardPool, scene: Scene, places: readonly number[]): void {
  pool.standIn(scene);
  pool.show(
    places.map((place) => lookOf(view, scene, place)),
    scene.tally,
  );
}

export function lookOf(view: View, scene: Scene, place: number): Look {
  const { layout, scale } = scene;
  const at = layout.node[place] as number;
  const id = layout.tree.ids[at] as string;
  const task = scene.run.tasks.get(id) as Task;
  const isDimmed = !isMeant(scene, place);
  return {
    task,
    duration_ms: durationOf(view, task),
    waits: scene.waiting.get(place) ?? null,
    left: Math.round((layout.tree.depth[at] as number) * scale.columnPitch),
    top: Math.round((layout.row[place] as number) * scale.rowPitch),
    mark: markOf(scene, id) ?? (isDimmed ? "dimmed" : null),
    ring: scene.ring === id,
    parentAt: hasChildren(layout.tree, at) ? at : null,
    folded: layout.folded[place] === 1,
    found: scene.found?.inside[at] ?? 0,
    isDimmed,
    isCritical: scene.critical?.includes(at) ?? false,
  };
}

/** What the task is to the selected one. */
function markOf({ context }: Scene, id: string): Look["mark"] {
  if (context?.id === id) return "selected";
  if (context?.sources.has(id)) return "source";
  return context?.users.has(id) ? "user" : null;
}
