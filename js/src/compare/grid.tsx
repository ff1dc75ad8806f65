// Both trees as one treegrid: a row is a task of the first run beside its counterpart in the second. Beyond 120 rows
// only a window of them is in the document.

import { Component } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { IN_PLACE } from "../focus";
import { count, duration, firstText, plural } from "../format";
import { hasModifier, takeKey } from "../keyboard";
import { Glyph, Icon } from "../panels/parts";
import { isHollow, statusOf, wordOf } from "../status";
import { deedOf } from "./keys";
import type { Compared, Pair, RunFacts, Side } from "./read";
import { isInOne, isParent, type Tree } from "./rows";
import { type Mark, marksOf, outcomeOf, pace } from "./words";

const ALL_ROWS_UP_TO = 120;
const OVERSCAN_PX = 600;
const DEEPEST_INDENT = 12;
const ROW_PX = 27;
/** Narrow, the two sides and what changed stand under each other. */
const LINE_PX = 20;
const NARROW_PADDING_PX = 7;

interface GridProps {
  readonly compared: Compared;
  readonly tree: Tree;
  readonly seen: readonly number[];
  readonly folded: ReadonlySet<number>;
  readonly focused: number;
  readonly selected: number | null;
  readonly isNarrow: boolean;
  readonly onFocus: (at: number) => void;
  readonly onFold: (at: number, folded: boolean) => void;
  readonly onSelect: (at: number | null) => void;
}

export function ComparisonGrid(props: GridProps) {
  const { compared, tree, seen, folded, focused, selected, isNarrow } = props;
  const grid = useRef<HTMLDivElement>(null);
  const head = useRef<HTMLDivElement>(null);
  const wantsFocus = useRef(false);
  const [scrolled, setScrolled] = useState({ top: 0, height: 700 });
  const tops = useMemo(() => topsOf(tree, seen, isNarrow), [tree, seen, isNarrow]);
  const focusPlace = Math.max(0, seen.indexOf(focused));

  // Only the grid is scrolled, never the notebook; a row outside of the window comes into the document by that.
  useLayoutEffect(() => {
    const box = grid.current;
    if (box === null || seen.length === 0) return;
    const headPx = head.current?.offsetHeight ?? 0;
    const [top, end] = [tops[focusPlace] as number, tops[focusPlace + 1] as number];
    if (top < box.scrollTop) box.scrollTop = top;
    else if (end > box.scrollTop + box.clientHeight - headPx) box.scrollTop = end - box.clientHeight + headPx;
    if (wantsFocus.current) {
      const row = box.querySelector<HTMLElement>('[role=row][tabindex="0"]');
      row?.focus(IN_PLACE);
      wantsFocus.current = row === null;
    }
  }, [focusPlace, selected, seen, tops]);

  const topPlace = placeAt(tops, seen.length, scrolled.top);
  const [first, end] = windowOf(tops, seen.length, scrolled, wantsFocus.current ? focusPlace : null);
  const tabPlace = focusPlace >= first && focusPlace < end ? focusPlace : topPlace;
  const onKey = (event: KeyboardEvent) => {
    if (hasModifier(event) || seen.length === 0) return;
    const deed = deedOf(event.key, tree, seen, folded, seen[focusPlace] as number);
    if (deed === null) return;
    takeKey(event);
    if (deed.kind === "go") {
      wantsFocus.current = true;
      props.onFocus(deed.to);
    } else if (deed.kind === "fold") props.onFold(deed.at, deed.folded);
    else if (deed.kind === "open") props.onSelect(deed.at);
    else if (deed.kind === "close") props.onSelect(null);
  };
  const onScroll = ({ currentTarget: { scrollTop, clientHeight } }: { currentTarget: HTMLElement }) =>
    setScrolled({ top: scrollTop, height: clientHeight });

  const onFocusIn = ({ target }: FocusEvent) => {
    const at = (target as Element).closest<HTMLElement>("[data-at]")?.dataset.at;
    if (at !== undefined && Number(at) !== focused) props.onFocus(Number(at));
  };

  const rows = [];
  for (let place = first; place < end; place++) {
    const at = seen[place] as number;
    rows.push(
      <Row
        key={at}
        pair={tree.pairs[at] as Pair}
        at={at}
        names={compared.names}
        index={place + 2}
        expanded={isParent(tree, at) ? !folded.has(at) : null}
        hidden={folded.has(at) ? hiddenWords(tree, at) : ""}
        selected={at === selected}
        tabbable={place === tabPlace}
        height={(tops[place + 1] as number) - (tops[place] as number)}
        onSelect={props.onSelect}
        onFold={props.onFold}
      />,
    );
  }
  return (
    <div
      ref={grid}
      class="rw-cmp-grid"
      role="treegrid"
      aria-label="Tasks of both runs"
      aria-rowcount={seen.length + 1}
      aria-colcount={3}
      onKeyDown={onKey}
      onFocusIn={onFocusIn}
      onScroll={seen.length > ALL_ROWS_UP_TO ? onScroll : undefined}
    >
      <div ref={head} role="row" class="rw-cmp-head" aria-rowindex={1}>
        <RunHead compared={compared} place={0} />
        <RunHead compared={compared} place={1} />
        <span role="columnheader" class="rw-cmp-marks-head">
          What changed
        </span>
      </div>
      <div role="presentation" style={{ height: `${tops[first] as number}px` }} />
      {rows}
      <div
        role="presentation"
        style={{ height: `${(tops[seen.length] as number) - (tops[end] as number)}px` }}
      />
    </div>
  );
}

