// Which sub-trees are folded. A person's own fold or unfold always wins; otherwise, from 200 rows on, finished
// sub-trees without a failure fold by themselves, the deep ones first.

import { type Layout, layOut } from "./layout";
import { sizeOfSubTree, type Tree } from "./state";
import { isAllDone, type Tally } from "./tally";

export const AUTO_FOLD_ROWS = 200;

/** The shallowest depth that folds by itself: first sub-trees of sub-trees, then, if that is not enough, all. */
type AutoDepth = 1 | 2 | null;

export class Folding {
  /** What the person decided: id → folded. */
  readonly #chosen = new Map<string, boolean>();
  /** Only ever gets shallower within a run, so that rows do not fold and unfold by turns. */
  #autoDepth: AutoDepth = null;

  /** Forgets all, for another run. */
  reset(): void {
    this.#chosen.clear();
    this.#autoDepth = null;
  }

  choose(id: string, folded: boolean): void {
    this.#chosen.set(id, folded);
  }

  chosen(id: string): boolean | undefined {
    return this.#chosen.get(id);
  }

  layOut(tree: Tree, tally: Tally): Layout {
    const lay = () => layOut(tree, (at) => this.#isFolded(tree, tally, at));
    let layout = lay();
    while (layout.rows >= AUTO_FOLD_ROWS && this.#autoDepth !== 1) {
      this.#autoDepth = this.#autoDepth === null ? 2 : 1;
      layout = lay();
    }
    return layout;
  }

  /** Whether `layOut` could answer differently now than it did for `layout`: statuses changed, the tree did not. */
  isStale(layout: Layout, tally: Tally): boolean {
    if (this.#autoDepth === null) return false;
    const { tree, node, folded, count } = layout;
    for (let place = 0; place < count; place++) {
      const at = node[place] as number;
      if (sizeOfSubTree(tree, at) === 1) continue;
      if (this.#isFolded(tree, tally, at) !== (folded[place] === 1)) return true;
    }
    return false;
  }

  #isFolded(tree: Tree, tally: Tally, at: number): boolean {
    const chosen = this.#chosen.get(tree.ids[at] as string);
    if (chosen !== undefined) return chosen;
    if (this.#autoDepth === null || (tree.depth[at] as number) < this.#autoDepth) return false;
    return isAllDone(tally, at, sizeOfSubTree(tree, at));
  }
}
