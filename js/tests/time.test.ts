import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { Kernel } from "../src/kernel";
import { readMoment, readTimes } from "../src/read";
import { applyMoment, applySnapshot, EMPTY } from "../src/state";
import { aPageOn, nextChange, placeOf, ticks, timeAt } from "../src/time/axis";
import { lanesOf } from "../src/time/lanes";
import { Newest } from "../src/time/newest";
import { Travel } from "../src/time/travel";
import { randomRun, task } from "./make";

const span = { from: 1_000, to: 11_000 };

describe("the line of time", () => {
  test("a place and the moment at it are each other's inverse; what lies outside stands at an end", () => {
    for (const place of [0, 1, 250, 777, 990]) {
      expect(placeOf(timeAt(place, span, 1000) as number, span, 1000)).toBeCloseTo(place, 9);
    }
    expect(placeOf(0, span, 1000)).toBe(0);
    expect(placeOf(99_999, span, 1000)).toBe(1000);
    expect(timeAt(-50, span, 1000)).toBe(1_000);
    expect(timeAt(997, span, 1000)).toBeNull();
    expect(timeAt(5, span, 0)).toBeNull();
  });

  test("arrows go from change to change; beyond the last but one is the end", () => {
    const times = [1, 2, 5, 9];
    const way = (time: number | null, step: -1 | 1) => nextChange(times, time, step);
    expect([way(null, -1), way(5, -1), way(3, -1), way(1, -1)]).toEqual([5, 2, 2, 1]);
    expect([way(1, 1), way(3, 1), way(5, 1), way(null, 1)]).toEqual([2, 5, null, null]);
    expect(nextChange([], null, -1)).toBeNull();
  });

  test("a page is a tenth of the line", () => {
    expect(aPageOn(null, span, -1)).toBe(10_000);
    expect(aPageOn(1_500, span, -1)).toBe(1_000);
    expect(aPageOn(9_000, span, 1)).toBe(10_000);
    expect(aPageOn(10_500, span, 1)).toBeNull();
  });

  test.each([
    [8, "+2 s"],
    [48, "+10 s"],
    [2_520, "+10 min"],
    [40_000, "+2 h"],
    [400_000, "+24 h"],
    [0.5, "+0.1 s"],
  ])("a run of %f s has few ticks, the first is %s", (length_s, first) => {
    const found = ticks({ from: 0, to: length_s * 1000 }, 900);
    expect(found[0]?.label).toBe(first);
    expect(found.length).toBeLessThanOrEqual(8);
  });

  test("no room and no length have no ticks", () => {
    expect(ticks(span, 50)).toEqual([]);
    expect(ticks({ from: 5, to: 5 }, 900)).toEqual([]);
  });
});

test("who looks at the past keeps the known moments when the kernel does not answer", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const askTimes = vi.fn(async () => [1, 2, 3_000]);
  const askMoment = async (time: number) => ({ time, exact: true, tasks: [], progress: {} });
  const kernel = { askTimes, askMoment } as unknown as Kernel;
  const travel = new Travel(kernel, () => EMPTY, vi.fn(), new AbortController().signal);
  travel.refresh();
  await vi.advanceTimersByTimeAsync(10);
  travel.goTo(2);
  askTimes.mockRejectedValueOnce(new Error("No answer within 10 s."));
  travel.refresh();
  await vi.advanceTimersByTimeAsync(6_000);
  expect(askTimes).toHaveBeenCalledTimes(2);
  expect([travel.times, travel.wish, travel.past?.time]).toEqual([[1, 2, 3_000], 2, 2]);
  travel.use(true); // asks again
  await vi.advanceTimersByTimeAsync(6_000);
  expect(askTimes).toHaveBeenCalledTimes(3);
});

