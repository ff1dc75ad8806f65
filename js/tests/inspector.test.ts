// @vitest-environment happy-dom
// The inspector's tabs in a document without pixels: what is asked for, what stays open, and the keyboard.

import { expect, test } from "vitest";
import { buffer, delta, FakeModel, snapshot, task } from "./make";
import { frame, HOSTILE, live, mount, onlyOurElements, settle } from "./mount";

const TASKS = [
  task("r", null, { status: "PLAN_DONE" }),
  task("r.1", "r", { status: "DONE", created: 0, started: 1000, completed: 5000, summary: "Found it." }),
  task("r.2", "r", { status: "DONE", index: 1, context: ["r.1"], depends_on: ["r.1"] }),
];
const STAGES = [
  { seq: 0, stage: "dispatch", attempt: 1, status: "completed", started: 1000, completed: 5000 },
  {
    seq: 1,
    stage: "execution",
    attempt: 1,
    status: "failed",
    started: 1500,
    completed: 2000,
    error: "refused",
  },
  {
    seq: 2,
    stage: "execution",
    attempt: 2,
    status: "completed",
    started: 2000,
    completed: 5000,
    llm_response: "A roof",
    sizes: { llm_response: 5_000 },
  },
];

async function open(selected = "r.1") {
  const model = new FakeModel();
  live(model, TASKS);
  model.values.set("selection", [selected]);
  const { root } = mount(model);
  model.say(snapshot(1, TASKS));
  frame();
  const asks = (what: string) => model.sentOf("ask").filter((ask) => ask.what === what);
  const button = (name: string | RegExp) =>
    [...root.querySelectorAll<HTMLElement>("button")].find((one) => {
      const label = one.getAttribute("aria-label") ?? one.textContent ?? "";
      return typeof name === "string" ? label === name : name.test(label);
    }) as HTMLElement;
  const press = async (name: string | RegExp) => {
    button(name).click();
    await settle();
  };
  const reply = async (what: string, body: unknown, error: string | null = null) => {
    const rid = asks(what).at(-1)?.rid;
    model.say([{ type: "reply", rid, ok: error === null, error }, error === null ? [buffer(body)] : []]);
    await settle();
  };
  const panel = () => root.querySelector('[role="tabpanel"]') as HTMLElement;
  return { model, root, asks, button, press, reply, panel };
}

async function openTrace(stages: unknown[] = STAGES, more = {}) {
  const opened = await open();
  await opened.press("Trace");
  await opened.reply("trace", { task: "r.1", stages, ...more });
  return opened;
}

const press = (element: Element, key: string) =>
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

test("arrows go through the tabs; the tab stays for another task", async () => {
  const { root, panel, asks } = await open();
  const tabs = [...root.querySelectorAll<HTMLElement>('[role="tab"]')];
  expect(tabs.map((tab) => tab.textContent)).toEqual(["Overview", "Trace", "Result", "Context", "Raw"]);
  tabs[0]?.focus();
  press(tabs[0] as Element, "ArrowLeft");
  await settle();
  expect([document.activeElement, panel().getAttribute("aria-label")]).toEqual([tabs[4], "Raw"]);
  press(tabs[4] as Element, "ArrowRight");
  press(tabs[0] as Element, "ArrowRight");
  await settle();
  expect(tabs.map((tab) => tab.tabIndex)).toEqual([-1, 0, -1, -1, -1]);
  root.querySelector<HTMLElement>('[role="row"][data-task-id="r.2"]')?.click();
  await settle();
  expect(panel().getAttribute("aria-label")).toBe("Trace");
  expect(asks("trace").map((ask) => ask.task)).toEqual(["r.1", "r.2"]);
});

test("a trace is asked for when its tab is shown, and only then", async () => {
  const { asks, press: click, panel, reply } = await open();
  expect(asks("trace")).toHaveLength(0);
  await click("Trace");
  expect(panel().textContent).toContain("Asking for the trace");
  await reply("trace", null, "The server is busy.");
  expect(panel().textContent).toContain("The server is busy. Ask again");
  await click("Ask again");
  await reply("trace", { task: "r.1", stages: [] });
  expect(panel().textContent).toContain("No trace was recorded");
  expect(asks("trace")).toHaveLength(2);
});

test("a stage that is opened is told, shows its texts, and stays open through updates", async () => {
  const { model, root, panel, press: click, asks, reply } = await openTrace();
  const rows = () => [...root.querySelectorAll<HTMLElement>("button.rw-stage-row")];
  expect(rows().map((row) => row.textContent)).toEqual([
    "dispatchcompleted4.0 s",
    "execution · 1failedrefused0.50 s",
    "execution · 2completed3.0 s",
  ]);
  rows()[0]?.focus();
  press(rows()[0] as Element, "End");
  expect(document.activeElement).toBe(rows()[2]);
  rows()[2]?.click();
  await settle();
  expect(model.sentOf("do").at(-1)).toMatchObject({ action: "open_stage", task: "r.1", seq: 2 });
  expect(panel().textContent).toContain("attempt 2 of 2");
  await click("show all 5.0 k characters");
  expect(panel().textContent).toContain("Asking for the rest");
  await reply("stage", {
    task: "r.1",
    seq: 2,
    texts: { llm_response: "A roof of 40 square metres" },
    cut: false,
  });
  expect(panel().textContent).toContain("40 square metres");
  model.say(delta(2, 1, { "r.1": { updated: 5001 } }));
  await settle();
  expect(rows()[2]?.getAttribute("aria-expanded")).toBe("true");
  expect(panel().textContent).toContain("40 square metres");
  expect(asks("stage")).toHaveLength(1);
});

