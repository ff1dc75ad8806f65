// A fake kernel for dev.html: a widget model that holds a generated run and speaks docs/messages.md.

import { answered, questionOf, questions } from "/dev-questions.js";
import { traceReply } from "/dev-traces.js";
import widget from "/static/widget.js";

const params = new URLSearchParams(location.search);
const n = Number(params.get("n") ?? 15);
const state = params.get("state") ?? "live";
const NOW = Date.UTC(2026, 0, 5, 20, 51, 44);
const START = NOW - 48_000;

if (params.get("theme") !== null) document.body.dataset.jpThemeLight = String(params.get("theme") !== "dark");
if (params.get("theme") === "dark") document.body.style.background = "#111";

const task = (id, parent, index, goal, status, type, agent, created, started, completed, more = {}) => ({
  id,
  parent,
  index,
  goal,
  status,
  type,
  node: "EXECUTE",
  agent,
  model: "openrouter/google/gemini-2.5-pro",
  layer: id.split(".").length - 1,
  depends_on: [],
  context: [],
  created: START + created * 1000,
  started: started === null ? null : START + started * 1000,
  updated: completed === null ? NOW : START + completed * 1000,
  completed: completed === null ? null : START + completed * 1000,
  error: null,
  summary: null,
  ...more,
});

function briefing() {
  const plan = { node: "PLAN" };
  const after = (...ids) => ({ depends_on: ids, context: ids });
  return [
    task(
      "root",
      null,
      0,
      "Write a short briefing on urban rooftop farming for a city council",
      "PLAN_DONE",
      "WRITE",
      "RootGeneralAgent",
      0,
      0,
      null,
      plan,
    ),
    task(
      "root.1",
      "root",
      0,
      "Collect facts on yields and costs of rooftop farms",
      "DONE",
      "SEARCH",
      "SearchAggregator",
      1,
      2,
      18,
      {
        ...plan,
        context: ["root.1.1", "root.1.2", "root.1.3"],
        summary: "Yields of 12 to 20 kg per square metre; installation 90 to 250 € per square metre.",
      },
    ),
    task(
      "root.1.1",
      "root.1",
      0,
      "Find vegetable yield figures per square metre of roof",
      "DONE",
      "SEARCH",
      "OpenAICustomSearcher",
      4,
      4.5,
      8,
      { summary: "A bed on a flat roof yields 12 to 20 kg of leafy vegetables per square metre and year." },
    ),
    task(
      "root.1.2",
      "root.1",
      1,
      "Find installation cost ranges for green roofs",
      "DONE",
      "SEARCH",
      "OpenAICustomSearcher",
      4,
      4.5,
      6.8,
      { summary: "Extensive roofs from 90, intensive roofs up to 250 € per square metre." },
    ),
    task(
      "root.1.3",
      "root.1",
      2,
      "Compare yield figures with installation costs",
      "DONE",
      "THINK",
      "BasicReasoningExecutor",
      4,
      9.2,
      14.5,
      {
        ...after("root.1.1", "root.1.2"),
        summary:
          "A bed on a flat roof yields 12 to 20 kg of leafy vegetables per square metre and year; the cost is back after six to nine seasons.",
      },
    ),
    task(
      "root.2",
      "root",
      1,
      "Assess structural and water constraints of city roofs",
      "DONE",
      "THINK",
      "ThinkAggregator",
      1,
      2,
      40,
      { ...plan, context: ["root.2.3"] },
    ),
    task(
      "root.2.1",
      "root.2",
      0,
      "Find load limits of common roof types",
      "DONE",
      "SEARCH",
      "OpenAICustomSearcher",
      4,
      4.4,
      7.8,
    ),
    task(
      "root.2.2",
      "root.2",
      1,
      "Work out the water demand of a model roof",
      "DONE",
      "THINK",
      "ThinkAggregator",
      4,
      5,
      35,
      plan,
    ),
    task(
      "root.2.2.1",
      "root.2.2",
      0,
      "Find irrigation rates for leafy vegetables",
      "DONE",
      "SEARCH",
      "OpenAICustomSearcher",
      7,
      11,
      13.1,
    ),
    task(
      "root.2.2.2",
      "root.2.2",
      1,
      "Compute litres per week for a 200 square metre roof",
      "FAILED",
      "THINK",
      "BasicReasoningExecutor",
      7,
      14.2,
      31.3,
      {
        ...after("root.2.2.1"),
        error:
          'Agent \'BasicReasoningExecutor\' failed to execute task \'root.2.2.2\' (attempt 1): litellm.BadRequestError: OpenrouterException - {"error": {"message": "executor backend refused the request", "type": "invalid_request_error", "code": 400}}',
      },
    ),
    task(
      "root.2.3",
      "root.2",
      2,
      "Summarise the constraints in plain words",
      "DONE",
      "WRITE",
      "BasicReportWriter",
      4,
      36,
      38.1,
      after("root.2.1", "root.2.2"),
    ),
    task(
      "root.3",
      "root",
      2,
      "Draft the council briefing from the collected facts",
      "PLAN_DONE",
      "WRITE",
      "WriteAggregator",
      1,
      40.1,
      null,
      { ...plan, ...after("root.1", "root.2") },
    ),
    task(
      "root.3.1",
      "root.3",
      0,
      "Write the introduction of the briefing",
      "RUNNING",
      "WRITE",
      "BasicReportWriter",
      42,
      42.5,
      null,
    ),
    task(
      "root.3.2",
      "root.3",
      1,
      "Write the recommendations of the briefing",
      "RUNNING",
      "WRITE",
      "BasicReportWriter",
      42,
      43.2,
      null,
    ),
    task(
      "root.3.3",
      "root.3",
      2,
      "Check the briefing for unsupported claims",
      "PENDING",
      "THINK",
      null,
      42,
      null,
      null,
      after("root.3.1", "root.3.2"),
    ),
  ];
}

