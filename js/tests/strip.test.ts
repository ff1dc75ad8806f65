// @vitest-environment happy-dom
// A person goes back in time with the strip, while the run goes on.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { buffer, delta, FakeModel, snapshot, task } from "./make";
import { frame, HOSTILE, live, mount, onlyOurElements, settle } from "./mount";

const NOW = [task("r", null, { status: "DONE" }), task("r.1", "r", { status: "FAILED" })];
const THEN = [task("r", null, { status: "RUNNING" })];
const PROGRESS = { total: 1, done: 0, failed: 0, running: 1, by_status: { RUNNING: 1 }, outcome: "running" };

beforeEach(() => vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1070));
afterEach(() => vi.restoreAllMocks());

async function opened(times: readonly number[], state = "live") {
  const model = new FakeModel();
  live(model, NOW);
  model.values.set("connection", { state });
  const { root, unmount } = mount(model);
  model.say(snapshot(1, NOW));
  await settle();
  answer(model, { times, n: times.length });
  await settle();
  return { model, root, unmount, slider: root.querySelector<HTMLElement>('[role="slider"]') as HTMLElement };
}
function answer(model: FakeModel, body: unknown): void {
  model.say([{ type: "reply", rid: model.lastRid("ask"), ok: true }, [buffer(body)]]);
}
const then = (time: number, more = {}) => ({ time, exact: true, tasks: THEN, progress: PROGRESS, ...more });
const asked = (model: FakeModel) =>
  model
    .sentOf("ask")
    .filter(({ what }) => what === "moment")
    .map(({ at }) => at);
function press(slider: HTMLElement, key: string): void {
  slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  frame();
}
const statuses = (root: HTMLElement) =>
  [...root.querySelectorAll<HTMLElement>('[role="row"]')].map((row) => row.dataset.status);
const button = (root: HTMLElement, label: string) =>
  [...root.querySelectorAll("button")].find(({ textContent }) => textContent === label);

