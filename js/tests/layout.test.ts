import { describe, expect, test } from "vitest";
import { AUTO_FOLD_ROWS, Folding } from "../src/fold";
import { clampCamera, extent, fitZoom, HOME, scaleOf, zoomAt } from "../src/graph/camera";
import { assignLanes } from "../src/graph/relations";
import { layOut, placeAt, visibleAncestor } from "../src/layout";
import { applySnapshot, hasChildren } from "../src/state";
import { tallyUp } from "../src/tally";
import { randomRun, seeded, task } from "./make";

const open = () => false;

describe("the layout of random runs", () => {
  for (let seed = 1; seed <= 25; seed++) {
    test(`seed ${seed}`, () => {
      const { tree } = applySnapshot(1, randomRun(seed, 20 + seed * 15));
      const random = seeded(seed);
      const folds = new Set(tree.ids.filter(() => random() < 0.2));
      const layout = layOut(tree, (at) => folds.has(tree.ids[at] as string));
      const taken = new Set<string>();
      for (let place = 0; place < layout.count; place++) {
        const at = layout.node[place] as number;
        const row = layout.row[place] as number;
        const depth = tree.depth[at] as number;
        // No two cards on one spot.
        expect(taken.has(`${depth} ${row}`)).toBe(false);
        taken.add(`${depth} ${row}`);
        expect(placeAt(layout, depth, row)).toBe(place);
        const up = tree.parent[at] as number;
        if (up < 0) continue;
        // Children one column to the right; the first one level with its parent, the others below.
        const parent = layout.place[up] as number;
        expect(depth).toBe((tree.depth[up] as number) + 1);
        if (at === up + 1) expect(row).toBe(layout.row[parent]);
        else expect(row).toBeGreaterThan(layout.row[parent] as number);
        expect(layout.lastRow[parent]).toBeGreaterThanOrEqual(layout.lastRow[place] as number);
      }
      // Every row has a card, and what is hidden is hidden under a folded task.
      expect(new Set([...layout.row]).size).toBe(layout.rows);
      for (let at = 0; at < tree.ids.length; at++) {
        if (layout.place[at] !== -1) continue;
        const above = visibleAncestor(layout, at);
        expect(layout.folded[above]).toBe(1);
      }
    });
  }

  test("reads the tree in proportion to its size: from 1,000 to 100,000 tasks", () => {
    const readsOf = (size: number): number => {
      let reads = 0;
      const counted = (array: Int32Array) =>
        new Proxy(array, {
          get: (target, name) => {
            if (typeof name === "string" && name !== "length") reads++;
            return Reflect.get(target, name);
          },
        });
      const { tree } = applySnapshot(1, randomRun(3, size));
      const { parent, depth, end } = tree;
      layOut({ ...tree, parent: counted(parent), depth: counted(depth), end: counted(end) }, open);
      return reads;
    };
    const exponent = Math.log(readsOf(100_000) / readsOf(1_000)) / Math.log(100);
    console.log(`layout: reads grow with the power ${exponent.toFixed(3)} of the tasks`);
    expect(exponent).toBeLessThanOrEqual(1.2);
  });

  test("100,000 tasks take far less than a second", () => {
    const { tree } = applySnapshot(1, randomRun(3, 100_000));
    const start = performance.now();
    expect(layOut(tree, open).count).toBe(100_000);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe("folding", () => {
  const wide = (branches: number, status: string) =>
    applySnapshot(1, [
      task("r", null, { status: "PLAN_DONE" }),
      ...Array.from({ length: branches }, (_, i) => [
        task(`r.${i}`, "r", { index: i, status: "PLAN_DONE" }),
        task(`r.${i}.a`, `r.${i}`, { index: 0, status: "DONE" }),
        task(`r.${i}.a.x`, `r.${i}.a`, { index: 0, status: "DONE" }),
        task(`r.${i}.a.y`, `r.${i}.a`, { index: 1, status }),
      ]).flat(),
    ]);

  test("leaves runs under 200 rows alone", () => {
    const run = wide(99, "DONE");
    const layout = new Folding().layOut(run.tree, tallyUp(run));
    expect(layout.rows).toBeLessThan(AUTO_FOLD_ROWS);
    expect(layout.count).toBe(run.tasks.size);
  });

  test("folds finished sub-trees from 200 rows on, never one with a failure", () => {
    const done = wide(150, "DONE");
    expect(new Folding().layOut(done.tree, tallyUp(done)).rows).toBe(150);
    const failed = wide(150, "FAILED");
    expect(new Folding().layOut(failed.tree, tallyUp(failed)).rows).toBe(300);
  });

  test("what the person chose wins", () => {
    const run = wide(150, "DONE");
    const folding = new Folding();
    folding.choose("r.0.a", false);
    folding.choose("r.1", true);
    const layout = folding.layOut(run.tree, tallyUp(run));
    expect(layout.place[run.tree.at.get("r.0.a.y") as number]).not.toBe(-1);
    expect(layout.place[run.tree.at.get("r.1.a") as number]).toBe(-1);
    expect(hasChildren(run.tree, 0)).toBe(true);
  });
});

describe("the camera", () => {
  test("zooming keeps the point under the pointer", () => {
    const before = zoomAt(HOME, 0.3, 400, 300);
    const scale = scaleOf(before.zoom);
    const row = (300 - before.y) / scale.rowPitch;
    expect(row).toBeCloseTo((300 - HOME.y) / scaleOf(1).rowPitch);
  });

  test("columns never get narrower than 148", () => {
    for (const zoom of [0.01, 0.2, 0.5, 0.7]) expect(scaleOf(zoom).cardW).toBeGreaterThanOrEqual(148);
    expect(scaleOf(1).columnPitch).toBe(232);
    expect(scaleOf(1).rowPitch).toBe(54);
  });

  test("fit shows every row and leaves the corner panel free", () => {
    const panel = { x: 700, y: 400, w: 200, h: 200 };
    const zoom = fitZoom(916, 600, [0, 2, 9, 9, 9], () => panel);
    const scale = scaleOf(zoom);
    expect(10 + 9 * scale.rowPitch + scale.cardH).toBeLessThanOrEqual(400);
    expect(fitZoom(916, 640, [0, 1], () => null)).toBe(1);
  });

  test("a drag cannot lose the drawing", () => {
    const lost = clampCamera({ zoom: 1, x: 99_999, y: -99_999 }, 900, 600, 3, 10);
    const size = extent(scaleOf(1), 3, 10);
    expect(lost.x).toBeLessThan(900);
    expect(lost.y + size.h).toBeGreaterThan(0);
  });
});

test("short dependencies get the lanes next to the cards, overlapping ones a lane each", () => {
  const run = applySnapshot(1, [task("r"), ...[0, 1, 2, 3].map((i) => task(`r.${i}`, "r", { index: i }))]);
  const layout = layOut(run.tree, open);
  const lanes = assignLanes(layout, [
    [1, 4],
    [1, 2],
    [2, 3],
  ]);
  expect(lanes.find(({ from, to }) => from === 1 && to === 4)?.lane).toBe(2);
  expect(lanes.find(({ from, to }) => from === 1 && to === 2)?.lane).toBe(0);
});
