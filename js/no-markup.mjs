// Takes out of preact the one way in which a text could become markup, `dangerouslySetInnerHTML`: nothing of ours uses
// it, and what is not in a bundle cannot be reached by a mistake. tests/test_forbidden.py looks for it in each bundle.
import { readFileSync } from "node:fs";

const OUT = [
  { part: /"dangerouslySetInnerHTML"==\w+\?\w+=\w+:/g, instead: "", times: 2 },
  { part: /\w+\.__html==\w+\.innerHTML/g, instead: "!0", times: 1 },
  { part: /\(\w+\.innerHTML=\w+\.__html\)/g, instead: "0", times: 1 },
];

export function withoutMarkup() {
  const load = ({ path }) => ({ contents: OUT.reduce(takeOut, readFileSync(path, "utf8")) });
  return {
    name: "without markup",
    setup: (build) => build.onLoad({ filter: /[\\/]preact[\\/]dist[\\/]preact\.mjs$/ }, load),
  };
}

function takeOut(source, { part, instead, times }) {
  const found = source.match(part)?.length ?? 0;
  if (found !== times)
    throw new Error(`preact was read ${found} times for ${part}, not ${times}: look at js/no-markup.mjs.`);
  return source.replaceAll(part, instead);
}