describe("the newest wish wins", () => {
  function asking() {
    const asked: { wish: number; answer: (value: string | Error) => void }[] = [];
    const came = vi.fn();
    const newest = new Newest<number, string>(
      (wish) =>
        new Promise((resolve, reject) => {
          const answer = (value: string | Error) => (value instanceof Error ? reject(value) : resolve(value));
          asked.push({ wish, answer });
        }),
      (answer, wish) => came(wish, answer instanceof Error ? answer.message : answer),
    );
    return { newest, asked, came };
  }
  const settle = () => new Promise((resolve) => setTimeout(resolve));

  test("one question is under way, and of a drag only the newest wish follows it", async () => {
    const { newest, asked, came } = asking();
    for (const wish of [1, 2, 3, 4]) newest.want(wish);
    expect(asked.map(({ wish }) => wish)).toEqual([1]);
    asked[0]?.answer("one");
    await settle();
    expect(asked.map(({ wish }) => wish)).toEqual([1, 4]);
    asked[1]?.answer(new Error("no"));
    await settle();
    expect(came.mock.calls).toEqual([
      [1, "one"],
      [4, "no"],
    ]);
    newest.want(5);
    expect(asked).toHaveLength(3);
  });

  test("the answer to a wish that was given up is dropped, that to a later one is not", async () => {
    const { newest, asked, came } = asking();
    newest.want(1);
    newest.want(2);
    newest.giveUp();
    newest.want(3);
    asked[0]?.answer("one");
    await settle();
    asked[1]?.answer("three");
    await settle();
    expect(came.mock.calls).toEqual([[3, "three"]]);
  });
});

describe("a moment as a run", () => {
  test("what is the same keeps its identity, also the tree", () => {
    const now = applySnapshot(1, [
      task("r", null, { depends_on: ["x"] }),
      task("r.1", "r", { status: "DONE" }),
    ]);
    const then = applyMoment(now, [task("r", null, { depends_on: ["x"] }), task("r.1", "r")]);
    expect(then.tree).toBe(now.tree);
    expect(then.tasks.get("r")).toBe(now.tasks.get("r"));
    expect(then.tasks.get("r.1")?.status).toBe("PENDING");
    expect(applyMoment(now, [task("r", null, { depends_on: ["y"] })]).tree.ids).toEqual(["r"]);
    expect(applyMoment(now, []).tree.ids).toEqual([]);
  });

  test("10,000 tasks are taken in a fraction of a drag's step", () => {
    const tasks = randomRun(3, 10_000);
    const now = applySnapshot(1, tasks);
    const copies = tasks.map((one) => ({ ...one, depends_on: [], context: [] }));
    const began = performance.now();
    expect(applyMoment(now, copies).tree).toBe(now.tree);
    expect(performance.now() - began).toBeLessThan(500);
  });

  test("what cannot be read is no moment", () => {
    for (const body of [null, [], {}, { time: "noon", tasks: [] }, { time: 1, tasks: {} }]) {
      expect(readMoment(body)).toBeNull();
      expect(readTimes(body)).toBeNull();
    }
    expect(readTimes({ times: [3, "x", null, 1] })).toEqual([1, 3]);
    expect(readMoment({ time: 1, tasks: [7], exact: false })).toMatchObject({ exact: false, tasks: [] });
  });
});

describe("the lanes", () => {
  const work = (
    id: string,
    parent: string | null,
    started: number,
    completed: number | null,
    status = "DONE",
  ) => task(id, parent, { created: started - 1, started, completed, status });

  test("a small run has a lane for each task, and a plan is no work", () => {
    const run = applySnapshot(1, [
      work("r", null, 0, null),
      work("r.1", "r", 5, 9, "FAILED"),
      task("r.2", "r"),
    ]);
    const { bars, count } = lanesOf(run);
    expect(count).toBe(3);
    expect(bars.map(({ id, lane, kind, hasFailed, ended }) => [id, lane, kind, hasFailed, ended])).toEqual([
      ["r", 0, "plan", false, null],
      ["r.1", 1, "work", true, 9],
    ]);
  });

  test("a large one is packed: no two of a lane at a time while there are lanes", () => {
    const tasks = Array.from({ length: 100 }, (_, i) => work(`t${i}`, null, i * 3, i * 3 + 20));
    const { bars, count } = lanesOf(applySnapshot(1, tasks));
    expect(count).toBe(7);
    const freeFrom = new Map<number, number>();
    for (const { lane, started, ended } of bars) {
      expect(freeFrom.get(lane) ?? 0).toBeLessThanOrEqual(started);
      freeFrom.set(lane, ended as number);
    }
  });
});