const TOPICS = [
  "Water and sewage",
  "Heat and shade",
  "Transport",
  "Housing stock",
  "Energy supply",
  "Public health",
  "Land use",
  "Finance",
  "Parks",
  "Schools",
];
const CITIES = ["Lyon", "Graz", "Turin", "Malmö", "Porto", "Gent", "Bergen", "Split", "Brno", "Łódź"];
const VERBS = [
  "Extract cooling targets",
  "Compare tree cover figures",
  "Read the zoning annex",
  "Find heat pump subsidies",
  "Compare storage targets",
];

function survey(total) {
  let seed = 7;
  const random = () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
  const tasks = [
    task(
      "root",
      null,
      0,
      "Survey of 40 city climate plans",
      "PLAN_DONE",
      "WRITE",
      "RootGeneralAgent",
      -2400,
      -2400,
      null,
      { node: "PLAN" },
    ),
  ];
  const topics = Math.max(8, Math.min(40, Math.round(total / 130)));
  const perTopic = Math.ceil((total - 1) / topics);
  for (let t = 0; t < topics && tasks.length < total; t++) {
    const topicId = `root.${t + 1}`;
    const doneShare = t / topics < 0.5 ? 1 : t / topics < 0.9 ? 0.7 : 0.05;
    const topic = task(
      topicId,
      "root",
      t,
      TOPICS[t % TOPICS.length],
      doneShare === 1 ? "DONE" : "PLAN_DONE",
      "THINK",
      "ThinkAggregator",
      -2390,
      -2380,
      doneShare === 1 ? -1200 : null,
      { node: "PLAN" },
    );
    tasks.push(topic);
    let left = perTopic - 1;
    for (let g = 0; left > 0 && tasks.length < total; g++) {
      const groupId = `${topicId}.${g + 1}`;
      const done = random() < doneShare;
      tasks.push(
        task(
          groupId,
          topicId,
          g,
          `Climate plan of ${CITIES[g % CITIES.length]}`,
          done ? "DONE" : "PLAN_DONE",
          "THINK",
          "ThinkAggregator",
          -2000,
          -1990,
          done ? -1700 : null,
          { node: "PLAN" },
        ),
      );
      left--;
      let previous = null;
      for (let s = 0; s < 3 && left > 0 && tasks.length < total; s++) {
        const subId = `${groupId}.${s + 1}`;
        tasks.push(
          task(
            subId,
            groupId,
            s,
            `${VERBS[(g + s) % VERBS.length]}, ${CITIES[(g + s) % CITIES.length]}`,
            done ? "DONE" : "PLAN_DONE",
            "SEARCH",
            "SearchAggregator",
            -1900,
            -1890,
            done ? -1750 : null,
            { node: "PLAN", depends_on: previous ? [previous] : [] },
          ),
        );
        previous = subId;
        left--;
        for (let l = 0; l < 4 && left > 0 && tasks.length < total; l++) {
          const roll = random();
          const status = done
            ? roll < 0.004
              ? "FAILED"
              : "DONE"
            : roll < 0.45
              ? "DONE"
              : roll < 0.53
                ? "FAILED"
                : roll < 0.62
                  ? "RUNNING"
                  : roll < 0.7
                    ? "READY"
                    : "PENDING";
          const over = status === "DONE" || status === "FAILED";
          const took = 2 + random() * 50;
          const begun = status === "PENDING" || status === "READY" ? null : over ? -1800 + l : 48 - took;
          tasks.push(
            task(
              `${subId}.${l + 1}`,
              subId,
              l,
              `${VERBS[(l + s) % VERBS.length]}, ${CITIES[(l + g) % CITIES.length]}`,
              status,
              "SEARCH",
              "OpenAICustomSearcher",
              -1850,
              begun,
              over ? begun + took : null,
              status === "FAILED" ? { error: "litellm.Timeout: the model did not answer" } : {},
            ),
          );
          left--;
        }
      }
    }
  }
  return tasks;
}

