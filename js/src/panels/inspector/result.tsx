// The whole result of a task, as Markdown, as a tree of its JSON, or plain.

import { useMemo } from "preact/hooks";
import { prettyJson, size } from "../../format";
import type { Task } from "../../messages";
import { LongText } from "../../text/long-text";
import { Markdown } from "../../text/markdown";
import type { Inspection } from "../../trace/inspection";
import type { View } from "../../view";
import { BlockHead, Button, CopyButton, Grow, Quiet } from "../parts";
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
  const plain = useMemo(
    () => (shown === "plain" && value !== undefined ? prettyJson(text) : text),
    [shown, value, text],
  );
  return (
    <section class="rw-section rw-whole">
      <BlockHead>
        <h3 class="rw-label">{asOfNow(view, "Result")}</h3>
        <Quiet>{size(new Blob([text]).size)}</Quiet>
        <Grow />
        <div class="rw-kinds">
          {kinds.map((kind) => (
            <Button key={kind} aria-pressed={kind === shown} onClick={() => choose(kind)}>
              {WORDS[kind]}
            </Button>
          ))}
        </div>
        <CopyButton text={text} label="Copy the result" />
      </BlockHead>
      {shown === "markdown" && <Markdown text={text} />}
      {shown === "tree" && <JsonTree value={value} />}
      {shown === "plain" && <LongText text={plain} />}
    </section>
  );
}
