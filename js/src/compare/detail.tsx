// What is known of one row: why these two tasks stand beside each other, and both of them in full.

import { duration, firstText, UNKNOWN } from "../format";
import { Glyph, IconButton } from "../panels/parts";
import { statusOf, wordOf } from "../status";
import { type Piece, wordDiff } from "../word-diff";
import { MarkText } from "./grid";
import type { Compared, Pair, Side } from "./read";
import { marksOf } from "./words";

interface DetailProps {
  readonly compared: Compared;
  readonly pair: Pair;
  readonly onClose: () => void;
}

export function PairDetail({ compared, pair, onClose }: DetailProps) {
  const { a, b } = pair;
  const marks = marksOf(pair, compared.names);
  const isReworded = a?.goal != null && b?.goal != null && a.goal !== b.goal;
  const [inA, inB] = isReworded ? wordDiff(a.goal ?? "", b.goal ?? "") : [null, null];
  return (
    <section class="rw-cmp-detail" aria-label="The chosen row">
      <div class="rw-cmp-why">
        <span class="rw-cmp-why-text" dir="auto">
          {pair.why || "The kernel gave no reason for this row."}
        </span>
        <IconButton icon="close" label="Close" onClick={onClose} />
      </div>
      <div class="rw-cmp-both">
        <SideFacts side={a} name={compared.names[0]} pieces={inA} tag="del" />
        <SideFacts side={b} name={compared.names[1]} pieces={inB} tag="ins" />
        <div class="rw-cmp-detail-marks">
          {marks.length === 0 && <span class="rw-quiet">Nothing that is compared changed.</span>}
          {marks.map((mark) => (
            <MarkText key={mark.text} mark={mark} />
          ))}
        </div>
      </div>
    </section>
  );
}

interface SideFactsProps {
  readonly side: Side | null;
  readonly name: string;
  readonly pieces: readonly Piece[] | null;
  /** What marks the words that only this side has. */
  readonly tag: "del" | "ins";
}

function SideFacts({ side, name, pieces, tag: Tag }: SideFactsProps) {
  if (side === null) {
    return (
      <div class="rw-cmp-facts">
        <h3 class="rw-label">
          <bdi>{name}</bdi>
        </h3>
        <p class="rw-quiet">There is no such task.</p>
      </div>
    );
  }
  const status = statusOf(side.status ?? "");
  return (
    <div class="rw-cmp-facts">
      <h3 class="rw-label">
        <bdi>{name}</bdi>
      </h3>
      <p class="rw-cmp-goal" dir="auto">
        {pieces === null
          ? (firstText(side.goal) ?? UNKNOWN)
          : pieces.map(({ text, isNew }) =>
              isNew ? [<Tag>{text.trimEnd()}</Tag>, text.slice(text.trimEnd().length)] : text,
            )}
      </p>
      <p class="rw-cmp-facts-line">
        <span class={`rw-cmp-outcome rw-s-${status} rw-inked`}>
          <Glyph status={status} />
          {side.status === null ? UNKNOWN : wordOf(side.status)}
        </span>
        <span>{duration(side.duration_s === null ? null : side.duration_s * 1000)}</span>
        <bdi class="rw-mono rw-quiet rw-cmp-id">{side.id}</bdi>
      </p>
    </div>
  );
}
