// @vitest-environment happy-dom
// The whole view in a document without pixels: what assistive technology and tests outside the project rely on, and
// that a model's text never becomes an element.

import { describe, expect, test } from "vitest";
import { beat, buffer, delta, FakeModel, randomRun, snapshot, task } from "./make";
import { frame, HOSTILE, live, mount, onlyOurElements, settle } from "./mount";

const rows = (root: HTMLElement) => [...root.querySelectorAll<HTMLElement>('[role="row"]')];

describe("what others rely on", () => {
  test("root, treegrid, rows and progress carry the agreed names", () => {
    const model = new FakeModel();
    const tasks = [
      task("r", null, { status: "PLAN_DONE" }),
      task("r.1", "r", { status: "DONE" }),
      task("r.2", "r", { status: "FAILED", index: 1 }),
    ];
    live(model, tasks);
    const { root } = mount(model);
    model.say(snapshot(7, tasks));
    frame();
    expect(root.dataset.state).toBe("live");
    expect(root.dataset.revision).toBe("7");
    expect(root.dataset.lmSuppressShortcuts).toBe("true");
    const grid = root.querySelector('[role="treegrid"]') as HTMLElement;
    expect(grid.getAttribute("aria-label")).toBe("Tasks");
    expect(grid.getAttribute("aria-rowcount")).toBe("3");
    expect(
      rows(root).map((row) => [
        row.dataset.taskId,
        row.dataset.status,
        row.getAttribute("aria-level"),
        row.getAttribute("aria-expanded"),
        row.getAttribute("aria-selected"),
      ]),
    ).toEqual([
      ["r", "PLAN_DONE", "1", "true", "false"],
      ["r.1", "DONE", "2", null, "false"],
      ["r.2", "FAILED", "2", null, "false"],
    ]);
    const progress = root.querySelector('[role="progressbar"]') as HTMLElement;
    expect(progress.getAttribute("aria-valuenow")).toBe("1");
    expect(progress.getAttribute("aria-valuemax")).toBe("3");
    expect(root.querySelectorAll(".roma-graph canvas")).toHaveLength(1);
    expect(root.querySelector('section[aria-label="Run"]')).not.toBeNull();
  });

  test("a click selects at once and asks the kernel; Python's word wins", () => {
    const model = new FakeModel();
    const tasks = [task("r"), task("r.1", "r")];
    live(model, tasks);
    const { root } = mount(model);
    model.say(snapshot(1, tasks));
    frame();
    rows(root)[1]?.click();
    frame();
    expect(model.sentOf("do")[0]).toMatchObject({ action: "select", tasks: ["r.1"] });
    expect(rows(root)[1]?.getAttribute("aria-selected")).toBe("true");
    expect(root.querySelector('section[aria-label="Task"]')).not.toBeNull();
    model.set("selection", ["r"]);
    frame();
    expect(rows(root)[0]?.getAttribute("aria-selected")).toBe("true");
  });

  test("a selection that the kernel refuses goes back to Python's, and says so", async () => {
    const model = new FakeModel();
    const tasks = [task("r"), task("r.1", "r")];
    live(model, tasks);
    model.values.set("project", { id: "p" });
    model.values.set("selection", ["r"]);
    const { root } = mount(model);
    model.say(snapshot(1, tasks));
    frame();
    rows(root)[1]?.click();
    expect(model.sentOf("do")[0]).toMatchObject({ project: "p", tasks: ["r.1"] });
    model.say([{ type: "reply", rid: model.lastRid("do"), ok: false, error: "There is no task." }, []]);
    await settle();
    expect(rows(root).map((row) => row.getAttribute("aria-selected"))).toEqual(["true", "false"]);
    expect(root.querySelector(".rw-notice")?.textContent).toContain("Not selected. There is no task.");
  });

  test("a click on its way does not select in the next run", async () => {
    const model = new FakeModel();
    const tasks = [task("r"), task("r.1", "r")];
    live(model, tasks);
    model.values.set("project", { id: "p" });
    const { root } = mount(model);
    model.say(snapshot(1, tasks));
    frame();
    rows(root)[1]?.click();
    frame();
    model.set("project", { id: "q" });
    model.say(snapshot(2, tasks));
    model.say([{ type: "reply", rid: model.lastRid("do"), ok: false, error: "Another run." }, []]);
    await settle();
    expect(root.querySelector('[aria-selected="true"][role="row"], .rw-notice')).toBeNull();
    expect(root.querySelector('section[aria-label="Run"]')).not.toBeNull();
  });

  test("in a page of a run the keys work before anything has the focus", () => {
    const model = new FakeModel();
    const tasks = [task("r"), task("r.1", "r")];
    live(model, tasks);
    model.values.set("static_key", null);
    model.values.set("connection", { state: "archive" });
    const { root, unmount } = mount(model);
    model.say(snapshot(1, tasks));
    frame();
    const press = (key: string) => {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      frame();
    };
    press("ArrowDown");
    expect(document.activeElement).toBe(rows(root)[0]);
    (document.activeElement as HTMLElement).blur();
    press("/");
    expect(document.activeElement?.matches(".rw-find input")).toBe(true);
    expect(root.querySelector(".rw-follow")).toBeNull();
    unmount();
  });

  test("the keyboard moves, folds, selects and clears", () => {
    const model = new FakeModel();
    const tasks = [task("r"), task("r.1", "r"), task("r.2", "r", { index: 1 })];
    live(model, tasks);
    const { root } = mount(model);
    model.say(snapshot(1, tasks));
    frame();
    const press = (key: string) => {
      root
        .querySelector('[role="treegrid"]')
        ?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      frame();
    };
    press("End");
    press("Enter");
    expect(rows(root)[2]?.getAttribute("aria-selected")).toBe("true");
    press("Escape");
    expect(rows(root)[2]?.getAttribute("aria-selected")).toBe("false");
    press("Home");
    press("ArrowLeft");
    expect(rows(root).map((row) => row.getAttribute("aria-expanded"))).toEqual(["false"]);
    press("ArrowRight");
    expect(rows(root)).toHaveLength(3);
  });

  test("10,000 tasks put few rows into the document", () => {
    const model = new FakeModel();
    const tasks = randomRun(5, 10_000);
    live(model, tasks);
    const { root } = mount(model);
    model.say(snapshot(1, tasks));
    frame();
    expect(rows(root).length).toBeLessThanOrEqual(400);
    expect(Number(root.querySelector('[role="treegrid"]')?.getAttribute("aria-rowcount"))).toBeGreaterThan(
      400,
    );
  });

  test.each([
    [{ goal: "The goal", title: "A title" }, "The goal"],
    [{ goal: "", title: "A title" }, "A title"],
    [{ goal: " ", title: "" }, "Untitled project"],
  ])("the header names the project by what is said of it: %o", (project, name) => {
    const model = new FakeModel();
    live(model, []);
    model.values.set("project", { id: "p", status: "running", ...project });
    const { root } = mount(model);
    frame();
    expect(root.querySelector(".rw-title-text")?.textContent).toBe(name);
  });

  test("failures, and only failures, are announced", () => {
    const model = new FakeModel();
    const tasks = [task("r", null, { status: "RUNNING" })];
    live(model, tasks);
    const { root } = mount(model);
    model.say(snapshot(1, tasks));
    frame();
    const log = root.querySelector('[aria-live="polite"]') as HTMLElement;
    expect(log.textContent).toBe("");
    model.say(delta(2, 1, { r: { status: "FAILED" } }));
    frame();
    expect(log.textContent).toBe("Failed: goal of r");
  });

  test.each([
    ["polling", "Following over HTTP.", "Connect anyway"],
    ["failed", "Not connected.", "Retry now"],
    ["live", "Connected. No run yet.", null],
    ["connecting", "Connecting to", null],
    ["closed", "Disconnected.", null],
  ])("the state %s without tasks says so", (state, words, button) => {
    const model = new FakeModel();
    model.values.set("connection", { state, reason: "It could freeze." });
    const { root } = mount(model);
    model.say(beat(0));
    frame();
    expect(root.textContent).toContain(words);
    const buttons = [...root.querySelectorAll("button")]
      .filter((one) => one.closest("header") === null)
      .map((one) => one.textContent);
    expect(buttons).toEqual(button === null ? [] : [button]);
  });
});

