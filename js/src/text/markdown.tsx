// Foreign Markdown, shown with a fixed set of elements: text becomes text, links and images are a label that leads
// nowhere, HTML is shown as it was written. What is very long stays plain.

import type { ComponentChild } from "preact";
import { useMemo } from "preact/hooks";
import { type Block, parseBlocks, type Room } from "./blocks";
import { type Inline, parseInline } from "./inline";
import { LongText } from "./long-text";

/** Longer texts are shown as they were written. */
export const MOST_CHARS = 200_000;
/** Of a text that is nothing but marks, further ones are shown as they were written. */
const MOST_BLOCKS = 3_000;
const MOST_PARTS = 4_000;
const TITLE_CHARS = 300;

export function Markdown({ text }: { text: string }) {
  const content = useMemo(() => {
    if (text.length > MOST_CHARS) return null;
    return drawn(parseBlocks(text, { left: MOST_BLOCKS }), { left: MOST_PARTS });
  }, [text]);
  if (content !== null) return <div class="rw-md">{content}</div>;
  return <LongText text={text} mono={false} />;
}

const drawn = (blocks: readonly Block[], room: Room): ComponentChild[] =>
  blocks.map((block) => draw(block, room));

function draw(block: Block, room: Room): ComponentChild {
  switch (block.kind) {
    case "heading":
      return (
        <h4 class={block.level < 3 ? "rw-md-large" : undefined} dir="auto">
          {words(block.text, room)}
        </h4>
      );
    case "paragraph":
      return <p dir="auto">{words(block.text, room)}</p>;
    case "code":
      return <pre class="rw-md-code">{block.text}</pre>;
    case "quote":
      return <blockquote>{drawn(block.blocks, room)}</blockquote>;
    case "list": {
      const items = block.items.map((item) => <li>{item.map((each) => inItem(each, room))}</li>);
      return block.start === null ? <ul>{items}</ul> : <ol start={block.start}>{items}</ol>;
    }
    case "table":
      return (
        <div class="rw-md-table">
          <table>
            <tr>
              {block.head.map((cell) => (
                <th dir="auto">{words(cell, room)}</th>
              ))}
            </tr>
            {block.rows.map((row) => (
              <tr>
                {row.map((cell) => (
                  <td dir="auto">{words(cell, room)}</td>
                ))}
              </tr>
            ))}
          </table>
        </div>
      );
    case "rule":
      return <hr />;
  }
}

/** A paragraph in a list stands without the space around it. */
const inItem = (block: Block, room: Room): ComponentChild =>
  block.kind === "paragraph" ? <div dir="auto">{words(block.text, room)}</div> : draw(block, room);

const words = (text: string, room: Room): ComponentChild[] => parseInline(text, room).map(shown);

function shown(part: Inline): ComponentChild {
  if (typeof part === "string") return part;
  switch (part.kind) {
    case "strong":
      return <b>{part.parts.map(shown)}</b>;
    case "em":
      return <em>{part.parts.map(shown)}</em>;
    case "del":
      return <del>{part.parts.map(shown)}</del>;
    case "code":
      return <code>{part.text}</code>;
    case "break":
      return <br />;
    case "link":
    case "image":
      return (
        <bdi class="rw-md-link" title={part.address.slice(0, TITLE_CHARS)}>
          {part.kind === "image" && "image: "}
          {part.label || part.address}
        </bdi>
      );
  }
}
