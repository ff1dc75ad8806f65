// What must hold of a view whatever it shows. `faultsOf(root)` gives sentences; none is good.

const FOREIGN =
  "script, iframe, object, embed, link, meta, base, form, img, video, audio, source, math, template, style, animate, set, use, image, foreignObject, frame, [href], [src], [srcdoc], [srcset], [action], [background]";
const BIDI = /[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff]/;
const ISOLATED = ["isolate", "plaintext", "isolate-override"];
const PX = 1.5;

const nameOf = (element) => `${element.localName}.${element.className?.baseVal ?? element.className}`;
const clips = (style) => style.overflowX !== "visible" || style.contain.includes("paint");
const isInline = (style) => style.display.startsWith("inline") && style.display !== "inline-block" && style.float === "none";

/** Text that runs from right to left, or says so, must not turn round what stands beside it on the line. */
function* leaks(root) {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    if (!BIDI.test(node.data.slice(0, 5000))) continue;
    let at = node.parentElement;
    let isSafe = false;
    while (at !== root) {
      const style = getComputedStyle(at);
      const parent = getComputedStyle(at.parentElement).display;
      isSafe ||= ISOLATED.includes(style.unicodeBidi);
      if (isSafe || !isInline(style) || /flex|grid/.test(parent)) break;
      at = at.parentElement;
    }
    const neighbours = at.textContent.length > node.data.length;
    if (!isSafe && neighbours && at.localName !== "option") yield `bidirectional text leaks out of ${nameOf(node.parentElement)} in ${nameOf(at)}`;
  }
}

/** What stands outside of a box and is not cut off by one in between. */
function* outside(box) {
  const { left, right } = box.getBoundingClientRect();
  const visit = function* (element) {
    const style = getComputedStyle(element);
    if (style.display === "none" || style.position === "fixed") return;
    const rect = element.getBoundingClientRect();
    if (rect.width > 0 && (rect.left < left - PX || rect.right > right + PX))
      yield `${nameOf(element)} reaches from ${Math.round(rect.left - left)} to ${Math.round(rect.right - left)} of ${Math.round(right - left)} px in ${nameOf(box)}`;
    else if (!clips(style)) for (const child of element.children) yield* visit(child);
  };
  for (const child of box.children) yield* visit(child);
}

/** Boxes that are to be as wide as what is in them: nothing of theirs may be scrolled to, or be cut off. */
const WHOLE = ".rw-header, .rw-inspector, .rw-inspector > .rw-scroll, .rw-tray, .rw-tray-list, .rw-run, .rw-popover, .rw-notice, .rw-outline:not(.rw-clipped)";

export function faultsOf(root) {
  const faults = new Set();
  for (const element of root.querySelectorAll(FOREIGN)) faults.add(`there is a ${element.outerHTML.slice(0, 200)}`);
  for (const element of root.querySelectorAll("*"))
    for (const name of element.getAttributeNames()) if (name.startsWith("on")) faults.add(`${nameOf(element)} has ${name}`);
  if (document.documentElement.scrollWidth > innerWidth) faults.add("the page is wider than the window");
  if (root.scrollWidth > root.clientWidth) faults.add(`the root is ${root.scrollWidth} px wide in ${root.clientWidth}`);
  for (const box of root.querySelectorAll(WHOLE)) {
    if (box.scrollWidth > box.clientWidth + 1) {
      const widest = [...box.querySelectorAll("*")].filter((each) => each.scrollWidth > box.clientWidth && !clips(getComputedStyle(each)));
      faults.add(`${nameOf(box)} holds ${box.scrollWidth} px in ${box.clientWidth}, for ${widest.map(nameOf).join(", ")}`);
    }
    for (const fault of outside(box)) faults.add(fault);
  }
  for (const fault of outside(root)) faults.add(fault);
  for (const fault of leaks(root)) faults.add(fault);
  if (globalThis.romaWasRun) faults.add("a script ran");
  if ({}.polluted !== undefined) faults.add("Object.prototype was changed");
  return [...faults];
}

globalThis.romaRan = () => {
  globalThis.romaWasRun = true;
};
/** Shows each thing in turn; returns the faults, each with where it was seen first, and how many states were seen. */
export async function walk(root, states) {
  const found = new Map();
  let seen = 0;
  for await (const state of states) {
    seen++;
    for (const fault of faultsOf(root)) if (!found.has(fault)) found.set(fault, state);
  }
  return { seen, faults: [...found].map(([fault, state]) => `${state}: ${fault}`) };
}
