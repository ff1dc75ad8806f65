// The blocks of a Markdown text, as people and models write them: headings, lists, code, quotes, tables, paragraphs.
// What it does not know stays text. A line is looked at a bounded number of times, whatever it says.

export type Block =
  | { readonly kind: "heading"; readonly level: number; readonly text: string }
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "quote"; readonly blocks: readonly Block[] }
  | { readonly kind: "list"; readonly start: number | null; readonly items: readonly (readonly Block[])[] }
  | {
      readonly kind: "table";
      readonly head: readonly string[];
      readonly rows: readonly (readonly string[])[];
    }
  | { readonly kind: "rule" };

/** Deeper lists and quotes are shown as they were written. */
const DEEPEST = 8;
const MOST_COLUMNS = 40;
/** All of the mark or none: with less of it a line of nothing else would be read once for each of its signs. */
const FENCE = /^ {0,3}(`{3,}|~{3,}(?!~))([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])( +|$)/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const TABLE_LINE = /^ ?\|? ?:?-+:? ?(?:\| ?:?-+:? ?)*\|? ?$/;

/** How many blocks, items and cells may still be made. */
export type Room = { left: number };

/** When `room` is used up, the rest is one block of code: as it was written. */
export function parseBlocks(text: string, room: Room): Block[] {
  return blocksOf(text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), 0, room);
}

function blocksOf(lines: readonly string[], depth: number, room: Room): Block[] {
  const blocks: Block[] = [];
  let at = 0;
  const line = (i: number): string => lines[i] ?? "";
  while (at < lines.length) {
    const first = line(at);
    if (first.trim() === "") {
      at++;
      continue;
    }
    if (room.left-- <= 0) {
      blocks.push({ kind: "code", text: lines.slice(at).join("\n") });
      break;
    }
    const fence = FENCE.exec(first);
    if (fence !== null) {
      const end = endOfFence(lines, at + 1, fence[1] as string);
      blocks.push({ kind: "code", text: lines.slice(at + 1, end).join("\n") });
      at = end + 1;
      continue;
    }
    const heading = HEADING.exec(first);
    if (heading !== null) {
      const words = (heading[2] as string).trimEnd().replace(/(^| )#+$/, "");
      blocks.push({ kind: "heading", level: (heading[1] as string).length, text: words });
      at++;
      continue;
    }
    if (RULE.test(first)) {
      blocks.push({ kind: "rule" });
      at++;
      continue;
    }
    if (depth < DEEPEST && QUOTE.test(first)) {
      let end = at + 1;
      while (end < lines.length && (QUOTE.test(line(end)) || goesOn(line(end)))) end++;
      const inner = lines.slice(at, end).map((each) => each.replace(QUOTE, ""));
      blocks.push({ kind: "quote", blocks: blocksOf(inner, depth + 1, room) });
      at = end;
      continue;
    }
    if (depth < DEEPEST && ITEM.test(first)) {
      const { list, end } = readList(lines, at, depth, room);
      blocks.push(list);
      at = end;
      continue;
    }
    if (first.includes("|") && isTableLine(line(at + 1))) {
      const head = cells(first);
      let end = at + 2;
      for (; end < lines.length && room.left > 0 && line(end).includes("|"); end++) room.left -= head.length;
      const rows = lines.slice(at + 2, end).map((row) => cells(row).slice(0, head.length));
      blocks.push({ kind: "table", head, rows });
      at = end;
      continue;
    }
    let end = at + 1;
    while (end < lines.length && goesOn(line(end)) && !UNDERLINE.test(line(end))) end++;
    const text = lines.slice(at, end).join("\n").trim();
    const underline = end < lines.length ? UNDERLINE.exec(line(end)) : null;
    if (underline === null) blocks.push({ kind: "paragraph", text });
    else blocks.push({ kind: "heading", level: underline[1]?.startsWith("=") ? 1 : 2, text });
    at = underline === null ? end : end + 1;
  }
  return blocks;
}

/** With one blank where there are more: between two that may be of any length a line would be tried everywhere. */
const isTableLine = (line: string): boolean =>
  line.includes("-") && TABLE_LINE.test(line.replace(/ +/g, " "));

/** Whether a paragraph goes on in this line. */
const goesOn = (line: string): boolean =>
  line.trim() !== "" &&
  ![FENCE, HEADING, RULE, QUOTE].some((start) => start.test(line)) &&
  (ITEM.exec(line)?.[3] || "") === "";

function endOfFence(lines: readonly string[], from: number, mark: string): number {
  let at = from;
  for (; at < lines.length; at++) {
    const found = FENCE.exec(lines[at] as string);
    if (found !== null && found[2]?.trim() === "" && found[1]?.startsWith(mark)) break;
  }
  return at;
}

function readList(
  lines: readonly string[],
  from: number,
  depth: number,
  room: Room,
): { list: Block & { kind: "list" }; end: number } {
  const [, margin = "", mark = ""] = ITEM.exec(lines[from] as string) as RegExpExecArray;
  const kindOfMark = mark.slice(-1);
  const items: (readonly Block[])[] = [];
  let at = from;
  while (at < lines.length && (room.left > 0 || at === from)) {
    const found = ITEM.exec(lines[at] as string);
    if (found === null || found[2]?.slice(-1) !== kindOfMark || RULE.test(lines[at] as string)) break;
    if ((found[1] as string).length > margin.length + 3) break;
    const indent = (found[1] as string).length + (found[2] as string).length + 1;
    const inner = [(lines[at] as string).slice(found[0].length)];
    for (at++; at < lines.length; at++) {
      const line = lines[at] as string;
      const isBlank = line.trim() === "";
      // Two columns are enough for who indents by less than the mark is wide.
      const isInside = line.length - line.trimStart().length >= Math.min(indent, margin.length + 2);
      if (!isBlank && !isInside && !(goesOn(line) && inner.at(-1)?.trim() !== "")) break;
      inner.push(isBlank ? "" : line.slice(Math.min(indent, line.length - line.trimStart().length)));
    }
    items.push(blocksOf(inner, depth + 1, room));
  }
  const start = Number.parseInt(mark, 10);
  return { list: { kind: "list", start: Number.isNaN(start) ? null : start, items }, end: at };
}

/** The cells of a row; `\|` is no border. */
function cells(row: string): string[] {
  const inner = row.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split(/(?<!\\)\|/, MOST_COLUMNS).map((cell) => cell.trim().replaceAll("\\|", "|"));
}
