// The round trip over the last ten minutes as a line: broken where there is none, shaded where the state was not live.

import { isKnown } from "../fields";
import { plural, trip } from "../format";
import type { LinkMoment } from "../messages";
import { HISTORY_S } from "../read";

const WIDTH = 334;
const HEIGHT = 44;
/** The line keeps off the edges, so that its highest point and a lone one at the end are seen whole. */
const MARGIN = 3;
/** The kernel keeps a moment every five seconds: further apart means that nobody looked. */
const BREAK_S = 15;
/** A flat line of a millisecond must not look like a mountain range. */
const LEAST_SCALE_S = 0.02;

const xOf = (ago_s: number): number => WIDTH - MARGIN - (ago_s / HISTORY_S) * (WIDTH - 2 * MARGIN);

export interface Spark {
  readonly line: string;
  /** Where the state was not live: from and to, in px. */
  readonly bands: readonly (readonly [from: number, to: number])[];
  readonly gaps: number;
  readonly least_s: number | null;
  readonly most_s: number | null;
}

/** `history` as what is drawn. Oldest first, as `read.ts` leaves it. */
export function sparkOf(history: readonly LinkMoment[]): Spark {
  const known = history.map(({ round_trip_s }) => round_trip_s).filter(isKnown);
  const most_s = known.length === 0 ? null : Math.max(...known);
  const least_s = known.length === 0 ? null : Math.min(...known);
  const scale_s = Math.max(LEAST_SCALE_S, most_s ?? 0);
  const yOf = (s: number) => HEIGHT - MARGIN - (s / scale_s) * (HEIGHT - 2 * MARGIN);

  let line = "";
  let gaps = 0;
  let last: LinkMoment | null = null;
  const bands: [number, number][] = [];
  for (const moment of history) {
    const isNear = last !== null && last.ago_s - moment.ago_s <= BREAK_S;
    const x = xOf(moment.ago_s);
    if (moment.round_trip_s !== null) {
      const isJoined = isNear && last !== null && last.round_trip_s !== null;
      if (!isJoined && line !== "") gaps++;
      // A point of no length is drawn as a dot by its round cap.
      line += `${isJoined ? "L" : "M"}${x.toFixed(1)} ${yOf(moment.round_trip_s).toFixed(1)}${isJoined ? "" : "h0"}`;
    }
    if (moment.state !== "live") {
      const band = bands.at(-1);
      if (band !== undefined && isNear && last !== null && last.state !== "live") band[1] = x;
      else bands.push([isNear && last !== null ? xOf(last.ago_s) : x, x]);
    } else if (isNear && last !== null && last.state !== "live") {
      (bands.at(-1) as [number, number])[1] = x;
    }
    last = moment;
  }
  return { line, bands, gaps, least_s, most_s };
}

export function Sparkline({ history }: { history: readonly LinkMoment[] }) {
  const spark = sparkOf(history);
  return (
    <figure class="rw-spark">
      <figcaption>
        <span>Round trip, 10 min</span>
        <span>{spark.most_s === null ? "" : `at most ${trip(spark.most_s)}`}</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={wordsOf(spark)}>
        {spark.bands.map(([from, to]) => (
          <rect
            key={from}
            class="rw-spark-band"
            x={from}
            width={Math.max(2, to - from)}
            y={0}
            height={HEIGHT}
          />
        ))}
        <path class="rw-spark-base" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
        <path class="rw-spark-line" d={spark.line} />
      </svg>
      <div class="rw-spark-axis">
        <span>10 min ago</span>
        {spark.bands.length > 0 && <span class="rw-spark-key">not live</span>}
        <span>now</span>
      </div>
    </figure>
  );
}

function wordsOf({ least_s, most_s, gaps, bands }: Spark): string {
  if (least_s === null) return "No round trip is known of the last ten minutes";
  const parts = [`Round trip over the last ten minutes: ${trip(least_s)} to ${trip(most_s)}`];
  if (gaps > 0) parts.push(plural(gaps, "gap"));
  if (bands.length > 0) parts.push(`${plural(bands.length, "time")} not live`);
  return parts.join(", ");
}
