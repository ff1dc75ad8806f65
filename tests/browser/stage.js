// The front end on a bare page: stands where the widget's model stands, tells what a test says and answers out of it.
// `told` is {traits, tasks, answers: {task, trace, stage, question: {id: body}, link, times, moment}}.
import widget from "/widget.js";

const encoder = new TextEncoder();
const handlers = new Map();
const emit = (event, ...args) => {
  for (const handler of [...(handlers.get(event) ?? [])]) handler(...args);
};
const say = (content, body) => {
  const buffers = body === undefined ? [] : [new DataView(encoder.encode(JSON.stringify(body)).buffer)];
  emit("msg:custom", content, buffers);
};

const told = await (await fetch("/told.json")).json();
const { traits, tasks, answers } = told;
let rev = 1;
// Nobody looks at a thousand states: frames need not wait for a screen.
const { port1, port2 } = new MessageChannel();
const due = [];
port1.onmessage = () => due.shift()(performance.now());
const soon = (act) => {
  due.push(act);
  port2.postMessage(0);
};
if (told.isHurried) window.requestAnimationFrame = soon;

function answer(message) {
  const { what, rid } = message;
  const known = answers[what];
  const key = { task: message.task, trace: message.task, stage: message.task, question: message.request }[what];
  const body = key === undefined || known === undefined ? known : new Map(Object.entries(known)).get(key);
  if (body === undefined) say({ type: "reply", rid, ok: false, error: answers.refusal ?? "There is no more of it." });
  else say({ type: "reply", rid, ok: true, error: null }, body);
}

const model = {
  get: (key) => traits[key],
  on: (event, handler) => handlers.set(event, (handlers.get(event) ?? new Set()).add(handler)),
  off: (event, handler) => handlers.get(event)?.delete(handler),
  send(message) {
    queueMicrotask(() => {
      if (message.type === "hello") say({ type: "snapshot", rev, server_now: told.now ?? null }, { tasks });
      if (message.type === "ask") answer(message);
      if (message.type !== "do") return;
      if (message.action === "select") model.set("selection", message.tasks);
      say({ type: "reply", rid: message.rid, ok: answers.refusal === undefined, error: answers.refusal ?? null });
    });
  },
  set(key, value) {
    traits[key] = value;
    emit(`change:${key}`);
  },
  delta(changed, removed = []) {
    const base = rev++;
    say({ type: "delta", rev, base, server_now: told.now ?? null }, { changed, removed });
  },
  snapshot: (shown) => say({ type: "snapshot", rev: ++rev, server_now: told.now ?? null }, { tasks: shown }),
  beat: () => say({ type: "beat", rev, age_ms: 120, server_now: told.now ?? null, round_trip_ms: 12 }),
};
setInterval(model.beat, 2000);

const frame = () => new Promise((done) => requestAnimationFrame(() => soon(done)));
/** What was asked for is drawn, and what that asked for, too. */
const drawn = async () => {
  await frame();
  await frame();
};
window.stage = { model, tasks, answers, drawn, mount: (el) => widget.render({ model, el }) };
window.stage.mount(document.getElementById("here"));
await drawn();
window.stage.isReady = true;
