// What several tabs share: lists of tasks, whole texts that are asked for, what stands there while something is missing.

import type { ComponentChildren } from "preact";
import { UNKNOWN } from "../../format";
import type { Task, TaskDetail } from "../../messages";
import type { View } from "../../view";
import { LinkButton, pressable, Section, TaskLine } from "../parts";

const LINES = 8;

/** The title of a text that is not kept for each moment. */
export const asOfNow = (view: View, title: string): string =>
  view.isPast ? `${title}, as it is now` : title;

export function Tasks({ view, title, ids }: { view: View; title: string; ids: Iterable<string> }) {
  const tasks = [...ids].map((id) => view.task(id)).filter((task) => task !== undefined);
  if (tasks.length === 0) return null;
  return (
    <Section title={title} note={tasks.length > LINES ? `${LINES} of ${tasks.length}` : undefined}>
      {tasks.slice(0, LINES).map((task) => (
        <TaskLine key={task.id} view={view} task={task} />
      ))}
    </Section>
  );
}

interface WithDetailProps {
  view: View;
  task: Task;
  title: string;
  children: (detail: TaskDetail) => ComponentChildren;
}

/** The whole texts of a task; what stands there until they are here, where they cannot be had or say nothing. */
export function WithDetail({ view, task, title, children }: WithDetailProps) {
  const state = view.details.of(task);
  const shown = state.kind === "loaded" && children(state.detail);
  if (shown) return <>{shown}</>;
  const isOpen = (view.kernel.run.tasks.get(task.id) ?? task).completed === null;
  return (
    <Section title={asOfNow(view, title)}>
      {state.kind === "loading" && <div class="rw-loading">Asking the kernel…</div>}
      {state.kind === "failed" && (
        <Failed view={view} why={state.why} again={() => view.details.forget(task.id)} />
      )}
      {state.kind === "loaded" && (
        <p class="rw-quiet">
          {(title === "Result" && state.detail.left_out) || (isOpen ? "None yet." : UNKNOWN)}
        </p>
      )}
    </Section>
  );
}

export function Failed({ view, why, again }: { view: View; why: string; again: () => void }) {
  return (
    <p class="rw-quiet rw-detail-failed">
      {why}{" "}
      {view.traits.connection.state !== "archive" && (
        <LinkButton {...pressable(!view.canAct, again)}>Ask again</LinkButton>
      )}
    </p>
  );
}
