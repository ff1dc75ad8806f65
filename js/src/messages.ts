// What travels between the kernel and the browser: the typed twin of `roma_widget/widget/messages.py`
// and of `docs/messages.md`. Only types live here; `read.ts` turns what arrives into them.

export type ConnectionState =
  | "connecting"
  | "live"
  | "polling"
  | "reconnecting"
  | "failed"
  | "closed"
  | "archive";

export interface Connection {
  readonly state: ConnectionState;
  readonly reason: string | null;
  readonly attempt: number | null;
  /** ISO 8601, UTC. */
  readonly next_retry: string | null;
  readonly error: string | null;
  readonly transport: string | null;
  readonly reconnects: number;
  /** What the server says of itself; null: not known yet. */
  readonly server: ServerWord | null;
  /** Prompts that wait on the server while it is followed over HTTP; null where that is not known. */
  readonly questions: number | null;
  /** How the relay stands that the kernel goes through; null: it goes through none. */
  readonly relay: Relay | null;
}

export interface Relay {
  /** With the server above it; null: there is none at this moment, or it says what is no state. */
  readonly state: ConnectionState | null;
  /** What it says of that. */
  readonly said: string | null;
  /** A sentence of ours: where it is, and whose relay; null: there is none at this moment. */
  readonly via: string | null;
}

export type ServerWord = "ready" | "not_ready" | "unreachable";

/** One project of the server's list. */
export interface ListedProject {
  readonly id: string;
  readonly title: string | null;
  /** The server's own word. */
  readonly status: string | null;
  /** ISO 8601, UTC. */
  readonly created: string | null;
  readonly is_current: boolean;
  /** How many questions wait for an answer there. */
  readonly questions: number;
}

/** The shown project. */
export interface Project {
  readonly id: string;
  readonly title: string | null;
  readonly goal: string | null;
  readonly status: string | null;
}

export type Outcome = "running" | "succeeded" | "with_failures" | "failed" | "stalled" | "unknown";

export interface Progress {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly running: number;
  readonly waiting: number;
  readonly fraction: number | null;
  readonly started: string | null;
  readonly ended: string | null;
  readonly by_status: ReadonlyMap<string, number>;
  readonly outcome: Outcome;
  readonly reason: string | null;
}

/** The small whole state: every synced trait. */
export interface Traits {
  readonly connection: Connection;
  readonly projects: readonly ListedProject[];
  readonly project: Project | null;
  /** The project that this monitor holds to; null: it follows the server's current one. */
  readonly watching: string | null;
  readonly progress: Progress;
  readonly selection: readonly string[];
  /** Questions of the run that nobody has settled, oldest first. */
  readonly pending: readonly Prompt[];
  readonly notes: Notes;
  readonly address: string | null;
  readonly static_key: string | null;
}

export type AnswerWord = "approve" | "modify" | "abort";

export type PromptState = "open" | "held" | "waiting_link" | "sent";

/** One question of the run that waits for a person, or for the server to show what became of the answer. */
export interface Prompt {
  readonly request_id: string;
  readonly checkpoint: string | null;
  readonly task_id: string | null;
  readonly attempt: number | null;
  readonly message: string | null;
  /** ISO 8601, UTC, by the server's clock. */
  readonly asked: string | null;
  readonly state: PromptState;
  /** Why it is held or kept, one sentence. */
  readonly why: string | null;
  /** The answer it has been given. */
  readonly action: AnswerWord | null;
  readonly project_id: string | null;
  /** The question that this one follows after a modification. */
  readonly previous_id: string | null;
}

/** What becomes of an answer in the end. */
export interface Settled {
  readonly request_id: string;
  readonly state: "confirmed" | "superseded" | "lost";
  readonly action: AnswerWord | null;
  readonly why: string | null;
}

/** One sub-task of a plan under review. */
export interface PlanStep {
  readonly goal: string;
  readonly task_type: string | null;
  readonly node_type: string | null;
  /** Places in the same plan, from 0. */
  readonly depends_on: readonly number[];
  /** How many other fields it has, which only the whole data show. */
  readonly more: number;
}

/** The answer to `ask question`: what is under review. */
export interface Question {
  readonly request_id: string;
  /** The whole message; the trait has its beginning. */
  readonly message: string | null;
  readonly kind: "plan" | "text" | "data" | "none";
  readonly plan: readonly PlanStep[] | null;
  readonly text: string | null;
  /** Pretty JSON; not JSON any more where it was cut. */
  readonly json: string | null;
  /** Small facts, by the server's own names. */
  readonly about: readonly (readonly [name: string, value: string])[];
  /** How many fields neither `plan` nor `about` shows. */
  readonly more: number;
  readonly previous_plan: readonly PlanStep[] | null;
  readonly previous_instructions: string | null;
  readonly cut: boolean;
}

