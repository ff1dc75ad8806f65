// The inspector of one task: where it stands, how it is, its error, its facts and links, its result. The texts are a
// model's: shown as text, clamped, never interpreted.

import type { ComponentChildren } from "preact";
import { duration, prettyJson, timeOfDay, UNKNOWN } from "../format";
import type { Task } from "../messages";
import { statusOf, wordOf } from "../status";
import type { View } from "../view";
import { Clamped, CopyButton, Glyph, IconButton, Section, TaskLine } from "./parts";

const ERROR_LINES = 6;
const RESULT_LINES = 12;
const TEXT_LINES = 3;
const LINKS = 8;

export function Inspector({ view, task }: { view: View; task: Task }) {
  const state = view.detailOf(task);
  const detail = state.kind === "loaded" ? state.detail : null;
  // The whole texts are those of now: what the record says of itself is the moment's.
  const then = view.isPast ? null : detail;
  const children = view.childIds(task.id);
  const error = then?.error ?? task.error;
  const status = statusOf(task.status);
  return (
    <section class="rw-inspector" aria-label="Task">
      <div class="rw-task-head">
        <div class="rw-crumbs-row">
          <Breadcrumb view={view} id={task.id} />
          <CopyButton
            text={`${view.expression}.task(${JSON.stringify(task.id)})`}
            label="Copy the task's Python expression"
          />
          <IconButton icon="close" label="Close" onClick={() => view.deselect()} />
        </div>
        <h3 class="rw-task-goal" dir="auto">
          {then?.goal ?? task.goal}
        </h3>
        <div class="rw-task-status">
          <Glyph status={status} />
          <b class={`rw-s-${status} rw-inked`}>{wordOf(task.status)}</b>
          {task.type !== null && <span class="rw-chip">{task.type}</span>}
          <span class="rw-quiet">{kindOf(task, children.length > 0)}</span>
          <span class="rw-grow" />
          <span class="rw-quiet">{duration(view.durationOf(task))}</span>
        </div>
      </div>
      <div class="rw-scroll" key={task.id}>
        {error !== null && (
          <div class="rw-error">
            <Clamped
              text={error}
              lines={ERROR_LINES}
              copyLabel="Copy the error"
              title={
                <b class="rw-s-FAILED rw-inked">{status === "FAILED" ? "Why it failed" : "Last error"}</b>
              }
            />
          </div>
        )}
        <Facts view={view} task={task} />
        <Links view={view} title="Depends on" ids={task.depends_on} />
        <Links view={view} title="Context from" ids={task.context} />
        <Links view={view} title="Sub-tasks" ids={children} />
        <Result view={view} task={task} />
        {detail?.objective != null && detail.objective !== detail.goal && (
          <TextSection title={asOfNow(view, "Objective")} text={detail.objective} />
        )}
        {detail?.input != null && <TextSection title={asOfNow(view, "Input")} text={detail.input} />}
      </div>
    </section>
  );
}

/** The title of a text that is not kept for each moment. */
const asOfNow = (view: View, title: string): string => (view.isPast ? `${title}, as it is now` : title);

function kindOf(task: Task, hasChildren: boolean): string {
  if (task.node === "PLAN" || hasChildren) return "plan";
  return task.node === "EXECUTE" ? "leaf" : "";
}

/** About what fits into the inspector's width. */
const CRUMB_CHARS = 38;

/** The way down, its middle left out (null) where it is too long for one line. */
function shorten(path: readonly string[]): (string | null)[] {
  const chars = path.reduce((sum, id) => sum + id.length + 3, 0);
  return chars <= CRUMB_CHARS || path.length < 4 ? [...path] : [path[0] as string, null, ...path.slice(-2)];
}

function Breadcrumb({ view, id }: { view: View; id: string }) {
  const shown = shorten(view.pathTo(id));
  return (
    <nav class="rw-crumbs" aria-label="Where the task stands">
      {shown.map((crumb, i) => (
        <span key={crumb ?? "…"} class="rw-crumb">
          {i > 0 && <span class="rw-crumb-sep">›</span>}
          {crumb === null ? (
            "…"
          ) : crumb === id ? (
            <bdi class="rw-crumb-here" title={crumb.slice(0, 300)}>
              {crumb}
            </bdi>
          ) : (
            <button type="button" title={crumb.slice(0, 300)} onClick={() => view.goTo(crumb)}>
              <bdi>{crumb}</bdi>
            </button>
          )}
        </span>
      ))}
    </nav>
  );
}

function Facts({ view, task }: { view: View; task: Task }) {
  const wide: [string, string][] = [
    ["Agent", task.agent ?? UNKNOWN],
    ["Model", task.model ?? UNKNOWN],
  ];
  const narrow: [string, string][] = [
    ["Created", timeOfDay(task.created, true)],
    ["Duration", duration(view.durationOf(task))],
    ["Started", timeOfDay(task.started, true)],
    ["Layer", task.layer === null ? UNKNOWN : String(task.layer)],
    ["Ended", timeOfDay(task.completed, true)],
  ];
  const fact = ([name, value]: [string, ComponentChildren], className: string) => (
    <div key={name} class={className}>
      <dt>{name}</dt>
      <dd dir="auto">{value}</dd>
    </div>
  );
  return (
    <dl class="rw-section rw-kv">
      {wide.map((row) => fact(row, "rw-kv-wide"))}
      {narrow.map((row) => fact(row, ""))}
    </dl>
  );
}

function Links({ view, title, ids }: { view: View; title: string; ids: readonly string[] }) {
  const tasks = ids.map((id) => view.task(id)).filter((task) => task !== undefined);
  if (tasks.length === 0) return null;
  return (
    <Section title={title} note={tasks.length > LINKS ? `${LINKS} of ${tasks.length}` : undefined}>
      {tasks.slice(0, LINKS).map((task) => (
        <TaskLine key={task.id} view={view} task={task} />
      ))}
    </Section>
  );
}

function TextSection({ title, text }: { title: string; text: string }) {
  return (
    <section class="rw-section">
      <Clamped
        text={text}
        lines={TEXT_LINES}
        copyLabel={`Copy: ${title}`}
        title={<h3 class="rw-label">{title}</h3>}
      />
    </section>
  );
}

function Result({ view, task }: { view: View; task: Task }) {
  const state = view.detailOf(task);
  const title = asOfNow(view, "Result");
  const isOpen = (view.kernel.run.tasks.get(task.id) ?? task).completed === null;
  switch (state.kind) {
    case "loading":
      return (
        <Section title={title}>
          <div class="rw-loading">Asking the kernel…</div>
        </Section>
      );
    case "failed":
      return (
        <Section title={title}>
          <p class="rw-quiet rw-detail-failed">
            {state.why}{" "}
            <button
              type="button"
              class="rw-link"
              disabled={!view.canAct}
              onClick={() => view.forgetDetail(task.id)}
            >
              Ask again
            </button>
          </p>
        </Section>
      );
    case "loaded": {
      const { result, result_kind } = state.detail;
      if (result === null || result === "") {
        return (
          <Section title={title}>
            <p class="rw-quiet">{isOpen ? "None yet." : UNKNOWN}</p>
          </Section>
        );
      }
      const isJson = result_kind === "json";
      return (
        <section class="rw-section">
          <Clamped
            text={isJson ? prettyJson(result) : result}
            lines={RESULT_LINES}
            mono={isJson}
            copyLabel="Copy the result"
            title={<h3 class="rw-label">{title}</h3>}
          />
        </section>
      );
    }
  }
}
