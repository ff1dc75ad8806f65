// @vitest-environment happy-dom
// The popover of the connection: what it asks and when, what it shows of it, and its line of the last ten minutes.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { LinkQuality } from "../src/messages";
import { ASK_EVERY_MS } from "../src/panels/link";
import { sparkOf } from "../src/panels/spark";
import { readLinkQuality } from "../src/read";
import { buffer, FakeModel, snapshot, task } from "./make";
import { frame, HOSTILE, live, mount, onlyOurElements, settle } from "./mount";

const GOOD = {
  round_trip_s: 0.0124,
  jitter_s: 0.0004,
  missed_pings: 0,
  frames: 1204,
  frames_per_s: 2.04,
  bytes_received: 3_100_000,
  bytes_per_s: 14_200.5,
  skipped_frames: 3,
  lost_deltas: 1,
  age_s: 0.42,
  reconnects: 2,
  unasked_replies: 0,
  extension: true,
  history: [
    { ago_s: 5, round_trip_s: 0.01, frames: 10, bytes: 100, state: "live" },
    { ago_s: 0, round_trip_s: 0.02, frames: 10, bytes: 100, state: "live" },
  ],
};

const read = (body: unknown) => readLinkQuality(body) as LinkQuality;

describe("reading", () => {
  test("whatever comes is a whole answer: what is wrong is null", () => {
    expect(readLinkQuality(null)).toBeNull();
    expect(readLinkQuality([])).toBeNull();
    const wrong = Object.fromEntries(Object.keys(GOOD).map((name) => [name, HOSTILE[0]]));
    for (const body of [
      {},
      wrong,
      { round_trip_s: -1, frames: Number.NaN, history: [null, 3, {}, { ago_s: -5 }] },
    ]) {
      const { history, ...rest } = read(body);
      expect(history).toEqual([]);
      expect(new Set(Object.values(rest))).toEqual(new Set([null]));
    }
  });

  test("the history is bounded, of the last ten minutes, and oldest first", () => {
    const history = Array.from({ length: 5_000 }, (_, i) => ({
      ago_s: i / 4,
      round_trip_s: i,
      state: "live",
    }));
    const ages = read({ history }).history.map(({ ago_s }) => ago_s);
    expect(ages).toHaveLength(120);
    expect(ages).toEqual(ages.toSorted((a, b) => b - a));
    expect(ages.at(-1)).toBe(0);
    expect(read({ history: [{ ago_s: 601 }] }).history).toEqual([]);
  });
});

describe("the line", () => {
  const at = (ago_s: number, round_trip_s: number | null, state = "live") => ({ ago_s, round_trip_s, state });

  test("breaks where there is no round trip and where nobody looked", () => {
    const spark = sparkOf([at(60, 0.1), at(55, 0.1), at(50, null), at(45, 0.2), at(5, 0.1), at(0, 0.1)]);
    expect(spark.line.match(/M/g)).toHaveLength(3);
    expect(spark.line.match(/L/g)).toHaveLength(2);
    expect(spark).toMatchObject({ gaps: 2, least_s: 0.1, most_s: 0.2, bands: [] });
  });

  test("has one band for each time that was not live", () => {
    const spark = sparkOf([
      at(60, 0.1),
      at(55, null, "reconnecting"),
      at(50, null, "polling"),
      at(45, 0.1),
      at(5, null, "polling"),
    ]);
    expect(spark.bands).toHaveLength(2);
    expect(spark.bands.every(([from, to]) => to >= from)).toBe(true);
  });

  test("without any history is empty", () => {
    expect(sparkOf([])).toEqual({ line: "", bands: [], gaps: 0, least_s: null, most_s: null });
  });
});

