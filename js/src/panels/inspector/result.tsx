// The whole result of a task, as Markdown, as a tree of its JSON, or plain.

import { useMemo } from "preact/hooks";
import { prettyJson, size } from "../../format";
import type { Task } from "../../messages";
import { LongText } from "../../text/long-text";
import { Markdown } from "../../text/markdown";
import type { Inspection } from "../../trace/inspection";
import type { View } from "../../view";
import { CopyButton } from "../parts";
import { JsonTree, parsed } from "../questions/data";
import { asOfNow, WithDetail } from "./shared";

export function ResultTab({ view, task }: { view: View; task: Task }) {
  return (
    <WithDetail view={view} task={task} title="Result">
      {({ result, result_kind }) =>
        result && <Result view={view} text={result} isJson={result_kind === "json"} />
      }
    </WithDetail>
  );
}

const WORDS = { markdown: "Markdown", tree: "Tree", plain: "Plain" } as const;

function Result({ view, text, isJson }: { view: View; text: string; isJson: boolean }) {
  const value = useMemo(() => (isJson || /^\s*[[{]/.test(text) ? parsed(text) : undefined), [text]);
  const kinds: (keyof typeof WORDS)[] = [value === undefined ? "markdown" : "tree", "plain"];
  const { resultAs } = view.inspection;
  const shown = resultAs !== null && kinds.includes(resultAs) ? resultAs : kinds[0];
  const choose = (kind: Inspection["resultAs"]) => {
    view.inspection.resultAs = kind;
    view.schedule();
  };
  const pretty = value === undefined ? text : prettyJson(text);
  return (
    <section class="rw-section rw-whole">
      <div class="rw-block-head">
        <h3 class="rw-label">{asOfNow(view, "Result")}</h3>
        <span class="rw-quiet">{size(new Blob([text]).size)}</span>
        <span class="rw-grow" />
        <div class="rw-kinds">
          {kinds.map((kind) => (
            <button type="button" key={kind} aria-pressed={kind === shown} onClick={() => choose(kind)}>
              {WORDS[kind]}
            </button>
          ))}
        </div>
        <CopyButton text={text} label="Copy the result" />
      </div>
      {shown === "markdown" && <Markdown text={text} />}
      {shown === "tree" && <JsonTree value={value} />}
      {shown === "plain" && <LongText text={pretty} />}
    </section>
  );
}
