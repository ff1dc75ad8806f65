// The treegrid: every visible task as a row, for the keyboard and for assistive technology. Under the graph it is there
// but not seen; when narrow it is the outline itself. Beyond 400 rows only a window of them is in the document.

import { Component } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { durationOf, waitedFor } from "../clock";
import { IN_PLACE } from "../focus";
import { count, duration, elapsed } from "../format";
import { hasModifier, takeKey } from "../keyboard";
import type { Task } from "../messages";
import { Glyph, Icon } from "../panels/parts";
import { hasChildren } from "../state";
import { CODE, isHollow, statusOf, wordOf } from "../status";
import { mixOf } from "../tally";
import type { View } from "../view";
import { applyKey } from "./keys";

export const ALL_ROWS_UP_TO = 400;
const ROW_PX = 27;
const WINDOW = 80;
const LEAST_WINDOW = 2;

export function TreeGrid({ view, visible }: { view: View; visible: boolean }) {
  const { layout, tally } = view;
  const grid = useRef<HTMLDivElement>(null);
  const [scrollTop, setScrollTop] = useState(0);
  const focusAt = view.focused === null ? undefined : layout.tree.at.get(view.focused);
  const focusPlace = Math.max(0, focusAt === undefined ? 0 : (layout.place[focusAt] as number));

  // The focus follows the keyboard: after the row exists, and without scrolling the notebook.
  useLayoutEffect(() => {
    if (!view.wantsFocus || grid.current === null) return;
    view.wantsFocus = false;
    const row = grid.current.querySelector<HTMLElement>('[tabindex="0"]');
    row?.focus(IN_PLACE);
    if (visible) row?.scrollIntoView({ block: "nearest" });
  });

  const windowed = layout.count > ALL_ROWS_UP_TO;
  // Under the graph nobody sees the rows: they would be a sixth of the first paint.
  const size = visible || view.frames.hasPainted ? WINDOW : LEAST_WINDOW;
  const seen = visible && !view.wantsFocus ? Math.floor(scrollTop / ROW_PX) : focusPlace;
  const first = windowed ? Math.max(0, Math.min(seen - size / 2, layout.count - size)) : 0;
  const end = windowed ? Math.min(layout.count, first + size) : layout.count;
  const hasFocusRow = focusPlace >= first && focusPlace < end;

  const rows = [];
  for (let place = first; place < end; place++) {
    const at = layout.node[place] as number;
    const id = layout.tree.ids[at] as string;
    const task = view.task(id) as Task;
    const parent = hasChildren(layout.tree, at);
    const folded = layout.folded[place] === 1;
    const prompt = view.waiting.get(id);
    rows.push(
      <Row
        key={id}
        view={view}
        task={task}
        level={(layout.tree.depth[at] as number) + 1}
        index={place + 1}
        expanded={parent ? !folded : null}
        hidden={folded ? foldedWords(tally, at, view.found?.inside[at] ?? 0) : ""}
        dimmed={
          view.found !== null && !view.isFound(id) && !(folded && (view.found.inside[at] as number) > 0)
        }
        selected={view.selected === id}
        tabbable={hasFocusRow ? place === focusPlace : place === first}
        waits={prompt !== undefined}
        time={
          prompt === undefined
            ? duration(durationOf(view, task))
            : `waits ${elapsed(waitedFor(view, prompt))}`
        }
      />,
    );
  }
  const onKey = (event: KeyboardEvent) => {
    if (hasModifier(event)) return;
    if (applyKey(view, event.key)) {
      takeKey(event);
    }
  };
  const onFocus = (event: FocusEvent) => {
    const row = (event.target as Element).closest<HTMLElement>("[data-task-id]");
    if (row === null) return;
    view.focused = row.dataset.taskId ?? null;
    view.focusRing = row.matches(":focus-visible");
    if (view.focusRing && view.focused !== null) view.graph?.reveal(view.focused);
    view.schedule();
  };
  const onBlur = () => {
    view.focusRing = false;
    view.schedule();
  };
  return (
    <div
      ref={grid}
      class={visible ? "rw-outline" : "rw-outline rw-clipped"}
      role="treegrid"
      aria-label="Tasks"
      aria-rowcount={layout.count}
      aria-colcount={5}
      onKeyDown={onKey}
      onFocusIn={onFocus}
      onFocusOut={onBlur}
      onScroll={windowed && visible ? (event) => setScrollTop(event.currentTarget.scrollTop) : undefined}
    >
      {windowed && visible && <div role="presentation" style={{ height: `${first * ROW_PX}px` }} />}
      {rows}
      {windowed && visible && (
        <div role="presentation" style={{ height: `${(layout.count - end) * ROW_PX}px` }} />
      )}
    </div>
  );
}

