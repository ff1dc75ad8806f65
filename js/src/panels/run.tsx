// The Run panel: what stands beside the graph while no task is selected. Counts by status, what runs now, what failed,
// what took longest.

import { durationOf } from "../clock";
import { count, epoch, plural, timeOfDay } from "../format";
import type { Task } from "../messages";
import { hasChildren } from "../state";
import { CODE, onlyWhat, STATUSES, type Status, signOf, WAITS_CODE, wordOfCode } from "../status";
import type { View } from "../view";
import { NoteText } from "./notes";
import { Button, CopyButton, Glyph, pressable, Quiet, Section, TaskLine } from "./parts";

const ALWAYS: readonly Status[] = [
  "DONE",
  "FAILED",
  "AGGREGATING",
  "RUNNING",
  "PLAN_DONE",
  "READY",
  "PENDING",
];
/** What waits for the person comes first. */
const ROWS = [WAITS_CODE, ...STATUSES.keys()];
const NOW_LINES = 4;
const FAILED_LINES = 3;
const SLOWEST_LINES = 3;
const NOTES = 3;
const BAR_PX = 110;

export function RunPanel({ view }: { view: View }) {
  const { progress } = view;
  const { tree } = view.run;
  const { now, failed, slowest } = findTasks(view);
  const code = `${view.expression}.tasks()`;
  const started = epoch(progress.started);
  const facts = [plural(tree.ids.length, "task"), plural(tree.levels, "level")].join(", ");
  return (
    <section class="rw-inspector" aria-label="Run">
      <div class="rw-inspector-head">
        <h3 class="rw-inspector-title">Run</h3>
        <Quiet>{started === null ? facts : `started ${timeOfDay(started)} · ${facts}`}</Quiet>
      </div>
      <div class="rw-scroll">
        <Counts view={view} />
        {now.length > 0 && (
          <Section title="Now" note={ofMany(NOW_LINES, now.length)}>
            {now.slice(0, NOW_LINES).map((task) => (
              <TaskLine key={task.id} view={view} task={task} />
            ))}
          </Section>
        )}
        {failed.length > 0 && (
          <Section title="Failed" note={ofMany(FAILED_LINES, failed.length)}>
            {failed.slice(0, FAILED_LINES).map((task) => (
              <div key={task.id}>
                <TaskLine view={view} task={task} />
                {task.error !== null && (
                  <div class="rw-line-error" dir="auto">
                    {task.error}
                  </div>
                )}
              </div>
            ))}
          </Section>
        )}
        <Notes view={view} />
        {slowest.length > 0 && (
          <Section title="Slowest" note="tasks without sub-tasks">
            {slowest.map((task) => (
              <TaskLine key={task.id} view={view} task={task} />
            ))}
          </Section>
        )}
      </div>
      <div class="rw-inspector-foot">
        <code>{code}</code>
        <CopyButton text={code} label={`Copy ${code}`} />
      </div>
    </section>
  );
}

/** The newest ones, each under the task beside which it was written. */
function Notes({ view }: { view: View }) {
  const { n, newest } = view.traits.notes;
  if (n === 0) return null;
  return (
    <Section
      title="Notes"
      note={ofMany(NOTES, n)}
      copy={<CopyButton text="m.annotations()" label="Copy m.annotations()" />}
    >
      {newest
        .slice(-NOTES)
        .reverse()
        .map((note, i) => {
          const task = view.task(note.task);
          return (
            <div key={i}>
              {task !== undefined && <TaskLine view={view} task={task} />}
              <NoteText note={note} />
            </div>
          );
        })}
    </Section>
  );
}

const ofMany = (shown: number, all: number): string | undefined =>
  all > shown ? `${shown} of ${count(all)}` : undefined;

function Counts({ view }: { view: View }) {
  const { counts, finder } = view;
  const most = Math.max(1, ...counts);
  const isShown = (code: number) =>
    (counts[code] as number) > 0 ||
    finder.wanted.codes.has(code) ||
    ALWAYS.includes(STATUSES[code] as Status);
  return (
    <ul class="rw-section rw-counts" aria-label="Tasks by status">
      {ROWS.filter(isShown).map((code) => {
        const tasks = counts[code] as number;
        const note = code === CODE.PLAN_DONE && tasks > 0 ? "wait for their sub-tasks" : null;
        const isOn = finder.wanted.codes.has(code);
        return (
          <li key={code} class={tasks === 0 ? "rw-none" : ""}>
            <Button
              class="rw-count-button"
              aria-pressed={isOn}
              title={onlyWhat(code)}
              {...pressable(tasks === 0 && !isOn, () => view.change(() => finder.toggleStatus(code)))}
            >
              <Glyph status={signOf(code)} />
              <span class="rw-count-word">{wordOfCode(code)}</span>
              <span class="rw-count">{count(tasks)}</span>
            </Button>
            {tasks > 0 && (
              <span
                class={`rw-count-bar rw-s-${signOf(code)}${code === CODE.PENDING ? " rw-faint" : ""}`}
                style={{ width: barPx(tasks, most) }}
              />
            )}
            {note !== null && <span class="rw-quiet rw-count-note">{note}</span>}
          </li>
        );
      })}
    </ul>
  );
}

const barPx = (tasks: number, most: number): string => `${Math.max(2, (tasks / most) * BAR_PX)}px`;

/** One pass over the run: 10,000 tasks take about a millisecond. */
function findTasks(view: View): { now: Task[]; failed: Task[]; slowest: Task[] } {
  const { tree, tasks } = view.run;
  const now: Task[] = [];
  const failed: Task[] = [];
  const leaves: { task: Task; ms: number }[] = [];
  for (let at = 0; at < tree.ids.length; at++) {
    const task = tasks.get(tree.ids[at] as string) as Task;
    const code = view.tally.code[at];
    if (code === CODE.RUNNING || code === CODE.AGGREGATING) now.push(task);
    if (code === CODE.FAILED) failed.push(task);
    if (task.completed === null || hasChildren(tree, at)) continue;
    const ms = durationOf(view, task);
    if (ms !== null && ms > (leaves[SLOWEST_LINES - 1]?.ms ?? -1)) {
      leaves.push({ task, ms });
      leaves.sort((a, b) => b.ms - a.ms);
      leaves.length = Math.min(leaves.length, SLOWEST_LINES);
    }
  }
  now.sort((a, b) => (a.started ?? 0) - (b.started ?? 0));
  failed.sort((a, b) => (b.completed ?? b.updated ?? 0) - (a.completed ?? a.updated ?? 0));
  return { now, failed, slowest: leaves.map(({ task }) => task) };
}
