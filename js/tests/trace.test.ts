// A trace: what is read of it, where its bars stand, what a search finds, and when it is asked for.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Kernel } from "../src/kernel";
import type { Task } from "../src/messages";
import { Room } from "../src/room";
import { applySnapshot } from "../src/state";
import { MOST_MATCHES, pieces, placesOf } from "../src/text/search";
import { findIn } from "../src/trace/finding";
import { readStageTexts, readTrace, type Stage, TEXTS } from "../src/trace/read";
import { AGAIN_AFTER_MS, Traces } from "../src/trace/traces";
import { waterfall } from "../src/trace/waterfall";
import { task } from "./make";

const stage = (seq: number, name: string, started: number | null, completed: number | null, more = {}) => ({
  seq,
  stage: name,
  attempt: 1,
  status: completed === null ? "running" : "completed",
  started,
  completed,
  ...more,
});
const traceOf = (...stages: unknown[]) =>
  readTrace({ task: "a", stages }) as NonNullable<ReturnType<typeof readTrace>>;

describe("what is read", () => {
  test("a stage that cannot be read is left out, and a wrong type is a missing value", () => {
    const hostile = [
      null,
      3,
      [],
      {},
      { seq: "1" },
      { seq: 1, stage: {}, attempt: -3, duration_s: -1, sizes: 3 },
    ];
    const { stages } = traceOf(...hostile, {
      seq: 2,
      error: "",
      sizes: { error: 5, __proto__: 9, other: 3 },
    });
    expect(
      stages.map(({ seq, stage: name, attempt, duration_s }) => [seq, name, attempt, duration_s]),
    ).toEqual([
      [1, "stage", 1, null],
      [2, "stage", 1, null],
    ]);
    expect([...(stages[1] as Stage).sizes]).toEqual([["error", 5]]);
    expect(readTrace({ stages: [] })).toBeNull();
    expect(readTrace({ task: "a" })).toBeNull();
    expect(readStageTexts({ texts: null })).toBeNull();
    expect(readStageTexts({ texts: { output: "x", error: 4, other: "y" } })).toEqual({
      texts: new Map([["output", "x"]]),
      isCut: false,
    });
  });
});

describe("the waterfall", () => {
  test("a stage that others stand in is a thin line over them, and every attempt has its row", () => {
    const { rows, span_ms } = waterfall(
      traceOf(
        stage(0, "dispatch", 1000, 6000),
        stage(1, "execution", 1000, 2000, { status: "failed" }),
        stage(2, "execution", 2500, 6000, { attempt: 2, duration_s: 3.4 }),
      ).stages,
      null,
    );
    expect(span_ms).toBe(5000);
    expect(
      rows.map(({ name, depth, wraps, bar, duration_ms, state }) => [
        name,
        depth,
        wraps,
        bar,
        duration_ms,
        state,
      ]),
    ).toEqual([
      ["dispatch", 0, true, { from: 0, to: 1 }, 5000, "done"],
      ["execution · 1", 1, false, { from: 0, to: 0.2 }, 1000, "failed"],
      ["execution · 2", 1, false, { from: 0.3, to: 1 }, 3400, "done"],
    ]);
  });

  test("what runs grows with the clock; what a task left running has no end", () => {
    const { stages } = traceOf(stage(0, "execution", 1000, null));
    expect(waterfall(stages, 3000).rows[0]).toMatchObject({
      state: "running",
      duration_ms: 2000,
      bar: { from: 0, to: 1 },
    });
    expect(waterfall(stages, null).rows[0]).toMatchObject({
      state: "unknown",
      duration_ms: null,
      bar: { from: 0, to: 0 },
    });
  });

  test("without times there are no bars; times that go backwards stay in the picture", () => {
    expect(waterfall(traceOf(stage(0, "a", null, null, { duration_s: 2 })).stages, 5)).toMatchObject({
      span_ms: null,
      rows: [{ bar: null, duration_ms: 2000 }],
    });
    for (const { bar } of waterfall(traceOf(stage(0, "a", 9, 3), stage(1, "b", -1e15, 4)).stages, null)
      .rows) {
      expect(bar?.from).toBeGreaterThanOrEqual(0);
      expect(bar?.to).toBeLessThanOrEqual(1);
      expect(bar?.to).toBeGreaterThanOrEqual(bar?.from as number);
    }
  });
});

describe("long texts", () => {
  test("pieces are the text, each of a bounded length, cut behind lines where there are some", () => {
    for (const text of ["", "a", "line\n".repeat(30_000), "x".repeat(100_000), "😀".repeat(33_333)]) {
      const cut = pieces(text, 20_001);
      expect(cut.map(([from, to]) => text.slice(from, to)).join("")).toBe(text);
      for (const [from, to] of cut) expect(to - from).toBeLessThanOrEqual(20_001);
    }
    expect(
      pieces("ab\nc".repeat(20), 10).every(([, to]) => to === 80 || "ab\nc".repeat(20)[to - 1] === "\n"),
    ).toBe(true);
    const halves = pieces("😀".repeat(5), 3).map(([from, to]) => "😀".repeat(5).slice(from, to));
    expect(halves.some((half) => /\p{Surrogate}/u.test(half))).toBe(false);
  });

  test("a search takes its words as they are, in any case, and ends", () => {
    expect(placesOf("A.b a.B axb", "a.b", 9)).toEqual([0, 4]);
    expect(placesOf("aaa", "", 9)).toEqual([]);
    expect(placesOf("(((", "(", 2)).toEqual([0, 1]);
    expect(placesOf("a".repeat(1_000_000), "a", MOST_MATCHES)).toHaveLength(MOST_MATCHES);
  });

  test("matches come stage by stage, in the order of the blocks", () => {
    const { stages } = traceOf(
      { seq: 0, output: "roof", system_prompt: "a roof" },
      { seq: 1, llm_response: "no Roof, no roof" },
    );
    const found = findIn(stages, "roof", (each, name) => each.texts.get(name) ?? null);
    expect(found.map(({ stage: { seq }, name, at }) => [seq, name, at])).toEqual([
      [0, "system_prompt", 2],
      [0, "output", 0],
      [1, "llm_response", 3],
      [1, "llm_response", 12],
    ]);
    expect(TEXTS[0]?.[0]).toBe("error");
  });
});

