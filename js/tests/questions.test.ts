// @vitest-environment happy-dom
// The tray of questions: what others rely on, how an answer goes, what a person edits, and what calls them.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { QUEUED_AFTER_MS, SETTLED_FOR_MS, STUCK_AFTER_MS } from "../src/questions/questions";
import { beat, buffer, FakeModel, snapshot, task } from "./make";
import { HOSTILE, live, mount, onlyOurElements, settle } from "./mount";

const prompt = (request_id: string, more: object = {}) => ({
  request_id,
  checkpoint: "PostInitialPlanGeneration",
  task_id: "r.1",
  attempt: 1,
  message: `Is ${request_id} good?`,
  asked: null,
  state: "open",
  why: null,
  action: null,
  project_id: null,
  previous_id: null,
  ...more,
});
const step = (goal: string, ...depends_on: number[]) => ({
  goal,
  task_type: "SEARCH",
  node_type: "EXECUTE",
  depends_on,
});
const PLAN = [step("List the exhibits"), step("List the cafés"), step("Score the museums", 0, 1)];
const TASKS = [task("r", null, { status: "RUNNING" }), task("r.1", "r", { status: "RUNNING" })];

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
  });
});
const mounted: (() => void)[] = [];
afterEach(() => {
  for (const unmount of mounted.splice(0)) unmount();
  vi.useRealTimers();
  vi.restoreAllMocks();
  document.title = "";
});

async function shown(...prompts: object[]) {
  const model = new FakeModel();
  live(model, TASKS);
  model.values.set("pending", prompts);
  const { root, unmount } = mount(model);
  mounted.push(unmount);
  model.say(snapshot(1, TASKS));
  await settle();
  return { model, root, unmount };
}
const tray = (root: Element) => root.querySelector<HTMLElement>('[role="region"][aria-label="Questions"]');
const entries = (root: Element) => [...root.querySelectorAll<HTMLElement>("[data-request-id]")];
const states = (root: Element) => entries(root).map(({ dataset }) => `${dataset.requestId} ${dataset.state}`);
function button(root: Element, name: string): HTMLButtonElement {
  const found = [...root.querySelectorAll("button")].find(
    (one) => (one.getAttribute("aria-label") ?? one.textContent?.trim()) === name,
  );
  if (found === undefined) throw new Error(`no button ${name} in: ${root.textContent}`);
  return found;
}
async function click(root: Element, name: string): Promise<void> {
  button(root, name).dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
  await settle();
}
const answers = (model: FakeModel) => model.sentOf("do").filter(({ action }) => action === "answer");
async function reply(model: FakeModel, error: string | null = null): Promise<void> {
  model.say([{ type: "reply", rid: String(answers(model).at(-1)?.rid), ok: error === null, error }, []]);
  await settle();
}
async function tell(model: FakeModel, request: string, more: object): Promise<void> {
  const asked = model.sentOf("ask").find((one) => one.what === "question" && one.request === request);
  const nothing = { kind: "none", plan: null, text: null, json: null, about: {}, cut: false };
  const body = { request_id: request, ...nothing, previous_plan: null, previous_instructions: null, ...more };
  model.say([{ type: "reply", rid: String(asked?.rid), ok: true, error: null }, [buffer(body)]]);
  await settle();
}
async function pending(model: FakeModel, ...prompts: object[]): Promise<void> {
  model.set("pending", prompts);
  await settle();
}
async function wait(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms);
  await settle();
}
async function press(element: Element, key: string, more: object = {}): Promise<void> {
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  await settle();
}
const field = (root: Element, label: string) =>
  root.querySelector<HTMLTextAreaElement>(`[aria-label="${label}"]`) as HTMLTextAreaElement;
const words = (root: Element) => root.querySelector<HTMLTextAreaElement>(".rw-answer textarea");
async function write(element: HTMLTextAreaElement | null, text: string): Promise<void> {
  (element as HTMLTextAreaElement).value = text;
  element?.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
}

