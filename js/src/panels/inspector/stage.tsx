// The open stage: which attempt it was and what it cost, who worked with what, and its texts as blocks.

import { useMemo, useState } from "preact/hooks";
import { characters, count, duration, timeOfDay, UNKNOWN } from "../../format";
import { addTo } from "../../maps";
import type { Task } from "../../messages";
import { LongText } from "../../text/long-text";
import type { Match } from "../../trace/finding";
import { type Stage, TEXTS, type TextName } from "../../trace/read";
import type { Row } from "../../trace/waterfall";
import type { View } from "../../view";
import { BlockHead, Button, CLAMP_CHARS, CopyButton, Grow, Icon, LinkButton, Quiet } from "../parts";
import { Failed } from "./shared";

const CLAMP_LINES = 3;
const NOWHERE: readonly number[] = [];

interface OpenStageProps {
  view: View;
  task: Task;
  row: Row;
  /** Of what is searched for, in all stages. */
  matches: readonly Match[];
  current: Match | null;
}

export function OpenStage({ view, task, row, matches, current }: OpenStageProps) {
  const { stage } = row;
  const places = useMemo(() => placesIn(stage, matches), [stage, matches]);
  const code = `m.trace(${JSON.stringify(task.id)}).stages[${stage.seq}]`;
  const facts = [
    ["Status", statusWords(row)],
    ["Agent", stage.agent],
    ["Adapter", stage.adapter],
    ["Model", stage.model],
    ["Started", timeOfDay(stage.started, true)],
    ["Cost", stage.cost_usd === null ? null : `$${Number(stage.cost_usd.toPrecision(3))}`],
  ].filter(([, value]) => value !== null);
  const texts = TEXTS.filter(([name]) => view.traces.text(stage, name) !== null);
  return (
    <section aria-label={row.name}>
      <div class="rw-stage-head">
        <b>{stage.stage}</b>
        <Quiet>
          attempt {stage.attempt} of {row.attempts}
        </Quiet>
        <Grow />
        {(stage.prompt_tokens ?? stage.completion_tokens) !== null && (
          <Quiet>
            tokens in {count(stage.prompt_tokens)} · out {count(stage.completion_tokens)}
          </Quiet>
        )}
        <span>{duration(row.duration_ms)}</span>
      </div>
      {texts.length === 0 && <p class="rw-trace-note rw-quiet">The server keeps no texts of this stage.</p>}
      {texts.map(([name, title]) => (
        <Block
          key={name}
          view={view}
          task={task}
          row={row}
          name={name}
          title={title}
          places={places.get(name) ?? NOWHERE}
          current={current?.stage === stage && current.name === name ? current.at : null}
        />
      ))}
      <section class="rw-section rw-block">
        <BlockHead>
          <h4 class="rw-block-name">
            <i class="rw-icon" />
            <b>Parameters</b>
          </h4>
          <Grow />
          <CopyButton text={code} label="Copy the stage's Python expression" />
        </BlockHead>
        <dl class="rw-kv">
          {facts.map(([name, value]) => (
            <div key={name} class="rw-kv-wide">
              <dt>{name}</dt>
              <dd dir="auto">{value}</dd>
            </div>
          ))}
        </dl>
      </section>
    </section>
  );
}

function placesIn(stage: Stage, matches: readonly Match[]): ReadonlyMap<TextName, readonly number[]> {
  const places = new Map<TextName, number[]>();
  for (const match of matches) {
    if (match.stage !== stage) continue;
    addTo(places, match.name, match.at);
  }
  return places;
}

const statusWords = ({ state, stage }: Row): string =>
  state === "unknown" && stage.status === "running"
    ? "running, says the server, though the task is over"
    : stage.status || UNKNOWN;

interface BlockProps {
  view: View;
  task: Task;
  row: Row;
  name: TextName;
  title: string;
  places: readonly number[];
  current: number | null;
}

function Block({ view, task, row, name, title, places, current }: BlockProps) {
  const { inspection, traces } = view;
  const { stage } = row;
  const text = traces.text(stage, name) ?? "";
  const whole = traces.wholeIfAsked(stage);
  const chars = stage.sizes.get(name) ?? text.length;
  const isCut = stage.sizes.has(name) && whole?.texts == null;
  const isFolded = inspection.folded.has(name);
  const isLong = isCut || text.length > CLAMP_CHARS || text.split("\n", CLAMP_LINES + 1).length > CLAMP_LINES;
  const isWhole = inspection.isWhole(task.id, stage, name);
  const [isCopying, setCopying] = useState(false);
  const fold = () => {
    if (!inspection.folded.delete(name)) inspection.folded.add(name);
    view.schedule();
  };
  const showWhole = () => {
    if (!isWhole && isCut) traces.whole(task.id, stage);
    inspection.showWhole(task.id, stage, name, !isWhole);
    view.schedule();
  };
  const wholeText = async () => {
    setCopying(true);
    await traces.whole(task.id, stage).done;
    setCopying(false);
    return traces.wholeIfAsked(stage)?.texts?.get(name) ?? text;
  };
  return (
    <section class="rw-section rw-block" data-error={name === "error"}>
      <BlockHead>
        <Button class="rw-block-name" aria-expanded={!isFolded} onClick={fold}>
          <Icon name={isFolded ? "closed" : "open"} />
          <b>{title}</b>
          <Quiet>
            {name === "tool_calls" && stage.n_tool_calls !== null
              ? `${count(stage.n_tool_calls)} · ${characters(chars)}`
              : characters(chars)}
          </Quiet>
        </Button>
        <Grow />
        {!isFolded && (isLong || isWhole) && (
          <LinkButton onClick={showWhole}>
            {isWhole ? "show less" : `show all ${characters(chars)}`}
          </LinkButton>
        )}
        <CopyButton text={wholeText} label={isCopying ? "Fetching the text…" : `Copy: ${title}`} />
      </BlockHead>
      {!isFolded &&
        (isWhole || places.length > 0 ? (
          <LongText text={text} places={places} chars={inspection.wanted.length} current={current} />
        ) : (
          <pre class="rw-text rw-mono-text" dir="auto" style={{ WebkitLineClamp: CLAMP_LINES }}>
            {text.slice(0, CLAMP_CHARS)}
          </pre>
        ))}
      {!isFolded && isWhole && <WholeNote view={view} row={row} task={task} isCut={isCut} />}
    </section>
  );
}

/** Why a text that is shown whole is not all there is. */
function WholeNote({ view, row, task, isCut }: { view: View; row: Row; task: Task; isCut: boolean }) {
  const whole = view.traces.wholeIfAsked(row.stage);
  if (whole?.error != null) {
    const again = () => {
      view.traces.whole(task.id, row.stage);
      view.schedule();
    };
    return <Failed view={view} why={whole.error} again={again} />;
  }
  if (isCut) return <p class="rw-quiet">Asking for the rest…</p>;
  return whole?.isCut ? <p class="rw-quiet">Texts of this stage are cut at 2 million characters.</p> : null;
}
