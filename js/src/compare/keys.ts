// The keyboard on a comparison: what each key means. Pure; the grid does it.

import { isParent, type Tree } from "./rows";

const PAGE = 10;

export type Deed =
  | { readonly kind: "go"; readonly to: number }
  | { readonly kind: "fold"; readonly at: number; readonly folded: boolean }
  | { readonly kind: "open"; readonly at: number }
  | { readonly kind: "close" }
  | { readonly kind: "stay" };

/** null: the key means nothing here. `at` is the focused row's place in the tree, one of `seen`. */
export function deedOf(
  key: string,
  tree: Tree,
  seen: readonly number[],
  folded: ReadonlySet<number>,
  at: number,
): Deed | null {
  const place = Math.max(0, seen.indexOf(at));
  const go = (to: number): Deed => {
    const there = seen[Math.max(0, Math.min(seen.length - 1, to))];
    return there === undefined ? { kind: "stay" } : { kind: "go", to: there };
  };
  switch (key) {
    case "ArrowDown":
      return go(place + 1);
    case "ArrowUp":
      return go(place - 1);
    case "PageDown":
      return go(place + PAGE);
    case "PageUp":
      return go(place - PAGE);
    case "Home":
      return go(0);
    case "End":
      return go(seen.length - 1);
    case "ArrowRight":
      if (!isParent(tree, at)) return { kind: "stay" };
      if (folded.has(at)) return { kind: "fold", at, folded: false };
      return tree.parent[seen[place + 1] ?? -1] === at ? go(place + 1) : { kind: "stay" };
    case "ArrowLeft": {
      if (isParent(tree, at) && !folded.has(at)) return { kind: "fold", at, folded: true };
      const up = tree.parent[at] as number;
      return up < 0 ? { kind: "stay" } : { kind: "go", to: up };
    }
    case "Enter":
    case " ":
      return { kind: "open", at };
    case "Escape":
      return { kind: "close" };
    default:
      return null;
  }
}