describe("what others rely on", () => {
  test("a region, an entry for each question, oldest first, each with its three buttons", async () => {
    const { root } = await shown(prompt("a"), prompt("b", { state: "held", why: "It raised." }), prompt("c"));
    expect(states(root)).toEqual(["a open", "b held", "c open"]);
    for (const entry of entries(root)) for (const name of ["Approve", "Modify", "Abort"]) button(entry, name);
    expect(button(root, "3 questions").getAttribute("aria-expanded")).toBe("true");
  });

  test("without questions there is neither tray nor badge, and nothing takes the focus when one comes", async () => {
    const { model, root } = await shown();
    expect(tray(root)).toBeNull();
    expect(root.querySelector(".rw-badge")).toBeNull();
    await pending(model, prompt("a"));
    expect(states(root)).toEqual(["a open"]);
    expect(tray(root)?.contains(document.activeElement)).toBe(false);
    expect(root.querySelector('[aria-live="polite"]')?.textContent).toBe("New question: Is a good?");
  });

  test("a run without tasks and a question without anything", async () => {
    const model = new FakeModel();
    model.values.set("connection", { state: "live" });
    model.values.set("pending", [{ request_id: "x" }]);
    const { root, unmount } = mount(model);
    mounted.push(unmount);
    await settle();
    expect(states(root)).toEqual(["x open"]);
    expect(root.textContent).toContain("No words came with it.");
  });

  test("50 stay 50, and only the unfolded one is asked for", async () => {
    const { model, root } = await shown(...Array.from({ length: 50 }, (_, i) => prompt(`q${i}`)));
    expect(entries(root)).toHaveLength(50);
    expect(model.sentOf("ask").filter(({ what }) => what === "question")).toHaveLength(1);
    await click(root, "Next question");
    expect(entries(root)[1]?.classList.contains("rw-q-open")).toBe(true);
  });
});

