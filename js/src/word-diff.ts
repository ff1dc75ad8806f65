// Which words of two texts are not the same. Pure.

export interface Piece {
  readonly text: string;
  readonly isNew: boolean;
}

/** Of longer texts all is new: the table has a cell for each pair of words. */
const PAIRS_AT_MOST = 1_000_000;

/** Both texts in pieces; `isNew` is what the other one does not say. Longest common sequence of words. */
export function wordDiff(a: string, b: string): readonly [readonly Piece[], readonly Piece[]] {
  const [left, right] = [a.split(/(?<=\s)/), b.split(/(?<=\s)/)];
  if (left.length * right.length > PAIRS_AT_MOST)
    return [[{ text: a, isNew: true }], [{ text: b, isNew: true }]];
  const wide = right.length + 1;
  const same = (i: number, j: number) => (left[i] as string).trim() === (right[j] as string).trim();
  const longest = new Uint16Array((left.length + 1) * wide);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      longest[i * wide + j] = same(i, j)
        ? (longest[(i + 1) * wide + j + 1] as number) + 1
        : Math.max(longest[(i + 1) * wide + j] as number, longest[i * wide + j + 1] as number);
    }
  }
  const [inA, inB]: [Piece[], Piece[]] = [[], []];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const both = i < left.length && j < right.length;
    if (both && same(i, j)) {
      add(inA, left[i++] as string, false);
      add(inB, right[j++] as string, false);
    } else if (
      j >= right.length ||
      (both && (longest[(i + 1) * wide + j] as number) >= (longest[i * wide + j + 1] as number))
    ) {
      add(inA, left[i++] as string, true);
    } else {
      add(inB, right[j++] as string, true);
    }
  }
  return [inA, inB];
}

function add(pieces: Piece[], text: string, isNew: boolean): void {
  const last = pieces.at(-1);
  if (last === undefined || last.isNew !== isNew) pieces.push({ text, isNew });
  else pieces[pieces.length - 1] = { text: last.text + text, isNew };
}
