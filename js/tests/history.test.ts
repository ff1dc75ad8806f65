import { expect, test } from "vitest";
import { readNotes, readTaskDetail } from "../src/read";
import { historyOf } from "../src/time/history";
import { task } from "./make";

const stamped = task("r", null, { created: 1000, started: 3000, completed: 9000, status: "DONE" });
const words = (steps: ReturnType<typeof historyOf>) => steps.map(({ time, word }) => [time, word]);

test("what is known of a task's past is told in order, by the server's stamps where it has them", () => {
  const seen = [
    { time: null, status: "PENDING" },
    { time: 3100, status: "RUNNING" },
    { time: 9100, status: "DONE" },
  ];
  expect(words(historyOf(stamped, seen, null))).toEqual([
    [1000, "created"],
    [null, "PENDING"],
    [3000, "RUNNING"],
    [9000, "DONE"],
  ]);
  expect(words(historyOf(stamped, seen, 5000)).at(-1)).toEqual([3000, "RUNNING"]);
  expect(words(historyOf(stamped, [], null))).toEqual([
    [1000, "created"],
    [3000, "started"],
    [9000, "DONE"],
  ]);
  expect(historyOf(task("r"), [], null)).toEqual([]);
});

test("of a history and of notes everything that is none is left out, and the rest is bounded", () => {
  const history = [{ time: "x", status: "DONE" }, { time: 1 }, null, 7];
  expect(readTaskDetail({ task: "r", history })?.history).toEqual([{ time: null, status: "DONE" }]);
  const notes = [{ task: "r", text: "x".repeat(9000), tags: ["a", 1] }, { text: "no task" }, null];
  const { n, newest } = readNotes({ n: -3, newest: notes });
  expect([n, newest.length, newest[0]?.text.length, newest[0]?.tags]).toEqual([1, 1, 2000, ["a"]]);
  expect([readNotes(null), readNotes([]).n]).toEqual([{ n: 0, newest: [] }, 0]);
});