function foldedWords(tally: View["tally"], at: number, found: number): string {
  const mix = mixOf(tally, at, true);
  const hidden = mix.reduce((sum, [, tasks]) => sum + tasks, 0);
  const failed = mix.find(([code]) => code === CODE.FAILED)?.[1] ?? 0;
  const allDone = mix.length === 1 && mix[0]?.[0] === CODE.DONE;
  const rest = allDone ? " · all done" : failed > 0 ? ` · ${count(failed)} failed` : "";
  return `+${count(hidden)}${found > 0 ? ` · ${count(found)} found` : ""}${rest}`;
}

interface RowProps {
  view: View;
  task: Task;
  level: number;
  index: number;
  /** null: no sub-tasks. */
  expanded: boolean | null;
  hidden: string;
  /** Not what is looked for. */
  dimmed: boolean;
  selected: boolean;
  tabbable: boolean;
  /** It has asked the person something. */
  waits: boolean;
  time: string;
}

/** Re-rendered only when something it shows changed: a run of 400 rows gets ten deltas a second. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: Readonly<RowProps>): boolean {
    return (Object.keys(next) as (keyof RowProps)[]).some((name) => next[name] !== this.props[name]);
  }

  override render() {
    const { view, task, level, index, expanded, hidden, dimmed, selected, tabbable, waits, time } =
      this.props;
    const status = statusOf(task.status);
    const toggle = (event: MouseEvent) => {
      event.stopPropagation();
      view.fold(task.id, expanded === true);
    };
    return (
      <div
        role="row"
        class={`rw-row rw-s-${status}${waits ? " rw-waits" : isHollow(status) ? " rw-hollow" : ""}${dimmed ? " rw-dimmed" : ""}`}
        data-task-id={task.id}
        data-status={task.status}
        aria-level={level}
        aria-rowindex={index}
        aria-expanded={expanded ?? undefined}
        aria-selected={selected}
        tabIndex={tabbable ? 0 : -1}
        style={{ "--level": Math.min(level - 1, 12) }}
        onClick={() => view.selection.choose(task.id)}
      >
        <span role="gridcell" class="rw-row-goal">
          {expanded !== null && (
            <span class="rw-twist" aria-hidden onClick={toggle}>
              <Icon name={expanded ? "open" : "closed"} />
            </span>
          )}
          <Glyph status={waits ? "waits" : status} />
          <span class="rw-row-text" dir="auto">
            {task.goal}
          </span>
          {hidden !== "" && <span class="rw-quiet rw-row-hidden">{hidden}</span>}
        </span>
        <span role="gridcell" class="rw-cell-clipped">
          {wordOf(task.status)}
          {waits && ", waits for you"}
        </span>
        <span role="gridcell" class="rw-cell-clipped">
          {task.type ?? ""}
        </span>
        <span role="gridcell" class="rw-cell-clipped">
          {task.agent ?? ""}
        </span>
        <span role="gridcell" class="rw-row-time">
          {time}
        </span>
      </div>
    );
  }
}
