// The pool of real DOM cards at reading zoom: at most 150 elements, reused as the person pans. They are pictures for
// the mouse; the treegrid is what assistive technology reads, so they are hidden from it.

import { isKnown } from "../fields";
import { count, duration, elapsed, plural } from "../format";
import type { Task } from "../messages";
import {
  CODE,
  GLYPHS,
  isHollow,
  STATUSES,
  type Status,
  statusOf,
  WAITS,
  wordOf,
  wordOfCode,
} from "../status";
import { mixOf, type Tally } from "../tally";
import { SCALED_FROM, type Scale, TWO_LINES_FROM } from "./camera";
import type { Scene } from "./scene";

export const POOL_SIZE = 150;

const SVG = "http://www.w3.org/2000/svg";

/** What one card shows; two equal looks need no work. */
export interface Look {
  readonly task: Task;
  readonly duration_ms: number | null;
  /** The task, or one folded into it, waits for the person: for so long; null: it does not. */
  readonly waits: { readonly for_ms: number | null } | null;
  readonly left: number;
  readonly top: number;
  readonly mark: "selected" | "source" | "user" | "dimmed" | null;
  readonly ring: boolean;
  /** Position in the tree when it has children. */
  readonly parentAt: number | null;
  readonly folded: boolean;
  /** How many tasks under it were found. */
  readonly found: number;
  readonly isDimmed: boolean;
  readonly isCritical: boolean;
}

export function glyphElement(status: Status | "waits"): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  const glyph = status === "waits" ? WAITS : GLYPHS[status];
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.setAttribute("class", "rw-glyph");
  const path = (d: string, kind: "stroke" | "fill") => {
    if (d === "") return;
    const element = document.createElementNS(SVG, "path");
    element.setAttribute("d", d);
    element.setAttribute("class", `rw-glyph-${kind}`);
    if (kind === "stroke") {
      element.setAttribute("stroke-width", String(glyph.width));
      if (glyph.dash !== undefined) element.setAttribute("stroke-dasharray", glyph.dash.join(" "));
    }
    svg.append(element);
  };
  path(glyph.stroke, "stroke");
  path(glyph.fill, "fill");
  return svg;
}

function part(className: string, tag: "div" | "span" | "bdi" = "div"): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

export class Card {
  readonly element = part("rw-card");
  readonly #goal = part("rw-card-goal");
  readonly #id = part("rw-card-id", "bdi");
  readonly #type = part("rw-card-type", "span");
  readonly #agent = part("rw-card-agent", "span");
  readonly #time = part("rw-card-time", "span");
  readonly #more = part("rw-card-more");
  readonly #model = part("rw-card-model");
  readonly #summary = part("rw-card-summary");
  readonly #fold = part("rw-fold");
  readonly #foldText = part("rw-fold-text", "span");
  readonly #foldStrip = part("rw-fold-strip", "span");
  #glyph = glyphElement("PENDING");
  #task: Task | null = null;
  #sign: Status | "waits" | null = null;
  #className = "";
  #timeText = "";
  #foldKey = "";

