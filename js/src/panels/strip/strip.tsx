// The strip under everything: the run's time, with which a person goes back to any moment of it or marks a range, and
// the lines that say so.

import { useRef } from "preact/hooks";
import { newest } from "../../clock";
import { IN_PLACE } from "../../focus";
import { duration, timeOfDay } from "../../format";
import { isFollowing } from "../../kernel";
import { takeKey } from "../../keyboard";
import { isEnded } from "../../status";
import type { Span } from "../../time/axis";
import { betweenCode, happened, spanOf } from "../../time/range";
import type { View } from "../../view";
import { Button, CopyButton, Foreign } from "../parts";
import { Slider } from "./slider";

/** In a short run many moments have the same second. */
const TENTHS_UP_TO_MS = 120_000;

export function TimeStrip({ view }: { view: View }) {
  const { travel, kernel, finder } = view;
  const { connection, progress } = kernel.traits;
  const isLive = isFollowing(connection) && !isEnded(progress.outcome);
  const span = travel.span(isLive ? newest(view) : null);
  const slider = useRef<HTMLDivElement>(null);
  if (span === null) return null;
  const { during } = finder.wanted;
  const focus = () => slider.current?.focus(IN_PLACE);
  const back = () => {
    travel.back();
    focus();
  };
  const endRange = () => {
    view.change(() => finder.within(null));
    focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || during === null) return;
    takeKey(event);
    endRange();
  };
  const clock = (time: number) => timeOfDay(time, span.to - span.from < TENTHS_UP_TO_MS);
  return (
    <section class="rw-time" aria-label="Time" onKeyDown={onKey}>
      {travel.wish !== null && <Banner view={view} span={span} isLive={isLive} clock={clock} onBack={back} />}
      {during !== null && <RangeBar view={view} range={spanOf(during)} clock={clock} onEnd={endRange} />}
      <Slider view={view} span={span} isLive={isLive} clock={clock} slider={slider} />
    </section>
  );
}

interface BannerProps {
  view: View;
  span: Span;
  isLive: boolean;
  clock: (time: number) => string;
  onBack: () => void;
}

function Banner({ view, span, isLive, clock, onBack }: BannerProps) {
  const { past, error } = view.travel;
  const button = (
    <Button class="rw-button" onClick={onBack}>
      {isLive ? "Back to live" : "Back to the end"}
    </Button>
  );
  if (error !== null) {
    return (
      <div class="rw-notice rw-notice-att">
        <span class="rw-notice-text">
          <b>That moment cannot be shown.</b> <Foreign>{error}</Foreign>
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
        You are looking at <b>{clock(past.time)}</b>
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

interface RangeBarProps {
  view: View;
  range: Span;
  clock: (time: number) => string;
  onEnd: () => void;
}

/** What is marked, what happened in it, and the Python that lists it. */
function RangeBar({ view, range, clock, onEnd }: RangeBarProps) {
  const code = betweenCode(range);
  return (
    <div class="rw-notice rw-notice-accent">
      <span class="rw-notice-text" role="status">
        <b>
          {clock(range.from)} to {clock(range.to)}
        </b>
        , {duration(range.to - range.from)}. {happened(view.run, range)}.
      </span>
      <code class="rw-range-code">{code}</code>
      <CopyButton text={code} label={`Copy ${code}`} />
      <Button class="rw-button" title="Escape" onClick={onEnd}>
        End range
      </Button>
    </div>
  );
}
