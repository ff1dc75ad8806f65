// What a search means: words without case and accents, all of them; the filter; matches inside folded sub-trees.

import { expect, test } from "vitest";
import { Finder } from "../src/find/finder";
import { ALL, type Found, findTasks, nextMatch, type Wanted } from "../src/find/match";
import type { Task } from "../src/messages";
import { applySnapshot } from "../src/state";
import { CODE } from "../src/status";
import { tallyUp } from "../src/tally";
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

test.each([
  ["zurich", ["root"]],
  ["RESUMES people", ["root.1"]],
  ["people résumés", ["root.1"]],
  ["root.2", ["root.2", "root.2.1"]],
  ["searcher", ["root.1"]],
  ["gemini", ["root.2"]],
  ["timeout", ["root.2.1"]],
  ["timeout gemini", []],
  ["null", []],
])("%s finds %j", (words, expected) => {
  expect(ids({ words })).toEqual(expected);
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

test("the end of the filter leaves the words and the range", () => {
  const finder = new Finder();
  finder.say("water");
  finder.within({ anchor: 1, head: 2 });
  finder.toggleType("SEARCH");
  finder.endFilter();
  expect(finder.wanted).toEqual({ ...ALL, words: "water", during: { anchor: 1, head: 2 } });
});