/** One task; times are epoch milliseconds. */
export interface Task {
  readonly id: string;
  readonly parent: string | null;
  readonly index: number;
  readonly goal: string;
  /** The server's own word. */
  readonly status: string;
  readonly type: string | null;
  readonly node: string | null;
  readonly agent: string | null;
  readonly model: string | null;
  readonly layer: number | null;
  readonly depends_on: readonly string[];
  readonly context: readonly string[];
  readonly created: number | null;
  readonly started: number | null;
  readonly updated: number | null;
  readonly completed: number | null;
  readonly error: string | null;
  readonly summary: string | null;
}

export type TaskChange = Partial<Omit<Task, "id">>;

export interface Delta {
  readonly changed: ReadonlyMap<string, TaskChange>;
  readonly removed: readonly string[];
}

/** Kernel to browser, after `read.ts` has looked at it. */
export type KernelMessage =
  | {
      readonly type: "snapshot";
      readonly rev: number;
      readonly server_now: number | null;
      readonly tasks: readonly Task[];
    }
  | {
      readonly type: "delta";
      readonly rev: number;
      readonly base: number;
      readonly server_now: number | null;
      readonly delta: Delta;
    }
  | {
      readonly type: "beat";
      readonly rev: number;
      readonly age_ms: number | null;
      readonly server_now: number | null;
      readonly round_trip_ms: number | null;
    }
  | {
      readonly type: "reply";
      readonly rid: string;
      readonly ok: boolean;
      readonly error: string | null;
      readonly body: unknown;
    }
  | ({ readonly type: "settled" } & Settled);

/** What a person can ask the kernel to do. */
export type Action =
  | { readonly action: "select"; readonly project: string | null; readonly tasks: readonly string[] }
  | { readonly action: "connect_anyway" }
  | { readonly action: "retry" }
  | { readonly action: "watch"; readonly project: string | null }
  | { readonly action: "switch"; readonly project: string }
  | { readonly action: "export_page" }
  | {
      readonly action: "open_stage";
      readonly project: string | null;
      readonly task: string;
      readonly seq: number;
    }
  | {
      readonly action: "answer";
      readonly request: string;
      readonly answer: AnswerWord;
      readonly instructions: string | null;
    };

/** Browser to kernel. */
export type BrowserMessage =
  | { readonly type: "hello"; readonly view: string; readonly rev: number | null }
  | { readonly type: "here"; readonly view: string }
  | { readonly type: "bye"; readonly view: string }
  | (Request & { readonly rid: string });

/** What gets a reply. */
export type Request = ({ readonly type: "do" } & Action) | ({ readonly type: "ask" } & Inquiry);

export type Inquiry =
  | { readonly what: "task" | "trace"; readonly task: string }
  | { readonly what: "stage"; readonly task: string; readonly seq: number }
  | { readonly what: "question"; readonly request: string }
  | { readonly what: "link" | "times" }
  | { readonly what: "moment"; readonly at: number };

/** The answer to `ask task`: the whole texts of one task. */
export interface TaskDetail {
  readonly task: string;
  readonly goal: string | null;
  readonly error: string | null;
  readonly result: string | null;
  readonly result_kind: "text" | "json" | null;
  /** Of a page of one run: why the result is not there. */
  readonly left_out: string | null;
  readonly objective: string | null;
  readonly input: string | null;
  /** Oldest first. */
  readonly history: readonly StatusChange[];
}

/** A status that a task came into. */
export interface StatusChange {
  /** Epoch ms; null: it was so when the kernel came. */
  readonly time: number | null;
  readonly status: string;
}

/** What somebody wrote beside a task. */
export interface Note {
  /** Epoch ms, by the kernel's clock. */
  readonly time: number | null;
  readonly task: string;
  readonly text: string;
  readonly tags: readonly string[];
}

/** The notes of the shown run: how many there are, and the newest, oldest first. */
export interface Notes {
  readonly n: number;
  readonly newest: readonly Note[];
}

/** The answer to `ask link`: how good the line to the server is. null: unknown. */
export interface LinkQuality {
  readonly round_trip_s: number | null;
  readonly jitter_s: number | null;
  readonly missed_pings: number | null;
  readonly frames: number | null;
  readonly frames_per_s: number | null;
  readonly bytes_received: number | null;
  readonly bytes_per_s: number | null;
  readonly skipped_frames: number | null;
  readonly lost_deltas: number | null;
  /** Age of what is shown. */
  readonly age_s: number | null;
  readonly reconnects: number | null;
  readonly unasked_replies: number | null;
  readonly extension: boolean | null;
  /** Oldest first, the last ten minutes. */
  readonly history: readonly LinkMoment[];
}

export interface LinkMoment {
  readonly ago_s: number;
  readonly round_trip_s: number | null;
  readonly state: string;
}

/** The answer to `ask moment`: the run as it stood then. Times are epoch milliseconds. */
export interface Moment {
  readonly time: number;
  /** false: to bound the kernel's memory some details went. */
  readonly exact: boolean;
  readonly tasks: readonly Task[];
  readonly progress: Progress;
}
