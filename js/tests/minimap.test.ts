// @vitest-environment happy-dom
// The minimap as a canvas hears it.

import { expect, test } from "vitest";
import { drawMinimap } from "../src/graph/minimap";
import type { Palette } from "../src/graph/palette";
import { layOut } from "../src/layout";
import { applySnapshot } from "../src/state";
import { STATUSES } from "../src/status";
import { tallyUp } from "../src/tally";
import { task } from "./make";

test("what waits for the person is amber, and drawn over what runs", () => {
  const drawn: string[] = [];
  const ctx = { fillStyle: "", scale: () => {}, fillRect: () => drawn.push(ctx.fillStyle) };
  const canvas = { getContext: () => ctx } as unknown as HTMLCanvasElement;
  const palette = { fill: STATUSES, color: { "att-fill": "amber" } } as unknown as Palette;
  const run = applySnapshot(1, [
    task("r", null, { status: "RUNNING" }),
    task("r.1", "r", { status: "RUNNING" }),
  ]);
  drawMinimap(
    canvas,
    layOut(run.tree, () => false),
    tallyUp(run),
    palette,
    [1],
  );
  expect(drawn).toEqual(["RUNNING", "RUNNING", "amber"]);
});
