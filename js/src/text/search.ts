// Where a text says what somebody looks for, whatever the case of its letters.

/** More are not counted: `1,000+`. */
export const MOST_MATCHES = 1_000;

/** The places of `wanted` in `text`, at most `most`; it is of any length, an empty one is nowhere. */
export function placesOf(text: string, wanted: string, most: number): number[] {
  const places: number[] = [];
  if (wanted === "") return places;
  const pattern = new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "giu");
  for (let found = pattern.exec(text); found !== null && places.length < most; found = pattern.exec(text)) {
    places.push(found.index);
  }
  return places;
}

/** A long text in pieces, cut behind a line's end where there is one near: [from, to) of each. */
export function pieces(text: string, most = 20_000): (readonly [from: number, to: number])[] {
  const cuts: (readonly [number, number])[] = [];
  for (let from = 0; from < text.length; ) {
    let to = from + most;
    const newline = text.lastIndexOf("\n", to - 1) + 1;
    if (to >= text.length) to = text.length;
    else if (newline > from + most / 2) to = newline;
    // A pair of surrogates stays together.
    else if (/[\ud800-\udbff]/.test(text[to - 1] as string)) to--;
    cuts.push([from, to]);
    from = to;
  }
  return cuts;
}
