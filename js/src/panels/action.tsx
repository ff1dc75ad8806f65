// Buttons that ask the kernel for something: busy while the question travels, a sentence when it was refused.

import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { IN_PLACE } from "../focus";
import type { Action } from "../messages";
import type { View } from "../view";
import { Button, pressable } from "./parts";

interface ActionButtonProps {
  view: View;
  action: Action;
  label: string;
  /** What a screen reader says, where the label is too short. */
  name?: string | undefined;
  main?: boolean;
  /** What is asked once more, in place of the button, before it acts. */
  confirm?: { readonly question: string; readonly label: string } | null;
}

/** A button that asks the kernel; off while the question travels or the kernel is gone; says why it failed. */
export function ActionButton({ view, action, label, name, main = false, confirm = null }: ActionButtonProps) {
  const [state, setState] = useState<"rest" | "confirming" | "asked" | { error: string }>("rest");
  const button = useRef<HTMLButtonElement>(null);
  const wantsFocus = useRef(false);
  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    wantsFocus.current = false;
    button.current?.focus(IN_PLACE);
  });

  const act = () => {
    setState("asked");
    void view.kernel.do(action).then((error) => setState(error === null ? "rest" : { error }));
  };
  const press = () => {
    if (confirm === null) act();
    else setState("confirming");
  };
  if (state === "confirming" && confirm !== null) {
    const leave = (next: () => void) => {
      wantsFocus.current = true;
      next();
    };
    return (
      <Confirmation
        question={confirm.question}
        label={confirm.label}
        isOff={!view.canAct}
        onYes={() => leave(act)}
        onNo={() => leave(() => setState("rest"))}
      />
    );
  }
  return (
    <>
      {typeof state === "object" && (
        <span class="rw-s-FAILED rw-inked rw-action-error" dir="auto" title={state.error.slice(0, 500)}>
          {state.error}
        </span>
      )}
      <Button
        class={main ? "rw-button rw-button-main" : "rw-button"}
        ref={button}
        aria-label={name}
        {...pressable(state === "asked" || !view.canAct, press)}
      >
        {label}
      </Button>
    </>
  );
}

export const RetryNow = ({ view, main = false }: { view: View; main?: boolean }) => (
  <ActionButton view={view} action={{ action: "retry" }} label="Retry now" main={main} />
);

interface ConfirmationProps {
  question: string;
  label: string;
  /** Nobody is there to be asked: only "Cancel" is left. */
  isOff: boolean;
  busy?: boolean;
  /** What else may be said before it acts. */
  children?: ComponentChildren;
  onYes: () => void;
  onNo: () => void;
}

/** Asks once more, in place. The keyboard stands on "Cancel", so that a second Enter does no harm. */
export function Confirmation({
  question,
  label,
  isOff,
  busy = false,
  children,
  onYes,
  onNo,
}: ConfirmationProps) {
  const cancel = useRef<HTMLButtonElement>(null);
  const questionId = useId();
  useLayoutEffect(() => cancel.current?.focus(IN_PLACE), []);
  const isDeaf = isOff || busy;
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onNo();
  };
  return (
    <div class="rw-confirm" role="group" aria-labelledby={questionId} aria-busy={busy} onKeyDown={onKey}>
      <span id={questionId} class="rw-confirm-question">
        {question}
      </span>
      {children}
      <Button class="rw-button" aria-disabled={isDeaf} onClick={() => isDeaf || onYes()}>
        {label}
      </Button>
      <Button class="rw-button" ref={cancel} onClick={onNo}>
        Cancel
      </Button>
    </div>
  );
}