describe("hostile text", () => {
  test("thirty strings in every field create no element", async () => {
    expect(HOSTILE).toHaveLength(30);
    const model = new FakeModel();
    const tasks = HOSTILE.map((text, i) =>
      task(`${text}#${i}`, i === 0 ? null : `${HOSTILE[0]}#0`, {
        goal: text,
        type: text,
        agent: text,
        model: text,
        node: text,
        error: text,
        summary: text,
        index: i,
        status: i % 2 ? "FAILED" : text,
      }),
    );
    live(model, tasks);
    model.values.set("project", { id: "p", goal: HOSTILE[0], title: HOSTILE[1] });
    model.values.set("connection", { state: "polling", reason: HOSTILE[0], error: HOSTILE[1] });
    model.values.set("progress", {
      total: 30,
      by_status: Object.fromEntries(HOSTILE.map((text) => [text, 1])),
      outcome: "stalled",
      reason: HOSTILE[0],
    });
    model.values.set("address", HOSTILE[0]);
    model.values.set("static_key", '"]{}</style><b>');
    const { root, unmount } = mount(model);
    model.say(snapshot(1, tasks));
    frame();
    for (const { id } of tasks) {
      model.set("selection", [id]);
      frame();
      const rid = model.lastRid("ask");
      const body = {
        task: id,
        goal: HOSTILE[0],
        error: HOSTILE[1],
        result: HOSTILE[2],
        result_kind: "json",
        objective: HOSTILE[3],
        input: HOSTILE[4],
      };
      model.say([{ type: "reply", rid, ok: true }, [buffer(body)]]);
      await Promise.resolve();
      await Promise.resolve();
      frame();
      onlyOurElements(root);
    }
    for (const bold of document.querySelectorAll("b")) {
      expect(bold.closest(".rw-notice-text, .rw-task-status, .rw-block-head")).not.toBeNull();
    }
    unmount();
  });
});

// 2 s on a quiet machine, more than vitest's 5 s on a busy one.
test("100 mounts leave no listener, no element and no style", { timeout: 30_000 }, () => {
  const model = new FakeModel();
  model.values.set("static_key", "abc");
  const styles = document.querySelectorAll("style").length;
  for (let i = 0; i < 100; i++) {
    const { unmount, el } = mount(model);
    model.say(snapshot(i + 1, [task("r")]));
    frame();
    expect(document.querySelectorAll("style")).toHaveLength(styles + 1);
    unmount();
    expect(el.children).toHaveLength(0);
  }
  expect(model.listeners()).toBe(0);
  expect(document.querySelectorAll("style")).toHaveLength(styles);
});
