// The stages of a trace as a waterfall: a row each, also for every attempt. Arrows go from row to row, Enter opens.

import { useRef, useState } from "preact/hooks";
import { duration, plural, UNKNOWN } from "../../format";
import { hasModifier, takeKey } from "../../keyboard";
import type { Task } from "../../messages";
import type { Status } from "../../status";
import type { Row, Waterfall } from "../../trace/waterfall";
import type { View } from "../../view";
import { Button, Glyph, LinkButton } from "../parts";

/** Rows at once; a trace may have thousands. */
const ROWS = 200;
const TICKS = [0, 1 / 3, 2 / 3, 1];
const STATUS: Readonly<Record<Row["state"], Status>> = {
  done: "DONE",
  failed: "FAILED",
  running: "RUNNING",
  unknown: "UNKNOWN",
};

interface StagesProps {
  view: View;
  task: Task;
  fall: Waterfall;
  isSample: boolean;
}

export function Stages({ view, task, fall, isSample }: StagesProps) {
  const list = useRef<HTMLDivElement>(null);
  const open = view.inspection.openStage(task.id);
  const openAt = fall.rows.findIndex(({ stage }) => stage.seq === open);
  const [most, setMost] = useState(ROWS);
  const shown = fall.rows.slice(0, Math.max(most, openAt + 1));
  const onKey = (event: KeyboardEvent) => {
    if (hasModifier(event)) return;
    const rows = [...(list.current?.children ?? [])] as HTMLElement[];
    const at = rows.indexOf(event.target as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined) return;
    takeKey(event);
    rows[Math.max(0, Math.min(rows.length - 1, to))]?.focus();
  };
  return (
    <div class="rw-waterfall" data-sample={isSample}>
      <div class="rw-stage-row rw-stage-axis" aria-hidden>
        <span class="rw-stage-name">Stage</span>
        <span class="rw-stage-track">
          {fall.span_ms !== null &&
            TICKS.map((share) => (
              <i key={share} style={{ left: `${share * 100}%` }}>
                {tick(share * (fall.span_ms as number), share)}
              </i>
            ))}
        </span>
      </div>
      <div ref={list} onKeyDown={onKey} role="group" aria-label="Stages">
        {shown.map((row, at) => {
          const { stage } = row;
          const isOpen = stage.seq === open;
          return (
            <Button
              key={stage.seq}
              class="rw-stage-row"
              aria-expanded={isOpen}
              tabIndex={at === Math.max(0, openAt) ? 0 : -1}
              onClick={() => view.openStage(task.id, isOpen ? null : stage.seq)}
            >
              <span
                class="rw-stage-name"
                style={{ paddingInlineStart: `${8 * row.depth}px` }}
                title={row.name}
              >
                <Glyph status={STATUS[row.state]} />
                <bdi>{row.name}</bdi>
                <span class="rw-clipped">{stage.status || "status unknown"}</span>
              </span>
              <Track row={row} />
              <span class="rw-stage-time">{duration(row.duration_ms)}</span>
            </Button>
          );
        })}
      </div>
      {shown.length < fall.rows.length && (
        <p class="rw-trace-note">
          <LinkButton onClick={() => setMost(shown.length + ROWS)}>
            show more of {plural(fall.rows.length - shown.length, "stage")}
          </LinkButton>
        </p>
      )}
    </div>
  );
}

/** Short: the unit stands at the first. */
function tick(ms: number, share: number): string {
  if (share === 0) return "0 s";
  return ms < 60_000 ? (ms / 1000).toPrecision(2).replace(/e.*/, "") : duration(ms);
}

function Track({ row }: { row: Row }) {
  const { bar, state, stage } = row;
  const error = stage.texts.get("error");
  if (bar === null) return <span class="rw-stage-track rw-quiet">{UNKNOWN}</span>;
  return (
    <span class="rw-stage-track">
      <i
        class={`rw-stage-bar rw-s-${STATUS[state]}`}
        data-wraps={row.wraps}
        style={{ left: `${bar.from * 100}%`, width: `${(bar.to - bar.from) * 100}%` }}
      />
      {error !== undefined && bar.to < 0.7 && (
        <small style={{ left: `calc(${bar.to * 100}% + 6px)` }}>{error.slice(0, 80)}</small>
      )}
    </span>
  );
}
