// One question: what asks, what is asked and how long ago; unfolded also what is under review and how to answer.

import { waitedFor } from "../../clock";
import { elapsed, UNKNOWN } from "../../format";
import { unreachable } from "../../kernel";
import type { Question } from "../../messages";
import { type Entry, isWaiting } from "../../questions/questions";
import { LongText } from "../../text/long-text";
import { Markdown } from "../../text/markdown";
import type { View } from "../../view";
import { BlockHead, Button, Clamped, CopyButton, Grow, LinkButton, pressable, Quiet } from "../parts";
import { AnswerButtons, AnswerForm } from "./answer";
import { AllData, DataTree } from "./data";
import { PlanReview } from "./plan";

const FACT_LINES = 2;
const LABEL_CHARS = 300;
/** A longer message is a text that is scrolled, and no heading. */
const GOAL_CHARS = 300;
const QUEUED = "Queued: the kernel is busy.";

interface EntryProps {
  view: View;
  entry: Entry;
  /** Its place in Python's `m.hitl.pending`; null: it is not in there any more. */
  at: number | null;
  isUnfolded: boolean;
}

export function QuestionEntry({ view, entry, at, isUnfolded }: EntryProps) {
  const { prompt } = entry;
  const id = prompt.request_id;
  const words = sentenceOf(entry);
  const line = (entry.state !== "open" && words) || askedBy(entry);
  const asker = prompt.task_id ?? "no task";
  const waits = isWaiting(entry) && <span class="rw-q-waits">waits {elapsed(waitedFor(view, prompt))}</span>;
  return (
    <li
      class={isUnfolded ? "rw-q rw-q-open" : "rw-q"}
      data-request-id={id}
      data-state={entry.state}
      aria-busy={entry.isBusy}
      aria-label={`Question of ${asker}: ${line}`.slice(0, LABEL_CHARS)}
      tabIndex={-1}
    >
      {isUnfolded ? (
        <>
          <div class="rw-q-head">
            <Asker view={view} id={prompt.task_id} />
            <Grow />
            {waits}
          </div>
          <Unfolded view={view} entry={entry} at={at} words={words} />
        </>
      ) : (
        <>
          <Button
            class="rw-line rw-q-head"
            aria-expanded="false"
            title="Show this question"
            onClick={() => view.questions.open(id)}
          >
            <bdi class="rw-line-id">{asker}</bdi>
            <span class="rw-line-goal" dir="auto">
              {line}
            </span>
          </Button>
          <div class="rw-q-quick">
            <AnswerButtons view={view} entry={entry} />
            {waits}
          </div>
        </>
      )}
    </li>
  );
}

/** The task that asks: a click shows it in the graph. */
function Asker({ view, id }: { view: View; id: string | null }) {
  const task = id === null ? undefined : view.task(id);
  if (task === undefined) return <bdi class="rw-line-id">{id ?? "no task"}</bdi>;
  return (
    <>
      <Button
        class="rw-line-id rw-link"
        title={`${task.goal.slice(0, 300)}: show in the graph`}
        onClick={() => view.goTo(task.id)}
      >
        <bdi>{task.id}</bdi>
      </Button>
      {task.type !== null && <span class="rw-chip">{task.type}</span>}
    </>
  );
}

/** What is asked, in the server's own words. */
const askedBy = ({ prompt }: Entry): string =>
  prompt.message?.trim() || prompt.checkpoint || "No words came with it.";

function Unfolded({
  view,
  entry,
  at,
  words,
}: {
  view: View;
  entry: Entry;
  at: number | null;
  words: string | null;
}) {
  const { prompt } = entry;
  const code = `m.hitl.pending[${at}].approve()`;
  return (
    <div class="rw-q-body">
      <div class="rw-q-facts">
        <bdi class="rw-mono rw-quiet">{prompt.checkpoint ?? UNKNOWN}</bdi>
        {prompt.attempt !== null && <Quiet>attempt {prompt.attempt}</Quiet>}
      </div>
      <Message view={view} entry={entry} />
      <UnderReview view={view} entry={entry} />
      <AnswerForm view={view} entry={entry}>
        {words !== null && (
          <p class="rw-q-state" role="status" dir="auto">
            {entry.state === "queued" ? <Queued /> : words}
          </p>
        )}
        {entry.error !== null && (
          <p class="rw-error rw-s-FAILED rw-inked" role="alert" dir="auto">
            {entry.error}
          </p>
        )}
      </AnswerForm>
      {at !== null && isWaiting(entry) && (
        <div class="rw-inspector-foot">
          <code>{code}</code>
          <CopyButton text={code} label="Copy as code" />
        </div>
      )}
    </div>
  );
}