describe("an answer", () => {
  test("is sent once, however often somebody clicks", async () => {
    const { model, root } = await shown(prompt("a"));
    for (let i = 0; i < 3; i++) await click(root, "Approve");
    expect(answers(model)).toMatchObject([{ request: "a", answer: "approve", instructions: null }]);
    await reply(model);
    await click(root, "Approve");
    expect(answers(model)).toHaveLength(1);
    expect(button(root, "Approve").getAttribute("aria-disabled")).toBe("true");
  });

  test("says within a second that the kernel is busy, and what else helps", async () => {
    const { model, root } = await shown(prompt("a"));
    await click(root, "Approve");
    expect(states(root)).toEqual(["a open"]);
    await wait(QUEUED_AFTER_MS);
    expect(states(root)).toEqual(["a queued"]);
    expect(root.textContent).toContain(
      "Queued: the kernel is busy. The answer goes out when the cell ends or is interrupted. A cell that waits with (await m.hitl.next_async()).approve() or m.hitl.next(prompt=True) answers at once.",
    );
    // A kernel that seems to be gone may only be busy: the click waits on.
    await wait(20_000);
    expect(states(root)).toEqual(["a queued"]);
    await reply(model);
    expect(states(root)).toEqual(["a open"]);
    await pending(model, prompt("a", { state: "sent", action: "approve" }));
    expect(states(root)).toEqual(["a sent"]);
    expect(answers(model)).toHaveLength(1);
  });

  test("that got lost on its way can be given again after a minute", async () => {
    const { model, root } = await shown(prompt("a"));
    await click(root, "Approve");
    const alive = setInterval(() => model.say(snapshot(1, TASKS)), 1_000);
    await wait(STUCK_AFTER_MS);
    clearInterval(alive);
    await click(root, "Approve");
    expect(answers(model)).toHaveLength(2);
  });

  test("that the kernel refuses leaves the question open, and says why", async () => {
    const { model, root } = await shown(prompt("a"));
    await click(root, "Approve");
    await reply(model, "It was answered already: aborted at 21:16:15.");
    expect(root.querySelector('[role="alert"]')?.textContent).toBe(
      "It was answered already: aborted at 21:16:15.",
    );
    await click(root, "Approve");
    expect(answers(model)).toHaveLength(2);
    expect(root.querySelector('[role="alert"]')).toBeNull();
  });

  test("that is held says why and can be given again", async () => {
    const { model, root } = await shown(prompt("a"));
    await click(root, "Approve");
    await reply(model);
    await pending(model, prompt("a", { state: "held", action: "approve", why: "on_answer raised." }));
    expect(root.textContent).toContain("Held. on_answer raised.");
    await click(root, "Approve");
    expect(answers(model)).toHaveLength(2);
  });

  test("that did not count is asked for again, and it is said why", async () => {
    const why = "Your answer (approve) was acknowledged, and the server asks again. Answer again.";
    const { model, root } = await shown(prompt("a", { action: "approve", why }));
    expect(entries(root)[0]?.querySelector('[role="status"]')?.textContent).toBe(why);
    await click(root, "Approve");
    expect(answers(model)).toHaveLength(1);
  });

  test("that nobody waits for was not lost where there was none", async () => {
    const { model, root } = await shown(prompt("a"));
    const why = "The server asks no more.";
    model.say([{ type: "settled", request_id: "a", state: "lost", action: null, why }, []]);
    await settle();
    expect(entries(root)[0]?.querySelector('[role="status"]')?.textContent).toBe(why);
  });

  test("given elsewhere switches the buttons off here", async () => {
    const { model, root } = await shown(prompt("a"));
    await pending(model, prompt("a", { state: "waiting_link", action: "abort" }));
    expect(root.textContent).toContain("Aborted: kept, no connection.");
    await click(root, "Approve");
    expect(answers(model)).toHaveLength(0);
    expect(root.querySelector(".rw-badge")?.textContent).toBe("1 answer");
  });

  test.each([
    ["confirmed", null, "Approved: confirmed by the server."],
    ["superseded", "Another client answered.", "Another client answered."],
    ["lost", "The run ended.", "The answer was lost. The run ended."],
  ])("that is %s is shown for some seconds, whichever word comes first", async (state, why, sentence) => {
    for (const traitFirst of [true, false]) {
      const { model, root, unmount } = await shown(
        prompt("a", { state: "sent", action: "approve" }),
        prompt("b"),
      );
      const end = () => model.say([{ type: "settled", request_id: "a", state, action: "approve", why }, []]);
      if (!traitFirst) end();
      await pending(model, prompt("b"));
      if (traitFirst) end();
      await settle();
      expect(states(root)).toEqual([`a ${state}`, "b open"]);
      expect(entries(root)[0]?.textContent).toContain(sentence);
      await wait(SETTLED_FOR_MS);
      expect(states(root)).toEqual(["b open"]);
      expect(entries(root)[0]?.classList.contains("rw-q-open")).toBe(true);
      model.say(beat(1));
      await settle();
      await click(root, "Approve"); // it has just moved under the pointer, and was not what was meant
      expect(answers(model)).toHaveLength(0);
      await wait(500);
      await click(root, "Approve");
      expect(answers(model)).toHaveLength(1);
      unmount();
    }
  });

  test("that was lost stays to be seen until somebody dismisses it", async () => {
    const { model, root } = await shown(prompt("a", { state: "waiting_link", action: "approve" }));
    model.say([
      { type: "settled", request_id: "a", state: "lost", action: "approve", why: `${HOSTILE[0]} forgot.` },
      [],
    ]);
    await pending(model);
    await wait(2 * SETTLED_FOR_MS);
    expect(root.querySelector(".rw-badge")).toBeNull();
    model.say(beat(1));
    await settle();
    const notice = () => root.querySelector(".rw-notice-fail")?.textContent;
    expect(notice()).toContain(`An answer was lost. “Is a good?” ${HOSTILE[0]} forgot.`);
    onlyOurElements(root);
    await click(root, "Dismiss");
    expect(notice()).toBeUndefined();
  });

  test("meant for what has just moved away goes to nobody", async () => {
    const { model, root } = await shown(prompt("a"), prompt("b"), prompt("c"));
    const sent = prompt("a", { state: "sent", action: "modify" });
    const next = prompt("d", { previous_id: "a" });
    const steps: [string, object[], boolean][] = [
      ["one more at the end moves nothing", [prompt("a"), prompt("b"), prompt("c"), prompt("x")], false],
      ["an answer that is sent moves nothing", [sent, prompt("b"), prompt("c"), prompt("x")], false],
      ["one that went", [sent, prompt("c")], true],
      ["the next attempt is unfolded", [sent, prompt("c"), next], true],
      ["a folded one before it went", [prompt("c"), next], true],
    ];
    for (const [what, prompts, hasMoved] of steps) {
      await pending(model, ...prompts);
      const isOff = button(entries(root).at(-1) as Element, "Approve").getAttribute("aria-disabled");
      expect([what, isOff]).toEqual([what, String(hasMoved)]);
      await wait(500);
    }
    await click(entries(root).at(-1) as Element, "Approve");
    expect(answers(model)).toMatchObject([{ request: "d" }]);
  });

  test("abort asks once more", async () => {
    const { model, root } = await shown(prompt("a"));
    await click(root, "Abort");
    expect(answers(model)).toHaveLength(0);
    expect(document.activeElement?.textContent).toBe("Cancel");
    await click(root, "Abort");
    expect(answers(model)).toMatchObject([{ answer: "abort", instructions: null }]);
  });

  test("abort takes a reason", async () => {
    const { model, root } = await shown(prompt("a"));
    await click(root, "Abort");
    await write(field(root, "Reason"), " Too dear ");
    await click(root, "Abort");
    expect(answers(model)).toMatchObject([{ answer: "abort", instructions: "Too dear" }]);
  });

  test("modify needs instructions; Ctrl+Enter sends them, Escape keeps them", async () => {
    const { model, root } = await shown(prompt("a"));
    await click(root, "Modify");
    expect(document.activeElement).toBe(words(root));
    await click(root, "Modify");
    await write(words(root), "   ");
    await press(words(root) as Element, "Enter", { ctrlKey: true });
    expect(answers(model)).toHaveLength(0);
    await write(words(root), " Look at prices, too. ");
    await press(words(root) as Element, "Escape");
    expect(words(root)).toBeNull();
    expect(tray(root)).not.toBeNull();
    await click(root, "Modify");
    await press(words(root) as Element, "Enter", { ctrlKey: true });
    expect(answers(model)).toMatchObject([{ answer: "modify", instructions: "Look at prices, too." }]);
  });
});

