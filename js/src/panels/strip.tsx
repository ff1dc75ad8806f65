// The strip under everything: the run's time, with which a person goes back to any moment of it, and, while they look
// at one, the banner that says so.

import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, timeOfDay } from "../format";
import { type Palette, readPalette, watchTheme } from "../graph/palette";
import { isFollowing } from "../kernel";
import { isEnded } from "../status";
import { aPageOn, nextChange, placeOf, type Span, ticks, timeAt } from "../time/axis";
import { drawLanes, lanesOf } from "../time/lanes";
import type { View } from "../view";

const LEFT_PX = 12;
const RIGHT_PX = 58;
const AXIS_PX = 14;
const HEIGHT_PX = 63;
/** What a time written beside the handle takes. */
const TIME_PX = 72;
/** What `+20 s` takes beside its line. */
const TICK_PX = 44;
/** In a short run many moments have the same second. */
const TENTHS_UP_TO_MS = 120_000;

export function TimeStrip({ view }: { view: View }) {
  const { travel, kernel, selected } = view;
  const { connection, progress } = kernel.traits;
  const isLive = isFollowing(connection) && !isEnded(progress.outcome);
  const span = travel.span(isLive ? view.newest() : null);
  const slider = useRef<HTMLDivElement>(null);
  const back = () => {
    travel.back();
    slider.current?.focus({ preventScroll: true });
  };
  if (span === null) return null;
  return (
    <section class="rw-time" aria-label="Time">
      {travel.wish !== null && <Banner view={view} span={span} isLive={isLive} onBack={back} />}
      <Slider view={view} span={span} isLive={isLive} selected={selected} slider={slider} />
    </section>
  );
}

const clockOf = (time: number, span: Span): string => timeOfDay(time, span.to - span.from < TENTHS_UP_TO_MS);

interface PartProps {
  view: View;
  span: Span;
  isLive: boolean;
}

function Banner({ view, span, isLive, onBack }: PartProps & { onBack: () => void }) {
  const { past, error } = view.travel;
  const button = (
    <button type="button" class="rw-button" onClick={onBack}>
      {isLive ? "Back to live" : "Back to the end"}
    </button>
  );
  if (error !== null) {
    return (
      <div class="rw-notice rw-notice-att">
        <span class="rw-notice-text">
          <b>That moment cannot be shown.</b> <span dir="auto">{error}</span>
        </span>
        {button}
      </div>
    );
  }
  if (past === null) {
    return (
      <div class="rw-notice rw-notice-accent">
        <span class="rw-notice-text">Going back in time…</span>
        {button}
      </div>
    );
  }
  const away = duration(span.to - past.time);
  return (
    <div class="rw-notice rw-notice-accent">
      <span class="rw-notice-text">
        You are looking at <b>{clockOf(past.time, span)}</b>
        {isLive ? `, ${away} ago. The run goes on.` : `, ${away} before the end.`}
        {!past.exact && (
          <span title="To bound the memory. Tasks, statuses and links are right; texts and stamps may be a little older.">
            {" Some details are thinned."}
          </span>
        )}
      </span>
      {button}
    </div>
  );
}

interface SliderProps extends PartProps {
  selected: string | null;
  slider: RefObject<HTMLDivElement | null>;
}

function Slider({ view, span, isLive, selected, slider }: SliderProps) {
  const { travel } = view;
  const width = useWidth(slider);
  const line = Math.max(0, width - LEFT_PX - RIGHT_PX);
  const canvas = useLanes(view, span, line, selected, isLive);
  const { wish } = travel;
  const end = isLive ? "live" : "end";
  const at = wish === null ? line : placeOf(wish, span, line);
  const label = wish === null ? end : clockOf(wish, span);
  const isBefore = wish !== null && at > line - TIME_PX;
  /** Where the handle's words begin. */
  const said = isBefore ? at - TIME_PX : at;
  const marks = useMemo(() => ticks(span, line), [span.from, Math.floor(span.to / 1000), line]);

  const onPointer = (event: PointerEvent) => {
    if (!(event.buttons & 1) || !view.canAct || slider.current === null) return;
    if (event.type === "pointerdown") slider.current.setPointerCapture(event.pointerId);
    travel.goTo(timeAt(event.clientX - slider.current.getBoundingClientRect().left - LEFT_PX, span, line));
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const there = wanted(event.key, wish, travel.times, span);
    if (there === undefined || (event.key === "Escape" && wish === null)) return;
    event.preventDefault();
    event.stopPropagation();
    if (there === null || view.canAct) travel.goTo(there);
  };
  return (
    <div
      ref={slider}
      class={wish === null ? "rw-strip" : "rw-strip rw-strip-past"}
      role="slider"
      tabIndex={0}
      aria-label="Moment of the run"
      aria-valuemin={0}
      aria-valuemax={seconds(span.to - span.from)}
      aria-valuenow={seconds((wish ?? span.to) - span.from)}
      aria-valuetext={wish === null ? (isLive ? "live" : `the end, ${clockOf(span.to, span)}`) : label}
      aria-disabled={!view.canAct}
      onPointerDown={onPointer}
      onPointerMove={onPointer}
      onKeyDown={onKey}
      onFocus={() => travel.use(true)}
      onBlur={() => travel.use(false)}
    >
      <div class="rw-strip-axis" aria-hidden="true">
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
      <div class="rw-strip-handle" style={{ transform: `translateX(${LEFT_PX + at}px)` }}>
        <svg viewBox="0 0 8 9" aria-hidden="true">
          <path d="M0 0H8V5.5L4 9L0 5.5z" />
        </svg>
        <b class={isBefore ? "rw-strip-before" : ""}>{label}</b>
      </div>
    </div>
  );
}

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

/** The lanes, drawn when the run, its time, the size or the theme is another; of a run that goes on once a second. */
function useLanes(view: View, span: Span, line: number, selected: string | null, isLive: boolean) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [palette, setPalette] = useState<Palette | null>(null);
  const { run, traits } = view.kernel;
  const lanes = useMemo(() => lanesOf(run), [isLive ? view.second : run, traits.project?.id]);
  useLayoutEffect(() => {
    const controller = new AbortController();
    const read = () => setPalette(readPalette(view.root));
    read();
    watchTheme(view.root, read, controller.signal);
    return () => controller.abort();
  }, [view]);
  useLayoutEffect(() => {
    const element = canvas.current;
    const ctx = element?.getContext("2d") ?? null;
    if (element === null || ctx === null || palette === null || line === 0) return;
    const ratio = window.devicePixelRatio || 1;
    element.width = Math.round((line + LEFT_PX + RIGHT_PX) * ratio);
    element.height = Math.round(HEIGHT_PX * ratio);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = palette.color.hair;
    for (const time of [span.from, ...ticks(span, line).map(({ time }) => time)]) {
      ctx.fillRect(Math.round(LEFT_PX + placeOf(time, span, line)), 3, 1, HEIGHT_PX - 6);
    }
    const top = AXIS_PX + 3;
    const isMeant = view.found === null ? null : (id: string) => view.isFound(id);
    drawLanes(lanes, { ctx, width: line, left: LEFT_PX, top, span, palette, selected, isMeant });
  }, [lanes, palette, line, span.from, isLive ? view.second : span.to, selected, view.finder.wanted]);
  return canvas;
}