/** What is asked, all of it: whoever approves must be able to read its end. */
function Message({ view, entry }: { view: View; entry: Entry }) {
  const state = view.questions.question(entry.prompt.request_id);
  const words = (state.kind === "loaded" && state.question.message?.trim()) || askedBy(entry);
  return words.length > GOAL_CHARS ? (
    <div class="rw-q-message">
      <LongText text={words} mono={false} />
    </div>
  ) : (
    <p class="rw-task-goal rw-q-message" dir="auto">
      {words}
    </p>
  );
}

function Queued() {
  return (
    <>
      {QUEUED} The answer goes out when the cell ends or is interrupted. A cell that waits with{" "}
      <code>(await m.hitl.next_async()).approve()</code> or <code>m.hitl.next(prompt=True)</code> answers at
      once.
    </>
  );
}

const DONE = { approve: "approved", modify: "sent back with instructions", abort: "aborted" } as const;

/** How the answer stands, or why it is asked again; null while there is nothing to say. */
function sentenceOf({ state, action, why }: Entry): string | null {
  const done = action === null ? "answered" : DONE[action];
  const because = why === null ? "" : ` ${why}`;
  switch (state) {
    case "open":
      return why;
    case "queued":
      return QUEUED;
    case "held":
      return `Held.${because}`;
    case "waiting_link":
      // A relay keeps somebody else's answer: the kernel says whose.
      if (action === null && why !== null) return why;
      return `${capital(done)}: kept${because === "" ? ", no connection" : ""}.${because}`;
    case "sent":
      return `${capital(done)}: sent, and received by the server. Not confirmed yet.`;
    case "confirmed":
      return `${capital(done)}: confirmed by the server.`;
    case "superseded":
      return because.trim() || "Somebody else answered first.";
    case "lost":
      return action === null
        ? (why ?? "Nobody waits for an answer any more.")
        : `The answer was lost.${because}`;
    default:
      return unreachable(state);
  }
}

const capital = (words: string): string => `${words[0]?.toUpperCase()}${words.slice(1)}`;

function UnderReview({ view, entry }: { view: View; entry: Entry }) {
  const id = entry.prompt.request_id;
  const state = view.questions.question(id);
  switch (state.kind) {
    case "loading":
      return <p class="rw-section rw-quiet">Asking the kernel what is under review…</p>;
    case "failed":
      return (
        <p class="rw-section rw-quiet rw-detail-failed">
          {state.why}{" "}
          <LinkButton {...pressable(!view.canAct, () => view.questions.askAgain(id))}>Ask again</LinkButton>
        </p>
      );
    case "loaded":
      return (
        <>
          {state.question.previous_instructions !== null && (
            <div class="rw-section rw-quiet">
              <Clamped
                text={state.question.previous_instructions}
                lines={FACT_LINES}
                mono={false}
                copyLabel="Copy the instructions"
                title="Changed after these instructions:"
              />
            </div>
          )}
          <Review view={view} entry={entry} question={state.question} />
          {state.question.kind !== "data" && <About facts={state.question.about} />}
          {state.question.kind === "plan" && state.question.json !== null && (
            <AllData json={state.question.json} more={state.question.more} />
          )}
        </>
      );
    default:
      return unreachable(state);
  }
}

function Review({ view, entry, question }: { view: View; entry: Entry; question: Question }) {
  const { kind, plan, text, json } = question;
  switch (kind) {
    case "plan":
      return plan === null ? null : (
        <PlanReview
          plan={plan}
          before={question.previous_plan}
          isCut={question.cut}
          writing={view.questions.writing(entry.prompt.request_id)}
          canEdit={entry.canAnswer}
        />
      );
    case "text":
      return (
        <div class="rw-section">
          <BlockHead>
            <h4 class="rw-label">Text{question.cut && ", its beginning"}</h4>
            <Grow />
            <CopyButton text={text ?? ""} label="Copy the text" />
          </BlockHead>
          <Markdown text={text ?? ""} />
        </div>
      );
    case "data":
      return <DataTree json={json ?? ""} isCut={question.cut} />;
    case "none":
      return <p class="rw-section rw-quiet">Nothing came with it to look at.</p>;
    default:
      return unreachable(kind);
  }
}

function About({ facts }: { facts: Question["about"] }) {
  if (facts.length === 0) return null;
  return (
    <dl class="rw-section rw-kv">
      {facts.map(([name, value]) => (
        <div key={name} class="rw-kv-wide">
          <dt>{capital(name.replaceAll("_", " "))}</dt>
          <dd dir="auto">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
