// Where rows are thinner than a pixel or two, single tasks cannot be drawn honestly: many would share one line and the
// loudest would win. A column is then cut into bands, and each band shows the mix of the tasks in it.

import { firstAtRow, type Layout } from "../layout";
import { STATUSES } from "../status";
import { countIn, type Tally } from "../tally";

/** Rows thinner than this are drawn as bands. */
export const BANDS_UNDER_PITCH = 1.6;
const BAND_PX = 2;

export interface ColumnArea {
  readonly x: number;
  readonly w: number;
  /** Where row 0 begins, and the px per row. */
  readonly y: number;
  readonly pitch: number;
  /** What of it is seen. */
  readonly top: number;
  readonly bottom: number;
}

/** Calls `put` for each piece of each band: status code and rectangle. */
export function bandsOf(
  layout: Layout,
  tally: Tally,
  column: Int32Array,
  area: ColumnArea,
  put: (code: number, x: number, y: number, w: number, h: number) => void,
): void {
  const counts = new Float64Array(STATUSES.length);
  const begin = Math.floor((Math.max(area.top, area.y) - area.y) / BAND_PX) * BAND_PX;
  let i = firstAtRow(layout, column, Math.floor(begin / area.pitch));
  while (i < column.length) {
    const band = Math.floor(((layout.row[column[i] as number] as number) * area.pitch) / BAND_PX);
    const y = area.y + band * BAND_PX;
    if (y > area.bottom) return;
    counts.fill(0);
    let total = 0;
    for (; i < column.length; i++) {
      const place = column[i] as number;
      if (Math.floor(((layout.row[place] as number) * area.pitch) / BAND_PX) !== band) break;
      const at = layout.node[place] as number;
      if (layout.folded[place] === 1) {
        for (let code = 0; code < counts.length; code++) {
          const tasks = countIn(tally, at, code);
          counts[code] = (counts[code] as number) + tasks;
          total += tasks;
        }
      } else {
        const code = tally.code[at] as number;
        counts[code] = (counts[code] as number) + 1;
        total++;
      }
    }
    let x = area.x;
    for (let code = 0; code < counts.length; code++) {
      const tasks = counts[code] as number;
      if (tasks === 0) continue;
      const w = (tasks / total) * area.w;
      put(code, x, y, w, BAND_PX);
      x += w;
    }
  }
}
