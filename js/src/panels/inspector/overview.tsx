// The overview of a task: its error first, then what people wrote beside it, the beginning of its result, what it went
// through and the tasks around it.

import { now } from "../../clock";
import { timeOfDay } from "../../format";
import type { StatusChange, Task } from "../../messages";
import { childIds } from "../../state";
import { statusOf, wordOf } from "../../status";
import { historyOf } from "../../time/history";
import type { View } from "../../view";
import { NoteText } from "../notes";
import { Clamped, Glyph, Section } from "../parts";
import { asOfNow, Tasks, WithDetail } from "./shared";

const ERROR_LINES = 6;
const RESULT_LINES = 8;
const NOTES = 5;
const STEPS = 12;

export function Overview({ view, task }: { view: View; task: Task }) {
  const state = view.details.of(task);
  const then = !view.isPast && state.kind === "loaded" ? state.detail : null;
  const error = then?.error ?? task.error;
  return (
    <>
      {error !== null && (
        <div class="rw-error">
          <Clamped
            text={error}
            lines={ERROR_LINES}
            copyLabel="Copy the error"
            title={
              <b class="rw-s-FAILED rw-inked">
                {statusOf(task.status) === "FAILED" ? "Why it failed" : "Last error"}
              </b>
            }
          />
        </div>
      )}
      <NotesOf view={view} task={task} />
      <WithDetail view={view} task={task} title="Result">
        {({ result }) =>
          result && (
            <section class="rw-section">
              <Clamped
                text={result}
                lines={RESULT_LINES}
                mono={false}
                copyLabel="Copy the result"
                title={<h3 class="rw-label">{asOfNow(view, "Result")}</h3>}
              />
            </section>
          )
        }
      </WithDetail>
      <History view={view} task={task} changes={state.kind === "loaded" ? state.detail.history : []} />
      <Tasks view={view} title="Depends on" ids={task.depends_on} />
      <Tasks view={view} title="Sub-tasks" ids={childIds(view.run.tree, task.id)} />
    </>
  );
}

function NotesOf({ view, task }: { view: View; task: Task }) {
  const notes = view.traits.notes.newest.filter((note) => note.task === task.id);
  if (notes.length === 0) return null;
  return (
    <Section title="Notes" note={notes.length > NOTES ? `${NOTES} of ${notes.length}` : undefined}>
      {notes.slice(-NOTES).map((note, i) => (
        <NoteText key={i} note={note} />
      ))}
    </Section>
  );
}

function History({ view, task, changes }: { view: View; task: Task; changes: readonly StatusChange[] }) {
  const steps = historyOf(task, changes, view.isPast ? now(view) : null);
  if (steps.length === 0) return null;
  return (
    <Section title="History" note={steps.length > STEPS ? `${STEPS} of ${steps.length}` : undefined}>
      <ul class="rw-steps">
        {steps.slice(-STEPS).map(({ time, word, isStamp }, i) => (
          <li key={i}>
            <span class="rw-quiet" title={time === null ? "It was so when this was first seen." : undefined}>
              {timeOfDay(time, true)}
            </span>
            {isStamp ? <i /> : <Glyph status={statusOf(word)} />}
            <span dir="auto">{isStamp ? word : wordOf(word)}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
