// How many characters a view keeps of what it can ask for again: what was used longest ago makes room.

export class Room {
  readonly #most: number;
  #chars = 0;
  /** The one used last is the last. */
  readonly #kept = new Map<object, { readonly chars: number; readonly drop: () => void }>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Keeps `what`, which has so many characters; `drop` is called when it has to go. The newest always stays. */
  keep(what: object, chars: number, drop: () => void): void {
    this.forget(what);
    this.#kept.set(what, { chars, drop });
    this.#chars += chars;
    for (const [oldest, { drop }] of this.#kept) {
      if (this.#chars <= this.#most || oldest === what) return;
      this.forget(oldest);
      drop();
    }
  }

  /** `what` is looked at: it goes after the others. */
  use(what: object): void {
    const known = this.#kept.get(what);
    if (known === undefined) return;
    this.#kept.delete(what);
    this.#kept.set(what, known);
  }

  reset(): void {
    this.#kept.clear();
    this.#chars = 0;
  }

  forget(what: object): void {
    this.#chars -= this.#kept.get(what)?.chars ?? 0;
    this.#kept.delete(what);
  }
}

/** Characters of texts, those that are missing not counted. */
export const charsOf = (texts: Iterable<string | null>): number => {
  let chars = 0;
  for (const text of texts) chars += text?.length ?? 0;
  return chars;
};
