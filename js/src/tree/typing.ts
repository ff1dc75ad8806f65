// Letters lead to the next row whose words begin with them: what is typed quickly belongs together, and one letter
// again and again goes from row to row.

const TYPING_MS = 700;

export class Typing {
  #typed = "";
  #at = Number.NEGATIVE_INFINITY;

  /** Whether a letter now belongs to a word that was begun. */
  isUnderWay(now: number): boolean {
    return now - this.#at <= TYPING_MS;
  }

  /** The row that a letter, typed on row `here` of `count`, leads to; -1 is none. */
  row(letter: string, now: number, here: number, count: number, wordsOf: (row: number) => string): number {
    this.#typed = (this.isUnderWay(now) ? this.#typed : "") + letter.toLowerCase();
    this.#at = now;
    const [first = ""] = this.#typed;
    const isRepeated = this.#typed === first.repeat(this.#typed.length);
    const wanted = isRepeated ? first : this.#typed;
    // A longer beginning may still be that of the row itself.
    const from = Math.max(0, isRepeated ? here + 1 : here);
    for (let step = 0; step < count; step++) {
      const row = (from + step) % count;
      if (wordsOf(row).slice(0, wanted.length).toLowerCase() === wanted) return row;
    }
    return -1;
  }
}
