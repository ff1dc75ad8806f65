// @vitest-environment happy-dom
// The project menu as a person uses it: choosing, switching for everyone, the keyboard, what goes wrong.

import { expect, test, vi } from "vitest";
import { FakeModel, snapshot, task } from "./make";
import { frame, HOSTILE, live, mount, onlyOurElements, settle } from "./mount";

const listed = (id: string, more: object = {}) => ({
  id,
  title: `Title of ${id}`,
  status: "running",
  created: "2026-01-05T20:51:00Z",
  updated: null,
  is_current: false,
  ...more,
});
const THREE = [
  listed("old", { created: "2025-03-01T10:00:00Z" }),
  listed("now", { is_current: true, created: "2026-01-05T20:51:00Z" }),
  listed("mid", { created: "2026-01-02T10:00:00Z" }),
];

async function open(projects: readonly object[], watching: string | null = null, shown = "now") {
  const model = new FakeModel();
  live(model, [task("r")]);
  model.values.set("projects", projects);
  model.values.set("watching", watching);
  model.values.set("project", { id: shown, title: `Title of ${shown}`, goal: null, status: "running" });
  const { root, unmount } = mount(model);
  model.say(snapshot(1, [task("r")]));
  frame();
  const button = root.querySelector<HTMLButtonElement>(".rw-title-button") as HTMLButtonElement;
  button.focus();
  button.click();
  await settle();
  const menu = () => root.querySelector<HTMLElement>('[role="dialog"][aria-label="Projects"]');
  const rows = () => [...root.querySelectorAll<HTMLElement>('.rw-popover [role="row"]')];
  const titles = () => rows().map((row) => row.querySelector(".rw-pick-title")?.textContent);
  const pick = (at: number) => rows()[at]?.querySelector<HTMLButtonElement>(".rw-pick") as HTMLButtonElement;
  const press = async (key: string) => {
    document.activeElement?.dispatchEvent(
      new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }),
    );
    await settle();
  };
  const click = async (element: Element | null | undefined) => {
    (element as HTMLElement).focus();
    (element as HTMLElement).click();
    await settle();
  };
  const reply = async (ok: boolean, error: string | null = null) => {
    model.say([{ type: "reply", rid: model.lastRid("do"), ok, error }, []]);
    await settle();
  };
  const named = (words: string) =>
    [...root.querySelectorAll("button")].find(({ textContent }) => textContent === words);
  return { model, root, unmount, button, menu, rows, titles, pick, press, click, reply, named };
}
const wishes = (model: FakeModel) => model.sentOf("do").map(({ action, project }) => [action, project]);

test("lists the projects newest first, says which is current and which is shown", async () => {
  const { button, titles, rows } = await open(THREE);
  expect(button.getAttribute("aria-expanded")).toBe("true");
  expect(button.textContent).toBe("Title of now3 projects");
  expect(titles()).toEqual([
    "Follow the server's current project",
    "Title of now",
    "Title of mid",
    "Title of old",
  ]);
  expect(rows().map((row) => row.getAttribute("aria-selected"))).toEqual(["true", "false", "false", "false"]);
  expect([...(rows()[1]?.querySelectorAll(".rw-tag") ?? [])].map((tag) => tag.textContent)).toEqual([
    "current",
    "shown here",
  ]);
});

test("a choice watches, shows that it is under way, closes and gives the focus back", async () => {
  const { model, menu, pick, click, reply, button } = await open(THREE);
  await click(pick(3));
  expect(wishes(model)).toEqual([["watch", "old"]]);
  expect(pick(3).getAttribute("aria-busy")).toBe("true");
  await reply(true);
  expect(menu()).toBeNull();
  expect(document.activeElement).toBe(button);
});

test("the answer to a choice leaves a menu alone that was opened again meanwhile", async () => {
  const { pick, click, reply, menu, press, button } = await open(THREE);
  await click(pick(3));
  await press("Escape");
  await click(button);
  await press("ArrowDown");
  const standsOn = document.activeElement;
  await reply(true);
  expect(menu()).not.toBeNull();
  expect(document.activeElement).toBe(standsOn);
  await click(pick(2));
  await reply(true);
  expect(menu()).toBeNull();
});

