// One mounted view: what it knows (kernel, run, layout), what the person chose (selection, folds, focus) and the one
// frame loop that draws it. Panels read it, the graph reads it, nobody else writes it.

import { Errand } from "./errand";
import { criticalPath } from "./find/critical";
import { Finder } from "./find/finder";
import { type Found, nextMatch } from "./find/match";
import { Trail } from "./find/trail";
import { Folding } from "./fold";
import { epoch } from "./format";
import type { Graph } from "./graph/graph";
import { isFollowing, Kernel, type WidgetModel } from "./kernel";
import type { Layout } from "./layout";
import type { Progress, Prompt, Task, TaskDetail } from "./messages";
import { notify, showInTitle } from "./questions/attention";
import { isWaiting, Questions } from "./questions/questions";
import { charsOf, Room } from "./room";
import { Sizing } from "./sizing";
import { childrenOf, type RunState } from "./state";
import { isOver } from "./status";
import { type Tally, tallyUp } from "./tally";
import { Travel } from "./time/travel";
import { Waits } from "./time/waits";
import { Inspection, type Tab } from "./trace/inspection";
import { Traces } from "./trace/traces";
import { Typing } from "./tree/typing";

/** wide: inspector beside the graph; stacked: under it; narrow: the outline instead of the graph. */
export type Shape = "wide" | "stacked" | "narrow";

export type DetailState =
  | { readonly kind: "loading" }
  | { readonly kind: "loaded"; readonly detail: TaskDetail }
  | { readonly kind: "failed"; readonly why: string };

const MOST_CHARS = 40_000_000;
const UNSEEN_EVERY_MS = 1_000;
const NOBODY: ReadonlyMap<string, Prompt> = new Map();

export class View {
  readonly root: HTMLElement;
  readonly kernel: Kernel;
  readonly signal: AbortSignal;
  readonly folding = new Folding();
  readonly travel: Travel;
  readonly waits = new Waits();
  readonly questions: Questions;
  readonly inspection = new Inspection();
  readonly traces: Traces;
  readonly typing = new Typing();
  readonly errand = new Errand((outcome) => {
    this.announcement = outcome;
    this.schedule();
  });
  readonly finder = new Finder();
  trail = new Trail();
  readonly sizing: Sizing;
  /** The panel under the header's last button. */
  menu: "view" | "keys" | null = null;
  showsCritical = false;
  tally: Tally;
  layout: Layout;
  /** The selected task as the person sees it: at once after a click, and whenever Python says so. */
  selected: string | null = null;
  /** Why the kernel did not take the newest selection. */
  refusal: string | null = null;
  /** The task that the treegrid's keyboard stands on, and whether to show a ring for it. */
  focused: string | null = null;
  focusRing = false;
  shape: Shape = "wide";
  isInSight = true;
  /** Of the whole widget, px, as it was before this frame. */
  height = 0;
  /** The drawing of the graph, while there is one (not in the outline). */
  graph: Graph | null = null;
  /** Counts the seconds in which something on the screen ticks: what shows times depends on it. */
  second = 0;
  /** The keyboard moved: the row of `focused` takes the focus after the next frame. */
  wantsFocus = false;
  /** The tray takes the focus after the next frame. */
  wantsTray = false;
  /** Tells what failed since the view opened, for the live region. */
  announcement = "";
  /** Re-drawn on each frame that something asked for. */
  onFrame: () => void = () => {};

  /** Of whole texts and traces. */
  readonly #room = new Room(MOST_CHARS);
  readonly #details = new Map<string, { stamp: string; state: DetailState }>();
  #run: RunState;
  #frame = 0;
  #later: ReturnType<typeof setTimeout> | undefined;
  #traitSelection: readonly string[] = [];
  /** Selections on their way to the kernel, oldest first. */
  #selecting: { readonly id: string | null }[] = [];
  #projectId: string | null = null;
  #failed: ReadonlySet<string> | null = null;
  #critical: { readonly run: RunState; readonly path: readonly number[] } | null = null;
  #waiting: ReadonlyMap<string, Prompt> = NOBODY;