const tasks = n === 0 ? [] : n <= 15 ? briefing().slice(0, n) : survey(n);
if (params.get("every") !== null) {
  const words = [
    "PENDING",
    "READY",
    "RUNNING",
    "PLAN_DONE",
    "AGGREGATING",
    "DONE",
    "FAILED",
    "NEEDS_REPLAN",
    "CANCELLED",
    "ON_HOLD",
  ];
  words.forEach((word, i) => {
    if (tasks[i]) tasks[i].status = word;
  });
}
const byStatus = {};
for (const { status } of tasks) byStatus[status] = (byStatus[status] ?? 0) + 1;
// &projects=12 lists so many, &watching=p3 holds to one, &questions=2, &server=not_ready, &refuse=<sentence> answers so,
// &silent=1 never answers what a person asks.
const PROJECTS = Number(params.get("projects") ?? 6);
const GOALS = [
  "Write a short briefing on urban rooftop farming for a city council",
  "Survey of 40 city climate plans",
  "Compare three heat pump subsidies",
  "Report on the state of two village archives",
  "Write a short briefing on urban rooftop farming for a city council",
  null,
];
const projects = Array.from({ length: PROJECTS }, (_, i) => ({
  id: `p${i + 1}-7f3a91c2-4be0-11f0`,
  title: i < GOALS.length ? GOALS[i] : `${GOALS[i % 4]}, part ${i + 1}`,
  status: ["running", "completed", "failed", "completed", "active", "completed"][i % 6],
  created: new Date(Date.now() - i * i * 5_400_000 - 60_000).toISOString(),
  updated: null,
  is_current: i === 0,
  questions: i === 0 ? 0 : Math.max(0, Number(params.get("elsewhere") ?? 0) + 1 - i),
}));
const projectOf = (number) => projects[Number(number) - 1]?.id ?? null;
const history = Array.from({ length: 120 }, (_, i) => {
  const ago_s = (119 - i) * 5;
  const down = ago_s > 215 && ago_s < 265;
  const polled = ago_s <= 215 && ago_s > 165;
  return {
    ago_s,
    round_trip_s: down
      ? null
      : 0.009 + 0.004 * Math.sin(i / 3) ** 2 + (i % 17 === 0 ? 0.018 : 0) + (polled ? 0.006 : 0),
    frames: 10,
    bytes: 40_000,
    state: down ? "reconnecting" : polled ? "polling" : state,
  };
});
const quality = {
  round_trip_s: 0.0124,
  jitter_s: 0.0021,
  missed_pings: 0,
  frames: 1204,
  frames_per_s: 2.04,
  bytes_received: 3_100_000,
  bytes_per_s: 14_200,
  skipped_frames: 0,
  lost_deltas: 0,
  age_s: 0.42,
  reconnects: 1,
  unasked_replies: 0,
  extension: true,
  history,
};
const reasons = { polling: "Opening a socket now could freeze this run." };
const errors = {
  reconnecting: "GET http://127.0.0.1:5000/api/health: connection refused, after 3 ms.",
  failed: "GET http://127.0.0.1:5000/api/health: connection refused, after 3 ms.",
};
if (params.get("server") === "not_ready")
  errors.failed = errors.reconnecting = "GET /readiness: 503, still starting.";
