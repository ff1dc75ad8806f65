// What the kernel really says during a recorded run (tests/wire/make.py), read by the front end's own reader.

import { expect, test } from "vitest";
import run from "../../tests/wire/failed_run.json";
import { readMessage } from "../src/read";
import { applyDelta, applySnapshot, EMPTY } from "../src/state";
import { buffer } from "./make";

test("a recorded run told by the kernel leaves the browser with the kernel's tasks", () => {
  let state = EMPTY;
  for (const { content, body } of run.messages) {
    const message = readMessage(content, body === null ? [] : [buffer(body)]);
    if (message?.type === "snapshot") state = applySnapshot(message.rev, message.tasks);
    else if (message?.type === "delta") {
      expect(message.base).toBe(state.rev);
      state = applyDelta(state, message.rev, message.delta);
    } else throw new Error(`not read: ${JSON.stringify(content)}`);
  }
  expect(state.rev).toBe(run.rev);
  expect([...state.tree.ids]).toEqual(run.tasks.map((task) => task.id));
  for (const task of run.tasks) expect(state.tasks.get(task.id)).toMatchObject(task);
});
