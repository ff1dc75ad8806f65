// Back and forward through what was selected.

import { expect, test } from "vitest";
import { Trail } from "../src/find/trail";

const ALL = () => true;

test("back and forward, and what was ahead is forgotten with a new turn", () => {
  const trail = new Trail();
  for (const id of ["a", "b", "b", "c"]) trail.visit(id);
  expect([trail.go(-1, ALL), trail.go(-1, ALL), trail.go(-1, ALL)]).toEqual(["b", "a", null]);
  expect(trail.go(1, ALL)).toBe("b");
  trail.visit("d");
  expect([trail.peek(1, ALL), trail.peek(-1, ALL)]).toEqual([null, "b"]);
});

test("tasks that are gone are stepped over", () => {
  const trail = new Trail();
  for (const id of ["a", "gone", "c"]) trail.visit(id);
  expect(trail.go(-1, (id) => id !== "gone")).toBe("a");
});

test("only the last hundred are kept", () => {
  const trail = new Trail();
  for (let i = 0; i < 150; i++) trail.visit(`t${i}`);
  let back = 0;
  while (trail.go(-1, ALL) !== null) back++;
  expect(back).toBe(99);
});
