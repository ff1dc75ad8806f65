// A search through the texts of one trace, stage by stage in the order in which they are shown.

import { MOST_MATCHES, placesOf } from "../text/search";
import type { Stage, TextName } from "./read";
import { TEXTS } from "./read";
import type { Whole } from "./traces";

export interface Match {
  readonly stage: Stage;
  readonly name: TextName;
  readonly at: number;
}

/** Longer traces are searched in what has been read of them. */
const MOST_CHARS = 20_000_000;

/** The stages whose whole texts a search reads. */
export function searched(stages: readonly Stage[]): Stage[] {
  let chars = 0;
  return stages.filter((stage) => {
    for (const size of stage.sizes.values()) chars += size;
    return stage.sizes.size > 0 && chars <= MOST_CHARS;
  });
}

/** How far a search has come: what it waits for, what it could not read, whether it leaves something out. */
export function progressOf(stages: readonly Stage[], wholeOf: (stage: Stage) => Whole | undefined) {
  const wanted = searched(stages);
  const wholes = wanted.map(wholeOf);
  const failed = wholes.filter((whole) => whole?.error != null).length;
  const read = wholes.filter((whole) => whole?.texts != null).length;
  const isCut = wanted.length < stages.filter(({ sizes }) => sizes.size > 0).length;
  return { failed, waits: wanted.length - read - failed, isCut };
}

/** All matches, at most MOST_MATCHES; `textOf` gives a text as it is shown. */
export function findIn(
  stages: readonly Stage[],
  wanted: string,
  textOf: (stage: Stage, name: TextName) => string | null,
): Match[] {
  const matches: Match[] = [];
  for (const stage of stages)
    for (const [name] of TEXTS) {
      const left = MOST_MATCHES - matches.length;
      if (left === 0) return matches;
      for (const at of placesOf(textOf(stage, name) ?? "", wanted, left)) matches.push({ stage, name, at });
    }
  return matches;
}
