// Small things that several panels share: glyphs, icons, the copy button, clamped text, a line that names a task.

import type { Attributes, ButtonHTMLAttributes, ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { durationOf } from "../clock";
import { duration, size } from "../format";
import type { Task } from "../messages";
import { GLYPHS, type Status, statusOf, WAITS } from "../status";
import { LongText } from "../text/long-text";
import type { View } from "../view";

/** The sign of a status, or of what waits for the person. */
export function Glyph({ status }: { status: Status | "waits" }) {
  const glyph = status === "waits" ? WAITS : GLYPHS[status];
  return (
    <svg viewBox="0 0 12 12" class={`rw-glyph rw-s-${status}`} aria-hidden>
      {glyph.stroke !== "" && (
        <path
          class="rw-glyph-stroke"
          d={glyph.stroke}
          stroke-width={glyph.width}
          stroke-dasharray={glyph.dash?.join(" ")}
        />
      )}
      {glyph.fill !== "" && <path class="rw-glyph-fill" d={glyph.fill} />}
    </svg>
  );
}

const ICONS = {
  copy: "M4.5 3.5V2a.7.7 0 0 1 .7-.7h4.6a.7.7 0 0 1 .7.7v5.6a.7.7 0 0 1-.7.7H8.5M2.2 3.6h4.6a.7.7 0 0 1 .7.7V10a.7.7 0 0 1-.7.7H2.2a.7.7 0 0 1-.7-.7V4.3a.7.7 0 0 1 .7-.7z",
  copied: "M1.9 6.4L4.7 9.2L10.2 3",
  close: "M2.8 2.8L9.2 9.2M9.2 2.8L2.8 9.2",
  minus: "M2 6H10",
  plus: "M2 6H10M6 2V10",
  fit: "M1.5 4V1.5H4M8 1.5H10.5V4M10.5 8V10.5H8M4 10.5H1.5V8",
  follow:
    "M6 2.1a3.9 3.9 0 1 0 0 7.8a3.9 3.9 0 1 0 0-7.8zM6 .5V2.6M6 9.4V11.5M.5 6H2.6M9.4 6H11.5M6 4.9a1.1 1.1 0 1 0 0 2.2a1.1 1.1 0 1 0 0-2.2z",
  open: "M2.5 4.3L6 7.8L9.5 4.3",
  closed: "M4.3 2.5L7.8 6L4.3 9.5",
  back: "M7.7 2.5L4.2 6L7.7 9.5",
  again: "M10 6A4 4 0 1 1 8.4 2.8M8.6 .9V3.1H6.4",
  menu: "M2 3H10M2 6H10M2 9H10",
  up: "M2.5 7.7L6 4.2L9.5 7.7",
} as const;

export function Icon({ name }: { name: keyof typeof ICONS }) {
  return (
    <svg viewBox="0 0 12 12" class="rw-icon" aria-hidden>
      <path d={ICONS[name]} />
    </svg>
  );
}

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> & Attributes;

/** A button that sends no form: a page around the widget may be one. */
export function Button(props: ButtonProps) {
  return <button type="button" {...props} />;
}

export const LinkButton = (props: ButtonProps) => <Button class="rw-link" {...props} />;

export const Quiet = ({ children }: { children: ComponentChildren }) => (
  <span class="rw-quiet">{children}</span>
);

/** Words that somebody else wrote: in their own direction. */
export const Foreign = ({ children }: { children: ComponentChildren }) => <span dir="auto">{children}</span>;

/** The line over a text: what it is, and what can be done with it. */
export const BlockHead = ({ children }: { children: ComponentChildren }) => (
  <div class="rw-block-head">{children}</div>
);

/** What stands after it stands at the right. */
export const Grow = () => <span class="rw-grow" />;

/** A button that is off keeps the keyboard, which a disabled one would drop. */
export const pressable = (isOff: boolean, onClick: () => void) => ({
  "aria-disabled": isOff,
  onClick: () => isOff || onClick(),
});

interface IconButtonProps {
  icon: keyof typeof ICONS;
  label: string;
  isOff?: boolean;
  onClick: () => void;
}

export function IconButton({ icon, label, isOff = false, onClick }: IconButtonProps) {
  return (
    <Button class="rw-icon-button" aria-label={label} title={label} {...pressable(isOff, onClick)}>
      <Icon name={icon} />
    </Button>
  );
}

/** `text` may still have to be fetched. */
export function CopyButton({ text, label }: { text: string | (() => Promise<string>); label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () => {
    void (async () => setCopied(await copyText(typeof text === "string" ? text : await text())))();
  };
  return <IconButton icon={copied ? "copied" : "copy"} label={copied ? "Copied" : label} onClick={copy} />;
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No permission or no secure context (a plain http JupyterHub): the old way still works there.
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

interface ClampedProps {
  text: string;
  lines: number;
  mono?: boolean;
  title?: ComponentChildren;
  copyLabel: string;
}

/** More than a clamped text has room for: the rest is not laid out. */
export const CLAMP_CHARS = 2_000;

/** A titled block of foreign text, clamped, with "show all 14 kB" and copy in its head. */
export function Clamped({ text, lines, mono = true, title, copyLabel }: ClampedProps) {
  const [all, setAll] = useState(false);
  const [isCut, setCut] = useState(false);
  const body = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const element = body.current;
    if (element !== null)
      setCut(text.length > CLAMP_CHARS || element.scrollHeight > element.clientHeight + 1);
  }, [text, all]);
  return (
    <>
      <BlockHead>
        {title}
        <Grow />
        {(isCut || all) && (
          <LinkButton onClick={() => setAll(!all)}>
            {all ? "show less" : `show all ${size(new Blob([text]).size)}`}
          </LinkButton>
        )}
        <CopyButton text={text} label={copyLabel} />
      </BlockHead>
      {all ? (
        <LongText text={text} mono={mono} />
      ) : (
        <pre
          ref={body}
          dir="auto"
          class={`rw-text${mono ? " rw-mono-text" : ""}`}
          style={{ WebkitLineClamp: lines }}
        >
          {text.slice(0, CLAMP_CHARS)}
        </pre>
      )}
    </>
  );
}

/** One line of a list of tasks: glyph, id, goal, duration; a click selects the task. */
export function TaskLine({ view, task, note }: { view: View; task: Task; note?: string }) {
  return (
    <Button
      class="rw-line"
      onClick={() => view.goTo(task.id)}
      title={task.id.length > 24 ? task.id.slice(0, 300) : undefined}
    >
      <Glyph status={view.waiting.has(task.id) ? "waits" : statusOf(task.status)} />
      <bdi class="rw-line-id">{task.id}</bdi>
      <span class="rw-line-goal" dir="auto">
        {task.goal}
      </span>
      <span class="rw-line-time">{note ?? duration(durationOf(view, task))}</span>
    </Button>
  );
}

export function Section({
  title,
  note,
  copy,
  children,
}: {
  title: string;
  note?: string | undefined;
  copy?: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="rw-section">
      <h3 class="rw-label">
        {title}
        {note !== undefined && <span class="rw-label-note">{note}</span>}
        {copy}
      </h3>
      {children}
    </section>
  );
}
