// @vitest-environment happy-dom
// Search, filter, menu, way back and size in the mounted view.

import { afterEach, expect, test } from "vitest";
import { buffer, FakeModel, snapshot, task } from "./make";
import { frame, HOSTILE, live, mount, onlyOurElements, settle } from "./mount";

const TASKS = [
  task("r", null, { status: "PLAN_DONE" }),
  task("r.1", "r", { status: "DONE", type: "SEARCH" }),
  task("r.2", "r", { status: "FAILED", type: "WRITE", index: 1 }),
  task("r.2.1", "r.2", { status: "FAILED", type: "WRITE" }),
];
afterEach(() => localStorage.clear());

function opened(tasks = TASKS) {
  const model = new FakeModel();
  live(model, tasks);
  const mounted = mount(model);
  model.say(snapshot(1, tasks));
  frame();
  const { root } = mounted;
  const find = <E extends HTMLElement>(selector: string) => root.querySelector<E>(selector) as E;
  const press = (on: Element, key: string, more = {}) => {
    on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
    frame();
  };
  const click = (selector: string, text = "") => {
    const wanted = [...root.querySelectorAll<HTMLElement>(selector)].find((each) =>
      each.textContent?.includes(text),
    );
    wanted?.click();
    frame();
  };
  const input = find<HTMLInputElement>(".rw-find input");
  const type = (text: string) => {
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    frame();
  };
  const said = () => find(".rw-find-count").textContent;
  const undimmed = () =>
    [...root.querySelectorAll<HTMLElement>(".rw-row:not(.rw-dimmed)")].map((row) => row.dataset.taskId);
  const selected = () => find('[aria-selected="true"]')?.dataset.taskId;
  return { ...mounted, find, press, click, input, type, said, undimmed, selected };
}

test("what is typed dims the rest, Enter goes from match to match, Escape clears", () => {
  const { press, input, type, said, undimmed, selected } = opened();
  type("r.2");
  expect([said(), undimmed()]).toEqual(["2", ["r.2", "r.2.1"]]);
  press(input, "Enter");
  expect([said(), selected()]).toEqual(["1 of 2", "r.2"]);
  press(input, "Enter", { shiftKey: true });
  expect([said(), selected()]).toEqual(["2 of 2", "r.2.1"]);
  press(input, "Escape");
  expect([input.value, said(), selected()]).toEqual(["", "", "r.2.1"]);
});

test("a match in a folded sub-tree is counted there and unfolded when it is gone to", () => {
  const { root, find, press, input, type, selected } = opened();
  find('[data-task-id="r.2"] .rw-twist').click();
  frame();
  type("r.2.1");
  expect(find('[data-task-id="r.2"]').textContent).toContain("1 found");
  expect(find('[data-task-id="r.2"]').className).not.toContain("rw-dimmed");
  press(input, "Enter");
  expect(selected()).toBe("r.2.1");
  expect(root.querySelectorAll(".rw-row").length).toBe(4);
});

test("a click on a status filters, says so and is ended by its chip; words combine with it", () => {
  const { root, click, type, undimmed } = opened();
  click(".rw-count-button", "failed");
  expect(undimmed()).toEqual(["r.2", "r.2.1"]);
  type("r.2.1");
  expect(undimmed()).toEqual(["r.2.1"]);
  click(".rw-filter-chip");
  type("");
  expect(undimmed()).toHaveLength(4);
  expect(root.querySelector(".rw-filter-chip")).toBeNull();
});

test("Escape on a task ends the selection, then the full window", () => {
  const { root, find, press, click } = opened();
  click('[data-task-id="r.1"]');
  click(".rw-menu-box > button");
  click(".rw-toggle", "full width and height");
  expect(root.dataset.size).toBe("window");
  const row = find('[data-task-id="r.1"]');
  press(row, "Escape");
  expect(root.dataset.size).toBe("window");
  press(row, "Escape");
  expect(root.dataset.size).toBe("usual");
});

test("the slash focuses the search, but not while somebody types", () => {
  const { root, press, input } = opened();
  press(root, "/");
  expect(document.activeElement).toBe(input);
});

test("Alt and arrows go through what was selected", () => {
  const { root, find, press, selected } = opened();
  for (const id of ["r.1", "r.2"]) {
    find(`[data-task-id="${id}"]`).click();
    frame();
  }
  press(root, "ArrowLeft", { altKey: true });
  expect(selected()).toBe("r.1");
  press(root, "ArrowRight", { altKey: true });
  expect(selected()).toBe("r.2");
});

test("the question mark lists the keys", () => {
  const { root, find, press } = opened();
  press(root, "?");
  expect(find(".rw-popover").textContent).toContain("back and forward");
  press(find(".rw-popover"), "Escape");
  expect(root.querySelector(".rw-popover")).toBeNull();
});

test("a height is kept for the next view, within its bounds, and what is stored is not believed", () => {
  const first = opened();
  first.press(first.find(".rw-grip-height"), "ArrowDown");
  expect(first.root.style.getPropertyValue("--height")).toBe("520px");
  expect(opened().root.style.getPropertyValue("--height")).toBe("520px");
  for (const stored of ['{"height":"1e9"}', "null", "[", '{"inspector":1e9}']) {
    localStorage.setItem("roma-widget.size", stored);
    const { root } = opened();
    expect(root.style.getPropertyValue("--height")).toBe("");
    expect(["364px", "420px"]).toContain(root.style.getPropertyValue("--inspector"));
  }
});

test("types nobody should trust are text in the menu", () => {
  const { root, click } = opened(HOSTILE.map((type, i) => task(`t${i}`, null, { type })));
  click(".rw-menu-box > button");
  expect(root.querySelectorAll(".rw-toggle").length).toBeGreaterThan(20);
  onlyOurElements(root);
});

test("a page is saved once at a time, and what came of it is told though the menu was closed", async () => {
  const { model, root, find, click, press } = opened();
  const menu = () => click('[aria-label="View"]');
  menu();
  click(".rw-export button", "Save a page");
  click(".rw-export button", "Save a page");
  press(find(".rw-popover"), "Escape");
  expect([find(".rw-popover"), model.sentOf("do").length]).toEqual([null, 1]);
  model.say([{ type: "reply", rid: model.lastRid("do"), ok: true }, [buffer({ path: "/here/run.html" })]]);
  await settle();
  expect(root.querySelector('[aria-live="polite"]')?.textContent).toBe("Written: /here/run.html");
  menu();
  expect(find(".rw-export-said").textContent).toBe("Written: /here/run.html");
});
