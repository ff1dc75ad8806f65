// Keys that mean the same wherever the keyboard stands in the widget, and the list of all keys that `?` shows.

import { goAlong } from "./find/going";
import { IN_PLACE } from "./focus";
import type { View } from "./view";

export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ["↑ ↓", "previous and next task"],
  ["→", "unfold, or go to the first sub-task"],
  ["←", "fold, or go to the parent"],
  ["Home End", "first and last task"],
  ["Page ↑ Page ↓", "ten tasks on"],
  ["a letter", "next task that begins with it"],
  ["Enter", "select the task; in the search: next match"],
  ["Shift+Enter", "in the search: previous match"],
  ["/", "search"],
  ["Alt+← Alt+→", "back and forward through what was selected"],
  ["Shift+← Shift+→", "on the time: mark a range"],
  ["q", "questions"],
  ["Esc", "clear, close, leave full width and height"],
  ["?", "these keys"],
];

export function onShortcut(view: View, event: KeyboardEvent): void {
  if (event.key === "Escape") return onEscape(view);
  if (event.ctrlKey || event.metaKey || isTyping(event)) return;
  if (event.altKey) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    // Otherwise the browser leaves the page.
    event.preventDefault();
    goAlong(view, event.key === "ArrowLeft" ? -1 : 1);
    return;
  }
  switch (event.key) {
    case "/":
      return focusSearch(view, event);
    case "?":
      event.preventDefault();
      return view.openMenu("keys");
    case "q":
      if (view.questions.entries.length === 0) return;
      view.wantsTray = true;
      return view.questions.open();
  }
}

function onEscape(view: View): void {
  if (view.selected === null && view.sizing.mode !== "usual") {
    view.change(() => view.sizing.toggle(view.sizing.mode));
    return;
  }
  view.deselect();
}

function focusSearch(view: View, event: KeyboardEvent): void {
  const search = view.root.querySelector<HTMLInputElement>(".rw-find input");
  if (search === null) return;
  event.preventDefault();
  search.focus(IN_PLACE);
  search.select();
}

const isTyping = (event: KeyboardEvent): boolean =>
  event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
