// What a search means: words without case and accents, all of them; the filter; matches inside folded sub-trees.

import { expect, test, vi } from "vitest";
import search from "../../tests/wire/search.json";
import { Finder } from "../src/find/finder";
import { ALL, type Found, findTasks, foldAhead, nextMatch, type Wanted } from "../src/find/match";
import type { Task } from "../src/messages";
import { applySnapshot } from "../src/state";
import { CODE, WAITS_CODE } from "../src/status";
import { shownCounts, tallyUp } from "../src/tally";
import { randomRun, task } from "./make";

const RUN = [
  task("root", null, { goal: "A briefing about Zürich", status: "PLAN_DONE" }),
  task("root.1", "root", {
    goal: "Find résumés of people",
    type: "SEARCH",
    agent: "Searcher",
    status: "DONE",
  }),
  task("root.2", "root", { goal: "Write it", type: "WRITE", model: "openrouter/Gemini", status: "FAILED" }),
  task("root.2.1", "root.2", {
    goal: "Write a part",
    type: "WRITE",
    error: "TIMEOUT of 30 s",
    status: "FAILED",
  }),
];

function find(wanted: Partial<Wanted>, tasks: readonly Task[] = RUN): Found | null {
  const run = applySnapshot(1, tasks);
  return findTasks(run, tallyUp(run), { ...ALL, ...wanted });
}
const ids = (wanted: Partial<Wanted>) => find(wanted)?.at.map((at) => RUN[at]?.id);

test.each(search.cases)("$words finds $found, as in Python", ({ words, found }) => {
  const run = search.tasks.map(({ id, ...texts }) => task(id, null, texts));
  expect(find({ words }, run)?.at.map((at) => run[at]?.id)).toEqual(found);
});

test("nothing wanted is no search, blanks are nothing", () => {
  expect(find({})).toBeNull();
  expect(find({ words: "  " })).toBeNull();
});

test("status and type combine with the words", () => {
  expect(ids({ codes: new Set([CODE.FAILED]) })).toEqual(["root.2", "root.2.1"]);
  expect(ids({ types: new Set(["WRITE"]), words: "part" })).toEqual(["root.2.1"]);
  expect(ids({ codes: new Set([CODE.DONE]), types: new Set(["WRITE"]) })).toEqual([]);
});

test("what waits for the person is found and counted as that alone", () => {
  const tasks = ["r.1", "r.2"].map((id) => task(id, null, { status: "RUNNING" }));
  const run = applySnapshot(1, tasks);
  const tally = tallyUp(run);
  const waiting = new Map([["r.2", null]]);
  const of = (code: number) => findTasks(run, tally, { ...ALL, codes: new Set([code]) }, waiting)?.at;
  expect([of(CODE.RUNNING), of(WAITS_CODE)]).toEqual([[0], [1]]);
  const counts = shownCounts(tally, run, ["r.2", "of another run"]);
  expect([counts[CODE.RUNNING], counts[WAITS_CODE]]).toEqual([1, 1]);
});

test("a parent knows how many are inside, itself not counted", () => {
  expect([...(find({ codes: new Set([CODE.FAILED]) }) as Found).inside]).toEqual([2, 0, 1, 0]);
});

test("next and previous go around the end", () => {
  const found = find({ words: "write" }) as Found;
  expect([-1, 2, 3].map((from) => nextMatch(found, from, 1))).toEqual([2, 3, 2]);
  expect([-1, 2, 3].map((from) => nextMatch(found, from, -1))).toEqual([3, 3, 2]);
  expect(nextMatch(find({ words: "nowhere" }) as Found, 0, 1)).toBeNull();
});

test("10,000 tasks are searched fast enough to type", () => {
  const tasks = randomRun(7, 10_000).map((each) => ({
    ...each,
    goal: `${"words of a goal ".repeat(20)}${each.id}`,
  }));
  const run = applySnapshot(1, tasks);
  const tally = tallyUp(run);
  const look = (words: string) => {
    const from = performance.now();
    findTasks(run, tally, { ...ALL, words });
    return performance.now() - from;
  };
  const first = look("goal t99");
  const again = Math.min(...["g", "goal t9", "nowhere"].map(look));
  console.info(`search of 10,000 tasks: ${first.toFixed(1)} ms at first, then ${again.toFixed(1)} ms`);
  // 20 ms on an idle machine; a shared one gets room.
  expect(again).toBeLessThan(100);
});

test("what is folded ahead is folded in pieces, to the end", () => {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  let now = 0;
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now++);
  const tasks = randomRun(7, 100).values();
  foldAhead(tasks);
  expect(vi.getTimerCount()).toBe(1);
  vi.runAllTimers();
  expect(tasks.next().done).toBe(true);
  clock.mockRestore();
  vi.useRealTimers();
});

test("the end of the filter leaves the words and the range", () => {
  const finder = new Finder();
  finder.say("water");
  finder.within({ anchor: 1, head: 2 });
  finder.toggleType("SEARCH");
  finder.endFilter();
  expect(finder.wanted).toEqual({ ...ALL, words: "water", during: { anchor: 1, head: 2 } });
});
