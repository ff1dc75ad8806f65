// Builds the front end: an ES module and a stylesheet for a run, the same for a comparison, and the script of a page of
// one run, which has the run's stylesheet. Each has a limit.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";
import { withoutMarkup } from "./no-markup.mjs";
import * as shortNames from "./short-names.mjs";

/** What the licence of preact asks of copies; the whole text is in licenses/. */
const NOTICE = "/* With preact, MIT, Copyright (c) 2015-present Jason Miller */";
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const outputs = [
  { name: "widget.js", entry: "src/index.ts", limitBytes: 200_000 },
  { name: "widget.css", entry: "src/theme.css", limitBytes: 60_000 },
  { name: "comparison.js", entry: "src/compare/index.ts", limitBytes: 60_000 },
  { name: "comparison.css", entry: "src/styles/comparison.css", limitBytes: 20_000 },
  {
    name: "page.js",
    entry: "src/page.ts",
    limitBytes: 220_000,
    format: "iife",
    plugins: [withoutQuestions()],
  },
];

/** A page has nobody to answer, so that it does not carry the badge and the tray of questions. */
function withoutQuestions() {
  const path = here("src/page/no-questions.ts");
  const setup = (build) => build.onResolve({ filter: /\/questions\/(tray|elsewhere)$/ }, () => ({ path }));
  return { name: "without questions", setup };
}

const byMember = Object.fromEntries(
  Object.keys(shortNames).map((name) => [name.replace(/\$$/, "").replace("$", "."), name]),
);

async function buildOne(entry, outfile, format, plugins) {
  await build({
    entryPoints: [here(entry)],
    outfile,
    bundle: true,
    minify: true,
    format,
    plugins: [withoutMarkup(), ...plugins],
    target: "es2022",
    // Children as arguments take 4 kB less than the automatic form's `children: [...]`.
    jsx: "transform",
    jsxFactory: "h",
    jsxFragment: "Fragment",
    inject: [here("jsx.mjs"), here("short-names.mjs")],
    define: { ...byMember, "Number.POSITIVE_INFINITY": "Infinity" },
    tsconfigRaw: { compilerOptions: { target: "ES2022" } },
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  if (outfile.endsWith(".js")) await shorten(outfile, format === "esm");
  return readFileSync(outfile).length;
}

/** What esbuild does not look for: what is used once, and what is the same. It is another 1 %. */
async function shorten(outfile, module) {
  const { code } = await minify(readFileSync(outfile, "utf8"), {
    module,
    // Safe here: nothing is called with `new` that does not say `this`, and no symbol or object with a value of its own
    // becomes text, which `+` would read otherwise than a template.
    compress: { passes: 3, unsafe: true, unsafe_arrows: true, hoist_funs: true },
    ecma: 2020,
    format: { comments: false, preamble: NOTICE },
  });
  writeFileSync(outfile, code);
}

for (const { name, entry, limitBytes, format = "esm", plugins = [] } of outputs) {
  const bytes = await buildOne(entry, here(`../roma_widget/static/${name}`), format, plugins);
  const limit = `${limitBytes / 1000} kB`;
  console.log(`${name.padEnd(14)} ${(bytes / 1000).toFixed(1).padStart(6)} kB of ${limit}`);
  if (bytes > limitBytes) {
    console.error(`${name} is over its ${limit}.`);
    process.exitCode = 1;
  }
}
