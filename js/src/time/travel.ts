// Going back in time: which moments are known, which one the person wants to see, which one is shown. What arrives
// live meanwhile goes on arriving in the kernel's `run`, and is what is shown again at "back".

import { atEnd } from "../ending";
import type { Kernel } from "../kernel";
import type { Moment, Progress } from "../messages";
import { applyMoment, type RunState } from "../state";
import type { Span } from "./axis";
import { Newest } from "./newest";

const REFRESH_MS = 5_000;
/** While somebody has the strip in hand, arrows lead to changes that have only just been. */
const REFRESH_IN_USE_MS = 1_000;
const NO_TIMES: readonly number[] = [];

export interface Past {
  /** Epoch ms. */
  readonly time: number;
  /** false: some details of that moment are known no more. */
  readonly exact: boolean;
  readonly run: RunState;
  readonly progress: Progress;
}

export class Travel {
  /** When the run changed, growing; empty where nothing is remembered. */
  times = NO_TIMES;
  /** What is shown in place of the newest state. */
  past: Past | null = null;
  /** Where the person wants to be: the handle stands there at once; null: at the end. */
  wish: number | null = null;
  /** Why the moment that was wished for is not shown. */
  error: string | null = null;

  readonly #shown: () => RunState;
  readonly #changed: () => void;
  readonly #moments: Newest<number, Moment>;
  readonly #times: Newest<null, readonly number[]>;
  #isInUse = false;
  #isStale = false;
  #askedAt = Number.NEGATIVE_INFINITY;
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(kernel: Kernel, shown: () => RunState, changed: () => void, signal: AbortSignal) {
    this.#shown = shown;
    this.#changed = changed;
    this.#moments = new Newest(
      (at) => kernel.askMoment(at),
      (answer) => this.#take(answer),
    );
    this.#times = new Newest(
      () => kernel.askTimes(),
      (answer) => {
        // on an error the last ones stay, else nothing would lead back from the past
        if (answer instanceof Error) this.#isStale = true;
        else this.times = answer;
        changed();
      },
    );
    atEnd(signal, () => clearTimeout(this.#later));
  }

  /** From the first known moment to the last one or, while the run goes on, to now; null: there is nowhere to go. */
  span(now: number | null): Span | null {
    const from = this.times[0];
    const last = this.times.at(-1);
    if (from === undefined || last === undefined) return null;
    const to = Math.max(last, now ?? last);
    return to > from ? { from, to } : null;
  }

  /** Somebody has the strip in hand, or lets go of it. */
  use(isInUse: boolean): void {
    this.#isInUse = isInUse;
    if (isInUse && this.#isStale) this.refresh();
  }

  /** The run has changed: asks for its moments, now or a little later with what else comes until then. */
  refresh(): void {
    clearTimeout(this.#later);
    this.#isStale = true;
    const every_ms = this.#isInUse || this.wish !== null ? REFRESH_IN_USE_MS : REFRESH_MS;
    const wait_ms = this.#askedAt + every_ms - performance.now();
    if (wait_ms > 0) {
      this.#later = setTimeout(() => this.refresh(), wait_ms);
      return;
    }
    this.#askedAt = performance.now();
    this.#isStale = false;
    this.#times.want(null);
  }

  goTo(time: number | null): void {
    if (time === null) return this.back();
    if (time === this.wish && this.error === null) return;
    this.wish = time;
    this.#moments.want(time);
    this.#changed();
  }

  back(): void {
    this.#moments.giveUp();
    if (this.wish === null && this.past === null) return;
    this.wish = this.past = this.error = null;
    this.#changed();
  }

  /** Another run is shown: its moments are others. */
  reset(): void {
    this.back();
    this.#times.giveUp();
    this.times = NO_TIMES;
    this.#askedAt = Number.NEGATIVE_INFINITY;
    this.refresh();
  }

  #take(moment: Moment | Error): void {
    if (moment instanceof Error) this.error = moment.message;
    else {
      const { time, exact, tasks, progress } = moment;
      this.past = { time, exact, progress, run: applyMoment(this.#shown(), tasks) };
      this.error = null;
    }
    this.#changed();
  }
}
