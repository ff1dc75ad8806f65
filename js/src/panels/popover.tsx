// A small panel under a button of the header. Escape closes it and gives the focus back, a click elsewhere closes it,
// so does leaving it with Tab. It lies inside the widget, whatever the notebook around it clips.

import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { IN_PLACE } from "../focus";

interface PopoverProps {
  label: string;
  kind: "link" | "projects" | "menu";
  /** The button that opens and closes it. */
  anchor: RefObject<HTMLElement | null>;
  onClose: () => void;
  children: ComponentChildren;
}

export function Popover({ label, kind, anchor, onClose, children }: PopoverProps) {
  const panel = useRef<HTMLDivElement>(null);
  const isInside = useRef(true);
  /** Where the keyboard stood: not on the anchor where a key opened it. */
  const opener = useRef<HTMLElement | null>(null);
  const close = useRef(onClose);
  close.current = onClose;

  useLayoutEffect(() => {
    const element = panel.current as HTMLDivElement;
    const button = anchor.current as HTMLElement;
    const widget = element.offsetParent ?? element;
    const start = button.getBoundingClientRect().left - widget.getBoundingClientRect().left;
    element.style.setProperty("--start", `${Math.round(start)}px`);
    // Whoever opened it stands in it; a part of it may have taken the focus already.
    const before = activeElement(element);
    if (!element.contains(before)) {
      opener.current = before === document.body ? null : (before as HTMLElement | null);
      element.focus(IN_PLACE);
    }

    const controller = new AbortController();
    const outside = (event: Event) => {
      const path = event.composedPath();
      if (!path.includes(element) && !path.includes(button)) close.current();
    };
    document.addEventListener("pointerdown", outside, { capture: true, signal: controller.signal });
    return () => controller.abort();
  }, [anchor]);

  // What had the focus may be gone (a project that vanished); Escape and the arrows must go on working.
  useLayoutEffect(() => {
    const element = panel.current as HTMLDivElement;
    const active = activeElement(element);
    if (isInside.current && (active === null || active === document.body)) element.focus(IN_PLACE);
  });

  const onKey = (event: KeyboardEvent) => {
    // The notebook and the graph below must not take the keys that are meant for the panel.
    event.stopPropagation();
    if (event.key !== "Escape") return;
    event.preventDefault();
    onClose();
    const back = opener.current?.isConnected ? opener.current : anchor.current;
    back?.focus(IN_PLACE);
  };
  const onFocusOut = (event: FocusEvent) => {
    const to = event.relatedTarget as Node | null;
    if (to === null || panel.current?.contains(to)) return;
    isInside.current = false;
    if (!anchor.current?.contains(to)) onClose();
  };
  return (
    <div
      ref={panel}
      class={`rw-popover rw-popover-${kind}`}
      role="dialog"
      aria-label={label}
      tabIndex={-1}
      onKeyDown={onKey}
      onFocusIn={() => {
        isInside.current = true;
      }}
      onFocusOut={onFocusOut}
    >
      {children}
    </div>
  );
}

/** What has the focus, seen from where `element` lives (a notebook may put us into a shadow tree). */
export function activeElement(element: Element): Element | null {
  const home = element.getRootNode();
  return home instanceof ShadowRoot ? home.activeElement : document.activeElement;
}
