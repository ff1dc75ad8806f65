// The search in the header: what matches is counted and gone to, the rest dims; and the chip of a filter that is on.

import { useRef } from "preact/hooks";
import { goToMatch, selectedAt } from "../find/going";
import { foldAhead } from "../find/match";
import { count } from "../format";
import { takeKey } from "../keyboard";
import { wordOfCode } from "../status";
import type { View } from "../view";
import { Button, Foreign, Icon, pressable } from "./parts";

export function Search({ view }: { view: View }) {
  const input = useRef<HTMLInputElement>(null);
  const { finder, found } = view;
  const { words } = finder.wanted;
  const here = found === null ? -1 : found.at.indexOf(selectedAt(view));
  const onKey = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter") goToMatch(view, event.shiftKey ? -1 : 1);
    else if (event.key !== "Escape") return;
    else if (finder.wanted.words !== "") view.change(() => finder.say(""));
    else {
      // Nothing to clear: the keyboard goes back to the tasks.
      view.wantsFocus = true;
      view.schedule();
    }
    takeKey(event);
  };
  const step = (by: 1 | -1, label: string) => (
    <Button
      aria-label={label}
      title={label}
      {...pressable(found?.at.length === 0, () => goToMatch(view, by))}
    >
      <Icon name={by === 1 ? "open" : "up"} />
    </Button>
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
            view.change(() => finder.say(value));
          }}
          onKeyDown={onKey}
          onFocus={() => foldAhead(view.run.tasks.values())}
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
    <Button
      class="rw-filter-chip"
      title={`Only ${names.join(", ")}. Click to end the filter.`}
      onClick={() => view.change(() => view.finder.endFilter())}
    >
      <Foreign>{names.length > 2 ? `${names.length} filters` : names.join(" · ")}</Foreign>
      <Icon name="close" />
    </Button>
  );
}