const traits = {
  connection: {
    state,
    reason: reasons[state] ?? null,
    attempt: state === "failed" ? 10 : state === "reconnecting" ? 3 : 0,
    next_retry: errors[state]
      ? new Date(Date.now() + (state === "failed" ? 30_000 : 4_000)).toISOString()
      : null,
    error: errors[state] ?? null,
    transport: state === "polling" ? "polling" : "websocket",
    reconnects: 0,
    server: params.get("server") ?? (errors[state] ? "unreachable" : "ready"),
    questions: params.get("questions") === null ? null : Number(params.get("questions")),
  },
  projects,
  watching: projectOf(params.get("watching")),
  project:
    n === 0
      ? {}
      : {
          id: projectOf(params.get("watching") ?? 1) ?? "p1",
          title: tasks[0].goal,
          goal: tasks[0].goal,
          status: "running",
        },
  progress: {
    total: tasks.length,
    done: byStatus.DONE ?? 0,
    failed: byStatus.FAILED ?? 0,
    running: byStatus.RUNNING ?? 0,
    waiting: 0,
    fraction: n === 0 ? null : (byStatus.DONE ?? 0) / n,
    started: n === 0 ? null : new Date(tasks[0].started).toISOString(),
    ended: null,
    by_status: byStatus,
    outcome: params.get("outcome") ?? "running",
    reason: params.get("outcome") === "stalled" ? "root.3 waits for root.1, which failed." : null,
  },
  pending: questions(Number(params.get("asks") ?? 0), NOW),
  selection: params.get("select") === null ? [] : [params.get("select")],
  revision: 1,
  // &notes=0: nobody wrote anything.
  notes:
    params.get("notes") === "0"
      ? {}
      : {
          n: 2,
          newest: [
            {
              time: NOW - 86_400_000,
              task: "root.1",
              text: "Searched the wrong year: the prompt names none.",
              tags: ["prompt"],
            },
            { time: NOW - 5000, task: "root", text: "Second try with the longer context.", tags: [] },
          ],
        },
  address: "127.0.0.1:5000",
  static_key: "dev",
};

// &past=0 keeps no history, &thinned=1 says that details went.
const stamps = tasks.flatMap(({ created, started, completed }) => [created, started, completed]);
const TIMES =
  params.get("past") === "0"
    ? []
    : [...new Set(stamps.filter((time) => time !== null))].sort((a, b) => a - b);
function runAt(at) {
  const then = tasks
    .filter(({ created }) => created <= at)
    .map((known) => {
      if (known.completed !== null && known.completed <= at) return known;
      const begun = known.started !== null && known.started <= at;
      const status = begun ? (known.node === "PLAN" ? "PLAN_DONE" : "RUNNING") : "PENDING";
      return { ...known, status, started: begun ? known.started : null, completed: null, error: null };
    });
  const counts = {};
  for (const { status } of then) counts[status] = (counts[status] ?? 0) + 1;
  const progress = {
    ...traits.progress,
    total: then.length,
    done: counts.DONE ?? 0,
    failed: counts.FAILED ?? 0,
    running: counts.RUNNING ?? 0,
    by_status: counts,
    outcome: "running",
    ended: null,
  };
  return { time: at, exact: params.get("thinned") === null, tasks: then, progress };
}

const listeners = new Map();
const emit = (event, ...args) => {
  for (const handler of [...(listeners.get(event) ?? [])]) handler(...args);
};
const json = (value) => [new DataView(new TextEncoder().encode(JSON.stringify(value)).buffer)];
let rev = 1;
const serverNow = () => NOW + (params.get("tick") === null ? 0 : performance.now());
const RESULT =
  "# Yields and costs\n\nWhat a **flat roof** gives, and what it costs to _build_ one; see [the survey](https://example.org/survey).\n\n| kind | from | to |\n|---|--:|--:|\n| extensive | 90 € | 140 € |\n| intensive | 150 € | 250 € |\n\n1. Leafy vegetables: `12 to 20 kg`\n2. Herbs\n   - basil\n   - mint\n\n> Where sources disagree, both are named.\n\n```\nyield = area * 16\n```\n\n" +
  "A bed on a flat roof yields 12 to 20 kg of leafy vegetables per square metre and year [1]. At the upper end of the cost range the investment is back after nine seasons; at the lower end after six.\n\n".repeat(
    40,
  );