  constructor() {
    const meta = part("rw-card-meta");
    meta.append(this.#id, this.#type, this.#agent, this.#time);
    this.#goal.dir = "auto";
    this.#summary.dir = "auto";
    this.#more.append(this.#model, this.#summary);
    const button = part("rw-fold-button", "span");
    this.#fold.append(button, this.#foldText, this.#foldStrip);
    this.element.append(
      part("rw-card-bar", "span"),
      this.#glyph,
      this.#goal,
      meta,
      this.#more,
      part("rw-card-run", "span"),
      this.#fold,
    );
  }

  show(look: Look, tally: Tally): void {
    const { task } = look;
    const status = statusOf(task.status);
    if (task !== this.#task || look.mark !== this.element.dataset.mark) this.#write(look, status);
    const sign = look.waits === null ? status : "waits";
    if (sign !== this.#sign) {
      this.#sign = sign;
      const fresh = glyphElement(sign);
      this.#glyph.replaceWith(fresh);
      this.#glyph = fresh;
    }
    const time = look.waits === null ? duration(look.duration_ms) : `waits ${elapsed(look.waits.for_ms)}`;
    if (time !== this.#timeText) {
      this.#timeText = time;
      this.#time.textContent = time;
    }
    const className = [
      `rw-card rw-s-${status}`,
      look.waits !== null ? "rw-waits" : isHollow(status) ? "rw-hollow" : "",
      look.mark === null || look.mark === "dimmed" ? "" : `rw-${look.mark}`,
      look.ring ? "rw-ring" : "",
      look.isCritical ? "rw-critical" : "",
      look.isDimmed && look.mark !== "selected" ? "rw-dimmed" : "",
    ].join(" ");
    if (className !== this.#className) {
      this.#className = className;
      this.element.className = className;
    }
    this.#showFold(look, tally);
    this.element.style.transform = `translate(${look.left}px,${look.top}px)`;
  }

  #write(look: Look, status: Status): void {
    const { task } = look;
    this.#task = task;
    this.element.dataset.mark = look.mark ?? "";
    this.element.dataset.card = task.id;
    this.#goal.textContent = task.goal;
    this.#id.textContent = task.id;
    this.element.title = task.id.length > 24 ? task.id.slice(0, 300) : "";
    this.#type.textContent = task.type ?? "";
    const relation = look.mark === "source" ? "source" : look.mark === "user" ? "uses it" : null;
    const word = status === "UNKNOWN" ? wordOf(task.status) : (task.agent ?? "");
    this.#agent.textContent = relation ?? word;
    this.#agent.className = `rw-card-agent${relation !== null ? " rw-relation" : status === "UNKNOWN" ? " rw-mono" : ""}`;
    this.#model.textContent = [task.agent, shortModel(task.model)].filter(isKnown).join(" · ");
    this.#summary.textContent = task.error ?? task.summary ?? "";
  }

  #showFold(look: Look, tally: Tally): void {
    const { parentAt, folded, found } = look;
    const mix = parentAt !== null && folded ? mixOf(tally, parentAt, true) : [];
    const key = parentAt === null ? "" : `${folded} ${found} ${mix.join(" ")}`;
    if (key === this.#foldKey) return;
    this.#foldKey = key;
    this.#fold.className =
      parentAt === null ? "rw-fold" : folded ? "rw-fold rw-is-folded" : "rw-fold rw-is-open";
    const hidden = mix.reduce((sum, [, tasks]) => sum + tasks, 0);
    this.#foldText.textContent = "";
    this.#foldStrip.textContent = "";
    this.#fold.title =
      parentAt === null ? "" : folded ? `Unfold ${plural(hidden, "task")}` : "Fold the sub-tasks";
    if (!folded) return;
    const total = part("rw-fold-count", "span");
    total.textContent = `+${count(hidden)}`;
    this.#foldText.append(total);
    if (found > 0) {
      const word = part("rw-relation", "span");
      word.textContent = ` ${count(found)} found · `;
      this.#foldText.append(word);
    }
    const onlyDone = mix.length === 1 && mix[0]?.[0] === CODE.DONE;
    mix.forEach(([code, tasks], i) => {
      const word = part(code === CODE.FAILED ? "rw-s-FAILED rw-inked" : "", "span");
      word.textContent = onlyDone ? "all done" : `${count(tasks)} ${wordOfCode(code)}`;
      if (i > 0) this.#foldText.append(" · ");
      this.#foldText.append(word);
      const share = part(`rw-share rw-s-${STATUSES[code]}`, "span");
      share.style.flexGrow = String(tasks);
      this.#foldStrip.append(share);
    });
  }
}

/** `openrouter/google/gemini-2.5-pro` → `gemini-2.5-pro`: the provider is in the inspector. */
const shortModel = (model: string | null): string | null => model?.split("/").at(-1) ?? null;

export class CardPool {
  readonly layer = part("rw-cards");
  readonly #inUse = new Map<string, Card>();
  readonly #free: Card[] = [];

  constructor() {
    this.layer.setAttribute("aria-hidden", "true");
  }

  /** Where the cards stand, and how large each is. */
  standIn({ scale, camera }: Scene): void {
    const { style, dataset } = this.layer;
    const { zoom } = scale;
    style.transform = `translate(${camera.x}px,${camera.y}px)`;
    style.setProperty("--z", String(zoom < SCALED_FROM ? 0.92 : zoom));
    style.setProperty("--card-w", `${scale.cardW}px`);
    style.setProperty("--card-h", `${scale.cardH}px`);
    style.setProperty("--edge-y", `${scale.edgeY}px`);
    dataset.size = sizeOf(scale);
  }

  /** Shows exactly these cards. A card keeps its element as long as its task stays in view. */
  show(looks: readonly Look[], tally: Tally): void {
    const wanted = new Set(looks.map((look) => look.task.id));
    for (const [id, card] of this.#inUse) {
      if (wanted.has(id)) continue;
      this.#inUse.delete(id);
      card.element.remove();
      this.#free.push(card);
    }
    for (const look of looks) {
      let card = this.#inUse.get(look.task.id);
      if (card === undefined) {
        card = this.#free.pop() ?? new Card();
        this.#inUse.set(look.task.id, card);
        card.show(look, tally);
        this.layer.append(card.element);
      } else card.show(look, tally);
    }
  }
}

function sizeOf({ level, zoom }: Scale): string {
  if (level === "details") return "details";
  if (zoom >= SCALED_FROM) return "card";
  return zoom >= TWO_LINES_FROM ? "two" : "one";
}