describe("a plan", () => {
  async function planned(more: object = {}) {
    const all = await shown(prompt("a"));
    await tell(all.model, "a", { kind: "plan", plan: PLAN, ...more });
    return all;
  }

  test("is edited by keyboard alone, and its edits stand in the instructions before they are sent", async () => {
    const { model, root } = await planned();
    await click(root, "List the exhibits");
    await write(field(root, "Goal of sub-task 1"), "List what can be touched");
    await press(field(root, "Goal of sub-task 1"), "Enter");
    expect(words(root)?.value).toBe("Reword sub-task 1 to “List what can be touched”.");
    // The keyboard stands where it was.
    const here = document.activeElement as Element;
    expect(here.textContent).toBe("List what can be touched");
    await press(here, "ArrowDown", { altKey: true });
    await press(document.activeElement as Element, "ArrowDown", { altKey: true });
    await write(words(root), `${words(root)?.value}\nAnd be quick.`);
    await press(document.activeElement as Element, "Delete");
    expect(words(root)?.value).toBe("Remove sub-task 1 (“List the exhibits”).\nAnd be quick.");
    await click(root, "Modify");
    expect(answers(model)).toMatchObject([
      { answer: "modify", instructions: "Remove sub-task 1 (“List the exhibits”).\nAnd be quick." },
    ]);
  });

  test("takes dependencies as numbers, and says what is wrong with them", async () => {
    const { root } = await planned();
    await click(root, "Score the museums");
    const after = field(root, "Numbers of the sub-tasks before sub-task 3");
    expect(after.value).toBe("1, 2");
    after.value = "7";
    await click(root, "Done");
    expect(root.querySelector('[role="alert"]')?.textContent).toBe("There is no sub-task 7.");
    after.value = "2";
    await click(root, "Done");
    expect(words(root)?.value).toBe("Let sub-task 3 depend on sub-task 2.");
    await click(root, "Cancel");
    expect(words(root)).toBeNull();
    expect(root.textContent).toContain("after 1, 2");
  });

  test("words of one's own are not overwritten by a later edit", async () => {
    const { root } = await planned();
    await click(root, "Remove sub-task 2");
    button(root, "Approve as proposed");
    expect(root.textContent).not.toContain("stands too early");
    await write(words(root), "No cafés, please.");
    await click(root, "Move sub-task 2 up");
    expect(root.textContent).toContain("stands too early");
    expect(words(root)?.value.split("\n")[0]).toBe("No cafés, please.");
    expect(words(root)?.value).toContain("- Move sub-task");
    await click(root, "Move sub-task 1 down");
    expect(words(root)?.value).toBe("No cafés, please.\nRemove sub-task 2 (“List the cafés”).");
  });

  test("a new attempt shows what changed, and is unfolded behind the one before", async () => {
    const { model, root } = await shown(prompt("a"), prompt("other"));
    const answered = prompt("a", { state: "sent", action: "modify" });
    await pending(model, answered, prompt("other"));
    expect(root.querySelector(".rw-q-open")?.getAttribute("data-request-id")).toBe("a");
    await pending(model, answered, prompt("other"), prompt("b", { previous_id: "a" }));
    expect(root.querySelector(".rw-q-open")?.getAttribute("data-request-id")).toBe("b");
    await tell(model, "b", {
      kind: "plan",
      plan: [
        step("List the exhibits"),
        step("Check stroller access"),
        step("Score the museums fairly", 0, 1),
      ],
      previous_plan: PLAN,
      previous_instructions: "Add stroller access.",
    });
    expect(root.querySelector(".rw-plan .rw-label-note")?.textContent).toBe(
      "1 added · 1 removed · 1 reworded · 1 changed",
    );
    expect(root.querySelector("ins")?.textContent).toContain("fairly");
    expect(root.textContent).toContain("Add stroller access.");
  });
});

