// Follow mode goes to the running task that began last.

import { expect, test } from "vitest";
import { isMuchLarger, newestRunning } from "../src/graph/follow";
import { task } from "./make";

const running = (id: string, started: number | null) => task(id, null, { status: "RUNNING", started });

test("the newest running one, whatever else is newer", () => {
  const tasks = [
    running("a", 5),
    running("b", 9),
    running("c", null),
    task("d", null, { status: "DONE", started: 20 }),
  ];
  expect(newestRunning(tasks)?.id).toBe("b");
  expect(newestRunning([running("a", 5), running("b", 5)])?.id).toBe("b");
  expect(newestRunning([])).toBeNull();
});

test("it goes nearer only for much", () => {
  expect(isMuchLarger(0.4, 0.03)).toBe(true);
  expect(isMuchLarger(0.4, 0.25)).toBe(false);
});
