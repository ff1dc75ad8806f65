// The one loop that draws a view: many wishes make one frame, and what nobody sees is kept true every two seconds, for
// who reads the document.

import { atEnd } from "./ending";
import type { View } from "./view";

const UNSEEN_EVERY_MS = 2_000;

export class Frames {
  isInSight = true;
  /** Whether a run has been on the screen. What nobody misses at the first glance waits for that. */
  hasPainted = false;
  readonly #view: View;
  #frame = 0;
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(view: View) {
    this.#view = view;
    atEnd(view.signal, () => {
      clearTimeout(this.#later);
      cancelAnimationFrame(this.#frame);
    });
  }

  /** Asks for a frame. */
  schedule(): void {
    const { root, signal } = this.#view;
    if (this.#frame !== 0 || this.#later !== undefined || signal.aborted) return;
    if (this.isInSight || root.matches(":focus-within")) this.#drawSoon();
    else this.#later = setTimeout(() => this.#drawSoon(), UNSEEN_EVERY_MS);
  }

  /** The widget is on the screen, or is scrolled or switched away. */
  see(isInSight: boolean): void {
    const isBack = isInSight && !this.isInSight;
    this.isInSight = isInSight;
    if (!isBack) return;
    this.#view.second++;
    clearTimeout(this.#later);
    this.#later = undefined;
    this.schedule();
  }

  #drawSoon(): void {
    this.#later = undefined;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      const { rev } = this.#view.run;
      // Said in the frame after: what tests and people measure is paint, not intent. Asked for before this frame
      // asks for the next, so that it is not said only after that one's drawing.
      requestAnimationFrame(() => this.#painted(rev));
      this.#view.onFrame();
    });
  }

  #painted(rev: number | null): void {
    const { root, signal } = this.#view;
    if (rev === null || signal.aborted) return;
    root.dataset.revision = String(rev);
    if (this.hasPainted) return;
    this.hasPainted = true;
    this.schedule();
  }
}