test("a search reads whole texts, says how far it is, and opens the stage of a match", async () => {
  const { root, reply, asks, panel, press: click, button } = await openTrace();
  const input = root.querySelector(".rw-trace-bar input") as HTMLInputElement;
  input.value = "METRE";
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
  // Effects run behind the frame.
  await expect.poll(() => asks("stage").length).toBe(1);
  const bar = () => root.querySelector(".rw-trace-bar")?.textContent;
  expect(bar()).toContain("searching…");
  await reply("stage", null, "The kernel is busy.");
  expect(bar()).toContain("none so far");
  expect(panel().textContent).toContain("The texts of 1 stage could not be read. Ask again");
  await click("Ask again");
  const text = "A roof of 40 square metres, a metre high";
  await reply("stage", { task: "r.1", seq: 2, texts: { llm_response: text }, cut: false });
  expect(root.querySelector(".rw-trace-bar")?.textContent).toContain("2");
  press(input, "Enter");
  await settle();
  press(input, "Enter");
  await settle();
  expect(root.querySelector(".rw-trace-bar")?.textContent).toContain("2 of 2");
  expect([...root.querySelectorAll("mark")].map((mark) => mark.textContent)).toEqual(["metre", "metre"]);
  expect(root.querySelectorAll("mark[data-current]")).toHaveLength(1);
  // The same words in another task: nothing of that is shown yet, and then the first.
  root.querySelector<HTMLElement>('[role="row"][data-task-id="r.2"]')?.click();
  await settle();
  await reply("trace", { task: "r.2", stages: [{ seq: 2, stage: "e", llm_response: text }] });
  expect(bar()).toMatch(/^2$/);
  button("Next match").click();
  await settle();
  expect(bar()).toMatch(/^1 of 2$/);
  press(input, "Escape");
  press(input, "Escape");
  await settle();
  expect(root.querySelector(".rw-inspector")).not.toBeNull();
});

test("an invented trace says so", async () => {
  const { panel } = await openTrace(STAGES, { is_sample: true });
  expect(panel().textContent).toContain("Invented by the server");
});

test("context: what it received, and who used its result", async () => {
  const { press: click, panel, root } = await open();
  await click("Context");
  expect(panel().textContent).toContain("No other task, as far as the server says.");
  expect(panel().textContent).toMatch(/Used by.*goal of r\.2/);
  root.querySelector<HTMLElement>('[role="row"][data-task-id="r.2"]')?.click();
  await settle();
  expect(panel().textContent).toMatch(/Received from.*goal of r\.1.*Found it\./);
});

test("a result is Markdown, a tree of its JSON, or plain", async () => {
  const { press: click, panel, reply } = await open();
  await click("Result");
  await reply("task", { task: "r.1", result: "# Title\n\n- a", result_kind: "text" });
  expect(panel().querySelector("h4")?.textContent).toBe("Title");
  await click("Plain");
  expect(panel().querySelector("pre")?.textContent).toBe("# Title\n\n- a");
});

test("nothing that a server or model says becomes an element", async () => {
  for (const text of HOSTILE) {
    const fields = { stage: text, status: text, agent: text, adapter: text, model: text, error: text };
    const texts = { system_prompt: text, user_input: `[${JSON.stringify(text)}]`, llm_response: text };
    const {
      root,
      press: click,
      reply,
    } = await openTrace([{ seq: 0, ...fields, ...texts }], { left_out: text });
    root.querySelector<HTMLElement>("button.rw-stage-row")?.click();
    await settle();
    onlyOurElements(root);
    await reply("task", { task: "r.1", result: text, result_kind: "text", input: text, goal: text });
    for (const tab of ["Result", "Plain", "Context", "Raw", "Overview"]) {
      await click(tab);
      onlyOurElements(root);
    }
    root.remove();
  }
});

test("the keyboard stays in the view after each of the things it can do", async () => {
  const { root, press: click, button, panel } = await openTrace();
  const alt = (key: string) => {
    const event = new KeyboardEvent("keydown", { key, altKey: true, bubbles: true, cancelable: true });
    document.activeElement?.dispatchEvent(event);
    frame();
    return event.defaultPrevented;
  };
  const isHere = () => root.contains(document.activeElement);
  const enter = async (element: HTMLElement) => {
    element.focus();
    element.click();
    await settle();
    expect(isHere(), element.outerHTML.slice(0, 80)).toBe(true);
  };
  await enter(button("Ask for the trace again"));
  expect(document.activeElement?.getAttribute("aria-disabled")).toBe("true");
  await click("Context");
  await enter(panel().querySelector(".rw-line") as HTMLElement);
  await click("Trace");
  await enter(button("Back (Alt+←)"));
  expect(document.activeElement?.getAttribute("aria-disabled")).toBe("true");
  root.querySelector<HTMLElement>("button.rw-stage-row")?.focus();
  expect([alt("ArrowRight"), isHere(), alt("ArrowLeft")]).toEqual([true, true, true]);
  await click("View");
  await click(/^done/);
  await enter(root.querySelector(".rw-filter-chip") as HTMLElement);
  await click("View");
  await enter(button(/^Save the graph as PNG/));
  press(document.activeElement as Element, "Escape");
  await settle();
  expect([root.querySelector('[role="dialog"]'), isHere()]).toEqual([null, true]);
});
