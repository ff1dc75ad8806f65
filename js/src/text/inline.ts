// What stands within a Markdown paragraph: emphasis, code, links. Linear in the text: a mark that is never closed is
// looked for once.

import type { Room } from "./blocks";

export type Inline =
  | string
  | { readonly kind: "strong" | "em" | "del"; readonly parts: readonly Inline[] }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "link" | "image"; readonly label: string; readonly address: string }
  | { readonly kind: "break" };

const DEEPEST = 6;
/** Each sign that may begin something, with as much of it as belongs together. */
const STARTS = /\\[\n!-/:-@[-`{-~]|`+|\*\*?|__?|~~|!?\[|<https?:|\n/g;
const LINK =
  /!?\[([^[\]\n]{0,500})\]\(<?([^()<>\s]{0,2000}(?:\([^()<>\s]{0,200}\)[^()<>\s]{0,2000})?)>?(?: +"[^"\n]{0,300}")?\)/y;
const ADDRESS = /<(https?:[^<>\s]{1,2000})>/y;
const KINDS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "del" } as const;
const WORD = /[\p{L}\p{N}]/u;
const CANDIDATES = 8;

/** `room` is how many parts that are no plain text may still be made; when it is used up, the rest stays text. */
export function parseInline(text: string, room: Room, depth = 0): Inline[] {
  const parts: Inline[] = [];
  const unclosed = new Set<string>();
  let said = 0;
  const take = (from: number, to: number, part: Inline) => {
    if (from > said) parts.push(text.slice(said, from));
    parts.push(part);
    said = to;
    room.left--;
  };
  const starts = new RegExp(STARTS);
  for (;;) {
    starts.lastIndex = Math.max(starts.lastIndex, said);
    const found = room.left > 0 ? starts.exec(text) : null;
    if (found === null) break;
    const at = found.index;
    const [mark] = found;
    const after = at + mark.length;
    if (mark === "\n") {
      if (text.endsWith("  ", at)) take(at - 2, after, { kind: "break" });
    } else if (mark === "\\\n") {
      take(at, after, { kind: "break" });
    } else if (mark.startsWith("\\")) {
      take(at, after, mark.slice(1));
    } else if (mark.startsWith("`")) {
      const end = unclosed.has(mark) ? -1 : closingTicks(text, mark, after);
      if (end < 0) unclosed.add(mark);
      else take(at, end + mark.length, { kind: "code", text: text.slice(after, end).trim() });
    } else if (mark.startsWith("<")) {
      ADDRESS.lastIndex = at;
      const address = ADDRESS.exec(text);
      if (address?.[1] !== undefined)
        take(at, at + address[0].length, { kind: "link", label: address[1], address: address[1] });
    } else if (mark.endsWith("[")) {
      LINK.lastIndex = at;
      const link = LINK.exec(text);
      if (link !== null) {
        const [all, label = "", address = ""] = link;
        take(at, at + all.length, { kind: mark === "[" ? "link" : "image", label, address });
      }
    } else if (depth < DEEPEST && !unclosed.has(mark)) {
      const end = closing(text, mark, at);
      if (end === null) unclosed.add(mark);
      else if (end > 0) {
        const kind = KINDS[mark as keyof typeof KINDS];
        take(at, end + mark.length, { kind, parts: parseInline(text.slice(after, end), room, depth + 1) });
      }
    }
  }
  if (said < text.length) parts.push(text.slice(said));
  return parts;
}

function closingTicks(text: string, mark: string, from: number): number {
  for (let end = text.indexOf(mark, from); end >= 0; end = text.indexOf(mark, end)) {
    let stop = end;
    while (text[stop] === "`") stop++;
    if (stop - end === mark.length) return end;
    end = stop;
  }
  return -1;
}

/** Where the emphasis that begins at `at` ends; 0 where it is none, null where nothing after it can end it. */
function closing(text: string, mark: string, at: number): number | null {
  const after = at + mark.length;
  const isWordy = mark.startsWith("_");
  if (/\s/.test(text[after] ?? " ") || (isWordy && WORD.test(text[at - 1] ?? ""))) return 0;
  let end = text.indexOf(mark, after + 1);
  if (end < 0) return null;
  for (let i = 0; i < CANDIDATES && end >= 0; i++, end = text.indexOf(mark, end)) {
    const next = end + mark.length;
    const isLonger = mark.length === 1 && (text[next] === mark || text[end - 1] === mark);
    if (isLonger) end = next + (text[next] === mark ? 1 : 0);
    else if (/\s/.test(text[end - 1] as string) || (isWordy && WORD.test(text[next] ?? ""))) end = next;
    else return text[next] === mark[0] && mark.length === 2 ? end + 1 : end;
  }
  return 0;
}
