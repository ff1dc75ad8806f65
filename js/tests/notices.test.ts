// @vitest-environment happy-dom
// What the notices say of the connection, and that the button which may freeze a run asks once more.

import { expect, test, vi } from "vitest";
import { GONE_AFTER_MS } from "../src/kernel";
import { buffer, FakeModel, snapshot, task } from "./make";
import { frame, mount, settle } from "./mount";

async function show(connection: object, outcome = "running", tasks = [task("r")]) {
  const model = new FakeModel();
  model.values.set("connection", connection);
  model.values.set("progress", { total: 1, outcome });
  const { root } = mount(model);
  model.say(snapshot(1, tasks));
  frame();
  const notice = () => root.querySelector(".rw-notice")?.textContent ?? "";
  const named = (words: string) =>
    [...root.querySelectorAll("button")].find(({ textContent }) => textContent === words);
  const click = async (words: string) => {
    named(words)?.click();
    await settle();
  };
  return { model, root, notice, named, click };
}

test("questions that wait are said, and what connecting costs", async () => {
  const { notice, model } = await show({ state: "polling", questions: 2, reason: "It could freeze." });
  expect(notice()).toContain(
    "2 questions wait on the server. Connecting shows them and lets you answer, but may freeze the run on ROMA v1.",
  );
  model.set("connection", { state: "polling", questions: 1 });
  await settle();
  expect(notice()).toContain("1 question waits on the server. Connecting shows it and");
  for (const questions of [0, null, -3, "<b>"]) {
    model.set("connection", { state: "polling", questions, reason: "It could freeze." });
    await settle();
    expect(notice()).toContain("Following over HTTP. It could freeze.");
  }
});

test("without its relay a monitor is never offered a socket to the server", async () => {
  const reason = "The relay ended; http://a is followed over HTTP until a new one is here.";
  const { model, notice, named, click } = await show({
    state: "polling",
    reason,
    relay: { state: "absent" },
  });
  expect(notice()).toContain(reason);
  expect(named("Connect anyway")).toBeUndefined();
  await click("Retry now");
  expect(model.sentOf("do").map(({ action }) => action)).toEqual(["retry"]);
  model.set("connection", { state: "polling", reason, questions: 2, relay: { state: "absent" } });
  await settle();
  expect(notice()).toContain(`2 questions wait on the server. ${reason}`);
});

test.each([
  ["live", "Live", ""],
  ["polling", "Relay · HTTP", "The relay follows over HTTP. <b>Refused.</b>Connect anyway"],
  ["reconnecting", "Relay · Reconnecting", "The relay does not hear the server. <b>Refused.</b>Retry now"],
  ["failed", "Relay · Not reachable", "The relay does not hear the server. <b>Refused.</b>Retry now"],
  ["connecting", "Relay · Connecting", ""],
  ["dancing", "Live", ""],
])("behind a relay that is %s the header says %s", async (state, word, said) => {
  const error = "<b>Refused.</b>";
  const { root, notice } = await show({
    state: "live",
    relay: { of: "http://a", state, reason: "r", error },
  });
  expect(root.querySelector(".rw-state-word")?.textContent).toBe(word);
  expect(notice()).toBe(said);
});

test.each([
  ["live", { state: "live", relay: { state: "live" } }, true],
  ["behind a relay that follows over HTTP", { state: "live", relay: { state: "polling" } }, true],
  ["behind a relay that hears nothing", { state: "live", relay: { state: "reconnecting" } }, false],
  ["reconnecting", { state: "reconnecting" }, false],
])("clocks go on only while the server is heard: %s", async (_, connection, goesOn) => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  const { model, root } = await show(connection);
  model.set("progress", { total: 1, started: "1970-01-01T00:00:00Z", outcome: "running" });
  await settle();
  const text = () => root.querySelector(".rw-numbers")?.textContent;
  const before = text();
  vi.advanceTimersByTime(5_000);
  await settle();
  expect(text() !== before).toBe(goesOn);
  expect(root.dataset.time).toBe(goesOn ? "now" : "still");
  vi.useRealTimers();
});

test("a relay that follows over HTTP can be told to connect, which asks once more", async () => {
  const { model, notice, click } = await show({
    state: "live",
    relay: { state: "polling", reason: "It could freeze." },
  });
  await click("Connect anyway");
  expect(notice()).toContain("It could freeze.This may freeze the run for good.");
  await click("Connect");
  expect(model.sentOf("do").map(({ action }) => action)).toEqual(["connect_anyway"]);
});

