import { describe, expect, test } from "vitest";
import { readMessage } from "../src/read";
import { applyDelta, applySnapshot, childrenOf, EMPTY, type RunState } from "../src/state";
import { CODE } from "../src/status";
import { countIn, tallyUp } from "../src/tally";
import { buffer, delta, randomRun, snapshot, task } from "./make";

function apply(run: RunState, message: readonly [unknown, readonly unknown[]]): RunState {
  const read = readMessage(...message);
  if (read?.type === "snapshot") return applySnapshot(read.rev, read.tasks);
  if (read?.type === "delta") return applyDelta(run, read.rev, read.delta);
  throw new Error("not a state message");
}

const family = [
  task("a"),
  task("a.2", "a", { index: 1 }),
  task("a.1", "a", { index: 0 }),
  task("b", null, { index: 1 }),
];

describe("a snapshot", () => {
  test("puts the tasks in plan order, children by index", () => {
    const run = apply(EMPTY, snapshot(1, family));
    expect(run.tree.ids).toEqual(["a", "a.1", "a.2", "b"]);
    expect([...run.tree.depth]).toEqual([0, 1, 1, 0]);
    expect(childrenOf(run.tree, 0)).toEqual([1, 2]);
    expect(run.tree.levels).toBe(2);
  });

  test("keeps ids that are names of object properties", () => {
    const ids = ["__proto__", "constructor", "toString", "quote\"'<b>", "x".repeat(10_000)];
    const run = apply(
      EMPTY,
      snapshot(
        1,
        ids.map((id) => task(id)),
      ),
    );
    expect([...run.tasks.keys()]).toEqual(ids);
    expect(run.tasks.get("__proto__")?.goal).toBe("goal of __proto__");
    expect(({} as Record<string, unknown>).goal).toBeUndefined();
  });

  test("loses no task to a missing parent, itself as parent or a cycle", () => {
    const run = apply(
      EMPTY,
      snapshot(1, [task("x", "y"), task("y", "x"), task("z", "z"), task("o", "nobody")]),
    );
    expect(new Set(run.tree.ids)).toEqual(new Set(["x", "y", "z", "o"]));
  });

  test("survives a chain of 10,000", () => {
    const chain = Array.from({ length: 10_000 }, (_, i) => task(`t${i}`, i === 0 ? null : `t${i - 1}`));
    expect(apply(EMPTY, snapshot(1, chain)).tree.levels).toBe(10_000);
  });
});

describe("a delta", () => {
  const before = apply(EMPTY, snapshot(1, family));

  test("changes the named fields only and leaves the state before as it was", () => {
    const after = apply(before, delta(2, 1, { "a.1": { status: "RUNNING", started: 5 } }));
    expect(after.tasks.get("a.1")).toMatchObject({
      status: "RUNNING",
      started: 5,
      goal: "goal of a.1",
      parent: "a",
    });
    expect(before.tasks.get("a.1")?.status).toBe("PENDING");
    expect(after.rev).toBe(2);
  });

  test("keeps the tree when only statuses changed, so that nothing is laid out again", () => {
    expect(apply(before, delta(2, 1, { "a.1": { status: "DONE" } })).tree).toBe(before.tree);
  });

  test("adds, moves and removes tasks", () => {
    const added = apply(before, delta(2, 1, { "b.1": task("b.1", "b") }));
    expect(added.tree.ids).toEqual(["a", "a.1", "a.2", "b", "b.1"]);
    const moved = apply(added, delta(3, 2, { "b.1": { parent: "a", index: 9 } }));
    expect(moved.tree.ids).toEqual(["a", "a.1", "a.2", "b.1", "b"]);
    const removed = apply(moved, delta(4, 3, {}, ["a.1", "unknown"]));
    expect(removed.tree.ids).toEqual(["a", "a.2", "b.1", "b"]);
  });

  test("can change a task called __proto__", () => {
    const run = apply(EMPTY, snapshot(1, [task("__proto__")]));
    const changed = new TextEncoder().encode('{"changed": {"__proto__": {"status": "DONE"}}, "removed": []}');
    const message = readMessage({ type: "delta", rev: 2, base: 1 }, [new DataView(changed.buffer)]);
    if (message?.type !== "delta") throw new Error("unread");
    expect(applyDelta(run, 2, message.delta).tasks.get("__proto__")?.status).toBe("DONE");
  });
});

test.each([
  [null, []],
  [42, []],
  ["snapshot", []],
  [{ type: "snapshot" }, []],
  [{ type: "snapshot", rev: 1 }, []],
  [{ type: "snapshot", rev: "1" }, [buffer({ tasks: [] })]],
  [{ type: "snapshot", rev: 1 }, [new DataView(new ArrayBuffer(3))]],
  [{ type: "snapshot", rev: 1 }, [buffer({ tasks: "many" })]],
  [{ type: "delta", rev: 2, base: null }, [buffer({})]],
  [{ type: "delta", rev: 2, base: 1 }, [buffer(null)]],
  [{ type: "reply", rid: 5 }, []],
  [{ type: "beat", rev: Number.NaN }, []],
  [{ type: "surprise" }, []],
])("garbage is not a message: %j", (content, buffers) => {
  expect(readMessage(content, buffers)).toBeNull();
});

test("fields of a wrong type are missing, and one bad task hides no good one", () => {
  const run = apply(
    EMPTY,
    snapshot(1, [
      7,
      null,
      { id: 3 },
      { parent: "a" },
      {
        id: "ok",
        parent: 5,
        index: "x",
        goal: null,
        status: {},
        depends_on: ["a", 1, null],
        context: "no",
        started: "now",
        layer: [],
      },
    ]),
  );
  expect([...run.tasks.values()]).toEqual([
    expect.objectContaining({
      id: "ok",
      parent: null,
      index: 0,
      goal: "",
      status: "",
      depends_on: ["a"],
      context: [],
      started: null,
      layer: null,
    }),
  ]);
});

test("a delta over random runs equals the snapshot of its end", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const old = randomRun(seed, 60);
    const next = randomRun(seed + 100, 80);
    const gone = old.filter(({ id }) => !next.some((other) => other.id === id)).map(({ id }) => id);
    const whole = apply(EMPTY, snapshot(2, next));
    const stepped = apply(
      apply(EMPTY, snapshot(1, old)),
      delta(2, 1, Object.fromEntries(next.map((one) => [one.id, one])), gone),
    );
    expect(new Map(stepped.tasks)).toEqual(new Map(whole.tasks));
    expect(new Set(stepped.tree.ids)).toEqual(new Set(whole.tree.ids));
  }
});

test("the tally counts whole sub-trees", () => {
  const run = applySnapshot(1, [
    task("a", null, { status: "PLAN_DONE" }),
    task("a.1", "a", { status: "DONE" }),
    task("a.2", "a", { status: "ODD" }),
  ]);
  const tally = tallyUp(run);
  expect(countIn(tally, 0, CODE.DONE)).toBe(1);
  expect(countIn(tally, 0, CODE.UNKNOWN)).toBe(1);
  expect(countIn(tally, 1, CODE.PLAN_DONE)).toBe(0);
  expect(tally.all[CODE.PLAN_DONE]).toBe(1);
});
