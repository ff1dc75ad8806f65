// A mounted view in a document without pixels: frames are drawn when a test says so; thirty texts nobody should trust.

import { afterEach, beforeEach, expect, vi } from "vitest";
import comparison from "../src/compare/index";
import widget from "../src/index";
import { FakeModel } from "./make";

export const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  "<svg onload=alert(1)>",
  "<iframe src=javascript:alert(1)>",
  "<a href=javascript:alert(1)>x</a>",
  "&lt;b&gt;",
  '"><b>x</b>',
  "'><b>x</b>",
  "<style>*{display:none}</style>",
  "<math><mtext><b>x",
  "<marquee>x</marquee>",
  "<object data=x>",
  "<embed src=x>",
  "<form action=x><input></form>",
  "<video src=x onerror=alert(1)>",
  "<details open ontoggle=alert(1)>",
  "<base href=//x>",
  "<link rel=stylesheet href=x>",
  "<meta http-equiv=refresh content=0>",
  "<template><b>x</b></template>",
  "<!-- <b> -->",
  "<![CDATA[<b>]]>",
  "{{constructor}}",
  "\u202Eevil\u202C",
  "\u0000\u0001",
  "a\u0301".repeat(300),
  "<b>".repeat(500),
  "x".repeat(10_000),
  "__proto__",
  "[x](javascript:alert(1))",
];
const ALLOWED = new Set(
  "div span bdi header h2 h3 h4 b button svg path p ul li section dl dt dd nav pre code canvas input figure figcaption rect textarea label select option ins del kbd i small mark br hr em table tr td th ol blockquote".split(
    " ",
  ),
);

let frames: FrameRequestCallback[] = [];
/** Draws until nothing asks for a frame. */
export function frame(): void {
  for (let i = 0; i < 10 && frames.length > 0; i++) {
    const due = frames;
    frames = [];
    for (const callback of due) callback(0);
  }
}

beforeEach(() => {
  frames = [];
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => frames.push(callback));
  vi.stubGlobal("cancelAnimationFrame", () => {});
});
afterEach(() => {
  document.body.textContent = "";
  vi.unstubAllGlobals();
});

export function mount(model = new FakeModel()) {
  const el = document.createElement("div");
  document.body.append(el);
  const { render } = model.get("shows") === "comparison" ? comparison : widget;
  const unmount = render({ model, el });
  return { model, el, unmount, root: el.querySelector<HTMLElement>(".roma-widget") as HTMLElement };
}

export const live = (model: FakeModel, tasks: { status: string }[]) => {
  model.values.set("connection", { state: "live" });
  model.values.set("progress", {
    total: tasks.length,
    done: 1,
    failed: 1,
    running: 0,
    by_status: { DONE: 1 },
    outcome: "running",
  });
};

/** Draws what promises and frames still hold. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await Promise.resolve();
    frame();
  }
}

/** No text became an element, and no element has a handler in an attribute. */
export function onlyOurElements(root: Element): void {
  for (const element of root.querySelectorAll("*")) {
    expect(ALLOWED.has(element.localName), element.localName).toBe(true);
    expect([...element.attributes].some(({ name }) => name.startsWith("on"))).toBe(false);
  }
}
