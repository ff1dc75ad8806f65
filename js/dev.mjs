// Serves dev.html with the built bundle on the loopback: `npm run dev`, then open the address it prints.
// The page takes ?n=15|1000|10000 &theme=light|dark &state=live|polling|… &outcome=stalled &gone=1 &select=<id>,
// &past=0 &thinned=1 &projects=12 &elsewhere=2 &watching=3 &questions=2 &server=not_ready &refuse=<sentence> &silent=1,
// of questions what dev-questions.js says, of traces what dev-traces.js says.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", css: "text/css" };
const here = (path) => new URL(path, import.meta.url);
const files = {
  "/": here("dev.html"),
  "/dev-model.js": here("dev-model.js"),
  "/dev-questions.js": here("dev-questions.js"),
  "/dev-traces.js": here("dev-traces.js"),
  "/static/widget.js": here("../roma_widget/static/widget.js"),
  "/static/widget.css": here("../roma_widget/static/widget.css"),
};

const server = createServer(async (request, response) => {
  const file = files[new URL(request.url, "http://localhost").pathname];
  if (file === undefined) return response.writeHead(404).end();
  response.writeHead(200, {
    "content-type": TYPES[file.pathname.split(".").at(-1)],
    "cache-control": "no-store",
  });
  response.end(await readFile(file));
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/?n=15`);
});