describe("when a trace is asked for", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function open() {
    const asked: { resolve(trace: unknown): void; reject(error: Error): void }[] = [];
    const kernel = {
      run: applySnapshot(1, [task("a")]),
      askTrace: () => new Promise((resolve, reject) => asked.push({ resolve, reject })),
      askStage: vi.fn(async () => ({ texts: new Map([["output", "whole"]]), isCut: false })),
    };
    let changed = 0;
    const end = new AbortController();
    const room = new Room(1_000_000);
    const traces = new Traces(kernel as unknown as Kernel, () => changed++, end.signal, room);
    const change = () => {
      kernel.run = applySnapshot(2, [task("a", null, { status: "RUNNING" })]);
    };
    return { traces, room, kernel, asked, change, end, changes: () => changed, shown: task("a") };
  }
  const settle = () => vi.advanceTimersByTimeAsync(0);

  test("once while it is shown; again when its task changed, at most every two seconds", async () => {
    const { traces, asked, change, changes, shown } = open();
    expect(traces.of(shown)).toMatchObject({ trace: null, isAsking: true });
    traces.of(shown);
    expect(asked).toHaveLength(1);
    asked[0]?.resolve(traceOf(stage(0, "a", 1, 2)));
    await settle();
    expect([traces.of(shown).trace?.stages.length, changes()]).toEqual([1, 1]);
    change();
    traces.of(shown);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(AGAIN_AFTER_MS);
    expect([asked.length, changes()]).toEqual([1, 2]);
    expect(traces.of(shown)).toMatchObject({ isAsking: true });
    expect(traces.of(shown).trace).not.toBeNull();
    expect(asked).toHaveLength(2);
  });

  test("a stage that still runs in a task that is over is looked at once more, and not again", async () => {
    const { traces, kernel, asked, changes } = open();
    const over = task("a", null, { status: "DONE" });
    kernel.run = applySnapshot(1, [over]);
    const now = () => kernel.run.tasks.get("a") as Task;
    for (const expected of [1, 2, 2]) {
      traces.of(now());
      expect(asked).toHaveLength(expected);
      asked[expected - 1]?.resolve(traceOf(stage(0, "a", 1, null)));
      await settle();
      traces.of(now());
      await vi.advanceTimersByTimeAsync(AGAIN_AFTER_MS);
    }
    expect(changes()).toBe(3);
  });

  test("a refusal is told beside what is known, and not asked again by itself", async () => {
    const { traces, asked, shown } = open();
    traces.of(shown);
    asked[0]?.resolve(traceOf(stage(0, "a", 1, 2)));
    await settle();
    traces.ask(shown);
    asked[1]?.reject(new Error("No."));
    await settle();
    expect(traces.of(shown)).toMatchObject({ error: "No.", isAsking: false, trace: { task: "a" } });
    expect(asked).toHaveLength(2);
  });

  test("whole texts are asked for once, and stay where the stage is as before", async () => {
    const { traces, kernel, asked, shown } = open();
    const long = stage(0, "a", 1, 2, { output: "wh", sizes: { output: 5 } });
    traces.of(shown);
    asked[0]?.resolve(traceOf(long));
    await settle();
    const [first] = traces.of(shown).trace?.stages ?? [];
    expect(traces.text(first as Stage, "output")).toBe("wh");
    await traces.whole("a", first as Stage).done;
    await traces.whole("a", first as Stage).done;
    expect(kernel.askStage).toHaveBeenCalledTimes(1);
    expect(traces.text(first as Stage, "output")).toBe("whole");
    traces.ask(shown);
    asked[1]?.resolve(traceOf(long, stage(1, "b", 2, 3)));
    await settle();
    const after = traces.of(shown).trace?.stages ?? [];
    expect([after.length, traces.text(after[0] as Stage, "output")]).toEqual([2, "whole"]);
  });

  test("the copies that are made of JSON take room", async () => {
    const { traces, room, asked, shown } = open();
    traces.of(shown);
    asked[0]?.resolve(traceOf(stage(0, "a", 1, 2, { user_input: "plain", output: "[1]" })));
    await settle();
    const [first] = traces.of(shown).trace?.stages ?? [];
    const keep = vi.spyOn(room, "keep");
    expect(traces.text(first as Stage, "user_input")).toBe("plain");
    expect(keep).not.toHaveBeenCalled();
    expect(traces.text(first as Stage, "output")).toBe("[\n  1\n]");
    expect(keep.mock.lastCall?.[1]).toBe("plain".length + "[\n  1\n]".length);
  });

  test("a view that is closed asks and draws no more", async () => {
    const { traces, change, changes, asked, end, shown } = open();
    traces.of(shown);
    asked[0]?.resolve(traceOf());
    await settle();
    change();
    traces.of(shown);
    end.abort();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(changes()).toBe(1);
  });
});
