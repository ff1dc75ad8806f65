// @vitest-environment happy-dom
// Foreign Markdown: what it becomes, and what it never becomes.

import { h, render } from "preact";
import { describe, expect, test } from "vitest";
import { Markdown } from "../src/text/markdown";
import { HOSTILE } from "./mount";

const ALLOWED = new Set(
  "div p h4 pre blockquote ul ol li table tbody tr th td hr br b em del code bdi".split(" "),
);
const ALLOWED_ATTRIBUTES = new Set(["class", "dir", "title", "start", "tabindex", "style"]);

function shown(text: string): HTMLElement {
  const place = document.createElement("div");
  render(h(Markdown, { text }), place);
  return place.firstElementChild as HTMLElement;
}

const html = (text: string): string => shown(text).innerHTML.replaceAll(' dir="auto"', "");

describe("what people write", () => {
  test.each([
    ["# One\n\nText", '<h4 class="rw-md-large">One</h4><p>Text</p>'],
    ["### Three ###", "<h4>Three</h4>"],
    ["Title\n===\nText", '<h4 class="rw-md-large">Title</h4><p>Text</p>'],
    ["a **b *c* d** e", "<p>a <b>b <em>c</em> d</b> e</p>"],
    ["***both***", "<p><b><em>both</em></b></p>"],
    ["snake_case_name and 2*3*4 = 24", "<p>snake_case_name and 2<em>3</em>4 = 24</p>"],
    ["_so_ and ~~not so~~", "<p><em>so</em> and <del>not so</del></p>"],
    ["`a **b**` and ``c ` d``", "<p><code>a **b**</code> and <code>c ` d</code></p>"],
    ["one  \ntwo", "<p>one<br>two</p>"],
    ["5 \\* 3", "<p>5 * 3</p>"],
    ["2 * 3 ** 4", "<p>2 * 3 ** 4</p>"],
    [
      "- a\n- b\n  - c\n\n  more\n- d",
      "<ul><li><div>a</div></li><li><div>b</div><ul><li><div>c</div></li></ul><div>more</div></li><li><div>d</div></li></ul>",
    ],
    ["3. a\n4. b", '<ol start="3"><li><div>a</div></li><li><div>b</div></li></ol>'],
    ["Text:\n- a", "<p>Text:</p><ul><li><div>a</div></li></ul>"],
    ["```js\na\n\n  b\n```\nc", '<pre class="rw-md-code">a\n\n  b</pre><p>c</p>'],
    ["```\nnever closed", '<pre class="rw-md-code">never closed</pre>'],
    ["> a\n> > b\n\nc", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><p>c</p>"],
    ["a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"],
    [
      "| a | b |\n|---|--:|\n| 1 | `x` |\n| 2 | 3 | 4 |",
      '<div class="rw-md-table"><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><code>x</code></td></tr><tr><td>2</td><td>3</td></tr></table></div>',
    ],
    ["[label](https://a.b/c_(d))", '<p><bdi class="rw-md-link" title="https://a.b/c_(d)">label</bdi></p>'],
    ["![alt](x.png)", '<p><bdi class="rw-md-link" title="x.png">image: alt</bdi></p>'],
    ["a < b && c > d", "<p>a &lt; b &amp;&amp; c &gt; d</p>"],
    ["", ""],
  ])("%j", (text, expected) => {
    expect(html(text)).toBe(expected);
  });
});

const MORE = [
  "[x](data:text/html,<script>alert(1)</script>)",
  "![x](javascript:alert(1))",
  '[x](https://a.b "onmouseover=alert(1)")',
  "<javascript:alert(1)>",
  '<https://a.b/"onclick=alert(1)>',
  "[x]: javascript:alert(1)\n[x]",
  "```<script>\n<script>\n```",
  "| <img src=x onerror=alert(1)> |\n|---|\n| <svg/onload=alert(1)> |",
  "\u001b[31mred\u001b[0m",
  "\u200b\u200d\ufeff",
  "\u2066a\u2067b\u2069",
  "<math href=javascript:alert(1)>x</math>",
  "[a\u202e](b)",
  "# <b>x</b>",
  "> <iframe>\n- <iframe>\n1. <iframe>",
];

describe("what nobody should trust", () => {
  const framed = [...HOSTILE, ...MORE].flatMap((text) => [
    text,
    `**${text}**`,
    `- ${text}`,
    `[${text}](${text})`,
  ]);
  test("becomes none but the allowed elements and attributes, and no text is lost", () => {
    for (const text of framed) {
      const root = shown(text);
      for (const element of [root, ...root.querySelectorAll("*")]) {
        expect(ALLOWED.has(element.localName), `${element.localName} of ${text.slice(0, 60)}`).toBe(true);
        for (const { name } of element.attributes) expect(ALLOWED_ATTRIBUTES.has(name), name).toBe(true);
      }
    }
    expect(shown("<script>alert(1)</script>").textContent).toBe("<script>alert(1)</script>");
  });

  test.each([
    ["a long line", "x".repeat(1_000_000)],
    ["brackets", "[".repeat(190_000)],
    ["stars", "*a **b ".repeat(25_000)],
    ["closed stars", "**a** ".repeat(30_000)],
    ["ticks", Array.from({ length: 600 }, (_, i) => `${"`".repeat(i)} `).join("")],
    ["spaces in a heading", `# a${" ".repeat(190_000)}#x`],
    ["quotes", "> ".repeat(90_000)],
    ["lists", "- ".repeat(90_000)],
    ["nested lists", Array.from({ length: 600 }, (_, i) => `${" ".repeat(i)}- a`).join("\n")],
    ["paragraphs", "a\n\n".repeat(60_000)],
    ["items", "- a\n".repeat(45_000)],
    ["table", `|a|b|\n|-|-|\n${"|1|2|\n".repeat(30_000)}`],
    ["dashes", "-|".repeat(90_000)],
    ["links", "[a](b".repeat(38_000)],
    ["underlines", "_a".repeat(90_000)],
  ])("is read at once and becomes few elements: %s", (_, text) => {
    const begun = performance.now();
    const root = shown(text);
    expect(root.querySelectorAll("*").length).toBeLessThan(10_000);
    expect(performance.now() - begun).toBeLessThan(3_000);
  });
});
