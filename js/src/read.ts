// The only reader of what the kernel sends: unknown values in, typed values out. Whatever a model wrote into a
// task may arrive here, so a wrong type becomes null (or is left out) and nothing throws.

import { amount, count, type Fields, isFields, isKnown, line, number, text } from "./fields";
import type {
  Connection,
  ConnectionState,
  Delta,
  KernelMessage,
  LinkMoment,
  LinkQuality,
  ListedProject,
  Moment,
  Notes,
  Outcome,
  Progress,
  Project,
  Relay,
  ServerWord,
  Task,
  TaskChange,
  TaskDetail,
} from "./messages";
import { readSettled } from "./questions/read";

const CONNECTION_STATES: ReadonlySet<string> = new Set<ConnectionState>([
  "connecting",
  "live",
  "polling",
  "reconnecting",
  "failed",
  "closed",
  "archive",
]);
const SERVER_WORDS: ReadonlySet<string> = new Set<ServerWord>(["ready", "not_ready", "unreachable"]);
const OUTCOMES: ReadonlySet<string> = new Set<Outcome>([
  "running",
  "succeeded",
  "with_failures",
  "failed",
  "stalled",
  "unknown",
]);

const PROJECTS_AT_MOST = 5_000;
/** Of a reply's history: what is looked at, what is kept, and how far back it goes. */
const MOMENTS_READ = 2_000;
const MOMENTS_AT_MOST = 120;
export const HISTORY_S = 600;
/** Of a task's statuses, and of what people wrote. */
const HISTORY_READ = 200;
const NOTES_READ = 200;
const LONGEST_NOTE = 2_000;
const TAGS_READ = 10;
/** Of a run's moments; the kernel tells 2,000. */
const TIMES_READ = 5_000;

export function readIds(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((id): id is string => typeof id === "string") : [];
}

export function readText(value: unknown): string | null {
  return text(value);
}

export function readConnection(value: unknown): Connection {
  const fields = isFields(value) ? value : {};
  const state = text(fields.state);
  const server = text(fields.server);
  return {
    state: state !== null && CONNECTION_STATES.has(state) ? (state as ConnectionState) : "connecting",
    reason: text(fields.reason),
    attempt: number(fields.attempt),
    next_retry: text(fields.next_retry),
    error: text(fields.error),
    transport: text(fields.transport),
    reconnects: count(fields.reconnects),
    server: server !== null && SERVER_WORDS.has(server) ? (server as ServerWord) : null,
    questions: amount(fields.questions),
    relay: isFields(fields.relay) ? readRelay(fields.relay) : null,
  };
}

function readRelay({ state, error, reason, at, of }: Fields): Relay {
  const known = CONNECTION_STATES.has(state as string) ? (state as ConnectionState) : null;
  const via = text(at) && `Through the relay at ${at} of ${text(of)}; the round trip is to the relay.`;
  return { state: known, said: text(error) ?? text(reason), via };
}

/** The server's projects; an id that comes twice counts once. */
export function readProjects(value: unknown): readonly ListedProject[] {
  const projects = new Map<string, ListedProject>();
  for (const fields of Array.isArray(value) ? value.slice(0, PROJECTS_AT_MOST) : []) {
    if (!isFields(fields) || typeof fields.id !== "string" || projects.has(fields.id)) continue;
    projects.set(fields.id, {
      id: fields.id,
      title: line(fields.title),
      status: line(fields.status),
      created: line(fields.created),
      is_current: fields.is_current === true,
      questions: count(fields.questions),
    });
  }
  return [...projects.values()];
}

export function readProject(value: unknown): Project | null {
  if (!isFields(value)) return null;
  const id = text(value.id);
  if (id === null) return null;
  return { id, title: text(value.title), goal: text(value.goal), status: text(value.status) };
}