/** Where each row begins, and behind them where the last one ends. */
function topsOf(tree: Tree, seen: readonly number[], isNarrow: boolean): Float64Array {
  const tops = new Float64Array(seen.length + 1);
  seen.forEach((at, place) => {
    const pair = tree.pairs[at] as Pair;
    const lines = (isInOne(pair) ? 1 : 2) + (isInOne(pair) || pair.changed.length > 0 ? 1 : 0);
    tops[place + 1] = (tops[place] as number) + (isNarrow ? lines * LINE_PX + NARROW_PADDING_PX : ROW_PX);
  });
  return tops;
}

function windowOf(
  tops: Float64Array,
  rows: number,
  scrolled: { top: number; height: number },
  mustHave: number | null,
): [number, number] {
  if (rows <= ALL_ROWS_UP_TO) return [0, rows];
  const from_px = mustHave === null ? scrolled.top : Math.min(scrolled.top, tops[mustHave] as number);
  const to_px = Math.max(scrolled.top, mustHave === null ? 0 : (tops[mustHave] as number)) + scrolled.height;
  // A long way: only where the focus goes to.
  const isFar = mustHave !== null && to_px - from_px > 2 * OVERSCAN_PX + scrolled.height;
  const start_px = isFar ? (tops[mustHave] as number) : from_px;
  const end_px = isFar ? (tops[mustHave] as number) : to_px;
  return [
    placeAt(tops, rows, start_px - OVERSCAN_PX),
    Math.min(rows, placeAt(tops, rows, end_px + OVERSCAN_PX) + 1),
  ];
}

/** The row at this height, by bisection. */
function placeAt(tops: Float64Array, rows: number, y_px: number): number {
  let [low, high] = [0, Math.max(0, rows - 1)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((tops[middle] as number) <= y_px) low = middle;
    else high = middle - 1;
  }
  return low;
}

function hiddenWords(tree: Tree, at: number): string {
  const below = tree.below[at] as number;
  const rest = below === 0 ? "none changed" : `${count(below)} changed`;
  return `+${count((tree.end[at] as number) - at - 1)} · ${rest}`;
}

function RunHead({ compared, place }: { compared: Compared; place: 0 | 1 }) {
  const run = compared.runs[place];
  const outcome = outcomeOf(run);
  const tag = place === 0 ? "a" : "b";
  const change = place === 1 ? pace(compared.runs[0].duration_s, run.duration_s) : null;
  return (
    <span role="columnheader" class="rw-cmp-run">
      <span class="rw-cmp-run-name">
        {compared.names[place] !== tag && <span class="rw-cmp-tag">{tag}</span>}
        <bdi>{compared.names[place]}</bdi>
        <span class="rw-cmp-run-goal rw-quiet" dir="auto" title={run.goal ?? undefined}>
          {run.goal}
        </span>
      </span>
      <span class="rw-cmp-run-facts">
        <span class={`rw-cmp-outcome${outcome.status === null ? "" : ` rw-s-${outcome.status} rw-inked`}`}>
          {outcome.status !== null && <Glyph status={outcome.status} />}
          {outcome.words}
        </span>
        <span class="rw-quiet">{factsOf(run)}</span>
        {change !== null && <MarkText mark={change} />}
      </span>
    </span>
  );
}

