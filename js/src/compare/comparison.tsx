// The view of a comparison: the filter, the grid, the chosen row. What is compared stands still, so that its state
// is only what the person does.

import { useMemo, useState } from "preact/hooks";
import { count, plural } from "../format";
import { PairDetail } from "./detail";
import { ComparisonGrid } from "./grid";
import type { Compared, Pair } from "./read";
import { countOf, FILTERS, type Filter, foldedAtFirst, seenRows, treeOf } from "./rows";

const WORDS: Readonly<Record<Filter, string>> = { all: "All", changed: "Changed", one: "Only in one" };
const EXPLAINED: Readonly<Record<Filter, string>> = {
  all: "Every task of both runs",
  changed: "What is not the same in both runs, and the tasks above it",
  one: "What only one of the runs has, and the tasks above it",
};
const NOTHING: Readonly<Record<Filter, string>> = {
  all: "Neither run has a task.",
  changed: "Nothing changed between these runs.",
  one: "Each task of one run has a counterpart in the other.",
};

export function Comparison({ compared, isNarrow }: { compared: Compared; isNarrow: boolean }) {
  const tree = useMemo(() => treeOf(compared), [compared]);
  const [filter, setFilter] = useState<Filter>("all");
  const [folded, setFolded] = useState(() => foldedAtFirst(tree));
  const [focused, setFocused] = useState(0);
  const [selected, setSelected] = useState<number | null>(null);
  const seen = useMemo(() => seenRows(tree, filter, folded), [tree, filter, folded]);
  const counts = useMemo(() => FILTERS.map((each) => countOf(tree, each)), [tree]);

  const fold = (at: number, toFolded: boolean) => {
    const next = new Set(folded);
    if (toFolded) next.add(at);
    else next.delete(at);
    setFolded(next);
    setFocused(at);
  };
  const select = (at: number | null) => {
    setSelected(at);
    if (at !== null) setFocused(at);
  };
  const chosen = selected === null ? undefined : tree.pairs[selected];
  return (
    <>
      <div class="rw-cmp-bar">
        <h2 class="rw-cmp-title">Comparison</h2>
        <div class="rw-cmp-filters" role="group" aria-label="Rows that are shown">
          {FILTERS.map((each, place) => (
            <button
              key={each}
              type="button"
              class="rw-cmp-filter"
              aria-pressed={each === filter}
              title={EXPLAINED[each]}
              onClick={() => setFilter(each)}
            >
              {WORDS[each]} <span class="rw-cmp-count">{count(counts[place] as number)}</span>
            </button>
          ))}
        </div>
        {compared.left_out > 0 && (
          <span class="rw-quiet rw-cmp-left-out">
            {plural(compared.left_out, "more row is", "more rows are")} in .tasks
          </span>
        )}
      </div>
      <ComparisonGrid
        compared={compared}
        tree={tree}
        seen={seen}
        folded={folded}
        focused={focused}
        selected={selected}
        isNarrow={isNarrow}
        onFocus={setFocused}
        onFold={fold}
        onSelect={select}
      />
      {seen.length === 0 && <p class="rw-cmp-nothing rw-quiet">{NOTHING[filter]}</p>}
      {chosen !== undefined && (
        <PairDetail compared={compared} pair={chosen as Pair} onClose={() => setSelected(null)} />
      )}
      <div class="rw-clipped" role="log" aria-live="polite">
        {filter === "all" ? "" : `${plural(seen.length, "row")} shown`}
      </div>
    </>
  );
}
