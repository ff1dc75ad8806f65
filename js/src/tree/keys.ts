// The keyboard: what each key does on the treegrid (and on the graph, which hands its keys over).

import { hasChildren } from "../state";
import type { View } from "../view";

const PAGE = 10;

/** Applies a key; true when it meant something. */
export function applyKey(view: View, key: string): boolean {
  const { layout } = view;
  if (layout.count === 0) return false;
  const { tree } = layout;
  const at = view.focused === null ? undefined : tree.at.get(view.focused);
  const here = at === undefined ? -1 : (layout.place[at] as number);
  const place = Math.max(0, here);
  const node = layout.node[place] as number;
  const id = tree.ids[node] as string;
  const isParent = hasChildren(tree, node);
  if (key.length === 1 && typedTo(view, key, place)) return true;
  switch (key) {
    case "ArrowDown":
      return goTo(view, here < 0 ? 0 : place + 1);
    case "ArrowUp":
      return goTo(view, place - 1);
    case "PageDown":
      return goTo(view, place + PAGE);
    case "PageUp":
      return goTo(view, place - PAGE);
    case "Home":
      return goTo(view, 0);
    case "End":
      return goTo(view, layout.count - 1);
    case "ArrowRight":
      if (!isParent) return true;
      if (layout.folded[place] === 1) return setFold(view, id, false);
      return goTo(view, place + 1);
    case "ArrowLeft": {
      if (isParent && layout.folded[place] !== 1) return setFold(view, id, true);
      const up = tree.parent[node] as number;
      return up < 0 ? true : goTo(view, layout.place[up] as number);
    }
    case "Enter":
    case " ":
      view.selection.choose(id);
      view.graph?.reveal(id);
      return true;
    case "Escape":
      // With nothing selected it means what it means around the tasks.
      if (view.selected === null) return false;
      view.selection.choose(null);
      return true;
    default:
      return false;
  }
}

/** Whether the key was a letter of a goal's beginning: a space and the questions' key are letters only within a word. */
function typedTo(view: View, key: string, here: number): boolean {
  const { layout, typing } = view;
  const now = performance.now();
  const isKey = key === " " || (key === "q" && view.questions.entries.length > 0);
  if (/[/?]/.test(key) || (isKey && !typing.isUnderWay(now))) return false;
  const goalAt = (row: number) =>
    view.task(layout.tree.ids[layout.node[row] as number] as string)?.goal ?? "";
  const row = typing.row(key, now, here, layout.count, goalAt);
  return row < 0 || goTo(view, row);
}

function goTo(view: View, place: number): true {
  const { layout } = view;
  const there = Math.max(0, Math.min(layout.count - 1, place));
  const id = layout.tree.ids[layout.node[there] as number] as string;
  view.focused = id;
  view.focusRing = true;
  view.wantsFocus = true;
  view.graph?.stopFollowing();
  view.graph?.reveal(id);
  view.schedule();
  return true;
}

function setFold(view: View, id: string, folded: boolean): true {
  view.focused = id;
  view.focusRing = true;
  view.wantsFocus = true;
  view.fold(id, folded);
  view.graph?.reveal(id);
  return true;
}
