// @vitest-environment happy-dom
// A marked range of the run's time: what ran in it, what waits were seen, and the hand that marks it.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Prompt } from "../src/messages";
import { applySnapshot } from "../src/state";
import { lanesOf } from "../src/time/lanes";
import { betweenCode, happened, isAtWork } from "../src/time/range";
import { Waits } from "../src/time/waits";
import { buffer, FakeModel, snapshot, task } from "./make";
import { frame, live, mount, settle } from "./mount";

const ran = (id: string, started: number | null, completed: number | null, status = "DONE") =>
  task(id, "r", { started, completed, status });
const RUN = [
  task("r", null, { started: 0, status: "PLAN_DONE" }),
  ran("a", 100, 300),
  ran("b", 250, 600, "FAILED"),
  ran("c", 550, null, "RUNNING"),
  ran("d", null, null, "PENDING"),
];

describe("what ran in a range", () => {
  test.each([
    [0, 50, "1 task ran: 1 began"],
    [150, 280, "3 tasks ran: 1 began"],
    [300, 300, "3 tasks ran: 1 finished"],
    [590, 9000, "3 tasks ran: 1 failed"],
    [-9, -1, "No task ran"],
  ])("%i to %i: %s", (from, to, said) => {
    expect(happened(applySnapshot(1, RUN), { from, to })).toBe(said);
  });

  test("a task that failed before it began is a moment; one without times never ran", () => {
    const failed = task("x", null, { status: "FAILED", updated: 70 });
    expect([60, 70, 80].map((at) => isAtWork(failed, { from: at, to: at }))).toEqual([false, true, false]);
    expect(isAtWork(task("x", null, { status: "DONE" }), { from: 0, to: 9 })).toBe(false);
  });

  test("as code, both ends included", () => {
    expect(betweenCode({ from: 0.6, to: 1.2 })).toBe(
      'm.between("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.002Z")',
    );
  });
});

describe("waits", () => {
  const asks = (request_id: string, task_id: string | null, asked: string | null = null) =>
    ({ request_id, task_id, asked }) as Prompt;

  test("last from the question until it is asked no more, also where nobody said when it was asked", () => {
    const waits = new Waits();
    waits.take([asks("1", "a", "1970-01-01T00:00:00.200Z"), asks("2", "b"), asks("3", null)], 500);
    const { all } = waits;
    expect(all).toEqual([
      { task: "a", from: 200, to: null },
      { task: "b", from: 500, to: null },
    ]);
    waits.take([asks("1", "a", "1970-01-01T00:00:00.900Z"), asks("2", "b")], 600);
    expect(waits.all).toBe(all);
    waits.take([asks("2", "b")], 700);
    expect(waits.all[0]).toEqual({ task: "a", from: 200, to: 700 });
    waits.take([asks("1", "a"), asks("2", "b")], 800);
    expect(waits.all[0]).toEqual({ task: "a", from: 200, to: null });
  });

  test("without a clock nothing is guessed, and what is kept is bounded", () => {
    const waits = new Waits();
    waits.take([asks("1", "a")], null);
    expect(waits.all).toEqual([]);
    const many = Array.from({ length: 2_000 }, (_, i) => asks(`${i}`, "a"));
    waits.take(many, 5);
    expect(waits.all).toHaveLength(1_000);
  });

  test("lie over the work of their task, or have a lane of their own", () => {
    const waits = [
      { task: "t3", from: 10, to: null },
      { task: "root", from: 10, to: 20 },
      { task: "gone", from: 10, to: 20 },
    ];
    const many = [
      task("root", null, { started: 0, status: "PLAN_DONE" }),
      ...Array.from({ length: 20 }, (_, i) => task(`t${i}`, "root", { started: i, completed: 40 })),
    ];
    const { bars } = lanesOf(applySnapshot(1, many), waits);
    const own = bars.find(({ id, kind }) => id === "t3" && kind === "work");
    expect(bars.filter(({ kind }) => kind === "wait").map(({ id }) => id)).toEqual(["root", "t3"]);
    expect(bars.at(-1)?.lane).toBe(own?.lane);
  });
});

describe("marking", () => {
  beforeEach(() => vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1070));
  afterEach(() => vi.restoreAllMocks());

  async function opened() {
    const model = new FakeModel();
    live(model, RUN);
    model.values.set("connection", { state: "archive" });
    model.values.set("project", { id: "p1" });
    const { root } = mount(model);
    model.say(snapshot(1, RUN));
    await settle();
    const times = [0, 100, 300, 550, 600, 1000];
    model.say([{ type: "reply", rid: model.lastRid("ask"), ok: true }, [buffer({ times, n: times.length })]]);
    await settle();
    const slider = root.querySelector<HTMLElement>('[role="slider"]') as HTMLElement;
    slider.setPointerCapture = () => {};
    return { model, root, slider };
  }
  const press = (on: Element, key: string, shiftKey = false) => {
    on.dispatchEvent(new KeyboardEvent("keydown", { key, shiftKey, bubbles: true, cancelable: true }));
    frame();
  };
  const point = (on: Element, type: string, time: number, shiftKey = false) => {
    on.dispatchEvent(
      new PointerEvent(type, {
        clientX: time + 12,
        shiftKey,
        buttons: type === "pointerup" ? 0 : 1,
        bubbles: true,
      }),
    );
    frame();
  };
  const said = (root: Element) => root.querySelector(".rw-time [role=status]")?.textContent;
  const dimmed = (root: Element) =>
    [...root.querySelectorAll<HTMLElement>(".rw-row.rw-dimmed")].map((row) => row.dataset.taskId);
  const moments = (model: FakeModel) => model.sentOf("ask").filter(({ what }) => what === "moment");

  test("by keys: Shift moves its head from change to change; Escape ends it and nothing else", async () => {
    const { model, root, slider } = await opened();
    press(slider, "ArrowLeft", true);
    expect(said(root)).toContain("0.40 s. 3 tasks ran: 1 failed.");
    press(slider, "ArrowLeft", true);
    press(slider, "ArrowRight", true);
    expect(dimmed(root)).toEqual(["a", "d"]);
    expect(root.textContent).toContain('m.between("1970-01-01T00:00:00.600Z", "1970-01-01T00:00:01.000Z")');
    press(slider, "Escape");
    expect(said(root)).toBeUndefined();
    expect(dimmed(root)).toEqual([]);
    expect(document.activeElement).toBe(slider);
    expect(moments(model)).toEqual([]);
  });

  test("by hand: Shift and a drag mark, an edge moves, a click marks nothing", async () => {
    const { model, root, slider } = await opened();
    point(slider, "pointerdown", 400, true);
    point(slider, "pointermove", 310);
    point(slider, "pointerup", 310);
    expect(dimmed(root)).toEqual(["a", "c", "d"]);
    point(root.querySelector("[data-edge=to]") as Element, "pointerdown", 400);
    point(slider, "pointermove", 560);
    point(slider, "pointerup", 560);
    expect(dimmed(root)).toEqual(["a", "d"]);
    expect(moments(model)).toEqual([]);
    point(slider, "pointerdown", 200, true);
    point(slider, "pointerup", 200);
    expect(said(root)).toBeUndefined();
    point(slider, "pointerdown", 200);
    expect(moments(model)).toHaveLength(1);
  });

  test("another run ends it", async () => {
    const { model, root, slider } = await opened();
    press(slider, "Home", true);
    expect(said(root)).toContain("4 tasks ran: 4 began, 1 finished, 1 failed");
    model.set("project", { id: "p2" });
    await settle();
    expect(said(root)).toBeUndefined();
  });
});