test("connecting during a run asks once more; Cancel and Escape give the focus back and ask nothing", async () => {
  const { model, root, named, click } = await show({ state: "polling" });
  await click("Connect anyway");
  expect(model.sentOf("do")).toEqual([]);
  expect(document.activeElement?.textContent).toBe("Cancel");
  await click("Cancel");
  expect(document.activeElement).toBe(named("Connect anyway"));
  await click("Connect anyway");
  document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  await settle();
  expect(document.activeElement).toBe(named("Connect anyway"));
  expect(model.sentOf("do")).toEqual([]);
  await click("Connect anyway");
  await click("Connect");
  expect(model.sentOf("do").map(({ action }) => action)).toEqual(["connect_anyway"]);
  expect(named("Connect anyway")?.getAttribute("aria-disabled")).toBe("true");
  await click("Connect anyway");
  expect(named("Cancel")).toBeUndefined();
  expect(model.sentOf("do")).toHaveLength(1);
  model.say([{ type: "reply", rid: model.lastRid("do"), ok: false, error: "No." }, []]);
  await settle();
  expect(root.querySelector(".rw-action-error")?.textContent).toBe("No.");
});

test("after the run there is nothing to protect", async () => {
  const { model, click } = await show({ state: "polling" }, "succeeded");
  await click("Connect anyway");
  expect(model.sentOf("do").map(({ action }) => action)).toEqual(["connect_anyway"]);
});

test("a reconnecting view can be told to try now", async () => {
  const { model, click, notice } = await show({
    state: "reconnecting",
    error: "Refused.",
    server: "unreachable",
  });
  expect(notice()).toContain("Reconnecting. Refused.");
  await click("Retry now");
  expect(model.sentOf("do").map(({ action }) => action)).toEqual(["retry"]);
});

test("a server that is up and not ready is not one that does not answer", async () => {
  const words = "The server is up and says it is not ready.";
  for (const state of ["reconnecting", "failed"]) {
    const { root, model } = await show({ state, server: "not_ready" });
    expect(root.querySelector(".rw-notice")?.textContent).toContain(words);
    expect(root.textContent).not.toContain("does not answer");
    const empty = await show({ state, server: "not_ready" }, "unknown", []);
    expect(empty.root.querySelector(".rw-page-title")?.textContent).toBe(words);
    model.set("connection", { state, server: "unreachable" });
    await settle();
    expect(root.textContent).not.toContain(words);
  }
  const { root } = await show({ state: "failed", server: null, error: "Wants a token." }, "unknown", []);
  expect(root.querySelector(".rw-page-title")?.textContent).toBe("Not connected.");
  expect(root.textContent).not.toContain("does not answer");
});

test("a disconnected view goes on saying so, with the time at which it was, and can still be looked into", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  try {
    const { model, root, notice } = await show({ state: "live" });
    model.set("connection", { state: "closed" });
    await settle();
    const said = notice();
    expect(said).toMatch(/^Disconnected. This is the state at .+\. Run the cell again to connect\.$/);
    vi.advanceTimersByTime(GONE_AFTER_MS * 100);
    root.querySelector<HTMLElement>('[role="row"]')?.click();
    await settle();
    model.say([
      { type: "reply", rid: model.lastRid("ask"), ok: true },
      [buffer({ task: "r", goal: "g", result: "42", result_kind: "text" })],
    ]);
    await settle();
    expect(notice()).toBe(said);
    expect(root.querySelector(".rw-text")?.textContent).toBe("42");
    expect(root.querySelector(".rw-state-word")?.textContent).toBe("Closed");
    expect(root.dataset.kernel).toBe("alive");
    root.querySelector<HTMLElement>(".rw-state")?.click();
    await settle();
    expect(root.querySelector(".rw-link-head")?.textContent).toContain("Closed");
  } finally {
    vi.useRealTimers();
  }
});

test("a view that opens after the end claims neither a time nor a lack of tasks that it was not told of", async () => {
  const { notice } = await show({ state: "closed" });
  expect(notice()).toContain("This is the state as it last was.");
  const model = new FakeModel();
  model.values.set("connection", { state: "closed" });
  const { root } = mount(model);
  const page = () => root.querySelector(".rw-page")?.textContent;
  expect(page()).toBe("Disconnected.Run the cell again to connect.");
  model.say(snapshot(1, []));
  await settle();
  expect(page()).toBe("Disconnected.No tasks had arrived. Run the cell again to connect.");
});
