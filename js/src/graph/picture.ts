// The graph as one picture: how large it is, and its cards, which are elements, drawn as the browser has laid them out.

import { extent, levelOf, MARGIN, scaleOf } from "./camera";

/** Of the line above the graph. */
export const TITLE_PX = 34;
const MOST_SIDE = 8_192;
const MOST_PIXELS = 32e6;
/** More are laid out too slowly: there are bars instead. */
const MOST_CARDS = 1_500;
const LEAST_WIDTH = 480;
/** Beside a folded task stands what it hides. */
const FOLD_PX = 170;

export interface PictureSize {
  readonly zoom: number;
  /** Pixels of the picture for one of the drawing: two where there is room. */
  readonly ratio: number;
  /** Of the drawing. */
  readonly w: number;
  readonly h: number;
}

/** The largest picture, at most at 100 %, of a whole drawing of so many `levels`, `rows` and `cards`. */
export function pictureSize(levels: number, rows: number, cards: number, hasFolds: boolean): PictureSize {
  for (let zoom = 1; ; zoom *= 0.97) {
    const size = extent(scaleOf(zoom), levels, rows);
    const w = Math.ceil(Math.max(LEAST_WIDTH, size.w + 2 * MARGIN + (hasFolds ? FOLD_PX : 0)));
    const h = Math.ceil(size.h + 2 * MARGIN + TITLE_PX);
    const ratio = Math.min(2, MOST_SIDE / w, MOST_SIDE / h, Math.sqrt(MOST_PIXELS / (w * h)));
    const hasCards = levelOf(zoom) === "cards";
    if ((ratio >= 1 && !(hasCards && cards > MOST_CARDS)) || zoom < 0.002) return { zoom, ratio, w, h };
  }
}

/** Draws the cards of a layer where they stand in `stage`, whatever the layer's own opacity. */
export function drawCards(ctx: CanvasRenderingContext2D, stage: HTMLElement, layer: HTMLElement): void {
  const { left, top } = stage.getBoundingClientRect();
  ctx.save();
  ctx.translate(-left, -top);
  for (const card of layer.children) drawElement(ctx, card);
  ctx.restore();
}

type Ctx = CanvasRenderingContext2D;

function drawElement(ctx: Ctx, element: Element): void {
  const style = getComputedStyle(element);
  if (style.display === "none" || style.visibility === "hidden") return;
  ctx.save();
  ctx.globalAlpha *= Number(style.opacity);
  drawBox(ctx, element.getBoundingClientRect(), style);
  if (element instanceof SVGSVGElement) drawGlyph(ctx, element);
  else {
    for (const child of element.childNodes) {
      if (child instanceof Element) drawElement(ctx, child);
      else if (child instanceof Text) drawText(ctx, child, element, style);
    }
  }
  ctx.restore();
}

/** A ring around a box, as a shadow that neither moves nor blurs makes it: its colour and width. */
export function ringOf(shadow: string): { readonly colour: string; readonly width: number } | null {
  const ring = /^(\S.*\)) 0px 0px 0px ([\d.]+)px$/.exec(shadow);
  return ring === null ? null : { colour: ring[1] as string, width: Number(ring[2]) };
}

function drawBox(ctx: Ctx, { left, top, width, height }: DOMRect, style: CSSStyleDeclaration): void {
  const line = Number.parseFloat(style.borderTopWidth);
  ctx.beginPath();
  ctx.roundRect(
    left + line / 2,
    top + line / 2,
    width - line,
    height - line,
    Number.parseFloat(style.borderTopLeftRadius),
  );
  // Under the box, so that only what is outside of it is seen.
  const ring = ringOf(style.boxShadow);
  if (ring !== null) {
    ctx.strokeStyle = ring.colour;
    ctx.lineWidth = line + 2 * ring.width;
    ctx.setLineDash([]);
    ctx.stroke();
  }
  ctx.fillStyle = style.backgroundColor;
  ctx.fill();
  if (line === 0) return;
  ctx.strokeStyle = style.borderTopColor;
  ctx.lineWidth = line;
  ctx.setLineDash(style.borderTopStyle === "dashed" ? [3, 2] : []);
  ctx.stroke();
}

function drawGlyph(ctx: Ctx, svg: SVGSVGElement): void {
  const { left, top, width } = svg.getBoundingClientRect();
  ctx.translate(left, top);
  ctx.scale(width / 12, width / 12);
  for (const path of svg.querySelectorAll("path")) {
    const style = getComputedStyle(path);
    const shape = new Path2D(path.getAttribute("d") ?? "");
    ctx.lineCap = ctx.lineJoin = "round";
    ctx.lineWidth = Number.parseFloat(style.strokeWidth);
    ctx.setLineDash((path.getAttribute("stroke-dasharray") ?? "").split(" ").filter(Boolean).map(Number));
    if (style.fill !== "none") {
      ctx.fillStyle = style.fill;
      ctx.fill(shape);
    }
    if (style.stroke !== "none") {
      ctx.strokeStyle = style.stroke;
      ctx.stroke(shape);
    }
  }
}

interface Line {
  text: string;
  left: number;
  readonly middle: number;
}

/** Line by line as it is broken on the screen; what is hidden there is an ellipsis here, too. */
function drawText(ctx: Ctx, node: Text, parent: Element, style: CSSStyleDeclaration): void {
  const box = parent.getBoundingClientRect();
  const clips = style.overflowX === "hidden";
  const lines = linesOf(node);
  const seen = clips ? lines.filter(({ middle }) => middle < box.bottom) : lines;
  ctx.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  ctx.fillStyle = style.color;
  ctx.textBaseline = "middle";
  seen.forEach(({ text, left, middle }, i) => {
    const isCut = seen.length < lines.length && i === seen.length - 1;
    const words = `${style.textTransform === "uppercase" ? text.toUpperCase() : text}${isCut ? "…" : ""}`;
    ctx.fillText(clips ? fitted(ctx, words, box.right - left + 1) : words, left, middle);
  });
}

function linesOf(node: Text): Line[] {
  const lines: Line[] = [];
  const range = document.createRange();
  for (const { 0: word, index } of node.data.matchAll(/\S+\s*/g)) {
    range.setStart(node, index);
    range.setEnd(node, index + word.trimEnd().length);
    const rect = range.getClientRects()[0];
    if (rect === undefined) continue;
    const middle = rect.top + rect.height / 2;
    const last = lines.at(-1);
    if (last !== undefined && Math.abs(last.middle - middle) < rect.height / 2) {
      last.text += word;
      last.left = Math.min(last.left, rect.left);
    } else lines.push({ text: word, left: rect.left, middle });
  }
  return lines.map((line) => ({ ...line, text: line.text.trimEnd() }));
}

/** As much of `text` as fits into `width`. */
function fitted(ctx: Ctx, text: string, width: number): string {
  if (ctx.measureText(text).width <= width) return text;
  let end = Math.min(text.length, 300);
  while (end > 0 && ctx.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}
