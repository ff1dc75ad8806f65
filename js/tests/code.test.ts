import { expect, test } from "vitest";
import { codeOfFound } from "../src/find/code";
import { ALL } from "../src/find/match";
import { CODE, WAITS_CODE } from "../src/status";

const SEARCH = new Set(["SEARCH"]);
const FAILED = new Set([CODE.FAILED]);
const WAITING = 'waiting = [q["task_id"] for q in m.pending if q["state"] in ("open", "held")]';

test.each([
  [{}, false, null],
  [{ words: ' a "b" ' }, false, 'm.find("a \\"b\\"")'],
  [{ codes: FAILED }, false, 'df = m.tasks()\ndf[df["status"].isin(["FAILED"])]'],
  [
    { words: "é", types: SEARCH },
    true,
    'df = m.tasks()\ndf[df.index.isin([task.task_id for task in m.find("é")]) & df["task_type"].isin(["SEARCH"])]',
  ],
  [
    { codes: new Set([CODE.RUNNING]) },
    true,
    `${WAITING}\ndf = m.tasks()\ndf[df["status"].isin(["RUNNING"]) & ~df.index.isin(waiting)]`,
  ],
  [{ codes: new Set([WAITS_CODE]) }, true, `${WAITING}\ndf = m.tasks()\ndf[df.index.isin(waiting)]`],
  [
    { codes: new Set([WAITS_CODE, CODE.FAILED]) },
    true,
    `${WAITING}\ndf = m.tasks()\ndf[(df["status"].isin(["FAILED"]) | df.index.isin(waiting))]`,
  ],
])("%j is found in Python by its code", (wanted, isAsking, code) => {
  expect(codeOfFound("m", { ...ALL, ...wanted }, isAsking)).toBe(code);
});

test("what the frame cannot say is no code", () => {
  expect(codeOfFound("m", { ...ALL, codes: new Set([CODE.UNKNOWN]) }, false)).toBeNull();
  expect(codeOfFound("m", { ...ALL, codes: new Set([WAITS_CODE]) }, false)).toBeNull();
});
