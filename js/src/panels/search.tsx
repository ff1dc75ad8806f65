// The search in the header: what matches is counted and gone to, the rest dims; and the chip of a filter that is on.

import { useRef } from "preact/hooks";
import { count } from "../format";
import { wordOfCode } from "../status";
import type { View } from "../view";
import { Icon, pressable } from "./parts";

export function Search({ view }: { view: View }) {
  const input = useRef<HTMLInputElement>(null);
  const { finder, found } = view;
  const { words } = finder.wanted;
  const here = found === null ? -1 : found.at.indexOf(view.selectedAt);
  const onKey = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter") view.goToMatch(event.shiftKey ? -1 : 1);
    else if (event.key !== "Escape") return;
    else if (finder.wanted.words !== "") view.lookFor(() => finder.say(""));
    else {
      // Nothing to clear: the keyboard goes back to the tasks.
      view.wantsFocus = true;
      view.schedule();
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const step = (by: 1 | -1, label: string) => (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...pressable(found?.at.length === 0, () => view.goToMatch(by))}
    >
      <Icon name={by === 1 ? "open" : "up"} />
    </button>
  );
  return (
    <div class="rw-find-box">
      {finder.isFiltering && <FilterChip view={view} />}
      <div class="rw-find" role="search">
        <input
          ref={input}
          type="text"
          placeholder="Search  /"
          aria-label="Search tasks"
          title="Goal, id, agent, model or error. Enter: next, Shift+Enter: previous, Escape: clear"
          spellcheck={false}
          autocomplete="off"
          maxLength={200}
          value={words}
          onInput={(event) => {
            const { value } = event.currentTarget;
            view.lookFor(() => finder.say(value));
          }}
          onKeyDown={onKey}
        />
        <span class="rw-find-count" role="status">
          {found !== null &&
            (found.at.length === 0
              ? "none"
              : `${here < 0 ? "" : `${count(here + 1)} of `}${count(found.at.length)}`)}
        </span>
        {found !== null && (
          <>
            {step(-1, "Previous match")}
            {step(1, "Next match")}
          </>
        )}
      </div>
    </div>
  );
}

function FilterChip({ view }: { view: View }) {
  const { codes, types } = view.finder.wanted;
  const names = [...[...codes].map(wordOfCode), ...[...types].map((type) => type.slice(0, 40))];
  return (
    <button
      type="button"
      class="rw-filter-chip"
      title={`Only ${names.join(", ")}. Click to end the filter.`}
      onClick={() => view.lookFor(() => view.finder.endFilter())}
    >
      <span dir="auto">{names.length > 2 ? `${names.length} filters` : names.join(" · ")}</span>
      <Icon name="close" />
    </button>
  );
}
