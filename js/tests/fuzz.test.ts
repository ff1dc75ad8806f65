// Whatever the kernel, a page or a model says: every reader returns, says the same twice, and one bad part hides no good one.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCompared } from "../src/compare/read";
import { isFields } from "../src/fields";
import { Kernel } from "../src/kernel";
import { PageModel } from "../src/page/model";
import { Moments } from "../src/page/moments";
import { readPrompts, readQuestion, readSettled } from "../src/questions/read";
import * as read from "../src/read";
import { applyDelta, applyMoment, applySnapshot, childrenOf, EMPTY, type RunState } from "../src/state";
import { parseBlocks } from "../src/text/blocks";
import { parseInline } from "../src/text/inline";
import { pieces, placesOf } from "../src/text/search";
import { readStageTexts, readTrace } from "../src/trace/read";
import { wordDiff } from "../src/word-diff";
import { anything, fuzzed, oddText, within } from "./fuzzing";
import { buffer, FakeModel, randomRun, task } from "./make";

const NAMES =
  "id parent index goal status type node agent model layer depends_on context created started updated completed error " +
  "summary tasks changed removed rev base type rid ok body state reason relay questions by_status outcome total time " +
  "times history newest text tags task stages seq sizes texts message plan about request_id checkpoint action why " +
  "steps progress details traces annotations left_out project exact n ago_s pairs";
const any = anything(NAMES.split(" "));
const LONG_MS = 1_000;
const SOON_MS = 400;

const READERS: Readonly<Record<string, (value: unknown) => unknown>> = {
  readIds: read.readIds,
  readText: read.readText,
  readConnection: read.readConnection,
  readProjects: read.readProjects,
  readProject: read.readProject,
  readProgress: read.readProgress,
  readTask: read.readTask,
  readTaskDetail: read.readTaskDetail,
  readNotes: read.readNotes,
  readLinkQuality: read.readLinkQuality,
  readTimes: read.readTimes,
  readMoment: read.readMoment,
  readTrace,
  readStageTexts,
  readPrompts,
  readQuestion,
  readSettled: (value) => readSettled(isFields(value) ? value : {}),
  readCompared,
};

describe("readers of what the kernel says", () => {
  test.each(Object.keys(READERS))("%s", (name) => {
    const reader = READERS[name] as (value: unknown) => unknown;
    fc.assert(
      fc.property(any, (value) => {
        expect(reader(value)).toEqual(reader(value));
      }),
      fuzzed(150),
    );
  });

  test("a message with any content and any body", () => {
    const content = fc.oneof(
      any,
      fc.record({
        type: fc.constantFrom("snapshot", "delta", "beat", "reply", "settled"),
        rev: fc.integer(),
        base: fc.integer(),
        rid: oddText,
      }),
    );
    const body = fc.oneof(any.map(buffer), fc.uint8Array(), any);
    fc.assert(
      fc.property(content, fc.array(body, { maxLength: 2 }), (said, bodies) => {
        expect(read.readMessage(said, bodies)).toEqual(read.readMessage(said, bodies));
      }),
      fuzzed(300),
    );
  });

  test("a body that is nested without end is no body", () => {
    const deep = new TextEncoder().encode(`{"tasks":${"[".repeat(200_000)}`);
    expect(read.readMessage({ type: "snapshot", rev: 1 }, [deep])).toBeNull();
  });

  test("a bad task hides no good one", () => {
    fc.assert(
      fc.property(fc.array(any, { maxLength: 5 }), (bad) => {
        const tasks = [task("good"), ...bad, task("better", "good")];
        const message = read.readMessage({ type: "snapshot", rev: 1 }, [buffer({ tasks })]);
        const ids = message?.type === "snapshot" ? message.tasks.map(({ id }) => id) : [];
        expect(ids).toContain("good");
        expect(ids).toContain("better");
      }),
      fuzzed(200),
    );
  });
});

/** Every task stands in the tree once, under its parent where there is one. */
function assertWhole({ tasks, tree }: RunState): void {
  expect([...tree.ids].sort()).toEqual([...tasks.keys()].sort());
  for (let at = 0; at < tree.ids.length; at++) {
    expect(tree.at.get(tree.ids[at] as string)).toBe(at);
    expect(tree.end[at]).toBeGreaterThan(at);
    for (const child of childrenOf(tree, at)) expect(tree.parent[child]).toBe(at);
  }
}

describe("the run", () => {
  const id = fc.constantFrom("a", "b", "c", "d", "__proto__");
  const change = fc.record(
    { parent: fc.option(id), index: fc.double(), goal: oddText, status: oddText },
    { requiredKeys: [] },
  );
  const step = fc.record({ changed: fc.array(fc.tuple(id, change)), removed: fc.array(id) });

  test("any deltas lead to what a snapshot of the same says", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        let run = EMPTY;
        steps.forEach(({ changed, removed }, i) => {
          const message = read.readMessage({ type: "delta", rev: i, base: i - 1 }, [
            buffer({ changed: Object.fromEntries(changed), removed }),
          ]);
          if (message?.type === "delta") run = applyDelta(run, i, message.delta);
          assertWhole(run);
        });
        const whole = applySnapshot(1, [...run.tasks.values()]);
        expect(whole.tree).toEqual(run.tree);
        expect(applyMoment(run, [...run.tasks.values()]).tree).toBe(run.tree);
      }),
      fuzzed(200),
    );
  });
});

