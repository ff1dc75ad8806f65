// The only reader of what the kernel sends: unknown values in, typed values out. Whatever a model wrote into a
// task may arrive here, so a wrong type becomes null (or is left out) and nothing throws.

import type {
  Connection,
  ConnectionState,
  Delta,
  KernelMessage,
  Outcome,
  Progress,
  Project,
  Task,
  TaskChange,
  TaskDetail,
} from "./messages";

type Fields = Readonly<Record<string, unknown>>;

const CONNECTION_STATES: ReadonlySet<string> = new Set<ConnectionState>([
  "connecting",
  "live",
  "polling",
  "reconnecting",
  "failed",
  "closed",
  "archive",
]);
const OUTCOMES: ReadonlySet<string> = new Set<Outcome>([
  "running",
  "succeeded",
  "with_failures",
  "failed",
  "stalled",
  "unknown",
]);

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const number = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;
const count = (value: unknown): number => Math.max(0, number(value) ?? 0);

export function readIds(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((id): id is string => typeof id === "string") : [];
}

export function readText(value: unknown): string | null {
  return text(value);
}

export function readConnection(value: unknown): Connection {
  const fields = isFields(value) ? value : {};
  const state = text(fields.state);
  return {
    state: state !== null && CONNECTION_STATES.has(state) ? (state as ConnectionState) : "connecting",
    reason: text(fields.reason),
    attempt: number(fields.attempt),
    next_retry: text(fields.next_retry),
    error: text(fields.error),
    transport: text(fields.transport),
    reconnects: count(fields.reconnects),
  };
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
  return body.tasks.map(readTask).filter((task) => task !== null);
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
    objective: text(value.objective),
    input: text(value.input),
  };
}
