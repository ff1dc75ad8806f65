// One sentence under the header when there is something to say: what is so, then what helps.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isKnown } from "../fields";
import { epoch, plural, timeOfDay } from "../format";
import { unreachable } from "../kernel";
import type { Connection } from "../messages";
import { isEnded } from "../status";
import type { View } from "../view";
import { ActionButton, RetryNow } from "./action";
import { Foreign, IconButton, LinkButton } from "./parts";

export const NOT_READY = "The server is up and says it is not ready.";

const ATTEMPTS = 10;

/** Who is not ROMA's server, or lets us not in, has answered. */
export const whyFailed = ({ server }: Connection): string =>
  server === "not_ready"
    ? NOT_READY
    : server === "unreachable"
      ? "The server does not answer."
      : "Not connected.";

interface NoticeProps {
  kind: "accent" | "att" | "fail" | "plain";
  lead: string;
  children?: ComponentChildren;
  button?: ComponentChildren;
}

function Notice({ kind, lead, children, button }: NoticeProps) {
  const [all, setAll] = useState(false);
  const [isCut, setCut] = useState(false);
  const text = useRef<HTMLSpanElement>(null);
  // After the paint, when nothing has to be laid out for it.
  useEffect(() => {
    const { scrollHeight, clientHeight } = text.current as HTMLSpanElement;
    if (!all) setCut(scrollHeight > clientHeight + 1);
  });
  return (
    <div class={`rw-notice rw-notice-${kind}`}>
      <span class="rw-notice-text" data-all={all} tabIndex={all ? 0 : undefined} ref={text}>
        <b>{lead}</b> {children}
      </span>
      {isCut && (
        <LinkButton aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "less" : "more"}
        </LinkButton>
      )}
      {button}
    </div>
  );
}

export function secondsTo(iso: string | null): number | null {
  const at = epoch(iso);
  return at === null ? null : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}

export function nextTry(view: View): string {
  const { attempt, next_retry } = view.traits.connection;
  const seconds = secondsTo(next_retry);
  const parts = [
    attempt === null || attempt === 0 ? null : `attempt ${attempt} of ${ATTEMPTS}`,
    seconds === null ? null : seconds === 0 ? "trying now" : `next try in ${seconds} s`,
  ].filter(isKnown);
  const text = parts.join(", ");
  return text === "" ? "" : `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}

export function Notices({ view }: { view: View }) {
  const { link, traits } = view.kernel;
  const { connection, progress } = traits;
  if (!link.alive) {
    return (
      <Notice kind="att" lead="Kernel gone.">
        {lastState(view)}
      </Notice>
    );
  }
  const { questions } = view;
  const hasTasks = view.run.tasks.size > 0;
  const notice = hasTasks || connection.state === "polling" ? connectionNotice(view) : null;
  return (
    <>
      {notice}
      {questions.lost && (
        <Notice
          kind="fail"
          lead="An answer was lost."
          button={<IconButton icon="close" label="Dismiss" onClick={() => questions.dismissLost()} />}
        >
          <Foreign>{questions.lost}</Foreign>
        </Notice>
      )}
      {view.selection.refusal !== null && (
        <Notice kind="att" lead="Not selected.">
          <Foreign>{view.selection.refusal}</Foreign>
        </Notice>
      )}
      {progress.outcome === "stalled" && !view.isPast && (
        <Notice kind="att" lead="Stalled.">
          <Foreign>{progress.reason ?? "Nothing runs, and the run is not finished."}</Foreign>
        </Notice>
      )}
    </>
  );
}

function lastState(view: View): string {
  const { heard } = view.kernel.link;
  return heard === null ? "This is the state as it last was." : `This is the state at ${timeOfDay(heard)}.`;
}

function connectionNotice(view: View) {
  const { connection } = view.traits;
  const { relay } = connection;
  switch (connection.state) {
    case "polling":
      return <PollingNotice view={view} />;
    case "reconnecting":
      return (
        <Notice kind="att" lead="Reconnecting." button={<RetryNow view={view} />}>
          {connection.server === "not_ready" && `${NOT_READY} `}
          <Foreign>{connection.error ?? ""}</Foreign> {nextTry(view)}
        </Notice>
      );
    case "failed":
      return (
        <Notice kind="fail" lead={whyFailed(connection)} button={<RetryNow view={view} />}>
          <Foreign>{connection.error ?? ""}</Foreign>
        </Notice>
      );
    case "closed":
      return (
        <Notice kind="plain" lead="Disconnected.">
          {`${lastState(view)} Run the cell again to connect.`}
        </Notice>
      );
    case "archive":
      return connection.error === null ? null : (
        <Notice kind="plain" lead="Not all is here.">
          <Foreign>{connection.error}</Foreign>
        </Notice>
      );
    case "live":
      return relay?.state === "polling" ? (
        <PollingNotice view={view} />
      ) : relay?.state === "reconnecting" || relay?.state === "failed" ? (
        <Notice kind="att" lead="The relay does not hear the server." button={<RetryNow view={view} />}>
          <span dir="auto">{relay.said}</span>
        </Notice>
      ) : null;
    case "connecting":
      return null;
    default:
      return unreachable(connection.state);
  }
}

/** Followed over HTTP, by us or by the relay: why, what waits for an answer meanwhile, and the button that may freeze a run. */
function PollingNotice({ view }: { view: View }) {
  const { connection, progress } = view.traits;
  const questions = connection.questions ?? 0;
  const { relay, state } = connection;
  const reason = relay?.said ?? connection.reason;
  const isWithoutRelay = relay !== null && state === "polling";
  const button = isWithoutRelay ? (
    <RetryNow view={view} />
  ) : (
    <ActionButton
      view={view}
      action={{ action: "connect_anyway" }}
      label="Connect anyway"
      confirm={
        isEnded(progress.outcome) ? null : { question: "This may freeze the run for good.", label: "Connect" }
      }
    />
  );
  if (questions === 0) {
    return (
      <Notice
        kind="accent"
        lead={`${state === "live" ? "The relay follows" : "Following"} over HTTP.`}
        button={button}
      >
        <Foreign>{reason ?? ""}</Foreign>
      </Notice>
    );
  }
  const [wait, them] = questions === 1 ? ["waits", "it"] : ["wait", "them"];
  return (
    <Notice kind="att" lead={`${plural(questions, "question")} ${wait} on the server.`} button={button}>
      {isWithoutRelay
        ? reason
        : `Connecting shows ${them} and lets you answer, but may freeze the run on ROMA v1.`}
    </Notice>
  );
}
