// Where the search leads, and the way through what was selected.

import type { View } from "../view";
import { nextMatch } from "./match";

/** Position of the selected task in the tree, or -1. */
export const selectedAt = ({ run, selected }: View): number =>
  selected === null ? -1 : (run.tree.at.get(selected) ?? -1);

export function goToMatch(view: View, step: 1 | -1): void {
  const { found } = view;
  const next = found === null ? null : nextMatch(found, selectedAt(view), step);
  if (next !== null) view.goTo(view.run.tree.ids[next] as string);
}

const isElsewhere = (view: View) => (id: string) => id !== view.selected && view.task(id) !== undefined;

/** Back or forward through what was selected. */
export function goAlong(view: View, step: 1 | -1): void {
  const id = view.trail.go(step, isElsewhere(view));
  if (id !== null) view.goTo(id);
}

export const canGoAlong = (view: View, step: 1 | -1): boolean =>
  view.trail.peek(step, isElsewhere(view)) !== null;
