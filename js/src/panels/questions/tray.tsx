// The tray over the inspector: every question of the run that waits, the unfolded one with what is under review. It
// opens by itself when a question comes, never takes the focus for that, and stays closed once somebody closed it.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { IN_PLACE } from "../../focus";
import { plural } from "../../format";
import { canNotify, isNotifying, setNotifying } from "../../questions/attention";
import type { View } from "../../view";
import { Button, Glyph, Grow, Icon, IconButton, LinkButton } from "../parts";
import { activeElement } from "../popover";
import { QuestionEntry } from "./entry";

const KEYS =
  "q opens this · Enter unfolds, edits, takes · Alt ↑ ↓ moves a sub-task · Delete removes it · Ctrl Enter sends · Escape leaves";

/** The number of questions in the header, or of answers that are not confirmed yet; opens and closes the tray. */
export function QuestionBadge({ view }: { view: View }) {
  const { questions } = view;
  const count = questions.count || questions.unconfirmed;
  if (count === 0) return null;
  const words = plural(count, questions.count > 0 ? "question" : "answer");
  const toggle = () => {
    if (questions.isOpen) return questions.close();
    questions.open();
    view.wantsTray = true;
  };
  return (
    <span class="rw-badge-box">
      <Button
        class="rw-badge"
        aria-expanded={questions.isOpen}
        aria-label={words}
        title="Show or hide the questions (q)"
        onClick={toggle}
      >
        <Glyph status="waits" />
        {count}
        <span class="rw-badge-word">{words.slice(`${count}`.length)}</span>
      </Button>
    </span>
  );
}

export function QuestionTray({ view }: { view: View }) {
  const { questions } = view;
  const { entries, current } = questions;
  const tray = useRef<HTMLDivElement>(null);
  const isInside = useRef(false);
  useLayoutEffect(() => {
    const element = tray.current;
    if (element === null) return;
    const active = activeElement(element);
    // What had the focus may be gone (an answered question), and the keyboard must go on working.
    const isLost = isInside.current && (active === null || active === document.body);
    if (!view.wantsTray && !isLost) return;
    view.wantsTray = false;
    (element.querySelector<HTMLElement>(".rw-q-open") ?? element).focus(IN_PLACE);
  });
  const isLoaded = questions.isOpen && current !== null && questions.question(current).kind !== "loading";
  // The list and not the page: a question that comes must not move the notebook. Once more when all of it is there.
  useLayoutEffect(() => {
    const unfolded = tray.current?.querySelector<HTMLElement>(".rw-q-open");
    if (unfolded?.parentElement) unfolded.parentElement.scrollTop = unfolded.offsetTop;
  }, [current, isLoaded, questions.isOpen]);
  if (!questions.isOpen) return null;

  const at = entries.findIndex(({ prompt }) => prompt.request_id === current);
  const close = () => {
    questions.close();
    view.root.querySelector<HTMLElement>(".rw-badge")?.focus(IN_PLACE);
  };
  const onKey = (event: KeyboardEvent) => {
    // The notebook and the graph must not take the keys that are meant for the tray.
    event.stopPropagation();
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  };
  return (
    <div
      ref={tray}
      class="rw-tray"
      role="region"
      aria-label="Questions"
      tabIndex={-1}
      onKeyDown={onKey}
      onFocusIn={() => {
        isInside.current = true;
      }}
      onFocusOut={(event) => {
        if (event.relatedTarget !== null) isInside.current = false;
      }}
    >
      <div class="rw-inspector-head rw-tray-head">
        <Glyph status="waits" />
        <h3 class="rw-inspector-title">
          {entries.length === 1 ? "Question" : `Question ${at + 1} of ${entries.length}`}
        </h3>
        <Grow />
        {entries.length > 1 && (
          <>
            <IconButton icon="back" label="Question before" onClick={() => questions.step(-1)} />
            <IconButton icon="closed" label="Next question" onClick={() => questions.step(1)} />
          </>
        )}
        <IconButton icon="close" label="Hide the questions" onClick={close} />
      </div>
      <ul class="rw-tray-list">
        {entries.map((entry) => (
          <QuestionEntry
            key={entry.prompt.request_id}
            view={view}
            entry={entry}
            at={questions.placeOf(entry)}
            isUnfolded={entry.prompt.request_id === current}
          />
        ))}
      </ul>
      <TrayFoot />
    </div>
  );
}

function TrayFoot() {
  const [showsKeys, setShowsKeys] = useState(false);
  const [isOn, setOn] = useState(isNotifying);
  const [refused, setRefused] = useState<string | null>(null);
  const toggle = async () => {
    setRefused(await setNotifying(!isOn));
    setOn(isNotifying());
  };
  return (
    <div class="rw-tray-foot">
      {canNotify() && (
        <Button role="switch" class="rw-switch" aria-checked={isOn} onClick={() => void toggle()}>
          <span class="rw-switch-mark">{isOn && <Icon name="copied" />}</span>
          notify me when I look elsewhere
        </Button>
      )}
      <Grow />
      <LinkButton aria-expanded={showsKeys} onClick={() => setShowsKeys(!showsKeys)}>
        keys
      </LinkButton>
      {refused !== null && <p role="status">{refused}</p>}
      {showsKeys && <p>{KEYS}</p>}
    </div>
  );
}
