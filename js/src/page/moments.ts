// The moments of the run that a page holds: it has what changed at each, and puts a moment together when it is asked
// for. Records stay as they came: whoever shows them reads them as it reads those of a kernel.

import { type Fields, isFields, isKnown, number } from "../fields";

/** From one of these to a moment there are at most as many steps to go. */
const KEYFRAME_EVERY = 64;

interface Step {
  readonly time: number;
  readonly exact: boolean;
  readonly changed: readonly (readonly [string, Fields])[];
  readonly removed: readonly string[];
  readonly progress: Fields;
}

interface State {
  /** Maps, not objects: an id may be "__proto__". */
  readonly tasks: Map<string, Fields>;
  readonly progress: Fields;
}

export interface PastRun {
  readonly time: number;
  readonly exact: boolean;
  readonly tasks: readonly Fields[];
  readonly progress: Fields;
}

export class Moments {
  readonly times: readonly number[];
  readonly #steps: readonly Step[];
  /** How it was before step 0, 64, 128, …, as far as somebody has been there. */
  readonly #keyframes: State[] = [{ tasks: new Map(), progress: {} }];

  constructor(steps: unknown) {
    this.#steps = (Array.isArray(steps) ? steps.map(readStep) : [])
      .filter(isKnown)
      .sort((a, b) => a.time - b.time);
    this.times = this.#steps.map(({ time }) => time);
  }

  /** The run as it stood at `at`, epoch ms; null before the first moment. */
  at(at: number): PastRun | null {
    const next = this.times.findIndex((time) => time > at);
    const place = next < 0 ? this.#steps.length - 1 : next - 1;
    const step = this.#steps[place];
    if (step === undefined) return null;
    const { tasks, progress } = this.#after(place);
    return { time: next < 0 ? step.time : at, exact: step.exact, tasks: [...tasks.values()], progress };
  }

  #after(place: number): State {
    const from = Math.min(Math.floor(place / KEYFRAME_EVERY), this.#keyframes.length - 1);
    let { tasks, progress } = this.#keyframes[from] as State;
    tasks = new Map(tasks);
    for (let i = from * KEYFRAME_EVERY; i <= place; i++) {
      if (i === this.#keyframes.length * KEYFRAME_EVERY)
        this.#keyframes.push({ tasks: new Map(tasks), progress });
      const step = this.#steps[i] as Step;
      for (const id of step.removed) tasks.delete(id);
      for (const [id, fields] of step.changed) tasks.set(id, { ...tasks.get(id), ...fields, id });
      progress = { ...progress, ...step.progress };
    }
    return { tasks, progress };
  }
}

function readStep(value: unknown): Step | null {
  const time = isFields(value) ? number(value.time) : null;
  if (!isFields(value) || time === null) return null;
  const changed = isFields(value.changed) ? Object.entries(value.changed) : [];
  return {
    time,
    exact: value.exact !== false,
    changed: changed.filter((entry): entry is [string, Fields] => isFields(entry[1])),
    removed: Array.isArray(value.removed) ? value.removed.filter((id) => typeof id === "string") : [],
    progress: isFields(value.progress) ? value.progress : {},
  };
}