  constructor(model: WidgetModel, root: HTMLElement, signal: AbortSignal) {
    this.root = root;
    this.signal = signal;
    this.sizing = new Sizing(root);
    this.kernel = new Kernel(model, (part) => this.#kernelChanged(part), signal);
    this.#run = this.kernel.run;
    this.questions = new Questions(this.kernel, () => this.#questionsChanged(), signal);
    this.questions.onNew = (fresh) => this.#announceQuestions(fresh);
    this.traces = new Traces(this.kernel, () => this.schedule(), signal, this.#room);
    this.travel = new Travel(
      this.kernel,
      () => this.#run,
      () => this.#travelled(),
      signal,
    );
    this.#projectId = this.kernel.traits.project?.id ?? null;
    this.tally = tallyUp(this.#run);
    this.layout = this.folding.layOut(this.#run.tree, this.tally);
    this.#takeSelection();
    this.waits.take(this.kernel.traits.pending, this.newest());
    this.#questionsChanged();
    const ticker = setInterval(() => {
      if (!this.isInSight) return;
      if (!this.#isFollowing() && this.kernel.traits.connection.next_retry === null) return;
      this.second++;
      this.schedule();
    }, 1000);
    signal.addEventListener("abort", () => {
      clearInterval(ticker);
      showInTitle(this, []);
      clearTimeout(this.#later);
      cancelAnimationFrame(this.#frame);
    });
  }

  /** The run as it is shown: the newest state, or a moment of the past. */
  get run(): RunState {
    return this.#run;
  }

  get isPast(): boolean {
    return this.travel.past !== null;
  }

  get progress(): Progress {
    return this.travel.past?.progress ?? this.kernel.traits.progress;
  }

  task(id: string): Task | undefined {
    return this.#run.tasks.get(id);
  }

  /** Asks for a frame; many wishes make one frame. What nobody sees is only kept true for who reads the document. */
  readonly schedule = (): void => {
    if (this.#frame !== 0 || this.#later !== undefined || this.signal.aborted) return;
    if (!this.isInSight && !this.root.matches(":focus-within")) {
      this.#later = setTimeout(() => this.#drawSoon(), UNSEEN_EVERY_MS);
      return;
    }
    this.#drawSoon();
  };

  /** The widget is on the screen, or is scrolled or switched away. */
  see(isInSight: boolean): void {
    const isBack = isInSight && !this.isInSight;
    this.isInSight = isInSight;
    if (!isBack) return;
    this.second++;
    clearTimeout(this.#later);
    this.#later = undefined;
    this.schedule();
  }

  #drawSoon(): void {
    this.#later = undefined;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.onFrame();
      const { rev } = this.#run;
      // Said in the frame after: what tests and people measure is paint, not intent.
      requestAnimationFrame(() => {
        if (rev !== null && !this.signal.aborted) this.root.dataset.revision = String(rev);
      });
    });
  }

  /** Whether times of what is active go on growing. */
  isRunning(): boolean {
    return !this.isPast && this.#isFollowing();
  }

  #isFollowing(): boolean {
    const { link, traits } = this.kernel;
    return link.alive && isFollowing(traits.connection);
  }

  /** What gives in Python what is shown here. */
  get expression(): string {
    const { past } = this.travel;
    // Rounded up: a moment's own beginning is in the middle of a millisecond.
    return past === null ? "m" : `m.at("${new Date(Math.ceil(past.time)).toISOString()}")`;
  }

  /** The moment that is shown: the server's clock now, epoch ms, or the past one; null where it was never told. */
  now(): number | null {
    return this.travel.past?.time ?? this.newest();
  }

  /** How long a question has waited: since it was asked or, where nobody said when, since it was first seen here. */
  waitedFor(prompt: Prompt): number | null {
    const asked = epoch(prompt.asked);
    const now = this.newest();
    if (asked !== null && now !== null) return Math.max(0, now - asked);
    const seen = this.questions.firstSeen(prompt.request_id);
    return seen === null ? null : Date.now() - seen;
  }

  /** The tasks that wait for the person, each with its oldest question; none while the past is shown. */
  get waiting(): ReadonlyMap<string, Prompt> {
    return this.isPast ? NOBODY : this.#waiting;
  }

  /** The server's clock now, whatever is shown. */
  newest(): number | null {
    const clock = this.kernel.serverClock;
    if (clock === null) return null;
    return this.#isFollowing() ? clock.server_now + (performance.now() - clock.at) : clock.server_now;
  }

  /** How long a task took, or has been taking. */
  durationOf(task: Task): number | null {
    if (task.started === null) return null;
    if (task.completed !== null) return task.completed - task.started;
    if (isOver(task.status)) return task.updated === null ? null : task.updated - task.started;
    const now = this.now();
    return now === null ? null : now - task.started;
  }

  elapsed(): number | null {
    const { started, ended } = this.progress;
    const from = epoch(started);
    const to = epoch(ended) ?? this.now();
    return from === null || to === null ? null : to - from;
  }

  /** A page of a run has none: no picture beside it, and the whole window. */
  get hasKernel(): boolean {
    return this.kernel.traits.static_key !== null;
  }

  /** Buttons that need the kernel are off without it. */
  get canAct(): boolean {
    return this.kernel.link.alive;
  }

  /** The person selects (or clears, with null): shown at once, the kernel's trait has the last word. */
  select(id: string | null): void {
    if (this.selected === id) return;
    this.selected = id;
    if (id !== null) {
      this.focused = id;
      this.trail.visit(id);
    }
    this.refusal = null;
    this.graph?.stopFollowing();
    this.schedule();
    // What there was only in the past Python cannot select.
    if (id !== null && !this.kernel.run.tasks.has(id)) return;
    const asked = { id };
    this.#selecting.push(asked);
    const tasks = id === null ? [] : [id];
    void this.kernel
      .do({ action: "select", project: this.#projectId, tasks })
      .then((error) => this.#selectionAnswered(asked, error));
  }

  #selectionAnswered(asked: { readonly id: string | null }, error: string | null): void {
    const isNewest = this.#selecting.at(-1) === asked;
    this.#selecting = this.#selecting.filter((other) => other !== asked);
    if (error === null || !isNewest || this.signal.aborted) return;
    this.refusal = error;
    this.announcement = `Not selected: ${error}`;
    this.#takeSelection();
    this.schedule();
  }

  /** Closes the inspector; the keyboard goes back to the task it stood on. */
  deselect(): void {
    this.select(null);
    this.wantsFocus = true;
  }

  /** Selects from a list or link: the task may be far away or folded. */
  goTo(id: string): void {
    if (this.task(id) === undefined) return;
    this.select(id);
    this.reveal(id);
  }

  /** What the search and the filter mean in the run that is shown; null while there is neither. */
  get found(): Found | null {
    return this.finder.found(this.#run, this.tally);
  }

  /** Position of the selected task in the tree, or -1. */
  get selectedAt(): number {
    return this.selected === null ? -1 : (this.#run.tree.at.get(this.selected) ?? -1);
  }

  /** Changes what is looked for. */
  lookFor(change: () => void): void {
    change();
    this.schedule();
  }

  goToMatch(step: 1 | -1): void {
    const { found } = this;
    const next = found === null ? null : nextMatch(found, this.selectedAt, step);
    if (next !== null) this.goTo(this.#run.tree.ids[next] as string);
  }

  /** Back or forward through what was selected. */
  goAlong(step: 1 | -1): void {
    const id = this.trail.go(step, (each) => each !== this.selected && this.task(each) !== undefined);
    if (id !== null) this.goTo(id);
  }

  canGoAlong(step: 1 | -1): boolean {
    return this.trail.peek(step, (id) => id !== this.selected && this.task(id) !== undefined) !== null;
  }

  openMenu(menu: View["menu"]): void {
    this.menu = menu;
    this.schedule();
  }

  resize(change: () => void): void {
    change();
    this.schedule();
  }

  toggleCritical(): void {
    this.showsCritical = !this.showsCritical;
    this.schedule();
  }

  /** Positions in the tree of what the run's end waits for, the root last; null while it is not shown. */
  get critical(): readonly number[] | null {
    if (!this.showsCritical) return null;
    if (this.#critical?.run !== this.#run) this.#critical = { run: this.#run, path: criticalPath(this.#run) };
    return this.#critical.path;
  }

  /** Whether a task is not dimmed by the search. */
  isFound(id: string): boolean {
    const at = this.#run.tree.at.get(id);
    return this.found === null || (at !== undefined && this.found.isMatch[at] === 1);
  }

  /** Unfolds what hides a task and brings it into sight. */
  reveal(id: string): void {
    const { tree } = this.#run;
    const at = tree.at.get(id);
    if (at === undefined) return;
    if (this.layout.place[at] === -1) {
      for (let up = tree.parent[at] as number; up >= 0; up = tree.parent[up] as number) {
        this.folding.choose(tree.ids[up] as string, false);
      }
      this.#layOut();
    }
    this.focused = id;
    this.graph?.reveal(id);
    this.schedule();
  }

  fold(id: string, folded: boolean): void {
    this.folding.choose(id, folded);
    this.#layOut();
    const focusAt = this.focused === null ? undefined : this.#run.tree.at.get(this.focused);
    if (focusAt !== undefined && this.layout.place[focusAt] === -1) this.focused = id;
    this.schedule();
  }

  isFolded(id: string): boolean {
    const at = this.#run.tree.at.get(id);
    const place = at === undefined ? -1 : (this.layout.place[at] as number);
    return place >= 0 && this.layout.folded[place] === 1;
  }

  childIds(id: string): string[] {
    const { tree } = this.#run;
    const at = tree.at.get(id);
    return at === undefined ? [] : childrenOf(tree, at).map((child) => tree.ids[child] as string);
  }

  /** The ids from the root down to `id`. */
  pathTo(id: string): string[] {
    const { tree } = this.#run;
    const path: string[] = [];
    for (let at = tree.at.get(id) ?? -1; at >= 0; at = tree.parent[at] as number)
      path.push(tree.ids[at] as string);
    return path.reverse();
  }

  /** The whole texts of a task as they are now, asked for once per state of the task. */
  detailOf(shown: Task): DetailState {
    const task = this.kernel.run.tasks.get(shown.id) ?? shown;
    const stamp = `${task.status} ${task.completed} ${task.error === null}`;
    const known = this.#details.get(task.id);
    if (known !== undefined && known.stamp === stamp) {
      this.#room.use(known);
      return known.state;
    }
    // While the new text travels the old one stays, so that a change of status does not make the panel flicker.
    const state: DetailState = known?.state.kind === "loaded" ? known.state : { kind: "loading" };
    const entry = { stamp, state };
    if (known !== undefined) this.#room.forget(known);
    this.#details.delete(task.id);
    this.#details.set(task.id, entry);
    if (this.#details.size > 50) this.#details.delete(this.#details.keys().next().value as string);
    this.kernel.ask(task.id).then(
      (detail) => {
        const { goal, error, result, objective, input } = detail;
        this.#room.keep(entry, charsOf([goal, error, result, objective, input]), () => {
          if (this.#details.get(task.id) === entry) this.#details.delete(task.id);
        });
        this.#detailCame(entry, { kind: "loaded", detail });
      },
      (error: unknown) =>
        this.#detailCame(entry, {
          kind: "failed",
          why: error instanceof Error ? error.message : String(error),
        }),
    );
    return state;
  }

  /** Asks again after a failure. */
  forgetDetail(id: string): void {
    this.#details.delete(id);
    this.schedule();
  }

  showTab(tab: Tab): void {
    this.inspection.tab = tab;
    this.schedule();
  }

  /** The person opens a stage, or closes the open one (null); a notebook may want to know which. */
  openStage(task: string, seq: number | null): void {
    this.inspection.open(task, seq);
    if (seq !== null) void this.kernel.do({ action: "open_stage", project: this.#projectId, task, seq });
    this.schedule();
  }

  #detailCame(entry: { state: DetailState }, state: DetailState): void {
    entry.state = state;
    this.schedule();
  }

  #kernelChanged(part: "run" | "traits" | "link"): void {
    // The kernel may speak while our constructor still runs.
    if (this.layout === undefined) return;
    if (part === "run") {
      if (this.kernel.run.tasks.size > 0) this.travel.refresh();
      this.#announceFailures();
      this.waits.take(this.kernel.traits.pending, this.newest());
      if (!this.isPast) this.#takeRun(this.kernel.run);
    }
    if (part === "traits") this.#takeTraits();
    this.schedule();
  }

  /** At once and not in a frame: a page that nobody looks at has no frames. */
  #questionsChanged(): void {
    const waiting = new Map<string, Prompt>();
    const open = this.questions?.entries.filter(isWaiting) ?? [];
    for (const { prompt } of open)
      if (prompt.task_id !== null && !waiting.has(prompt.task_id)) waiting.set(prompt.task_id, prompt);
    this.#waiting = waiting;
    if (this.signal.aborted) return;
    showInTitle(
      this,
      open.map(({ prompt }) => prompt.request_id),
    );
    this.schedule();
  }

  #announceQuestions(fresh: readonly Prompt[]): void {
    const [first] = fresh;
    if (first === undefined) return;
    const words = first.message ?? first.checkpoint ?? first.task_id ?? "";
    this.announcement =
      fresh.length === 1 ? `New question: ${words}` : `${fresh.length} new questions: ${words}`;
    notify(fresh);
  }

  /** Goes to the past, within it, or back to the newest state. */
  #travelled(): void {
    const run = this.travel.past?.run ?? this.kernel.run;
    if (run !== this.#run) this.#takeRun(run);
    this.schedule();
  }

  #takeRun(run: RunState): void {
    const before = this.#run;
    this.#run = run;
    this.tally = tallyUp(run);
    if (run.tree !== before.tree || this.folding.isStale(this.layout, this.tally)) this.#layOut();
    if (this.focused !== null && !run.tasks.has(this.focused)) this.focused = null;
    // Python may have selected a task before its snapshot arrived.
    if (!sameIds(this.kernel.traits.selection, this.#traitSelection)) this.#takeSelection();
  }

  #takeTraits(): void {
    this.questions.take();
    const projectId = this.kernel.traits.project?.id ?? null;
    if (projectId !== this.#projectId) {
      if (this.#projectId !== null) {
        // The same ids are other tasks there, and answers about these ones say nothing any more.
        this.selected = null;
        this.focused = null;
        this.refusal = null;
        this.#selecting = [];
        this.#traitSelection = [];
        this.folding.reset();
        this.trail = new Trail();
        this.finder.reset();
        this.waits.reset();
        this.#details.clear();
        this.#room.reset();
        this.traces.reset();
        this.inspection.reset();
        this.#failed = null;
        this.travel.reset();
        this.graph?.fitOnNextRun();
      }
      this.#projectId = projectId;
    }
    this.waits.take(this.kernel.traits.pending, this.newest());
    if (!sameIds(this.kernel.traits.selection, this.#traitSelection)) this.#takeSelection();
  }

  #takeSelection(): void {
    const ids = this.kernel.traits.selection;
    // The echo of an earlier click must not undo the click after it.
    const isEcho = this.#selecting.slice(0, -1).some((asked) => (asked.id ?? undefined) === ids[0]);
    if (isEcho) return;
    const id = ids.find((wanted) => this.#run.tasks.has(wanted)) ?? null;
    // A selection of tasks we have not heard of yet is taken when they come.
    if (id === null && ids.length > 0) return;
    this.#traitSelection = ids;
    if (id === this.selected) return;
    this.selected = id;
    if (id === null) return;
    this.trail.visit(id);
    this.graph?.stopFollowing();
    this.reveal(id);
  }

  #layOut(): void {
    this.layout = this.folding.layOut(this.#run.tree, this.tally);
    if (this.selected === null) return;
    // A sub-tree that finishes does not fold over the task somebody is reading.
    const at = this.#run.tree.at.get(this.selected);
    if (at === undefined || this.layout.place[at] !== -1) return;
    const path = this.pathTo(this.selected).slice(0, -1);
    if (path.some((id) => this.folding.chosen(id) === true)) return;
    for (const id of path) this.folding.choose(id, false);
    this.layout = this.folding.layOut(this.#run.tree, this.tally);
  }

  #announceFailures(): void {
    const failed = new Set<string>();
    const { tasks } = this.kernel.run;
    for (const task of tasks.values()) if (task.status === "FAILED") failed.add(task.id);
    const before = this.#failed;
    this.#failed = failed;
    if (before === null) return;
    const fresh = [...failed].filter((id) => !before.has(id));
    if (fresh.length === 0) return;
    const goal = tasks.get(fresh[0] as string)?.goal ?? "";
    this.announcement =
      fresh.length === 1 ? `Failed: ${goal}` : `${fresh.length} tasks failed, first: ${goal}`;
  }
}

const sameIds = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i]);
