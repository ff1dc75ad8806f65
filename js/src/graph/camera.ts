// Pure geometry of the graph: what a zoom means in pixels, and where rows and columns lie on the screen. Rows shrink
// with the zoom, columns never get narrower than 148 px: two scales, one camera.

export interface Camera {
  readonly zoom: number;
  /** Screen position of row 0, depth 0. */
  readonly x: number;
  readonly y: number;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export type Level = "blocks" | "bars" | "cards" | "details";

export const MARGIN = 10;
export const HOME: Camera = { zoom: 1, x: MARGIN, y: MARGIN };
export const MAX_ZOOM = 2;
const BARS_FROM = 0.14;
const CARDS_FROM = 0.4;
const DETAILS_FROM = 1.3;
/** Under this the card's text would fall under 10 px if it shrank: it drops lines instead (`compact`). */
export const SCALED_FROM = 0.84;
/** From here on a compact card has room for its meta line. */
export const TWO_LINES_FROM = 0.62;

export function levelOf(zoom: number): Level {
  if (zoom < BARS_FROM) return "blocks";
  if (zoom < CARDS_FROM) return "bars";
  return zoom < DETAILS_FROM ? "cards" : "details";
}

/** What one zoom measures, px. */
export interface Scale {
  readonly zoom: number;
  readonly level: Level;
  readonly rowPitch: number;
  readonly columnPitch: number;
  readonly cardW: number;
  readonly cardH: number;
  /** Where a sub-task edge leaves and enters, under the card's top. */
  readonly edgeY: number;
  /** Gutter distances: 1 up to 100 %, then growing with the zoom. */
  readonly gutter: number;
}

export function scaleOf(zoom: number): Scale {
  const level = levelOf(zoom);
  const rowPitch = (level === "details" ? 90 : 54) * zoom;
  const gutter = Math.max(1, zoom);
  const cardW = Math.max(148, 200 * zoom);
  const cardH = cardHeight(level, zoom, rowPitch);
  const edgeY = zoom >= TWO_LINES_FROM ? 12 * zoom : cardH / 2;
  return { zoom, level, rowPitch, columnPitch: cardW + 32 * gutter, cardW, cardH, edgeY, gutter };
}

function cardHeight(level: Level, zoom: number, rowPitch: number): number {
  switch (level) {
    case "blocks":
      return Math.max(1.6, rowPitch - 1);
    case "bars":
      return Math.min(16, rowPitch - 2);
    case "cards":
      return 48 * zoom;
    case "details":
      return 84 * zoom;
  }
}

/** The camera at another zoom with the point `px`, `py` of the screen standing still. */
export function zoomAt(camera: Camera, zoom: number, px: number, py: number): Camera {
  const before = scaleOf(camera.zoom);
  const after = scaleOf(zoom);
  return {
    zoom,
    x: px - ((px - camera.x) / before.columnPitch) * after.columnPitch,
    y: py - ((py - camera.y) / before.rowPitch) * after.rowPitch,
  };
}

/** Size of the whole drawing without its margins. */
export function extent(scale: Scale, levels: number, rows: number): { w: number; h: number } {
  return {
    w: levels === 0 ? 0 : (levels - 1) * scale.columnPitch + scale.cardW,
    h: rows === 0 ? 0 : (rows - 1) * scale.rowPitch + scale.cardH,
  };
}

/** Keeps at least a card's worth of the drawing on the screen. */
export function clampCamera(camera: Camera, w: number, h: number, levels: number, rows: number): Camera {
  const scale = scaleOf(camera.zoom);
  const size = extent(scale, levels, rows);
  const keepX = Math.min(120, size.w);
  const keepY = Math.min(48, size.h);
  const between = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
  return {
    zoom: camera.zoom,
    x: between(camera.x, keepX - size.w, w - keepX),
    y: between(camera.y, keepY - size.h, h - keepY),
  };
}

/**
 * The largest zoom, at most 100 %, that shows every column down to its last row in `w`×`h` and leaves what
 * `keepFreeAt` says (the corner panel, which is lower in blocks) alone. `lastRows` holds the last row of each column.
 */
export function fitZoom(
  w: number,
  h: number,
  lastRows: readonly number[],
  keepFreeAt: (level: Level) => Box | null,
): number {
  for (let zoom = 1; zoom > 0.002; zoom *= 0.97) {
    const scale = scaleOf(zoom);
    const keepFree = keepFreeAt(scale.level);
    const fits = lastRows.every((lastRow, depth) => {
      const right = MARGIN + depth * scale.columnPitch + scale.cardW;
      const bottom = MARGIN + lastRow * scale.rowPitch + scale.cardH;
      // Columns have a least width: where they do not fit, shrinking rows does not help.
      if (right > w - 2 && scale.cardW > 148) return false;
      const meetsPanel =
        keepFree !== null && right > keepFree.x && right - scale.cardW < keepFree.x + keepFree.w;
      return bottom <= (meetsPanel ? keepFree.y - 6 : h - MARGIN);
    });
    if (fits) return zoom;
  }
  return 0.002;
}
