import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GONE_AFTER_MS, Kernel } from "../src/kernel";
import { beat, buffer, delta, FakeModel, snapshot, task } from "./make";

const family = [task("a"), task("a.1", "a")];

function mount(model = new FakeModel()) {
  const controller = new AbortController();
  const parts: string[] = [];
  const kernel = new Kernel(model, (part) => parts.push(part), controller.signal);
  return { model, kernel, parts, close: () => controller.abort() };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("in step with the kernel", () => {
  test("says hello once, with no rev, and takes the snapshot", () => {
    const { model, kernel, parts } = mount();
    expect(model.sent).toEqual([{ type: "hello", view: expect.any(String), rev: null }]);
    model.say(snapshot(3, family));
    expect(kernel.run.rev).toBe(3);
    expect(kernel.run.tasks.size).toBe(2);
    expect(parts).toContain("run");
  });

  test("ignores a snapshot and a delta it already has", () => {
    const { model, kernel } = mount();
    model.say(snapshot(3, family));
    const { run } = kernel;
    model.say(snapshot(3, []));
    model.say(delta(3, 2, { a: { status: "DONE" } }));
    expect(kernel.run).toBe(run);
    expect(model.sentOf("hello")).toHaveLength(1);
  });

  test("drops a delta after a lost one and says hello once, however many follow", () => {
    const { model, kernel } = mount();
    model.say(snapshot(3, family));
    vi.advanceTimersByTime(5_000);
    for (let rev = 5; rev < 25; rev++) model.say(delta(rev, rev - 1, { a: { status: "DONE" } }));
    expect(kernel.run.tasks.get("a")?.status).toBe("PENDING");
    expect(model.sentOf("hello")).toHaveLength(2);
    expect(model.sentOf("hello")[1]).toMatchObject({ rev: 3 });
    model.say(snapshot(24, [task("a", null, { status: "DONE" })]));
    model.say(delta(25, 24, { a: { status: "FAILED" } }));
    expect(kernel.run.tasks.get("a")?.status).toBe("FAILED");
    expect(model.sentOf("hello")).toHaveLength(2);
  });

  test("a beat ahead of us means a lost message; a kernel that never answers is not hammered", () => {
    const { model } = mount();
    model.say(snapshot(3, family));
    vi.advanceTimersByTime(3_000);
    model.say(beat(3));
    expect(model.sentOf("hello")).toHaveLength(1);
    for (let i = 0; i < 200; i++) {
      model.say(beat(9));
      vi.advanceTimersByTime(100);
    }
    expect(model.sentOf("hello").length).toBeGreaterThan(1);
    expect(model.sentOf("hello").length).toBeLessThan(8);
  });

  test("says hello again while no snapshot came at all", () => {
    const { model } = mount();
    vi.advanceTimersByTime(8_000);
    expect(model.sentOf("hello").length).toBeGreaterThanOrEqual(3);
    expect(model.sentOf("hello").length).toBeLessThanOrEqual(5);
  });

  test("garbage changes nothing", () => {
    const { model, kernel } = mount();
    model.say(snapshot(3, family));
    const { run } = kernel;
    for (const content of [null, 7, "x", [], { type: "delta" }, { type: "snapshot", rev: 4 }])
      model.say([content, []]);
    expect(kernel.run).toBe(run);
  });
});

describe("the kernel's life", () => {
  test("a view says every 20 s that it is there, without asking for a snapshot", () => {
    const { model } = mount();
    model.say(snapshot(3, family));
    vi.advanceTimersByTime(41_000);
    expect(model.sentOf("here")).toHaveLength(2);
    expect(model.sentOf("hello")).toHaveLength(1);
  });

  test("is gone after 6 s without a word and back with the next beat", () => {
    const { model, kernel, parts } = mount();
    model.say(snapshot(3, family));
    vi.advanceTimersByTime(GONE_AFTER_MS - 1);
    expect(kernel.link.alive).toBe(true);
    vi.advanceTimersByTime(1);
    expect(kernel.link.alive).toBe(false);
    expect(parts.at(-1)).toBe("link");
    model.say(beat(3));
    expect(kernel.link.alive).toBe(true);
    expect(kernel.link.round_trip_ms).toBe(4);
  });

  test("a trait change is a word, too", () => {
    const { model, kernel } = mount();
    vi.advanceTimersByTime(GONE_AFTER_MS - 1);
    model.set("connection", { state: "live" });
    vi.advanceTimersByTime(GONE_AFTER_MS - 1);
    expect(kernel.link.alive).toBe(true);
    expect(kernel.traits.connection.state).toBe("live");
  });
});

describe("what is still", () => {
  test.each(["closed", "archive"])(
    "silence in the state %s means nothing, and asking goes on",
    async (state) => {
      const { model, kernel } = mount();
      model.say(snapshot(3, family));
      model.set("connection", { state });
      const { heard } = kernel.link;
      vi.advanceTimersByTime(GONE_AFTER_MS * 10);
      expect(kernel.link.alive).toBe(true);
      const answer = kernel.ask("a");
      model.say([
        { type: "reply", rid: model.lastRid("ask"), ok: true },
        [buffer({ task: "a", result: "42" })],
      ]);
      expect(await answer).toMatchObject({ result: "42" });
      expect(kernel.link.heard).toBe(heard);
      const unanswered = kernel.ask("a");
      vi.advanceTimersByTime(10_000);
      await expect(unanswered).rejects.toThrow("nothing within 10 s");
      expect(kernel.link.alive).toBe(true);
    },
  );

  test("a kernel that was taken for gone is not, once it says closed; a monitor that lives again is missed again", () => {
    const { model, kernel } = mount();
    model.say(snapshot(3, family));
    vi.advanceTimersByTime(GONE_AFTER_MS);
    expect(kernel.link.alive).toBe(false);
    model.set("connection", { state: "closed" });
    expect(kernel.link.alive).toBe(true);
    model.set("connection", { state: "live" });
    vi.advanceTimersByTime(GONE_AFTER_MS);
    expect(kernel.link.alive).toBe(false);
  });
});

describe("asking", () => {
  test("an ask brings the task's texts, a refusal its sentence", async () => {
    const { model, kernel } = mount();
    const answer = kernel.ask("a");
    const rid = model.lastRid("ask");
    model.say([{ type: "reply", rid, ok: true }, [buffer({ task: "a", result: "42", result_kind: "text" })]]);
    expect(await answer).toMatchObject({ task: "a", result: "42", error: null });
    const refused = kernel.do({ action: "retry" });
    const asked = model.lastRid("do");
    model.say([{ type: "reply", rid: asked, ok: false, error: "Not now." }, []]);
    expect(await refused).toBe("Not now.");
  });

  test("a page that the kernel has written is told by its path", async () => {
    const { model, kernel } = mount();
    const written = kernel.exportPage();
    const rid = model.lastRid("do");
    expect(model.sentOf("do")[0]).toMatchObject({ action: "export_page" });
    for (let s = 0; s < 300; s += 5) {
      vi.advanceTimersByTime(5_000);
      model.say(beat(0));
    }
    model.say([{ type: "reply", rid, ok: true }, [buffer({ path: "/here/run.html" })]]);
    expect(await written).toBe("/here/run.html");
  });

  test("no answer is an error after 10 s, not a promise for ever", async () => {
    const { model, kernel } = mount();
    const answer = kernel.do({ action: "connect_anyway" });
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(1_000);
      model.say(beat(0));
    }
    expect(await answer).toMatch(/nothing within 10 s/);
  });
});

describe("the end of a view", () => {
  test("says bye, listens to nothing, runs no timer", () => {
    const { model, close } = mount();
    model.say(snapshot(3, family));
    close();
    expect(model.sent.at(-1)).toMatchObject({ type: "bye" });
    expect(model.listeners()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("100 views leave nothing behind, and each has its own id", () => {
    const model = new FakeModel();
    for (let i = 0; i < 100; i++) mount(model).close();
    expect(model.listeners()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(new Set(model.sentOf("hello").map(({ view }) => view)).size).toBe(100);
  });

  test("two views of one model keep their own revision", () => {
    const model = new FakeModel();
    const first = mount(model);
    model.say(snapshot(3, family));
    const second = mount(model);
    model.say(delta(4, 3, { a: { status: "DONE" } }));
    model.say(snapshot(4, [task("a", null, { status: "DONE" }), task("a.1", "a")]));
    expect(first.kernel.run.rev).toBe(4);
    expect(second.kernel.run.rev).toBe(4);
    first.close();
    model.say(delta(5, 4, { a: { status: "FAILED" } }));
    expect(first.kernel.run.rev).toBe(4);
    expect(second.kernel.run.tasks.get("a")?.status).toBe("FAILED");
  });
});
