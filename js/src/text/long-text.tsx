// Foreign text of any length: the browser lays out only the pieces that are in sight, so that a megabyte neither
// freezes nor breaks anything. What was searched for is marked in it.

import type { ComponentChild } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { pieces } from "./search";

const NONE: readonly number[] = [];
const LINE_PX = 15;
const CHARS_IN_LINE = 50;

interface LongTextProps {
  text: string;
  mono?: boolean;
  /** Places of what was searched for, growing, each so many characters long. */
  places?: readonly number[];
  chars?: number;
  /** The place to bring into sight. */
  current?: number | null;
}

export function LongText({ text, mono = true, places = NONE, chars = 0, current = null }: LongTextProps) {
  const body = useRef<HTMLPreElement>(null);
  const parts = useMemo(() => pieces(text), [text]);
  useLayoutEffect(() => {
    if (current !== null) body.current?.querySelector("[data-current]")?.scrollIntoView({ block: "nearest" });
  }, [current, text]);
  return useMemo(
    () => (
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled by keys, too
      <pre ref={body} dir="auto" class={`rw-text rw-text-all${mono ? " rw-mono-text" : ""}`} tabIndex={0}>
        {parts.length === 1
          ? marked(text, 0, text.length, places, chars, current)
          : parts.map(([from, to]) => (
              <div
                key={from}
                class="rw-piece"
                style={{
                  containIntrinsicHeight: `auto ${LINE_PX * Math.ceil((to - from) / CHARS_IN_LINE)}px`,
                }}
              >
                {marked(text, from, to, places, chars, current)}
              </div>
            ))}
      </pre>
    ),
    [text, places, chars, current],
  );
}

function marked(
  text: string,
  from: number,
  to: number,
  places: readonly number[],
  chars: number,
  current: number | null,
): ComponentChild[] {
  const parts: ComponentChild[] = [];
  let said = from;
  for (const place of places) {
    if (place < said || place >= to) continue;
    const end = Math.min(to, place + chars);
    parts.push(
      text.slice(said, place),
      <mark data-current={place === current || undefined}>{text.slice(place, end)}</mark>,
    );
    said = end;
  }
  parts.push(text.slice(said, to));
  return parts;
}