describe("going back", () => {
  test("shows that moment everywhere and says so, until the way back is taken", async () => {
    const { model, root, slider } = await opened([100, 500, 900]);
    expect(slider.getAttribute("aria-valuetext")).toBe("live");
    press(slider, "ArrowLeft");
    expect(asked(model)).toEqual([500]);
    expect(statuses(root)).toEqual(["DONE", "FAILED"]);
    answer(model, then(500));
    await settle();
    expect(statuses(root)).toEqual(["RUNNING"]);
    expect(root.dataset.time).toBe("past");
    expect(root.textContent).toContain("You are looking at ");
    expect(root.querySelector('[role="progressbar"]')?.getAttribute("aria-valuetext")).toBe(
      "0 of 1, 1 running",
    );
    expect(slider.getAttribute("aria-valuetext")).toMatch(/^\d\d:\d\d:\d\d\.5$/);
    expect(root.textContent).toContain('m.at("1970-01-01T00:00:00.500Z").tasks()');
    button(root, "Back to live")?.click();
    await settle();
    expect(statuses(root)).toEqual(["DONE", "FAILED"]);
    expect(root.dataset.time).toBe("now");
    expect(root.textContent).not.toContain("You are looking at");
    expect(document.activeElement).toBe(slider);
  });

  test("what arrives live is kept for the way back; a failure is announced all the same", async () => {
    const { model, root, slider } = await opened([100, 500, 900]);
    press(slider, "Home");
    answer(model, then(100));
    await settle();
    model.say(delta(2, 1, { r: { status: "FAILED" } }));
    frame();
    expect(statuses(root)).toEqual(["RUNNING"]);
    expect(root.querySelector('[aria-live="polite"]')?.textContent).toBe("Failed: goal of r");
    press(slider, "Escape");
    expect(statuses(root)).toEqual(["FAILED", "FAILED"]);
  });

  test("an answer that comes after the way back changes nothing", async () => {
    const { model, root, slider } = await opened([100, 500, 900]);
    press(slider, "Home");
    press(slider, "End");
    answer(model, then(100));
    await settle();
    expect(root.dataset.time).toBe("now");
    expect(statuses(root)).toEqual(["DONE", "FAILED"]);
  });

  test("another run ends it", async () => {
    const { model, root, slider } = await opened([100, 500, 900]);
    model.set("project", { id: "p1" });
    press(slider, "Home");
    answer(model, then(100));
    await settle();
    model.set("project", { id: "p2" });
    model.say(snapshot(5, [task("other")]));
    await settle();
    expect(root.dataset.time).toBe("now");
    expect(statuses(root)).toEqual(["PENDING"]);
  });

  test("a refusal is said in its own words", async () => {
    const { model, root, slider } = await opened([100, 500, 900]);
    press(slider, "Home");
    model.say([
      { type: "reply", rid: model.lastRid("ask"), ok: false, error: "Nothing is known of it." },
      [],
    ]);
    await settle();
    expect(root.textContent).toContain("That moment cannot be shown. Nothing is known of it.");
    press(slider, "Escape");
    expect(root.textContent).not.toContain("cannot be shown");
  });

  test("thinned moments say so; a saved run has an end and no live", async () => {
    const { model, root, slider } = await opened([100, 500, 900], "archive");
    expect(slider.getAttribute("aria-valuetext")).toContain("the end");
    press(slider, "PageDown");
    expect(asked(model)).toEqual([820]);
    answer(model, then(820, { exact: false }));
    await settle();
    expect(root.textContent).toContain("Some details are thinned.");
    expect(root.textContent).toContain("0.08 s before the end");
    expect(button(root, "Back to the end")).toBeDefined();
  });

  test("a moment before the first task keeps the graph and says so", async () => {
    const { model, root, slider } = await opened([100, 500, 900]);
    const canvas = root.querySelector(".roma-graph canvas");
    press(slider, "Home");
    answer(model, then(100, { tasks: [] }));
    await settle();
    expect(root.textContent).toContain("There were no tasks yet.");
    expect(root.querySelector(".roma-graph canvas")).toBe(canvas);
    press(slider, "End");
    expect(statuses(root)).toEqual(["DONE", "FAILED"]);
  });

  test("hostile texts of the past create no element", async () => {
    const { model, root, slider } = await opened([100, 500, 900]);
    press(slider, "Home");
    answer(
      model,
      then(100, { tasks: HOSTILE.map((text) => task(text, null, { goal: text, status: text })) }),
    );
    await settle();
    onlyOurElements(root);
  });
});

test("a drag asks for one moment at a time, the newest; its end is the way back", async () => {
  const { model, root, slider } = await opened([0, 1000], "archive");
  slider.setPointerCapture = () => {};
  const drag = (type: string, x: number) => {
    slider.dispatchEvent(new PointerEvent(type, { clientX: x + 12, buttons: 1, bubbles: true }));
    frame();
  };
  drag("pointerdown", 900);
  for (const x of [800, 700, 600]) drag("pointermove", x);
  expect(asked(model)).toEqual([900]);
  answer(model, then(900));
  await settle();
  expect(asked(model)).toEqual([900, 600]);
  expect(root.dataset.time).toBe("past");
  drag("pointermove", 2000);
  answer(model, then(600));
  await settle();
  expect(root.dataset.time).toBe("still");
  expect(asked(model)).toHaveLength(2);
});

test.each([[[]], [[100]]])(
  "no history, or nothing in it but the newest state, has no strip: %o",
  async (times) => {
    const { root } = await opened(times, "closed");
    expect(root.querySelector('[role="slider"]')).toBeNull();
  },
);

test("a saved run names its file, and offers no connection", async () => {
  const { model, root } = await opened([100, 900], "archive");
  model.set("address", "monday.roma");
  model.set("connection", {
    state: "archive",
    error: "3 traces had not been fetched.",
    reason: "A saved run.",
  });
  await settle();
  const header = root.querySelector("header") as HTMLElement;
  expect(header.textContent).toContain("Saved run");
  expect(header.textContent).toContain("monday.roma");
  expect(header.querySelector(".rw-state-box button")).toBeNull();
  expect(root.textContent).toContain("Not all is here. 3 traces had not been fetched.");
  expect(root.textContent).not.toMatch(/Retry|Connect/);
});
