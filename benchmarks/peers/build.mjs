// Bundles the peers of the graph, each into built/<name>.js, with React in its production build.
import { copyFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
  entryPoints: [here("plotly.js"), here("cytoscape.js"), here("react-flow.jsx")],
  outdir: here("built"),
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
});
copyFileSync(here("node_modules/@xyflow/react/dist/style.css"), here("built/react-flow.css"));