describe("other data", () => {
  test("is a tree that unfolds, a hundred members at a time", async () => {
    const { model, root } = await shown(prompt("a"));
    const many = Array.from({ length: 5_000 }, (_, i) => i);
    await tell(model, "a", { kind: "data", json: JSON.stringify({ many, deep: { deeper: { x: null } } }) });
    await click(root, "many: 5,000 entries");
    expect(root.querySelectorAll(".rw-data li").length).toBeLessThan(120);
    await click(root, "show more of 4,900");
    expect(root.querySelectorAll(".rw-data li").length).toBeGreaterThan(200);
  });

  test("that is text is shown as the Markdown it may be", async () => {
    const { model, root } = await shown(prompt("a"));
    await tell(model, "a", { kind: "text", text: "Yields **12 kg** [here](https://example.org)." });
    expect(root.querySelector(".rw-tray .rw-md b")?.textContent).toBe("12 kg");
    expect(root.querySelector(".rw-tray a")).toBeNull();
  });

  test("that was cut is text", async () => {
    const { model, root } = await shown(prompt("a"));
    await tell(model, "a", { kind: "data", json: '{"many": [1, 2', cut: true });
    expect(root.textContent).toContain("Data, its beginning");
    expect(root.querySelector(".rw-tray pre")?.textContent).toBe('{"many": [1, 2');
  });

  test("thirty strings in every field create no element", async () => {
    const { model, root } = await shown(
      ...HOSTILE.map((text, i) =>
        prompt(`${text}#${i}`, { message: text, checkpoint: text, task_id: text, why: text, state: "held" }),
      ),
    );
    for (const [i, text] of HOSTILE.entries()) {
      const id = `${text}#${i}`;
      const plan = [{ ...step(text), task_type: text, node_type: text }];
      const kinds = [
        { kind: "plan", plan, previous_plan: [step(`${text} before`)], previous_instructions: text },
        { kind: "text", text },
        { kind: "data", json: JSON.stringify({ [text]: { [text]: text } }) },
      ];
      await tell(model, id, { ...kinds[i % 3], about: { [text]: text } });
      onlyOurElements(root);
      await click(root, "Next question");
    }
  });
});