export const model = {
  sent: [],
  get: (key) => traits[key],
  on: (event, handler) => listeners.set(event, (listeners.get(event) ?? new Set()).add(handler)),
  off: (event, handler) => listeners.get(event)?.delete(handler),
  send(message) {
    this.sent.push(message);
    if (message.type === "hello") setTimeout(() => this.snapshot(first));
    if (message.type === "do" && message.action === "select") this.set("selection", message.tasks);
    if (message.type === "ask" && message.what === "question")
      setTimeout(
        () =>
          emit(
            "msg:custom",
            { type: "reply", rid: message.rid, ok: true, error: null },
            json(questionOf(message.request)),
          ),
        20,
      );
    if (message.type === "do" && params.get("silent") === null) {
      const error = params.get("refuse");
      setTimeout(
        () => {
          if (error === null) this.act(message);
          emit("msg:custom", { type: "reply", rid: message.rid, ok: error === null, error }, []);
        },
        Number(params.get("reply") ?? 20),
      );
    }
    if (message.type === "ask" && message.what === "link")
      setTimeout(
        () => emit("msg:custom", { type: "reply", rid: message.rid, ok: true, error: null }, json(quality)),
        20,
      );
    if (message.type === "ask" && (message.what === "times" || message.what === "moment"))
      setTimeout(() => {
        const body = message.what === "times" ? { times: TIMES, n: TIMES.length } : runAt(message.at);
        emit("msg:custom", { type: "reply", rid: message.rid, ok: true, error: null }, json(body));
      }, 20);
    if (message.type === "ask" && (message.what === "trace" || message.what === "stage")) {
      const reply = traceReply(
        message,
        tasks.find(({ id }) => id === message.task),
      );
      if (reply === null) return;
      const [error, body] = reply;
      setTimeout(
        () =>
          emit(
            "msg:custom",
            { type: "reply", rid: message.rid, ok: error === null, error },
            body === null ? [] : json(body),
          ),
        40,
      );
    }
    if (message.type === "ask" && message.what === "task") {
      const wanted = tasks.find(({ id }) => id === message.task);
      const done = wanted.status === "DONE";
      const body = {
        task: wanted.id,
        goal: wanted.goal,
        error: wanted.error,
        result: done
          ? wanted.id === "root.1.2"
            ? '{"extensive":{"from":90,"to":140},"intensive":{"from":150,"to":250},"unit":"EUR/m2"}'
            : RESULT
          : null,
        result_kind: done ? (wanted.id === "root.1.2" ? "json" : "text") : null,
        objective: null,
        input: null,
        history: [
          { time: null, status: "PENDING" },
          ...(wanted.started === null ? [] : [{ time: wanted.started + 40, status: "RUNNING" }]),
          ...(wanted.completed === null ? [] : [{ time: wanted.completed + 60, status: wanted.status }]),
        ],
      };
      setTimeout(
        () => emit("msg:custom", { type: "reply", rid: message.rid, ok: true, error: null }, json(body)),
        30,
      );
    }
  },
  act(message) {
    const { action, project } = message;
    if (action === "answer") return answered(this, emit, message, params.get("then") ?? "confirmed");
    const all = traits.projects;
    if (action === "switch")
      this.set(
        "projects",
        all.map((one) => ({ ...one, is_current: one.id === project })),
      );
    if (action === "watch") this.set("watching", project);
    if (action !== "watch" && action !== "switch") return;
    const shown = all.find(({ id }) => id === (traits.watching ?? project)) ?? all[0];
    this.set("project", { id: shown.id, title: shown.title, goal: shown.title, status: shown.status });
  },
  set(key, value) {
    traits[key] = value;
    emit(`change:${key}`);
  },
  snapshot(body = json({ tasks })) {
    emit("msg:custom", { type: "snapshot", rev, server_now: serverNow() }, body);
  },
  delta(changed, removed = []) {
    const base = rev++;
    emit("msg:custom", { type: "delta", rev, base, server_now: serverNow() }, json({ changed, removed }));
    return rev;
  },
  beat() {
    emit("msg:custom", { type: "beat", rev, age_ms: 120, server_now: serverNow(), round_trip_ms: 12 }, []);
  },
};
// Put into words before the widget is there: the kernel does so before it sends.
const first = json({ tasks });
window.model = model;
window.tasks = tasks;
window.mounted = performance.now();
window.cleanup = widget.render({ model, el: document.getElementById("here") });
if (params.get("gone") === null) {
  setTimeout(() => model.beat(), 50);
  setInterval(() => model.beat(), 2000);
}
