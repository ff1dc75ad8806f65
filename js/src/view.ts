// One mounted view: what it knows (kernel, run, layout) and what the person chose (selection, folds, focus). Panels read
// it, the graph reads it; whoever changes it asks for a frame.

import { failedOf, failureWords, questionWords } from "./announcing";
import { isTicking, newest } from "./clock";
import { Details } from "./details";
import { atEnd } from "./ending";
import { Errand } from "./errand";
import { criticalPath } from "./find/critical";
import { Finder } from "./find/finder";
import type { Found } from "./find/match";
import { Trail } from "./find/trail";
import { Folding } from "./fold";
import { firstText } from "./format";
import { Frames } from "./frames";
import type { Graph } from "./graph/graph";
import { Kernel, type WidgetModel } from "./kernel";
import type { Layout } from "./layout";
import type { Progress, Prompt, Task, Traits } from "./messages";
import { nameOf } from "./projects";
import { notify, showInTitle } from "./questions/attention";
import { isWaiting, Questions } from "./questions/questions";
import { Room } from "./room";
import { Selection } from "./selection";
import { Sizing } from "./sizing";
import { pathTo, type RunState } from "./state";
import { shownCounts, type Tally, tallyUp } from "./tally";
import { Travel } from "./time/travel";
import { Waits } from "./time/waits";
import { Inspection, type Tab } from "./trace/inspection";
import { Traces } from "./trace/traces";
import { Typing } from "./tree/typing";

/** wide: inspector beside the graph; stacked: under it; narrow: the outline instead of the graph. */
export type Shape = "wide" | "stacked" | "narrow";

const MOST_CHARS = 40_000_000;
const NOBODY: ReadonlyMap<string, Prompt> = new Map();

export class View {
  readonly root: HTMLElement;
  readonly kernel: Kernel;
  readonly signal: AbortSignal;
  readonly frames: Frames;
  readonly selection = new Selection(this);
  readonly folding = new Folding();
  readonly travel: Travel;
  readonly waits = new Waits();
  readonly questions: Questions;
  readonly inspection = new Inspection();
  readonly traces: Traces;
  readonly details: Details;
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
  /** Of the run that is shown. */
  projectId: string | null = null;
  showsCritical = false;
  tally: Tally;
  layout: Layout;
  /** The task that the treegrid's keyboard stands on, and whether to show a ring for it. */
  focused: string | null = null;
  focusRing = false;
  shape: Shape = "wide";
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
  #run: RunState;
  #failed: ReadonlySet<string> | null = null;
  #critical: { readonly run: RunState; readonly path: readonly number[] } | null = null;
  #waiting: ReadonlyMap<string, Prompt> = NOBODY;

