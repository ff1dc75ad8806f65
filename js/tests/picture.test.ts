import { expect, test } from "vitest";
import { extent, scaleOf } from "../src/graph/camera";
import { pictureSize, ringOf, TITLE_PX } from "../src/graph/picture";

test("a picture has room for the whole drawing, twice as sharp where that is not too large", () => {
  const drawing = extent(scaleOf(1), 4, 11);
  expect(pictureSize(4, 11, 15, false)).toEqual({
    zoom: 1,
    ratio: 2,
    w: Math.ceil(drawing.w + 20),
    h: Math.ceil(drawing.h + 20 + TITLE_PX),
  });
});

test.each([
  [1, 0, 0],
  [3, 200, 300],
  [5, 1_000, 1_600],
  [12, 100_000, 100_000],
  [3_000, 3_000, 3_000],
])("a picture of %i levels and %i rows stays below its bounds", (levels, rows, cards) => {
  const { zoom, ratio, w, h } = pictureSize(levels, rows, cards, true);
  expect(Math.max(w, h) * ratio).toBeLessThanOrEqual(8_192);
  expect(w * h * ratio * ratio).toBeLessThanOrEqual(32e6);
  const drawing = extent(scaleOf(zoom), levels, rows);
  expect([drawing.w < w, drawing.h < h]).toEqual([true, true]);
});

test("the ring of a selected card is a shadow without blur", () => {
  expect(ringOf("rgb(25, 118, 210) 0px 0px 0px 1px")).toEqual({ colour: "rgb(25, 118, 210)", width: 1 });
  expect([ringOf("none"), ringOf("rgba(0, 0, 0, 0.2) 0px 1px 3px 0px")]).toEqual([null, null]);
});