test("following again is watching nothing; what is chosen already is not asked for", async () => {
  const { model, pick, click, menu } = await open(THREE, "old", "old");
  await click(pick(0));
  expect(wishes(model)).toEqual([["watch", null]]);
  expect(menu()).not.toBeNull();
  const again = await open(THREE, "old", "old");
  await again.click(again.pick(3));
  expect(wishes(again.model)).toEqual([]);
  expect(again.menu()).toBeNull();
});

test("choosing what is shown takes back a choice that is under way", async () => {
  const { model, pick, click, reply, menu } = await open(THREE, "old", "old");
  await click(pick(2));
  await click(pick(3));
  expect(wishes(model)).toEqual([
    ["watch", "mid"],
    ["watch", "old"],
  ]);
  expect(pick(2).getAttribute("aria-busy")).toBe("false");
  expect(pick(3).getAttribute("aria-busy")).toBe("true");
  await reply(true);
  expect(menu()).toBeNull();
});

test("a refusal is one sentence, and still there when the menu is opened again", async () => {
  const { root, pick, click, reply, menu, press, button } = await open(THREE);
  await click(pick(2));
  await press("Escape");
  expect(menu()).toBeNull();
  await reply(false, "The server does not know this project.");
  await click(button);
  expect(root.querySelector('[role="alert"]')?.textContent).toBe("The server does not know this project.");
  expect(pick(2).getAttribute("aria-busy")).toBe("false");
});

test("a refusal is forgotten when another project is shown and when the shown one is chosen, not before", async () => {
  const { model, root, pick, click, reply, button } = await open(THREE);
  const refusal = () => root.querySelector('[role="alert"]')?.textContent;
  await click(pick(2));
  await reply(false, "Not this one.");
  model.set("projects", [...THREE]);
  await settle();
  expect(refusal()).toBe("Not this one.");
  model.set("watching", "old");
  model.set("project", { id: "old", title: "Title of old", goal: null, status: "running" });
  await settle();
  expect(refusal()).toBeUndefined();
  await click(pick(2));
  await reply(false, "Not this one.");
  await click(pick(3));
  await click(button);
  expect(refusal()).toBeUndefined();
});

test("a reply that never comes ends in a sentence", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const { model, root, pick, click } = await open(THREE);
    await click(pick(2));
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(5_000);
      model.say([{ type: "beat", rev: 1 }, []]);
    }
    await settle();
    expect(root.querySelector('[role="alert"]')?.textContent).toMatch(/nothing within 30 s/);
    expect(pick(2).getAttribute("aria-busy")).toBe("false");
  } finally {
    vi.useRealTimers();
  }
});

test("of two choices only the later one's answer counts", async () => {
  const { model, pick, click, menu, root } = await open(THREE);
  await click(pick(2));
  const first = model.lastRid("do");
  await click(pick(3));
  model.say([{ type: "reply", rid: first, ok: false, error: "Too late." }, []]);
  await settle();
  expect(root.querySelector('[role="alert"]')).toBeNull();
  expect(menu()).not.toBeNull();
  expect(pick(3).getAttribute("aria-busy")).toBe("true");
});