describe("a page", () => {
  const questions = fc.array(
    fc.record({
      type: fc.constantFrom("ask", "do", "hello", "x"),
      rid: fc.constant("r"),
      what: fc.constantFrom("task", "trace", "stage", "times", "moment", "link"),
      action: fc.constantFrom("select", "open_stage", "watch"),
      task: oddText,
      tasks: any,
      seq: fc.integer(),
      at: fc.double(),
    }),
    { maxLength: 4 },
  );

  test("holds anything, and answers each question once", async () => {
    await fc.assert(
      fc.asyncProperty(any, questions, async (page, asked) => {
        const model = new PageModel(isFields(page) ? page : {});
        const rids: unknown[] = [];
        model.on("msg:custom", (content: { type: string; rid: unknown }) => {
          if (content.type === "reply") rids.push(content.rid);
        });
        for (const question of asked) model.send(question);
        await Promise.resolve();
        const wanting = asked.filter(({ type }) => type === "ask" || type === "do");
        expect(rids).toHaveLength(wanting.length);
      }),
      fuzzed(200),
    );
  });

  test("any steps give moments, the same forwards and backwards", () => {
    fc.assert(
      fc.property(fc.array(any, { maxLength: 12 }), (steps) => {
        const [one, other] = [new Moments(steps), new Moments(steps)];
        const there = one.times.map((time) => one.at(time));
        const back = [...other.times].reverse().map((time) => other.at(time));
        expect(back.reverse()).toEqual(there);
      }),
      fuzzed(200),
    );
  });
});

describe("a kernel that says anything", () => {
  test("leaves a run that is whole", () => {
    const content = fc.record({
      type: fc.constantFrom("snapshot", "delta", "beat", "reply", "settled"),
      rev: fc.integer({ min: 0, max: 3 }),
      base: fc.integer({ min: 0, max: 3 }),
      rid: fc.constantFrom("1", "2"),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(content, any), { maxLength: 6 }), any, (said, trait) => {
        const model = new FakeModel();
        const controller = new AbortController();
        const kernel = new Kernel(model, () => {}, controller.signal);
        for (const name of ["connection", "projects", "project", "progress", "selection", "pending", "notes"])
          model.set(name, trait);
        for (const [message, body] of said) model.say([message, [buffer(body)]]);
        assertWhole(kernel.run);
        controller.abort();
      }),
      fuzzed(150),
    );
  });
});

const markdown = fc
  .array(
    fc.constantFrom(
      ..."# |> |- |1. |  |\t|\n|\n\n|```|~~~|`|``|*|**|_|__|~~|[|](|)|![|<https:|>|\\|a|b c|\\||---|===|:-:|é|😀|\ud800|x".split(
        "|",
      ),
      "|",
      "|---|",
      "| a | b |\n|---|---|\n",
      " ".repeat(500),
      "-".repeat(300),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

describe("texts", () => {
  test("Markdown of any marks is read, and soon", () => {
    fc.assert(
      fc.property(markdown, (text) => {
        const blocks = within(LONG_MS, () => parseBlocks(text, { left: 3_000 }));
        const parts = within(LONG_MS, () => parseInline(text, { left: 4_000 }));
        expect(parseBlocks(text, { left: 3_000 })).toEqual(blocks);
        expect(parseInline(text, { left: 4_000 })).toEqual(parts);
      }),
      fuzzed(500),
    );
  });

  const LONG = 20_000;
  const PATTERNS = [
    ..." |#|# |> |- |-|1. |`|```|*|**|_|__|*a|_a |[|[a](|[a](b |![a](|<https:|~~|a |\\|\n|- \n|> \n|a|b\n|\t".split(
      "|",
    ),
    "|",
    "a|b\n",
    "|-",
    "*a **b ",
    "` `` ``` ",
    "[a](b(c)",
  ];
  const ENDS = ["", "x", "-x", "`"];
  const STARTS = ["", "a|b\n", "- ", "[a](b"];

  test.each(PATTERNS)(
    "20,000 characters of %j",
    (pattern) => {
      for (const start of STARTS)
        for (const end of ENDS) {
          const text = start + pattern.repeat(LONG / pattern.length) + end;
          within(SOON_MS, () => parseBlocks(text, { left: 3_000 }));
          within(SOON_MS, () => parseInline(text, { left: 4_000 }));
        }
    },
    20_000,
  );

  test("what was cut into pieces is the text, and what was found is there", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        oddText,
        fc.integer({ min: 2, max: 20 }),
        (text, wanted, most) => {
          const cuts = pieces(text, most);
          expect(cuts.map(([from, to]) => text.slice(from, to)).join("")).toBe(text);
          for (const at of placesOf(text + wanted, wanted, 5)) expect(at).toBeLessThanOrEqual(text.length);
          expect(placesOf(text + wanted, wanted, 1_000).length > 0).toBe(wanted !== "");
        },
      ),
      fuzzed(300),
    );
  });

  test("both sides of a difference are the texts", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const sides = wordDiff(a, b).map((side) => side.map(({ text }) => text).join(""));
        expect(sides).toEqual([a, b]);
      }),
      fuzzed(200),
    );
  });

  test("long texts that differ take no memory with the square of their words", () => {
    const [a, b] = ["a ".repeat(30_000), "b ".repeat(30_000)];
    expect(within(LONG_MS, () => wordDiff(a, b)).map((side) => side.length)).toEqual([1, 1]);
  });
});

test("a run of any shape is a tree, however deep", () => {
  for (let seed = 1; seed < 20; seed++) assertWhole(applySnapshot(1, randomRun(seed, 200)));
});