export function readProgress(value: unknown): Progress {
  const fields = isFields(value) ? value : {};
  const outcome = text(fields.outcome);
  const by_status = new Map<string, number>();
  if (isFields(fields.by_status)) {
    for (const [status, tasks] of Object.entries(fields.by_status)) by_status.set(status, count(tasks));
  }
  return {
    total: count(fields.total),
    done: count(fields.done),
    failed: count(fields.failed),
    running: count(fields.running),
    waiting: count(fields.waiting),
    fraction: number(fields.fraction),
    started: text(fields.started),
    ended: text(fields.ended),
    by_status,
    outcome: outcome !== null && OUTCOMES.has(outcome) ? (outcome as Outcome) : "unknown",
    reason: text(fields.reason),
  };
}

/** One reader per task field, so that a delta touches exactly the fields it names. */
const TASK_FIELDS: { readonly [K in keyof TaskChange]-?: (value: unknown) => Task[K] } = {
  parent: text,
  index: (value) => number(value) ?? 0,
  goal: (value) => text(value) ?? "",
  status: (value) => text(value) ?? "",
  type: text,
  node: text,
  agent: text,
  model: text,
  layer: number,
  depends_on: readIds,
  context: readIds,
  created: number,
  started: number,
  updated: number,
  completed: number,
  error: text,
  summary: text,
};
const TASK_FIELD_NAMES = Object.keys(TASK_FIELDS) as (keyof TaskChange)[];

/** Written out: 10,000 tasks made field by field take four times as long. */
export function readTask(value: unknown): Task | null {
  if (!isFields(value) || typeof value.id !== "string") return null;
  const read = TASK_FIELDS;
  return {
    id: value.id,
    parent: read.parent(value.parent),
    index: read.index(value.index),
    goal: read.goal(value.goal),
    status: read.status(value.status),
    type: read.type(value.type),
    node: read.node(value.node),
    agent: read.agent(value.agent),
    model: read.model(value.model),
    layer: read.layer(value.layer),
    depends_on: read.depends_on(value.depends_on),
    context: read.context(value.context),
    created: read.created(value.created),
    started: read.started(value.started),
    updated: read.updated(value.updated),
    completed: read.completed(value.completed),
    error: read.error(value.error),
    summary: read.summary(value.summary),
  };
}

function readTaskChange(value: unknown): TaskChange | null {
  if (!isFields(value)) return null;
  const change: Record<string, unknown> = {};
  for (const name of TASK_FIELD_NAMES) {
    if (Object.hasOwn(value, name)) change[name] = TASK_FIELDS[name](value[name]);
  }
  return change as TaskChange;
}

/** A task from a change alone: what a delta says about a task we have not seen. */
export function taskFromChange(id: string, change: TaskChange): Task {
  return readTask({ ...change, id }) as Task;
}

function readTasks(body: unknown): readonly Task[] | null {
  if (!isFields(body) || !Array.isArray(body.tasks)) return null;
  return body.tasks.map(readTask).filter(isKnown);
}

function readDelta(body: unknown): Delta | null {
  if (!isFields(body)) return null;
  const changed = new Map<string, TaskChange>();
  if (isFields(body.changed)) {
    for (const [id, value] of Object.entries(body.changed)) {
      const change = readTaskChange(value);
      if (change !== null) changed.set(id, change);
    }
  }
  return { changed, removed: readIds(body.removed) };
}

const decoder = new TextDecoder();

function readBody(buffers: readonly unknown[]): unknown {
  const buffer = buffers[0];
  try {
    if (buffer instanceof ArrayBuffer || ArrayBuffer.isView(buffer))
      return JSON.parse(decoder.decode(buffer));
  } catch {
    // Not JSON: the caller sees "no body" and drops the message; the next beat asks for a new snapshot.
  }
  return undefined;
}

