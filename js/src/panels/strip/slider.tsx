// The line of time itself: the handle at the moment that is shown, the marked range, and what pointer and keys do to
// both. With Shift they mark, without they travel.

import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { IN_PLACE } from "../../focus";
import { timeOfDay } from "../../format";
import { hasModifier, takeKey } from "../../keyboard";
import { aPageOn, nextChange, placeOf, type Span, ticks, timeAt } from "../../time/axis";
import { type Range, spanOf } from "../../time/range";
import type { View } from "../../view";
import { LEFT_PX, RIGHT_PX, useLanes } from "./lanes";

/** What a time written beside the handle takes. */
const TIME_PX = 72;
/** What `+20 s` takes beside its line. */
const TICK_PX = 44;
/** A range less wide than this was a click. */
const CLICK_PX = 3;

interface SliderProps {
  view: View;
  span: Span;
  isLive: boolean;
  clock: (time: number) => string;
  slider: RefObject<HTMLDivElement | null>;
}

export function Slider({ view, span, isLive, clock, slider }: SliderProps) {
  const { travel, finder } = view;
  const width = useWidth(slider);
  const line = Math.max(0, width - LEFT_PX - RIGHT_PX);
  const canvas = useLanes(view, span, line, isLive);
  const isMarking = useRef(false);
  const { wish } = travel;
  const { during } = finder.wanted;
  const end = isLive ? "live" : "end";
  const at = wish === null ? line : placeOf(wish, span, line);
  const label = wish === null ? end : clock(wish);
  const isBefore = wish !== null && at > line - TIME_PX;
  /** Where the handle's words begin. */
  const said = isBefore ? at - TIME_PX : at;
  const marks = useMemo(() => ticks(span, line), [span.from, Math.floor(span.to / 1000), line]);
  const mark = (range: Range | null) => view.change(() => finder.within(range));

  const onPointer = (event: PointerEvent) => {
    const { current } = slider;
    if (!(event.buttons & 1) || current === null) return;
    const time = timeAt(event.clientX - current.getBoundingClientRect().left - LEFT_PX, span, line);
    if (event.type === "pointerdown") {
      current.setPointerCapture(event.pointerId);
      const edge = during === null ? null : edgeUnder(event.target as Element);
      isMarking.current = event.shiftKey || edge !== null;
      if (isMarking.current) {
        // A notebook would take a mouse with Shift for itself: it selects cells.
        event.preventDefault();
        current.focus(IN_PLACE);
      }
      if (edge !== null && during !== null) {
        const { from, to } = spanOf(during);
        return mark(edge === "from" ? { anchor: to, head: from } : { anchor: from, head: to });
      }
      if (isMarking.current) return mark({ anchor: time ?? span.to, head: time ?? span.to });
    }
    if (isMarking.current) {
      if (during !== null) mark({ ...during, head: time ?? span.to });
    } else if (view.canAct) travel.goTo(time);
  };
  const onPointerEnd = () => {
    if (!isMarking.current) return;
    isMarking.current = false;
    if (during === null) return;
    const { from, to } = spanOf(during);
    if (placeOf(to, span, line) - placeOf(from, span, line) < CLICK_PX) mark(null);
  };
  const onKey = (event: KeyboardEvent) => {
    if (hasModifier(event)) return;
    const isMark = event.shiftKey && event.key !== "Escape";
    const from = isMark ? (during?.head ?? wish) : wish;
    const there = wanted(event.key, from, travel.times, span);
    if (there === undefined || (event.key === "Escape" && (wish === null || during !== null))) return;
    takeKey(event);
    if (isMark) mark({ anchor: during?.anchor ?? wish ?? span.to, head: there ?? span.to });
    else if (there === null || view.canAct) travel.goTo(there);
  };
  const moment = wish === null ? (isLive ? "live" : `the end, ${clock(span.to)}`) : label;
  return (
    <div
      ref={slider}
      class={wish === null ? "rw-strip" : "rw-strip rw-strip-past"}
      role="slider"
      tabIndex={0}
      title={
        during === null && wish === null ? "Drag to go back in time, with Shift to mark a range" : undefined
      }
      aria-label="Moment of the run"
      aria-valuemin={0}
      aria-valuemax={seconds(span.to - span.from)}
      aria-valuenow={seconds((wish ?? span.to) - span.from)}
      aria-valuetext={moment}
      aria-disabled={!view.canAct}
      onPointerDown={onPointer}
      onPointerMove={onPointer}
      onPointerUp={onPointerEnd}
      onPointerCancel={onPointerEnd}
      onKeyDown={onKey}
      onFocus={() => travel.use(true)}
      onBlur={() => travel.use(false)}
    >
      <div class="rw-strip-axis" aria-hidden>
        <canvas ref={canvas} />
        {at >= TIME_PX && <span style={{ left: `${LEFT_PX + 4}px` }}>{timeOfDay(span.from)}</span>}
        {marks.map(({ time, label }) => {
          const place = placeOf(time, span, line);
          const isHidden = wish !== null && place > said - TICK_PX && place < said + TIME_PX;
          return isHidden || place < TIME_PX || place > line - TICK_PX ? null : (
            <span key={label} style={{ left: `${LEFT_PX + place + 4}px` }}>
              {label}
            </span>
          );
        })}
      </div>
      {wish !== null && (
        <>
          <div class="rw-strip-later" style={{ left: `${LEFT_PX + at}px`, right: `${RIGHT_PX}px` }} />
          <div class="rw-strip-end" style={{ right: `${RIGHT_PX}px` }}>
            <span>{end}</span>
          </div>
        </>
      )}
      {during !== null && <RangeBand range={spanOf(during)} span={span} line={line} />}
      <div class="rw-strip-handle" style={{ transform: `translateX(${LEFT_PX + at}px)` }}>
        <svg viewBox="0 0 8 9" aria-hidden>
          <path d="M0 0H8V5.5L4 9L0 5.5z" />
        </svg>
        <b class={isBefore ? "rw-strip-before" : ""}>{label}</b>
      </div>
    </div>
  );
}

function RangeBand({ range, span, line }: { range: Span; span: Span; line: number }) {
  const left = placeOf(range.from, span, line);
  const width = placeOf(range.to, span, line) - left;
  return (
    <div class="rw-range" style={{ left: `${LEFT_PX + left}px`, width: `${width}px` }}>
      <i data-edge="from" />
      <i data-edge="to" />
    </div>
  );
}

const edgeUnder = (target: Element): string | null =>
  target instanceof HTMLElement ? (target.dataset.edge ?? null) : null;

const seconds = (ms: number): number => Math.round(ms / 100) / 10;

/** Where a key leads; null: to the end, undefined: it means nothing here. */
function wanted(
  key: string,
  time: number | null,
  times: readonly number[],
  span: Span,
): number | null | undefined {
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return nextChange(times, time, -1);
    case "ArrowRight":
    case "ArrowUp":
      return nextChange(times, time, 1);
    case "PageDown":
      return aPageOn(time, span, -1);
    case "PageUp":
      return aPageOn(time, span, 1);
    case "Home":
      return span.from;
    case "End":
    case "Escape":
      return null;
    default:
      return undefined;
  }
}

function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const measured = element.current;
    if (measured === null) return;
    const measure = () => setWidth(measured.clientWidth);
    const observer = new ResizeObserver(measure);
    observer.observe(measured);
    measure();
    return () => observer.disconnect();
  }, [element]);
  return width;
}
