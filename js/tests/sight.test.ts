// @vitest-environment happy-dom
// A view that is scrolled away: the document stays true, at most every two seconds; back on the screen it is up to date.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { delta, FakeModel, snapshot, task } from "./make";
import { frame, live, mount } from "./mount";

let scroll: (isInSight: boolean) => void = () => {};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  const seers: ((entries: { isIntersecting: boolean }[]) => void)[] = [];
  vi.stubGlobal(
    "IntersectionObserver",
    class {
      constructor(seer: (typeof seers)[number]) {
        seers.push(seer);
      }
      observe(): void {}
      disconnect(): void {}
    },
  );
  scroll = (isIntersecting) => {
    for (const see of seers) see([{ isIntersecting }]);
  };
});
afterEach(() => void vi.useRealTimers());

function opened() {
  const model = new FakeModel();
  const tasks = [task("r", null, { status: "RUNNING" })];
  live(model, tasks);
  const { root, unmount } = mount(model);
  model.say(snapshot(1, tasks));
  frame();
  scroll(false);
  const status = () => root.querySelector<HTMLElement>('[role="row"]')?.dataset.status;
  return { model, root, unmount, status };
}

test("changes are written every two seconds, and no clock ticks", () => {
  const { model, root, status } = opened();
  model.say(delta(2, 1, { r: { status: "DONE" } }));
  model.say(delta(3, 2, { r: { status: "FAILED" } }));
  frame();
  expect([status(), root.dataset.revision]).toEqual(["RUNNING", "1"]);
  vi.advanceTimersByTime(2_000);
  frame();
  expect([status(), root.dataset.revision]).toEqual(["FAILED", "3"]);
  const frames = vi.spyOn(globalThis, "requestAnimationFrame");
  vi.advanceTimersByTime(10_000);
  // Not ten: the link's silence may be worth one.
  expect(frames.mock.calls.length).toBeLessThan(3);
});

test("back on the screen it is drawn at once", () => {
  const { model, status } = opened();
  model.say(delta(2, 1, { r: { status: "DONE" } }));
  scroll(true);
  frame();
  expect(status()).toBe("DONE");
  expect(vi.getTimerCount()).toBeGreaterThan(0); // its seconds
});

test("closed meanwhile, nothing is left to come", () => {
  const { model, unmount } = opened();
  model.say(delta(2, 1, { r: { status: "DONE" } }));
  unmount();
  expect(vi.getTimerCount()).toBe(0);
});
