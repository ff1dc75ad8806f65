// @vitest-environment happy-dom
// The comparison's view: what is read of a body that nobody should trust, which rows are seen, what the keys do.

import { expect, it, vi } from "vitest";
import { deedOf } from "../src/compare/keys";
import { readCompared } from "../src/compare/read";
import { countOf, FOLD_FROM, foldedAtFirst, seenRows, treeOf } from "../src/compare/rows";
import { marksOf, pace } from "../src/compare/words";
import { wordDiff } from "../src/word-diff";
import { FakeModel } from "./make";
import { HOSTILE, mount, onlyOurElements } from "./mount";

type Row = Record<string, unknown>;

/** A row of both runs; `more` is what is special about it. */
const row = (id: string, depth: number, more: Row = {}): Row => ({
  a: id,
  b: id,
  depth,
  rule: "id",
  why: "same id",
  changed: [],
  goal: [`goal of ${id}`, `goal of ${id}`],
  status: ["DONE", "DONE"],
  duration_s: [1, 1],
  ...more,
});
const body = (rows: unknown[], more: Row = {}) => ({ names: ["before", "after"], runs: [], rows, ...more });
const compared = (rows: unknown[]) =>
  readCompared(body(rows)) as NonNullable<ReturnType<typeof readCompared>>;
const treeFrom = (rows: unknown[]) => treeOf(compared(rows));
const NONE: ReadonlySet<number> = new Set();

const RUN = [
  row("root", 0),
  row("root.1", 1),
  row("root.1.1", 2, { status: ["DONE", "FAILED"], changed: ["status"] }),
  row("root.1.2", 2),
  row("root.2", 1),
  row("root.2.1", 2, { b: null, goal: ["gone", null] }),
  row("root.3", 1, { changed: ["goal"], goal: ["write it", "write all of it"] }),
];

it.each([null, 3, "x", [], {}, { rows: 3 }, { rows: null }])("no comparison is read from %j", (value) => {
  expect(readCompared(value)).toBeNull();
});

it("reads what it can of a row and leaves out what is none", () => {
  const read = compared([
    null,
    row("root", 7),
    { a: null, b: null, depth: 1 },
    row("deep", 9, {
      goal: "x",
      status: [3],
      duration_s: [-1, Number.NaN],
      changed: [3, "status"],
      why: {},
    }),
    row("root.1", -2),
  ]);
  expect(read.pairs.map(({ depth }) => depth)).toEqual([0, 1, 0]);
  const side = { id: "deep", goal: null, status: null, duration_s: null };
  expect(read.pairs[1]).toEqual({ a: side, b: side, depth: 1, changed: ["status"], why: "" });
  expect(read.runs[0]).toEqual({
    goal: null,
    outcome: "unknown",
    total: 0,
    done: 0,
    failed: 0,
    duration_s: null,
  });
});

