// How a question is answered: approve with one click, modify with instructions, abort after one more question.

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { IN_PLACE } from "../../focus";
import { takeKey } from "../../keyboard";
import type { Entry } from "../../questions/questions";
import type { View } from "../../view";
import { Confirmation } from "../action";
import { Button, Grow } from "../parts";

const REASON_CHARS = 2_000;

interface AnswerProps {
  view: View;
  entry: Entry;
}

/** The three buttons. "Modify" opens the instructions and, when there are some, sends them. */
export function AnswerButtons({ view, entry }: AnswerProps) {
  const { questions } = view;
  const id = entry.prompt.request_id;
  const writing = questions.writing(id);
  const [isConfirming, setConfirming] = useState(false);
  const abort = useRef<HTMLButtonElement>(null);
  const wantsFocus = useRef(false);
  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    wantsFocus.current = false;
    abort.current?.focus(IN_PLACE);
  });
  const isOff = !view.canAct || !entry.canAnswer || questions.hasJustMoved;
  const isUnfolded = questions.current === id;
  const isWriting = writing.isOpen && isUnfolded;
  const hasWords = writing.instructions.trim() !== "";

  // The second click of a double click is none.
  const press = (act: () => void) => (event: MouseEvent) => event.detail > 1 || isOff || act();
  const modify = () => {
    if (isWriting) return sendInstructions(view, entry);
    questions.open(id);
    writing.open();
  };
  if (isConfirming) {
    const leave = () => {
      wantsFocus.current = true;
      setConfirming(false);
    };
    return (
      <Confirmation
        question="Abort? The run may end with it."
        label="Abort"
        isOff={isOff}
        onYes={() => {
          questions.answer(id, "abort", writing.reason.trim() || null);
          leave();
        }}
        onNo={leave}
      >
        <input
          class="rw-abort-reason"
          type="text"
          dir="auto"
          maxLength={REASON_CHARS}
          aria-label="Reason"
          placeholder="Why? (optional)"
          value={writing.reason}
          onInput={(event) => {
            writing.reason = event.currentTarget.value;
          }}
        />
      </Confirmation>
    );
  }
  return (
    <div class="rw-answers">
      <Button
        class={isWriting || !isUnfolded ? "rw-button" : "rw-button rw-button-main"}
        aria-disabled={isOff}
        title={
          writing.draft === null ? undefined : "Approves the plan as it was proposed, without your changes"
        }
        onClick={press(() => questions.answer(id, "approve", null))}
      >
        {writing.draft === null ? "Approve" : "Approve as proposed"}
      </Button>
      <Button
        class={isWriting ? "rw-button rw-button-main" : "rw-button"}
        aria-label="Modify"
        aria-disabled={isOff || (isWriting && !hasWords)}
        onClick={press(modify)}
      >
        {isWriting ? "Modify" : "Modify…"}
      </Button>
      {isWriting && entry.canAnswer && (
        <Button class="rw-button rw-button-quiet" onClick={() => writing.discard()}>
          Cancel
        </Button>
      )}
      <Grow />
      <Button
        class="rw-button rw-button-quiet rw-abort"
        ref={abort}
        aria-disabled={isOff}
        onClick={press(() => setConfirming(true))}
      >
        Abort
      </Button>
    </div>
  );
}

function sendInstructions(view: View, entry: Entry): void {
  const id = entry.prompt.request_id;
  const words = view.questions.writing(id).instructions.trim();
  if (words !== "" && entry.canAnswer && view.canAct) view.questions.answer(id, "modify", words);
}

/** The instructions, while they are written, and the buttons. */
export function AnswerForm({ view, entry, children }: AnswerProps & { children: ComponentChildren }) {
  const writing = view.questions.writing(entry.prompt.request_id);
  const area = useRef<HTMLTextAreaElement>(null);
  const labelId = useId();
  const wasEdited = useRef(writing.draft !== null);
  useLayoutEffect(() => {
    // An edit of the plan opens the instructions, too; the keyboard stays with the plan then.
    if (writing.isOpen && !wasEdited.current && writing.draft === null) area.current?.focus(IN_PLACE);
    wasEdited.current = false;
  }, [writing.isOpen, writing]);
  // As high as what is written, up to a bound of the stylesheet.
  useLayoutEffect(() => {
    const element = area.current;
    if (element === null) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight + 2}px`;
  }, [writing.instructions, writing.isOpen]);
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      sendInstructions(view, entry);
    } else if (event.key === "Escape") {
      takeKey(event);
      view.wantsTray = true;
      writing.close();
    }
  };
  return (
    <div class="rw-answer">
      {children}
      {writing.isOpen && (
        <div class="rw-written">
          <label id={labelId} class="rw-label" for={`${labelId}-area`}>
            Instructions
            <span class="rw-label-note">
              {writing.draft === null
                ? "what should be changed?"
                : "your edits in words; change them as you like"}
            </span>
          </label>
          <textarea
            id={`${labelId}-area`}
            ref={area}
            dir="auto"
            rows={3}
            required
            readOnly={!entry.canAnswer}
            value={writing.instructions}
            onInput={(event) => writing.write(event.currentTarget.value)}
            onKeyDown={onKey}
          />
        </div>
      )}
      <AnswerButtons view={view} entry={entry} />
    </div>
  );
}
