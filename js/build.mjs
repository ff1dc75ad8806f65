// Builds the front end: an ES module and a stylesheet for a run, the same for a comparison, and the script of a page of
// one run, which has the run's stylesheet. Each has a limit.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const bundles = [
  { limitBytes: 200_000, outputs: { "widget.js": "src/index.ts", "widget.css": "src/theme.css" } },
  {
    limitBytes: 90_000,
    outputs: { "comparison.js": "src/compare/index.ts", "comparison.css": "src/styles/comparison.css" },
  },
  { limitBytes: 180_000, format: "iife", outputs: { "page.js": "src/page.ts" } },
];

async function buildOne(entry, outfile, format) {
  await build({
    entryPoints: [here(entry)],
    outfile,
    bundle: true,
    minify: true,
    format,
    target: "es2022",
    // Children as arguments take 4 kB less than the automatic form's `children: [...]`.
    jsx: "transform",
    jsxFactory: "h",
    jsxFragment: "Fragment",
    inject: [here("jsx.mjs")],
    tsconfigRaw: { compilerOptions: { target: "ES2022" } },
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  return readFileSync(outfile).length;
}

for (const { limitBytes, format = "esm", outputs } of bundles) {
  let total = 0;
  for (const [name, entry] of Object.entries(outputs)) {
    const bytes = await buildOne(entry, here(`../roma_widget/static/${name}`), format);
    total += bytes;
    console.log(`${name.padEnd(14)} ${(bytes / 1000).toFixed(1).padStart(7)} kB`);
  }
  console.log(`${"together".padEnd(14)} ${(total / 1000).toFixed(1).padStart(7)} kB of ${limitBytes / 1000}`);
  if (total > limitBytes) {
    console.error(`${Object.keys(outputs).join(" and ")} are over their ${limitBytes / 1000} kB.`);
    process.exitCode = 1;
  }
}
