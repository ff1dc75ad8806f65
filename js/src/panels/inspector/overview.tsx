// The overview of a task: its error first, then the beginning of its result and the tasks around it.

import type { Task } from "../../messages";
import { statusOf } from "../../status";
import type { View } from "../../view";
import { Clamped } from "../parts";
import { asOfNow, Tasks, WithDetail } from "./shared";

const ERROR_LINES = 6;
const RESULT_LINES = 8;

export function Overview({ view, task }: { view: View; task: Task }) {
  const state = view.detailOf(task);
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
      <Tasks view={view} title="Depends on" ids={task.depends_on} />
      <Tasks view={view} title="Sub-tasks" ids={view.childIds(task.id)} />
    </>
  );
}
