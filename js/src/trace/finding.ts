// A search through the texts of one trace, stage by stage in the order in which they are shown.

import { MOST_MATCHES, placesOf } from "../text/search";
import type { Stage, TextName } from "./read";
import { TEXTS } from "./read";

export interface Match {
  readonly stage: Stage;
  readonly name: TextName;
  readonly at: number;
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