test("switching for everyone asks once more; Cancel has the keyboard, Escape takes back the question only", async () => {
  const { model, rows, click, press, named, menu, reply, pick } = await open(THREE);
  expect(rows()[1]?.querySelector(".rw-everyone")).toBeNull();
  await click(rows()[3]?.querySelector(".rw-everyone"));
  expect(rows()[3]?.textContent).toContain("This switches the project for everyone who watches this server.");
  expect(document.activeElement?.textContent).toBe("Cancel");
  expect(wishes(model)).toEqual([]);
  await press("Escape");
  expect(menu()).not.toBeNull();
  expect(named("Cancel")).toBeUndefined();
  expect(document.activeElement).toBe(pick(3));

  await click(rows()[3]?.querySelector(".rw-everyone"));
  await click(named("Switch for everyone"));
  await click(named("Switching…"));
  expect(wishes(model)).toEqual([["switch", "old"]]);
  await reply(false, "Not now.");
  expect(menu()?.querySelector('[role="alert"]')?.textContent).toBe("Not now.");
  await click(named("Switch for everyone"));
  await reply(true);
  expect(named("Cancel")).toBeUndefined();
  expect(menu()?.querySelector('[role="alert"]')).toBeNull();
  expect(menu()).not.toBeNull();
  expect(document.activeElement).toBe(pick(3));
});

test("arrows, Home, End and letters move; Escape closes, keeps the selection and gives the focus back", async () => {
  const { model, press, pick, rows, menu, button } = await open(THREE);
  expect(document.activeElement).toBe(pick(0));
  await press("ArrowDown");
  expect(document.activeElement).toBe(pick(1));
  await press("End");
  expect(document.activeElement).toBe(pick(3));
  await press("ArrowDown");
  expect(document.activeElement).toBe(pick(3));
  await press("ArrowRight");
  expect(document.activeElement).toBe(rows()[3]?.querySelector(".rw-everyone"));
  await press("ArrowLeft");
  await press("Home");
  expect(document.activeElement).toBe(pick(0));
  await press("t");
  expect(document.activeElement).toBe(pick(1));
  await press("t");
  expect(document.activeElement).toBe(pick(2));
  expect(rows().filter((row) => row.querySelector('[tabindex="0"]') !== null)).toHaveLength(1);
  await press("Escape");
  expect(menu()).toBeNull();
  expect(document.activeElement).toBe(button);
  expect(model.sentOf("do")).toEqual([]);
});

test("a press elsewhere and leaving with the keyboard close the menu; a press inside does not", async () => {
  const { root, menu, button, click } = await open(THREE);
  menu()?.dispatchEvent(new Event("pointerdown", { bubbles: true, composed: true }));
  await settle();
  expect(menu()).not.toBeNull();
  root
    .querySelector(".rw-progress")
    ?.dispatchEvent(new Event("pointerdown", { bubbles: true, composed: true }));
  await settle();
  expect(menu()).toBeNull();
  await click(button);
  document.activeElement?.dispatchEvent(
    new FocusEvent("focusout", { bubbles: true, relatedTarget: root.querySelector('[role="treegrid"]') }),
  );
  await settle();
  expect(menu()).toBeNull();
});

test("500 projects: a hundred rows, the shown one among them, and a search that finds the rest", async () => {
  const projects = Array.from({ length: 500 }, (_, i) =>
    listed(`p${i}`, {
      created: new Date(Date.UTC(2026, 0, 1) - i * 60_000).toISOString(),
      is_current: i === 0,
    }),
  );
  const { model, rows, root, press, titles, menu } = await open(projects, "p321", "p321");
  const search = root.querySelector<HTMLInputElement>(
    'input[aria-label="Search projects"]',
  ) as HTMLInputElement;
  expect(document.activeElement).toBe(search);
  expect(rows()).toHaveLength(102);
  expect(titles().at(-1)).toBe("Title of p321");
  expect(menu()?.querySelector('[role="status"]')?.textContent).toBe("399 more: type to search");
  search.value = "p49";
  search.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
  expect(titles()).toEqual([
    "Follow the server's current project",
    "Title of p49",
    ...Array.from({ length: 10 }, (_, i) => `Title of p49${i}`),
  ]);
  expect(menu()?.querySelector('[role="status"]')?.textContent).toBe("11 of 500 projects");
  await press("ArrowDown");
  await press("5");
  expect(document.activeElement).toBe(search);
  expect(titles()).toHaveLength(2);
  await press("Enter");
  expect(wishes(model)).toEqual([["watch", "p495"]]);
});

