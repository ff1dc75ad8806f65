// The colours and fonts of the canvas, read from the stylesheet's tokens and read again when the theme changes.

import { atEnd } from "../ending";
import { STATUSES } from "../status";

const NAMES = [
  "bg",
  "canvas",
  "fg",
  "fg2",
  "fg3",
  "hair",
  "hair2",
  "edge",
  "accent",
  "accent-ink",
  "accent-tint",
  "att-ink",
  "att-fill",
] as const;
type Name = (typeof NAMES)[number];

export interface Palette {
  readonly color: Readonly<Record<Name, string>>;
  /** By status code. */
  readonly ink: readonly string[];
  readonly fill: readonly string[];
  readonly font: string;
  readonly mono: string;
}

export function readPalette(root: HTMLElement): Palette {
  const probe = document.createElement("span");
  probe.style.display = "none";
  // A forced colour would make one of all statuses; the other tokens name the person's own colours then.
  probe.style.setProperty("forced-color-adjust", "none");
  root.append(probe);
  // A custom property's own value may be `light-dark(…)`; only a real property has the computed colour.
  const read = (token: string): string => {
    probe.style.color = `var(--rw-${token})`;
    return getComputedStyle(probe).color;
  };
  const token = (status: string) => status.toLowerCase().replace("_", "-");
  const palette: Palette = {
    color: Object.fromEntries(NAMES.map((name) => [name, read(name)])) as Record<Name, string>,
    ink: STATUSES.map((status) => read(`ink-${token(status)}`)),
    fill: STATUSES.map((status) => read(`fill-${token(status)}`)),
    font: family("var(--rw-ui)", probe),
    mono: family("var(--rw-code)", probe),
  };
  probe.remove();
  return palette;
}

function family(value: string, probe: HTMLElement): string {
  probe.style.fontFamily = value;
  return getComputedStyle(probe).fontFamily || "sans-serif";
}

/** Calls `changed` whenever the page's theme may have changed. */
export function watchTheme(root: HTMLElement, changed: () => void, signal: AbortSignal): void {
  const observer = new MutationObserver(changed);
  const filter = {
    attributes: true,
    attributeFilter: [
      "class",
      "style",
      "theme",
      "data-theme",
      "data-jp-theme-light",
      "data-jp-theme-name",
      "data-vscode-theme-kind",
    ],
  };
  observer.observe(document.documentElement, filter);
  observer.observe(document.body, filter);
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
    matchMedia(query).addEventListener("change", changed, { signal });
  }
  // A theme's stylesheet may arrive after its attribute: the root has a 1 ms transition on its colour that tells.
  root.addEventListener("transitionend", (event) => event.target === root && changed(), { signal });
  atEnd(signal, () => observer.disconnect());
}
