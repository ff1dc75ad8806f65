// What a task received from which tasks, with the beginnings of their results, and what received its result.

import { useMemo } from "preact/hooks";
import { contextOf } from "../../graph/relations";
import type { Task } from "../../messages";
import type { View } from "../../view";
import { Clamped, CopyButton, Section, TaskLine } from "../parts";
import { asOfNow, Tasks, WithDetail } from "./shared";

const TEXT_LINES = 4;
const SOURCES = 20;

export function ContextTab({ view, task }: { view: View; task: Task }) {
  const { run } = view;
  const users = useMemo(() => contextOf(run, task.id)?.users ?? [], [run, task.id]);
  const sources = task.context.map((id) => view.task(id)).filter((source) => source !== undefined);
  const waitedFor = task.depends_on.filter((id) => !task.context.includes(id));
  return (
    <>
      <Section
        title="Received from"
        copy={
          <CopyButton
            text={`${view.expression}.context_of(${JSON.stringify(task.id)})`}
            label="Copy the Python expression of what it received"
          />
        }
        note={sources.length > SOURCES ? `${SOURCES} of ${sources.length}` : undefined}
      >
        {sources.length === 0 && <p class="rw-quiet">No other task, as far as the server says.</p>}
        {sources.slice(0, SOURCES).map((source) => (
          <div key={source.id}>
            <TaskLine view={view} task={source} />
            {source.summary !== null && (
              <p class="rw-line-summary" dir="auto">
                {source.summary}
              </p>
            )}
          </div>
        ))}
      </Section>
      <Tasks view={view} title="Waited for" ids={waitedFor} />
      <Tasks view={view} title="Used by" ids={users} />
      <WithDetail view={view} task={task} title="Input">
        {({ objective, input, goal }) => {
          const texts = [
            ["Objective", objective === goal ? null : objective],
            ["Input", input],
          ] as const;
          return (
            texts.some(([, text]) => text !== null) &&
            texts.map(
              ([title, text]) =>
                text !== null && (
                  <section class="rw-section" key={title}>
                    <Clamped
                      text={text}
                      lines={TEXT_LINES}
                      copyLabel={`Copy: ${title}`}
                      title={<h3 class="rw-label">{asOfNow(view, title)}</h3>}
                    />
                  </section>
                ),
            )
          );
        }}
      </WithDetail>
    </>
  );
}
