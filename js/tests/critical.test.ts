// The browser's critical path is Python's: tests/wire/test_critical_path.py reads the same cases.

import { expect, test } from "vitest";
import cases from "../../tests/wire/critical_path.json";
import { criticalPath } from "../src/find/critical";
import type { Task } from "../src/messages";
import { applySnapshot } from "../src/state";
import { randomRun, task } from "./make";

test.each(cases)("$name", ({ tasks, path }) => {
  const run = applySnapshot(
    1,
    tasks.map((each, index) => task(each.id, each.parent, { ...(each as Partial<Task>), index })),
  );
  expect(criticalPath(run).map((at) => run.tree.ids[at])).toEqual(path);
});

test("no task is on the path twice, whatever needs what", () => {
  const tasks = randomRun(3, 2000).map((each, i) => ({ ...each, depends_on: [`t${(i * 7) % 2000}`] }));
  const path = criticalPath(applySnapshot(1, tasks));
  expect(new Set(path).size).toBe(path.length);
});