describe("the popover", () => {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"],
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  async function open(connection: object = {}) {
    const model = new FakeModel();
    live(model, [task("r")]);
    model.values.set("connection", { state: "live", transport: "websocket", server: "ready", ...connection });
    const { root, unmount } = mount(model);
    model.say(snapshot(1, [task("r")]));
    frame();
    const asks = () => model.sentOf("ask").filter(({ what }) => what === "link").length;
    expect(asks()).toBe(0);
    const button = root.querySelector<HTMLButtonElement>(".rw-state") as HTMLButtonElement;
    button.click();
    await settle();
    const panel = () => root.querySelector<HTMLElement>('[role="dialog"][aria-label="Connection"]');
    const answer = async (body: unknown) => {
      model.say([{ type: "reply", rid: model.lastRid("ask"), ok: true }, [buffer(body)]]);
      await settle();
    };
    const pass = async (ms: number) => {
      vi.advanceTimersByTime(ms);
      await settle();
    };
    const facts = () =>
      Object.fromEntries(
        [...root.querySelectorAll(".rw-popover dl > div")].map((fact) => [
          fact.querySelector("dt")?.textContent,
          fact.querySelector("dd")?.textContent,
        ]),
      );
    return { model, root, unmount, button, panel, asks, answer, pass, facts };
  }

  test("asks at once, then two seconds after each question, and never when closed", async () => {
    const { asks, answer, pass, button, panel } = await open();
    expect(asks()).toBe(1);
    await pass(1_500);
    await answer(GOOD);
    await pass(ASK_EVERY_MS - 1_501);
    expect(asks()).toBe(1);
    await pass(1);
    expect(asks()).toBe(2);
    // No answer, no further question.
    await pass(ASK_EVERY_MS * 2);
    expect(asks()).toBe(2);
    button.click();
    await settle();
    expect(panel()).toBeNull();
    await answer(GOOD);
    await pass(60_000);
    expect(asks()).toBe(2);
  });

  test("shows the numbers with their units", async () => {
    const { answer, facts, panel } = await open();
    await answer(GOOD);
    expect(facts()).toEqual({
      "Round trip": "12 ms",
      Jitter: "0.4 ms",
      Frames: "2.0/s · 1,204",
      Received: "14 kB/s · 3.1 MB",
      "Skipped frames": "3",
      "Lost deltas": "1",
      "Missed pings": "0",
      Reconnects: "2",
      "Shown state is": "0.42 s old",
      Updates: "changes only",
      "Last error": "—",
    });
    expect(panel()?.querySelector(".rw-link-head")?.textContent).toBe("Livewebsocketserver ready");
    expect(panel()?.querySelector("svg[role=img]")?.getAttribute("aria-label")).toBe(
      "Round trip over the last ten minutes: 10 ms to 20 ms",
    );
  });

  test("what is not known is a dash, never a zero", async () => {
    const { answer, facts, root } = await open({ server: null, transport: null });
    await answer(Object.fromEntries(Object.keys(GOOD).map((name) => [name, null])));
    const { Reconnects, ...unknown } = facts();
    expect(new Set(Object.values(unknown))).toEqual(new Set(["—"]));
    expect(Reconnects).toBe("0");
    expect(root.querySelector(".rw-link-head")?.textContent).toBe("Live—server —");
  });

  test("a refusal and a missing answer are sentences; the last numbers stay", async () => {
    const { model, answer, pass, facts, panel } = await open();
    await answer(GOOD);
    await pass(ASK_EVERY_MS);
    for (let i = 0; i < 10; i++) {
      model.say([{ type: "beat", rev: 1 }, []]);
      await pass(1_000);
    }
    expect(panel()?.querySelector('[role="status"]')?.textContent).toMatch(/nothing within 10 s/);
    expect(facts()["Round trip"]).toBe("12 ms");
    await pass(0);
    await answer("no object");
    expect(panel()?.querySelector('[role="status"]')?.textContent).toMatch(/could not be read/);
  });

  test("Escape closes it and gives the focus back; the selection stays", async () => {
    const { model, panel, button } = await open();
    expect(document.activeElement).toBe(panel());
    model.set("selection", ["r"]);
    panel()?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    await settle();
    expect(panel()).toBeNull();
    expect(document.activeElement).toBe(button);
    expect(model.sentOf("do")).toEqual([]);
  });

  test("hostile words stay text, and the end of the view ends the questions", async () => {
    const { model, root, answer, unmount, asks, pass } = await open({
      error: HOSTILE[0],
      transport: HOSTILE[1],
    });
    await answer({ ...GOOD, history: HOSTILE.map((state, i) => ({ ago_s: i, round_trip_s: 1, state })) });
    onlyOurElements(root);
    model.set("connection", { state: "polling", reason: HOSTILE[2], server: HOSTILE[3] });
    await settle();
    onlyOurElements(root);
    const before = asks();
    unmount();
    await pass(60_000);
    expect(asks()).toBe(before);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a relay that is well is named, and what the round trip is", async () => {
  const model = new FakeModel();
  live(model, []);
  model.values.set("connection", {
    state: "live",
    relay: { at: "127.0.0.1:8001", of: "http://127.0.0.1:5000", state: "live" },
  });
  const { root } = mount(model);
  await settle();
  const said =
    "Through the relay at 127.0.0.1:8001 of http://127.0.0.1:5000; the round trip is to the relay.";
  const button = root.querySelector<HTMLButtonElement>(".rw-state");
  expect(button?.title).toBe(said);
  button?.click();
  await settle();
  expect(root.querySelector(".rw-link-words")?.textContent).toContain(said);
});