/** A custom message, or null when it is not one of ours or cannot be read. */
export function readMessage(content: unknown, buffers: readonly unknown[]): KernelMessage | null {
  if (!isFields(content)) return null;
  const rev = number(content.rev);
  const server_now = number(content.server_now);
  switch (content.type) {
    case "snapshot": {
      const tasks = readTasks(readBody(buffers));
      return rev === null || tasks === null ? null : { type: "snapshot", rev, server_now, tasks };
    }
    case "delta": {
      const base = number(content.base);
      const delta = readDelta(readBody(buffers));
      return rev === null || base === null || delta === null
        ? null
        : { type: "delta", rev, base, server_now, delta };
    }
    case "beat":
      return rev === null
        ? null
        : {
            type: "beat",
            rev,
            age_ms: number(content.age_ms),
            server_now,
            round_trip_ms: number(content.round_trip_ms),
          };
    case "reply": {
      const rid = text(content.rid);
      return rid === null
        ? null
        : {
            type: "reply",
            rid,
            ok: content.ok === true,
            error: text(content.error),
            body: readBody(buffers),
          };
    }
    case "settled":
      return readSettled(content);
    default:
      return null;
  }
}

export function readTaskDetail(value: unknown): TaskDetail | null {
  if (!isFields(value) || typeof value.task !== "string") return null;
  const kind = value.result_kind;
  return {
    task: value.task,
    goal: text(value.goal),
    error: text(value.error),
    result: text(value.result),
    result_kind: kind === "text" || kind === "json" ? kind : null,
    left_out: text(value.left_out),
    objective: text(value.objective),
    input: text(value.input),
    history: listOf(value.history, HISTORY_READ, ({ time, status }) => {
      const word = line(status);
      return word === null ? null : { time: number(time), status: word };
    }),
  };
}

export function readNotes(value: unknown): Notes {
  const fields = isFields(value) ? value : {};
  const newest = listOf(fields.newest, NOTES_READ, ({ time, task, text: words, tags }) =>
    typeof task === "string" && typeof words === "string"
      ? {
          time: number(time),
          task,
          text: words.slice(0, LONGEST_NOTE),
          tags: readIds(tags).slice(0, TAGS_READ),
        }
      : null,
  );
  return { n: Math.max(count(fields.n), newest.length), newest };
}

/** The last of what a list says, as far as it can be read. */
function listOf<T>(value: unknown, most: number, read: (fields: Fields) => T | null): readonly T[] {
  const list: unknown[] = Array.isArray(value) ? value.slice(-most) : [];
  return list.map((each) => (isFields(each) ? read(each) : null)).filter(isKnown);
}

const AMOUNTS = [
  "round_trip_s",
  "jitter_s",
  "missed_pings",
  "frames",
  "frames_per_s",
  "bytes_received",
  "bytes_per_s",
  "skipped_frames",
  "lost_deltas",
  "age_s",
  "reconnects",
  "unasked_replies",
] as const;

export function readLinkQuality(value: unknown): LinkQuality | null {
  if (!isFields(value)) return null;
  const amounts = Object.fromEntries(AMOUNTS.map((name) => [name, amount(value[name])]));
  return {
    ...(amounts as Record<(typeof AMOUNTS)[number], number | null>),
    extension: typeof value.extension === "boolean" ? value.extension : null,
    history: readHistory(value.history),
  };
}

function readHistory(value: unknown): readonly LinkMoment[] {
  if (!Array.isArray(value)) return [];
  const moments: LinkMoment[] = [];
  for (const fields of value.slice(0, MOMENTS_READ)) {
    const ago_s = isFields(fields) ? amount(fields.ago_s) : null;
    if (ago_s === null || ago_s > HISTORY_S) continue;
    moments.push({ ago_s, round_trip_s: amount(fields.round_trip_s), state: text(fields.state) ?? "" });
  }
  return moments.sort((a, b) => b.ago_s - a.ago_s).slice(-MOMENTS_AT_MOST);
}

/** The moments of a run, growing. */
export function readTimes(value: unknown): readonly number[] | null {
  if (!isFields(value) || !Array.isArray(value.times)) return null;
  const times = value.times.slice(0, TIMES_READ).filter((time) => number(time) !== null) as number[];
  return times.sort((a, b) => a - b);
}

export function readMoment(value: unknown): Moment | null {
  const tasks = readTasks(value);
  const time = isFields(value) ? number(value.time) : null;
  if (!isFields(value) || tasks === null || time === null) return null;
  return { time, exact: value.exact !== false, tasks, progress: readProgress(value.progress) };
}