test("projects of one title can be told apart", async () => {
  const twins = ["0123456789abcdef-1", "0123456789abcdef-2"].map((id) => listed(id, { title: "Twin" }));
  const { rows } = await open(twins);
  const meta = rows()
    .slice(1)
    .map((row) => row.querySelector(".rw-pick-meta")?.textContent);
  expect(new Set(meta).size).toBe(2);
  expect(meta[0]).toContain("abcdef-1");
});

test("hostile titles, ids and words are text", async () => {
  const projects = HOSTILE.map((text, i) =>
    listed(`${text}#${i}`, { title: text, status: text, created: text }),
  );
  const { model, root, titles, click, rows, reply } = await open(projects, projects[3]?.id, projects[4]?.id);
  expect(titles()).toHaveLength(31);
  expect(titles()).toContain("<img src=x onerror=alert(1)>");
  onlyOurElements(root);
  const title = titles()[5];
  await click(rows()[5]?.querySelector(".rw-everyone"));
  await click(root.querySelector(".rw-confirm button"));
  await reply(false, HOSTILE[0]);
  onlyOurElements(root);
  expect(model.sentOf("do")[0]?.project).toBe(projects.find((project) => project.title === title)?.id);
});

test("a project that vanishes under the keyboard leaves the keyboard in the menu", async () => {
  const { model, press, pick, menu } = await open(THREE);
  await press("End");
  expect(document.activeElement).toBe(pick(3));
  model.set("projects", THREE.slice(1));
  await settle();
  expect(menu()?.contains(document.activeElement)).toBe(true);
});

test("the header says quietly when it holds to another project than the current one", async () => {
  const { root, model } = await open(THREE, "old", "old");
  expect(root.querySelector(".rw-aside")?.textContent).toBe("watching · not current");
  model.set("watching", "now");
  await settle();
  expect(root.querySelector(".rw-aside")).toBeNull();
});

test("without projects the title is no button, and with a dead kernel nothing is asked", async () => {
  const model = new FakeModel();
  const { root } = mount(model);
  frame();
  expect(root.querySelector(".rw-title-button")).toBeNull();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const { model: other, menu, pick, click, rows, named } = await open(THREE);
    await click(rows()[3]?.querySelector(".rw-everyone"));
    vi.advanceTimersByTime(6_000);
    await settle();
    expect(menu()?.textContent).toContain("The kernel is gone.");
    await click(pick(2));
    expect(named("Switch for everyone")?.getAttribute("aria-disabled")).toBe("true");
    await click(named("Switch for everyone"));
    expect(other.sentOf("do")).toEqual([]);
    await click(named("Cancel"));
    expect(named("Cancel")).toBeUndefined();
  } finally {
    vi.useRealTimers();
  }
});

test("the view's end leaves no listener on the document", async () => {
  const added = vi.spyOn(document, "addEventListener");
  const { unmount, menu } = await open(THREE);
  const signals = added.mock.calls.map(([, , options]) => (options as AddEventListenerOptions).signal);
  expect(menu()).not.toBeNull();
  unmount();
  expect(signals).toHaveLength(1);
  expect(signals.every((signal) => signal?.aborted)).toBe(true);
  added.mockRestore();
});

test("questions of a project that is not shown: the header names it, its row counts them, a click shows it", async () => {
  const { root, model, click } = await open([
    listed("now", { is_current: true, questions: 3 }),
    listed("far", { questions: 1 }),
  ]);
  expect([...root.querySelectorAll(".rw-tag-asks")].map(({ textContent }) => textContent)).toEqual([
    "3 questions",
    "1 question",
  ]);
  const elsewhere = () => root.querySelector(".rw-elsewhere button");
  expect(elsewhere()?.textContent).toBe("1 question in Title of far");
  await click(elsewhere());
  expect(wishes(model)).toEqual([["watch", "far"]]);
  model.set("projects", [listed("now", { questions: 3 }), listed("far", { questions: 0 })]);
  await settle();
  expect(elsewhere()).toBe(null);
});