describe("attention", () => {
  test("waiting tasks are marked, and no longer when they are answered", async () => {
    const { model, root } = await shown(prompt("a", { asked: "1970-01-01T00:00:00Z" }));
    const row = () => root.querySelector<HTMLElement>('[data-task-id="r.1"]');
    expect(row()?.classList.contains("rw-waits")).toBe(true);
    expect(row()?.dataset.status).toBe("RUNNING");
    expect(row()?.textContent).toContain("running, waits for you");
    expect(root.querySelector(".rw-progress-text")?.textContent).toContain("1 waits for you");
    await pending(model, prompt("a", { state: "sent", action: "approve" }));
    expect(row()?.classList.contains("rw-waits")).toBe(false);
  });

  test("the tab's title counts what waits while nobody looks", async () => {
    document.title = "Notebook";
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    const look = (isHidden: boolean) => {
      hidden.mockReturnValue(isHidden);
      document.dispatchEvent(new Event("visibilitychange"));
    };
    const { model, unmount } = await shown(prompt("a"), prompt("b"));
    const second = mount(model);
    expect(document.title).toBe("(2) Notebook");
    look(false);
    expect(document.title).toBe("Notebook");
    look(true);
    await pending(model, prompt("b"));
    expect(document.title).toBe("(1) Notebook");
    unmount();
    expect(document.title).toBe("(1) Notebook");
    second.unmount();
    expect(document.title).toBe("Notebook");
  });

  test("notifications are off until somebody wants them, asked for once, one a question", async () => {
    const told: string[] = [];
    const requestPermission = vi.fn(async () => {
      FakeNotification.permission = "granted";
      return FakeNotification.permission;
    });
    class FakeNotification {
      static permission = "default";
      static requestPermission = requestPermission;
      constructor(title: string, { body, tag }: { body: string; tag: string }) {
        told.push(`${title}: ${body} (${tag})`);
      }
    }
    vi.stubGlobal("Notification", FakeNotification);
    vi.stubGlobal("isSecureContext", true);
    vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    const { model, root } = await shown(prompt("a"));
    const notifying = () => root.querySelector<HTMLElement>('[role="switch"]');
    expect(notifying()?.getAttribute("aria-checked")).toBe("false");
    expect([requestPermission.mock.calls.length, told]).toEqual([0, []]);
    for (const isOn of ["true", "false", "true"]) {
      notifying()?.click();
      await settle();
      expect(notifying()?.getAttribute("aria-checked")).toBe(isOn);
    }
    await pending(model, prompt("a"), prompt("b"));
    expect(told).toEqual(["A question of r.1: Is b good? (b)"]);
    expect(requestPermission).toHaveBeenCalledTimes(1);
    localStorage.clear();
  });

  test("closed, the tray stays closed until q or the badge opens it", async () => {
    const { model, root } = await shown(prompt("a"));
    await press(entries(root)[0] as Element, "Escape");
    expect(tray(root)).toBeNull();
    expect(document.activeElement).toBe(root.querySelector(".rw-badge"));
    await pending(model, prompt("a"), prompt("b"));
    expect(tray(root)).toBeNull();
    await press(root.querySelector('[role="treegrid"]') as Element, "q");
    expect(tray(root)?.contains(document.activeElement)).toBe(true);
  });
});

describe("nothing that is under review is hidden without a word", () => {
  test("what a plan leaves out is counted, at the sub-task too, and stands under it", async () => {
    const { model, root } = await shown(prompt("a"));
    const json = JSON.stringify({ proposed_plan: { sub_tasks: [{ goal: "Buy", command: "rm -rf /data" }] } });
    await tell(model, "a", { kind: "plan", plan: [{ ...step("Buy"), more: 1 }], json, more: 1 });
    expect(root.querySelector(".rw-step-meta")?.textContent).toContain("1 more field");
    expect(root.textContent).not.toContain("rm -rf");
    await click(root, "All the data1 more field");
    expect(root.querySelector(".rw-data")?.textContent).toContain("proposed_plan");
    button(root, "Copy the data");
  });

  test("the end of a long message can be read", async () => {
    const long = `${"Q".repeat(3_000)} unless X`;
    const { model, root } = await shown(prompt("a", { message: `${long.slice(0, 1_999)}…` }));
    await tell(model, "a", { message: long });
    expect(root.querySelector(".rw-q-message")?.textContent).toBe(long);
  });
});

test("the Run panel counts what waits for the person by itself, and not as running", async () => {
  const { root } = await shown(prompt("a"));
  const counts = [...root.querySelectorAll(".rw-counts li")].map(({ textContent }) => textContent);
  expect(counts).toContain("waits for you1");
  expect(counts).toContain("running1");
});
