// A plan is edited, put into words, and compared with the one before it.

import { describe, expect, test } from "vitest";
import type { PlanStep } from "../src/messages";
import { comparedRows, editedRows, summaryOf } from "../src/questions/diff";
import {
  add,
  type Draft,
  draftOf,
  move,
  readGoal,
  readNumbers,
  rewrite,
  staying,
  toggle,
} from "../src/questions/plan";
import { instructionsFor } from "../src/questions/words";

const step = (goal: string, ...depends_on: number[]): PlanStep => ({
  goal,
  task_type: "SEARCH",
  node_type: "EXECUTE",
  depends_on,
  more: 0,
});
const PLAN = [
  step("List the exhibits"),
  step("List the cafés"),
  step("Score the museums", 0, 1),
  step("Write", 2),
];
const say = (draft: Draft) => instructionsFor(PLAN, draft);
const change = (draft: Draft, key: number, more: object) =>
  rewrite(draft, key, { ...(draft.find((one) => one.key === key) as Draft[number]), ...more });
const NEW = { goal: "Check stroller access", task_type: "SEARCH", node_type: "EXECUTE" };

test("a goal that was opened and closed is the goal that it was", () => {
  const odd = " Find prices \r\nfor all\n";
  expect(readGoal(" Find prices \nfor all\n", odd)).toBe(odd);
  expect(readGoal(" Find them \r\n", odd)).toBe("Find them");
  expect(readGoal(" Find them ", null)).toBe("Find them");
});

test("two new sub-tasks with the same words are told apart", () => {
  const one = add(draftOf(PLAN), { ...NEW, after: [] });
  expect(say(add(one, { ...NEW, after: [4] }))).toContain(
    "- Add a sub-task after the new sub-task “Check stroller access” (1): “Check stroller access” (2) (SEARCH, EXECUTE), " +
      "depending on the new sub-task “Check stroller access” (1).",
  );
});

describe("an edited plan in words", () => {
  const draft = draftOf(PLAN);
  test.each([
    ["nothing", draft, ""],
    ["a removal takes its dependencies along", toggle(draft, 1, 4), "Remove sub-task 2 (“List the cafés”)."],
    ["a removal taken back", toggle(toggle(draft, 1, 4), 1, 4), ""],
    ["other words", change(draft, 2, { goal: "Rate them" }), "Reword sub-task 3 to “Rate them”."],
    [
      "another type",
      change(draft, 2, { task_type: "THINK" }),
      "Change the type of sub-task 3 from SEARCH to THINK.",
    ],
    ["another kind", change(draft, 2, { node_type: "PLAN" }), "Change sub-task 3 from EXECUTE to PLAN."],
    [
      "other dependencies",
      change(draft, 3, { after: [1, 0] }),
      "Let sub-task 4 depend on sub-tasks 1 and 2.",
    ],
    ["no dependencies", change(draft, 2, { after: [] }), "Let sub-task 3 depend on no other sub-task."],
    ["two places up", move(move(draft, 2, -1), 2, -1), "Move sub-task 3 to the beginning."],
    ["one place down", move(draft, 1, 1), "Move sub-task 2 after sub-task 3."],
    [
      "a new one",
      add(draft, { ...NEW, after: [0] }),
      "Add a sub-task after sub-task 4: “Check stroller access” (SEARCH, EXECUTE), depending on sub-task 1.",
    ],
    ["a new one, given up", toggle(add(draft, { ...NEW, after: [] }), 4, 4), ""],
  ])("%s", (_, edited, words) => expect(say(edited)).toBe(words));

  test("many changes stand under each other, by the numbers of the proposed plan", () => {
    const edited = change(move(add(toggle(draft, 1, 4), { ...NEW, after: [] }), 4, -1), 3, { after: [2, 4] });
    expect(say(edited).split("\n")).toEqual([
      "Change the proposed plan as follows. Numbers are those of the proposed plan.",
      "- Remove sub-task 2 (“List the cafés”).",
      "- Add a sub-task after sub-task 3: “Check stroller access” (SEARCH, EXECUTE).",
      "- Let sub-task 4 depend on sub-task 3 and the new sub-task “Check stroller access”.",
    ]);
  });

  test("a step moves over those that are struck out, and not off the ends", () => {
    const struck = toggle(draft, 1, 4);
    expect(move(struck, 2, -1).map(({ key }) => key)).toEqual([2, 0, 1, 3]);
    expect(move(draft, 0, -1)).toBe(draft);
    expect(move(draft, 3, 1)).toBe(draft);
  });
});

describe("dependencies as numbers", () => {
  const draft = toggle(draftOf(PLAN), 1, 4);
  test.each([
    ["1, 2", [0, 2]],
    ["1 and 2", [0, 2]],
    ["", []],
    ["1,1", [0]],
    ["4", "There is no sub-task 4."],
    ["3", "A sub-task cannot depend on itself."],
    ["the first", "Write the numbers of the sub-tasks, such as 1, 2."],
  ])("%j", (said, keys) => expect(readNumbers(draft, 3, said)).toEqual(keys));

  test("two that wait for each other are refused", () => {
    expect(readNumbers(draft, 0, "3")).toBe(
      "Sub-task 3 waits for this one already: both would wait for ever.",
    );
  });
});

describe("a plan against the one before", () => {
  test("added, removed, reworded, moved, changed", () => {
    const now = [
      step("Write", 2),
      step("List the exhibits"),
      step("Check stroller access"),
      step("Score the museums for ages four and ten", 1),
    ];
    const rows = comparedRows(PLAN, now);
    expect(rows.map(({ number, was, marks }) => [number, was, ...marks])).toEqual([
      [1, 4, "moved", "changed"],
      [2, 1],
      [null, 2, "removed"],
      [3, null, "added"],
      [4, 3, "reworded", "changed"],
    ]);
    expect(summaryOf(rows)).toBe("1 added · 1 removed · 1 reworded · 1 moved · 2 changed");
    expect(summaryOf(comparedRows(PLAN, PLAN))).toBe("");
  });

  test("while it is edited, against the proposed one", () => {
    const rows = editedRows(PLAN, move(toggle(draftOf(PLAN), 1, 4), 3, -1));
    expect(rows.map(({ number, marks, after }) => [number, marks.join(), after.join()])).toEqual([
      [1, "", ""],
      [null, "removed", ""],
      [2, "", "3"],
      [3, "moved", "1"],
    ]);
  });

  test("goals that say the same twice are matched once each", () => {
    const twice = [step("Same"), step("Same")];
    expect(summaryOf(comparedRows(twice, twice))).toBe("");
    expect(summaryOf(comparedRows(twice, [step("Same")]))).toBe("1 removed");
  });

  test("500 sub-tasks are compared at once", () => {
    const many = Array.from({ length: 500 }, (_, i) => step(`goal ${i}`, ...(i > 0 ? [i - 1] : [])));
    const other = many.map((one, i) => ({ ...one, goal: `other ${i}` }));
    const begun = performance.now();
    expect(comparedRows(many, other)).toHaveLength(1000);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });
});

test("what stays when the fewest are moved", () => {
  expect([...staying([3, 0, 1, 2])].sort()).toEqual([0, 1, 2]);
  expect([...staying([])]).toEqual([]);
});
