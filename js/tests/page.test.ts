import { describe, expect, test } from "vitest";
import { Kernel } from "../src/kernel";
import { PageModel } from "../src/page/model";
import { Moments } from "../src/page/moments";
import { unpack } from "../src/page/unpack";
import { task } from "./make";

const steps = [
  {
    time: 100,
    changed: { a: { ...task("a"), status: "RUNNING" } },
    progress: { total: 1, done: 0 },
  },
  { time: 200, changed: { "a.1": task("a.1", "a") }, progress: { total: 2 }, exact: false },
  { time: 300, changed: { a: { status: "DONE" } }, removed: ["a.1"], progress: { total: 1, done: 1 } },
];

describe("moments of a page", () => {
  test("each is what all steps up to it made", () => {
    const moments = new Moments(steps);
    expect(moments.times).toEqual([100, 200, 300]);
    expect(moments.at(99)).toBeNull();
    expect(moments.at(250)).toMatchObject({ time: 250, exact: false, progress: { total: 2, done: 0 } });
    expect(moments.at(250)?.tasks.map(({ id, status }) => [id, status])).toEqual([
      ["a", "RUNNING"],
      ["a.1", "PENDING"],
    ]);
    expect(moments.at(999)).toMatchObject({ time: 300, tasks: [{ id: "a", status: "DONE" }] });
    expect(moments.at(100)?.tasks).toHaveLength(1);
  });

  test("of a long run they are the same forwards and backwards", () => {
    const long = Array.from({ length: 500 }, (_, i) => ({
      time: i,
      changed: { [`t${i % 7}`]: { index: i } },
    }));
    const there = Array.from({ length: 500 }, (_, i) => new Moments(long).at(i));
    const moments = new Moments(long);
    for (const i of [499, 0, 64, 63, 65, 128, 300, 127, 498]) expect(moments.at(i)).toEqual(there[i]);
    expect(moments.at(499)?.tasks).toContainEqual({ id: "t2", index: 499 });
  });

  test("what is no step is passed over, and an id may be anything", () => {
    const odd = JSON.parse('{"time": 1, "changed": {"__proto__": {"goal": "x"}, "b": 7}, "removed": 3}');
    expect(new Moments([null, 3, { time: "x" }, odd]).at(1)?.tasks).toEqual([
      expect.objectContaining({ goal: "x" }),
    ]);
    expect(new Moments("nothing").at(1)).toBeNull();
  });
});

describe("a page without a kernel", () => {
  const page = {
    format: 1,
    made_by: "roma-widget 9",
    time: 300,
    project: { id: "p", goal: "Why" },
    progress: { total: 1, outcome: "succeeded" },
    tasks: [task("a")],
    details: { a: { task: "a", goal: "Why", result: "Because", result_kind: "text" } },
    traces: {
      a: { stages: [{ seq: 1, stage: "execution", llm_response: "Because" }], left_out: null },
      b: { stages: [], left_out: "3 MB, left out" },
    },
    steps,
    left_out: ["The traces of 1 task were not fetched: a."],
  };

  async function opened(held: Record<string, unknown> = page) {
    const controller = new AbortController();
    const kernel = new Kernel(new PageModel(held), () => {}, controller.signal);
    await Promise.resolve();
    return { kernel, close: () => controller.abort() };
  }

  test("is a saved run that says what is not in it", async () => {
    const { kernel, close } = await opened();
    expect([...kernel.run.tasks.keys()]).toEqual(["a"]);
    expect(kernel.traits.connection).toMatchObject({ state: "archive", error: page.left_out[0] });
    expect(kernel.traits.project?.goal).toBe("Why");
    close();
  });

  test("what is nested too deep hides nothing else, and is said", async () => {
    const deep = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`);
    const { kernel, close } = await opened({
      ...page,
      tasks: [task("a"), { ...task("b"), goal: deep }],
      details: { a: { task: "a", result: deep } },
    });
    expect([...kernel.run.tasks.keys()]).toEqual(["a"]);
    await expect(kernel.ask("a")).rejects.toThrow("nested too deep");
    close();
  });

  test("answers for its tasks and moments, and says one sentence for all else", async () => {
    const { kernel, close } = await opened();
    expect((await kernel.ask("a")).result).toBe("Because");
    expect(await kernel.askTimes()).toEqual([100, 200, 300]);
    expect((await kernel.askMoment(150)).tasks.map(({ id }) => id)).toEqual(["a"]);
    await expect(kernel.askMoment(1)).rejects.toThrow("Nothing is known of that moment.");
    await expect(kernel.ask("toString")).rejects.toThrow("Nothing more of this task is in this page.");
    await expect(kernel.askLink()).rejects.toThrow("there is nobody to do that");
    expect(await kernel.do({ action: "select", project: null, tasks: ["a"] })).toBeNull();
    expect(kernel.traits.selection).toEqual(["a"]);
    expect(await kernel.do({ action: "retry" })).toContain("there is nobody");
    close();
  });

  test("has traces with whole texts, and says why one is not there", async () => {
    const { kernel, close } = await opened();
    const [stage] = (await kernel.askTrace("a")).stages;
    expect([stage?.stage, stage?.texts.get("llm_response"), stage?.sizes.size]).toEqual([
      "execution",
      "Because",
      0,
    ]);
    expect((await kernel.askStage("a", 1)).texts.get("llm_response")).toBe("Because");
    await expect(kernel.askStage("a", 2)).rejects.toThrow("This stage is not in this page.");
    await expect(kernel.askTrace("b")).rejects.toThrow("is not in this page: 3 MB, left out.");
    await expect(kernel.askTrace("c")).rejects.toThrow("was not fetched before this page was made");
    expect(await kernel.do({ action: "open_stage", project: null, task: "a", seq: 1 })).toBeNull();
    close();
  });

  test("of which nothing can be read is a run without tasks", async () => {
    const { kernel, close } = await opened({ tasks: 3, steps: {}, left_out: 7 });
    expect(kernel.run.tasks.size).toBe(0);
    expect(await kernel.askTimes()).toEqual([]);
    close();
  });
});

test("what is packed in a page comes out, and anything else is one sentence", async () => {
  const packed = new Blob(['{"format": 1}']).stream().pipeThrough(new CompressionStream("gzip"));
  const base64 = btoa(String.fromCharCode(...new Uint8Array(await new Response(packed).arrayBuffer())));
  expect(await unpack(`"${base64}"`)).toEqual({ format: 1 });
  for (const bad of [null, "", "7", '"x"', `"${base64.slice(0, 20)}"`, `"${btoa("{}")}"`])
    await expect(unpack(bad)).rejects.toThrow("the file is damaged or not complete");
});