function factsOf(run: RunFacts): string {
  const done = run.total === 0 ? "no tasks" : `${count(run.done)} of ${plural(run.total, "task")} done`;
  return run.duration_s === null ? done : `${done} · ${duration(run.duration_s * 1000)}`;
}

export function MarkText({ mark }: { mark: Mark }) {
  return (
    <span class={`rw-cmp-mark rw-tone-${mark.tone} rw-s-${mark.tone}`}>
      {mark.sign !== "" && <span aria-hidden>{mark.sign} </span>}
      {mark.text}
    </span>
  );
}

interface RowProps {
  pair: Pair;
  at: number;
  names: Compared["names"];
  index: number;
  /** null: no sub-tasks. */
  expanded: boolean | null;
  hidden: string;
  selected: boolean;
  tabbable: boolean;
  height: number;
  onSelect: GridProps["onSelect"];
  onFold: GridProps["onFold"];
}

/** Made anew only when something it shows changed: 120 of them stand in the document. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: Readonly<RowProps>): boolean {
    return (Object.keys(next) as (keyof RowProps)[]).some((name) => next[name] !== this.props[name]);
  }

  override render() {
    const { pair, at, names, index, expanded, hidden, selected, tabbable, height, onSelect, onFold } =
      this.props;
    const twist =
      expanded === null ? null : (
        <span
          class="rw-twist"
          aria-hidden
          onClick={(event) => {
            event.stopPropagation();
            onFold(at, expanded);
          }}
        >
          <Icon name={expanded ? "open" : "closed"} />
        </span>
      );
    const inOne = pair.a === null ? " rw-cmp-added" : pair.b === null ? " rw-cmp-gone" : "";
    return (
      <div
        role="row"
        class={`rw-cmp-row${inOne}`}
        data-at={at}
        aria-level={pair.depth + 1}
        aria-rowindex={index}
        aria-expanded={expanded ?? undefined}
        aria-selected={selected}
        tabIndex={tabbable ? 0 : -1}
        style={{ "--level": Math.min(pair.depth, DEEPEST_INDENT), height: `${height}px` }}
        onClick={() => onSelect(at)}
      >
        <SideCell side={pair.a} name={names[0]} tag="a" twist={twist} hidden={hidden} />
        <SideCell
          side={pair.b}
          name={names[1]}
          tag="b"
          twist={pair.a === null ? twist : null}
          hidden={pair.a === null ? hidden : ""}
        />
        <span role="gridcell" class="rw-cmp-marks">
          {marksOf(pair, names).map((mark) => (
            <MarkText key={mark.text} mark={mark} />
          ))}
        </span>
      </div>
    );
  }
}

interface SideProps {
  side: Side | null;
  name: string;
  tag: string;
  twist: preact.ComponentChild;
  hidden: string;
}

function SideCell({ side, name, tag, twist, hidden }: SideProps) {
  if (side === null) {
    // the other side has the twist
    return (
      <span role="gridcell" class="rw-cmp-side rw-cmp-none">
        <span class="rw-cell-clipped">not in {name}</span>
      </span>
    );
  }
  const status = statusOf(side.status ?? "");
  return (
    <span role="gridcell" class={`rw-cmp-side rw-s-${status}${isHollow(status) ? " rw-hollow" : ""}`}>
      {twist}
      <span class="rw-cmp-tag" aria-hidden>
        {tag}
      </span>
      <Glyph status={status} />
      <span class="rw-cell-clipped">{wordOf(side.status ?? "")}</span>
      <span class="rw-row-text" dir="auto">
        {firstText(side.goal, side.id)}
      </span>
      {hidden !== "" && <span class="rw-quiet rw-row-hidden">{hidden}</span>}
      <span class="rw-cmp-time">{duration(side.duration_s === null ? null : side.duration_s * 1000)}</span>
    </span>
  );
}