it("shows with each filter what it keeps and what stands above it", () => {
  const tree = treeFrom(RUN);
  expect(seenRows(tree, "all", NONE)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(seenRows(tree, "changed", NONE)).toEqual([0, 1, 2, 4, 5, 6]);
  expect(seenRows(tree, "one", NONE)).toEqual([0, 4, 5]);
  expect([countOf(tree, "all"), countOf(tree, "changed"), countOf(tree, "one")]).toEqual([7, 3, 1]);
  expect(seenRows(tree, "all", new Set([1, 5]))).toEqual([0, 1, 4, 5, 6]);
});

it("folds in a large run what is the same in both", () => {
  const same = Array.from({ length: FOLD_FROM }, (_, n) => row(`root.2.${n}`, 2));
  const rows = [...RUN.slice(0, 5), ...same, RUN[6]];
  expect([...foldedAtFirst(treeFrom(rows))]).toEqual([4]);
  expect([...foldedAtFirst(treeFrom(RUN))]).toEqual([]);
});

it.each([
  ["ArrowDown", 1, { kind: "go", to: 4 }],
  ["ArrowUp", 0, { kind: "go", to: 0 }],
  ["End", 0, { kind: "go", to: 6 }],
  ["Home", 6, { kind: "go", to: 0 }],
  ["ArrowRight", 1, { kind: "fold", at: 1, folded: false }],
  ["ArrowRight", 4, { kind: "go", to: 5 }],
  ["ArrowRight", 6, { kind: "stay" }],
  ["ArrowLeft", 4, { kind: "fold", at: 4, folded: true }],
  ["ArrowLeft", 1, { kind: "go", to: 0 }],
  ["ArrowLeft", 5, { kind: "go", to: 4 }],
  ["Enter", 5, { kind: "open", at: 5 }],
  ["Escape", 5, { kind: "close" }],
  ["x", 5, null],
] as const)("%s on row %i", (key, at, deed) => {
  const tree = treeFrom(RUN);
  const folded = new Set([1]);
  expect(deedOf(key, tree, seenRows(tree, "all", folded), folded, at)).toEqual(deed);
});

it("says what changed in words", () => {
  const said = (more: Row) =>
    marksOf(compared([row("t", 0, more)]).pairs[0] as never, ["before", "after"]).map(({ sign, text }) =>
      `${sign} ${text}`.trim(),
    );
  expect(said({})).toEqual([]);
  expect(said({ changed: ["status"], status: ["DONE", "FAILED"] })).toEqual(["done → failed"]);
  expect(said({ changed: ["goal", "duration"], duration_s: [2, 5] })).toEqual([
    "▲ 2.5× slower",
    "≈ reworded",
  ]);
  expect(said({ changed: ["duration"], duration_s: [2, null] })).toEqual(["≠ duration"]);
  expect(said({ changed: ["result", "new_thing"] })).toEqual(["≠ result, new thing"]);
  expect(said({ a: null })).toEqual(["+ only in after"]);
  expect(said({ b: null })).toEqual(["− only in before"]);
});

it.each([
  [10, 12, "20 % slower"],
  [30, 10, "3.0× faster"],
  [1, 40, "40× slower"],
  [0, 4, null],
  [null, 4, null],
  [4, 4.3, null],
])("from %s s to %s s is %s", (before, after, text) => {
  expect(pace(before, after)?.text ?? null).toBe(text);
});

it("marks the words that the other text has not", () => {
  const marked = (pieces: readonly { text: string; isNew: boolean }[]) =>
    pieces.map(({ text, isNew }) => (isNew ? `[${text}]` : text)).join("");
  expect(wordDiff("write the short report", "write a report now").map(marked)).toEqual([
    "write [the short ]report",
    "write [a ]report [now]",
  ]);
  expect(wordDiff("", "all new").map(marked)).toEqual(["[]", "[all new]"]);
});

// -- mounted

async function zipped(value: unknown): Promise<DataView> {
  const stream = new Blob([JSON.stringify(value)]).stream().pipeThrough(new CompressionStream("gzip"));
  return new DataView(await new Response(stream).arrayBuffer());
}

async function mounted(bytes: unknown) {
  const model = new FakeModel();
  model.values.set("shows", "comparison").set("body", bytes).set("static_key", "k1");
  const view = mount(model);
  await vi.waitFor(() => expect(view.root.childElementCount).toBeGreaterThan(0));
  return view;
}

/** Preact draws in a task of its own. */
const drawn = () => new Promise((done) => setTimeout(done));

const rowsOf = (root: Element) =>
  [...root.querySelectorAll<HTMLElement>("[data-at]")].map((each) => Number(each.dataset.at));

it("is one treegrid with a row for each pair, and says nothing to the kernel", async () => {
  const { model, root, unmount } = await mounted(await zipped(body(RUN)));
  expect(rowsOf(root)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(root.querySelectorAll('[role=row][tabindex="0"]').length).toBe(1);
  const first = root.querySelector('[data-at="1"]');
  expect(first?.getAttribute("aria-level")).toBe("2");
  expect(first?.getAttribute("aria-expanded")).toBe("true");
  expect(root.querySelector('[data-at="5"]')?.textContent).toContain("not in after");
  expect(document.head.textContent).toContain('[data-static="k1"]');
  unmount();
  expect([model.sent.length, model.listeners()]).toEqual([0, 0]);
  expect(document.head.textContent).not.toContain("k1");
});

it("moves with the keys, opens the row, filters", async () => {
  const { root } = await mounted(await zipped(body(RUN)));
  const press = async (key: string) => {
    const at = root.querySelector('[role=row][tabindex="0"]') as HTMLElement;
    at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await drawn();
  };
  await press("End");
  expect((document.activeElement as HTMLElement).dataset.at).toBe("6");
  await press("Enter");
  const detail = root.querySelector(".rw-cmp-detail");
  expect(detail?.textContent).toContain("same id");
  expect(detail?.querySelector("ins")?.textContent).toBe("all of");
  await press("Escape");
  expect(root.querySelector(".rw-cmp-detail")).toBeNull();
  const [, , one] = root.querySelectorAll<HTMLElement>(".rw-cmp-filter");
  one?.click();
  await drawn();
  expect(rowsOf(root)).toEqual([0, 4, 5]);
});

it("keeps a long comparison out of the document but for a window", async () => {
  const rows = [row("root", 0), ...Array.from({ length: 2_000 }, (_, n) => row(`t${n}`, 1))];
  const { root } = await mounted(await zipped(body(rows.map((each) => ({ ...each, changed: ["result"] })))));
  expect(root.querySelector("[role=treegrid]")?.getAttribute("aria-rowcount")).toBe("2002");
  expect(rowsOf(root).length).toBeLessThan(150);
});

it.each([undefined, new DataView(new ArrayBuffer(0)), new DataView(new ArrayBuffer(9)), "x"])(
  "says that %s cannot be read",
  async (bytes) => {
    const { root } = await mounted(bytes);
    expect(root.querySelector("[role=alert]")?.textContent).toContain("could not be read");
  },
);

it("shows what models wrote as text", async () => {
  const rows = HOSTILE.map((text, n) =>
    row(text, n === 0 ? 0 : 1, {
      goal: [text, `${text}!`],
      status: [text, text],
      why: text,
      changed: [text],
    }),
  );
  const { root } = await mounted(await zipped(body(rows, { names: [HOSTILE[0], HOSTILE[1]] })));
  (root.querySelector('[data-at="2"]') as HTMLElement).click();
  await drawn();
  expect(root.querySelector(".rw-cmp-detail")?.textContent).toContain("<svg onload=alert(1)>");
  onlyOurElements(root);
});
