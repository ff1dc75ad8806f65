// The record of a task as JSON: what the browser was told of it.

import { useMemo } from "preact/hooks";
import type { Task } from "../../messages";
import { LongText } from "../../text/long-text";
import type { View } from "../../view";
import { BlockHead, CopyButton, Grow } from "../parts";

export function RawTab({ view, task }: { view: View; task: Task }) {
  const state = view.details.of(task);
  const detail = state.kind === "loaded" && !view.isPast ? state.detail : null;
  const json = useMemo(() => {
    const { task: _, ...texts } = detail ?? { task: "" };
    return JSON.stringify({ ...task, ...texts }, null, 2);
  }, [task, detail]);
  const code = `${view.expression}.task(${JSON.stringify(task.id)}).raw`;
  return (
    <section class="rw-section rw-whole">
      <BlockHead>
        <code class="rw-quiet rw-code-line">{code}</code>
        <CopyButton text={code} label="Copy the Python expression of the server's own record" />
        <Grow />
        <CopyButton text={json} label="Copy the record" />
      </BlockHead>
      <LongText text={json} />
    </section>
  );
}