  constructor(model: WidgetModel, root: HTMLElement, signal: AbortSignal) {
    this.root = root;
    this.signal = signal;
    this.frames = new Frames(this);
    this.sizing = new Sizing(root);
    this.kernel = new Kernel(model, (part) => this.#kernelChanged(part), signal);
    this.#run = this.kernel.run;
    this.questions = new Questions(this.kernel, () => this.#questionsChanged(), signal);
    this.questions.onNew = (fresh) => this.#announceQuestions(fresh);
    this.traces = new Traces(this.kernel, this.schedule, signal, this.#room);
    this.details = new Details(this.kernel, this.#room, this.schedule);
    this.travel = new Travel(
      this.kernel,
      () => this.#run,
      () => this.#travelled(),
      signal,
    );
    this.projectId = this.traits.project?.id ?? null;
    this.tally = tallyUp(this.#run);
    this.layout = this.folding.layOut(this.#run.tree, this.tally);
    this.selection.take();
    this.waits.take(this.traits.pending, newest(this));
    this.#questionsChanged();
    const ticker = setInterval(() => {
      if (!this.frames.isInSight) return;
      if (!isTicking(this) && this.traits.connection.next_retry === null) return;
      this.second++;
      this.schedule();
    }, 1000);
    atEnd(signal, () => {
      clearInterval(ticker);
      showInTitle(this, []);
    });
  }

  /** The run as it is shown: the newest state, or a moment of the past. */
  get run(): RunState {
    return this.#run;
  }

  /** What the kernel's traits say. */
  get traits(): Traits {
    return this.kernel.traits;
  }

  get isPast(): boolean {
    return this.travel.past !== null;
  }

  get progress(): Progress {
    return this.travel.past?.progress ?? this.traits.progress;
  }

  /** What the run is about. */
  get title(): string | null {
    const { project } = this.traits;
    const firstGoal = this.task(this.#run.tree.ids[0] ?? "")?.goal;
    return firstText(project?.goal, project?.title, firstGoal) ?? (project && nameOf(project));
  }

  task(id: string): Task | undefined {
    return this.#run.tasks.get(id);
  }

  /** Asks for a frame; many wishes make one. */
  readonly schedule = (): void => this.frames.schedule();

  /** What gives in Python what is shown here. */
  get expression(): string {
    const { past } = this.travel;
    // Rounded up: a moment's own beginning is in the middle of a millisecond.
    return past === null ? "m" : `m.at("${new Date(Math.ceil(past.time)).toISOString()}")`;
  }

  /** The tasks that wait for the person, each with its oldest question; none while the past is shown. */
  get waiting(): ReadonlyMap<string, Prompt> {
    return this.isPast ? NOBODY : this.#waiting;
  }

  /** A page of a run has none: no picture beside it, and the whole window. */
  get hasKernel(): boolean {
    return this.traits.static_key !== null;
  }

  /** Buttons that need the kernel are off without it. */
  get canAct(): boolean {
    return this.kernel.link.alive;
  }

  /** The selected task as the person sees it: at once after a click, and whenever Python says so. */
  get selected(): string | null {
    return this.selection.id;
  }

  /** Closes the inspector; the keyboard goes back to the task it stood on. */
  deselect(): void {
    this.selection.choose(null);
    this.wantsFocus = true;
  }

  /** Selects from a list or link: the task may be far away or folded. */
  goTo(id: string): void {
    if (this.task(id) === undefined) return;
    this.selection.choose(id);
    this.reveal(id);
  }

  /** How many tasks have which status code, as the panels count them. */
  get counts(): readonly number[] {
    return shownCounts(this.tally, this.#run, this.waiting.keys());
  }

  /** What the search and the filter mean in the run that is shown; null while there is neither. */
  get found(): Found | null {
    return this.finder.found(this.#run, this.tally, this.waiting);
  }

  /** Does what changes the view. */
  change(how: () => void): void {
    how();
    this.schedule();
  }

  openMenu(menu: View["menu"]): void {
    this.menu = menu;
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

  showTab(tab: Tab): void {
    this.inspection.tab = tab;
    this.schedule();
  }

  /** The person opens a stage, or closes the open one (null); a notebook may want to know which. */
  openStage(task: string, seq: number | null): void {
    this.inspection.open(task, seq);
    if (seq !== null) void this.kernel.do({ action: "open_stage", project: this.projectId, task, seq });
    this.schedule();
  }

  #kernelChanged(part: "run" | "traits" | "link"): void {
    // The kernel may speak while our constructor still runs.
    if (this.layout === undefined) return;
    if (part === "run") {
      if (this.kernel.run.tasks.size > 0) this.travel.refresh();
      this.#announceFailures();
      this.waits.take(this.traits.pending, newest(this));
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
    this.announcement = questionWords(first, fresh.length);
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
    this.selection.take();
  }

  #takeTraits(): void {
    this.questions.take();
    const projectId = this.traits.project?.id ?? null;
    if (projectId !== this.projectId) {
      if (this.projectId !== null) {
        // The same ids are other tasks there, and answers about these ones say nothing any more.
        this.selection.reset();
        this.focused = null;
        this.folding.reset();
        this.trail = new Trail();
        this.finder.reset();
        this.waits.reset();
        this.details.reset();
        this.#room.reset();
        this.traces.reset();
        this.inspection.reset();
        this.#failed = null;
        this.travel.reset();
        this.graph?.fitOnNextRun();
      }
      this.projectId = projectId;
    }
    this.waits.take(this.traits.pending, newest(this));
    this.selection.take();
  }

  #layOut(): void {
    this.layout = this.folding.layOut(this.#run.tree, this.tally);
    if (this.selected === null) return;
    // A sub-tree that finishes does not fold over the task somebody is reading.
    const at = this.#run.tree.at.get(this.selected);
    if (at === undefined || this.layout.place[at] !== -1) return;
    const path = pathTo(this.#run.tree, this.selected).slice(0, -1);
    if (path.some((id) => this.folding.chosen(id) === true)) return;
    for (const id of path) this.folding.choose(id, false);
    this.layout = this.folding.layOut(this.#run.tree, this.tally);
  }

  #announceFailures(): void {
    const { tasks } = this.kernel.run;
    const failed = failedOf(tasks);
    const words = this.#failed === null ? null : failureWords(this.#failed, failed, tasks);
    this.#failed = failed;
    if (words !== null) this.announcement = words;
  }
}
