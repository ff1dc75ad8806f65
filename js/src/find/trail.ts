// The way through what was selected: back and forward, as in a browser.

const LONGEST = 100;

export class Trail {
  #ids: string[] = [];
  #here = -1;

  /** Somebody selected a task; what was ahead is forgotten. */
  visit(id: string): void {
    if (this.#ids[this.#here] === id) return;
    this.#ids = [...this.#ids.slice(0, this.#here + 1), id].slice(-LONGEST);
    this.#here = this.#ids.length - 1;
  }

  /** The next id in this direction that is still there, without going; null where there is none. */
  peek(step: 1 | -1, exists: (id: string) => boolean): string | null {
    const at = this.#next(step, exists);
    return at === null ? null : (this.#ids[at] as string);
  }

  go(step: 1 | -1, exists: (id: string) => boolean): string | null {
    const at = this.#next(step, exists);
    if (at === null) return null;
    this.#here = at;
    return this.#ids[at] as string;
  }

  #next(step: 1 | -1, exists: (id: string) => boolean): number | null {
    for (let at = this.#here + step; at >= 0 && at < this.#ids.length; at += step)
      if (exists(this.#ids[at] as string)) return at;
    return null;
  }
}
