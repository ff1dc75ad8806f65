// One sentence under the header when there is something to say, and the page that stands in place of the graph when
// there are no tasks. Both say what is so, then what helps.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { epoch, timeOfDay } from "../format";
import { unreachable } from "../kernel";
import type { Action } from "../messages";
import type { View } from "../view";
import { Icon } from "./parts";

const ATTEMPTS = 10;

interface NoticeProps {
  kind: "accent" | "att" | "fail" | "plain";
  lead: string;
  children?: ComponentChildren;
  button?: ComponentChildren;
}

function Notice({ kind, lead, children, button }: NoticeProps) {
  return (
    <div class={`rw-notice rw-notice-${kind}`}>
      <span class="rw-notice-text">
        <b>{lead}</b> {children}
      </span>
      {button}
    </div>
  );
}

interface ActionButtonProps {
  view: View;
  action: Action;
  label: string;
  main?: boolean;
}

/** A button that asks the kernel; off while the question travels or the kernel is gone; says why it failed. */
function ActionButton({ view, action, label, main = false }: ActionButtonProps) {
  const [state, setState] = useState<"rest" | "asked" | { error: string }>("rest");
  const press = () => {
    setState("asked");
    void view.kernel.do(action).then((error) => setState(error === null ? "rest" : { error }));
  };
  return (
    <>
      {typeof state === "object" && <span class="rw-s-FAILED rw-inked rw-action-error">{state.error}</span>}
      <button
        type="button"
        class={main ? "rw-button rw-button-main" : "rw-button"}
        disabled={state === "asked" || !view.canAct}
        onClick={press}
      >
        {label}
      </button>
    </>
  );
}

function secondsTo(iso: string | null): number | null {
  const at = epoch(iso);
  return at === null ? null : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}

function nextTry(view: View): string {
  const { attempt, next_retry } = view.kernel.traits.connection;
  const seconds = secondsTo(next_retry);
  const parts = [
    attempt === null || attempt === 0 ? null : `attempt ${attempt} of ${ATTEMPTS}`,
    seconds === null ? null : seconds === 0 ? "trying now" : `next try in ${seconds} s`,
  ].filter((part) => part !== null);
  const text = parts.join(", ");
  return text === "" ? "" : `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}

export function Notices({ view }: { view: View }) {
  const { link, traits } = view.kernel;
  const { connection, progress } = traits;
  if (!link.alive) {
    return <Notice kind="att" lead="Kernel gone.">{`This is the state at ${timeOfDay(link.heard)}.`}</Notice>;
  }
  const hasTasks = view.run.tasks.size > 0;
  const notice = hasTasks || connection.state === "polling" ? connectionNotice(view) : null;
  return (
    <>
      {notice}
      {progress.outcome === "stalled" && (
        <Notice kind="att" lead="Stalled.">
          <span dir="auto">{progress.reason ?? "Nothing runs, and the run is not finished."}</span>
        </Notice>
      )}
    </>
  );
}

function connectionNotice(view: View) {
  const { connection } = view.kernel.traits;
  switch (connection.state) {
    case "polling":
      return (
        <Notice
          kind="accent"
          lead="Following over HTTP."
          button={<ActionButton view={view} action={{ action: "connect_anyway" }} label="Connect anyway" />}
        >
          <span dir="auto">{connection.reason ?? ""}</span>
        </Notice>
      );
    case "reconnecting":
      return (
        <Notice kind="att" lead="Reconnecting.">
          <span dir="auto">{connection.error ?? ""}</span> {nextTry(view)}
        </Notice>
      );
    case "failed":
      return (
        <Notice
          kind="fail"
          lead="The server does not answer."
          button={<ActionButton view={view} action={{ action: "retry" }} label="Retry now" />}
        >
          <span dir="auto">{connection.error ?? ""}</span>
        </Notice>
      );
    case "closed":
      return (
        <Notice kind="plain" lead="Disconnected.">
          {`This is the state at ${timeOfDay(view.kernel.link.heard)}. Run the cell again to connect.`}
        </Notice>
      );
    case "connecting":
    case "live":
    case "archive":
      return null;
    default:
      return unreachable(connection.state);
  }
}

/** In place of graph and panel while there are no tasks. */
export function NoTasks({ view }: { view: View }) {
  const { connection, address, project } = view.kernel.traits;
  const server = address ?? "the server";
  switch (connection.state) {
    case "connecting":
      return (
        <Page title={`Connecting to ${server}`}>
          <p class="rw-quiet">The run shows up here as soon as the server answers.</p>
        </Page>
      );
    case "live":
    case "polling":
      return project === null ? (
        <Page title="Connected. No run yet.">
          <p class="rw-quiet">A run started on this server shows up by itself.</p>
        </Page>
      ) : (
        <Page title="Connected. No tasks yet.">
          <p class="rw-quiet">The plan shows up here as soon as the server has one.</p>
        </Page>
      );
    case "reconnecting":
      return (
        <Page title={`No answer from ${server} yet`}>
          <Facts
            rows={[
              ["Came back", connection.error],
              ["Next try", nextTry(view) || null],
              ["What helps", "start ROMA's server, or check the address"],
            ]}
          />
          <div class="rw-page-actions">
            <ActionButton view={view} action={{ action: "retry" }} label="Retry now" main />
          </div>
        </Page>
      );
    case "failed":
      return (
        <Page title="The server does not answer" failed>
          <Facts
            rows={[
              ["Tried", <span class="rw-mono">{address ?? "—"}</span>],
              ["Came back", connection.error ?? "nothing"],
              [
                "Next try",
                secondsTo(connection.next_retry) === null
                  ? null
                  : `in ${secondsTo(connection.next_retry)} s, by itself`,
              ],
              ["What helps", "start ROMA's server, or check the address"],
            ]}
          />
          <div class="rw-page-actions">
            <ActionButton view={view} action={{ action: "retry" }} label="Retry now" main />
          </div>
        </Page>
      );
    case "closed":
      return (
        <Page title="Disconnected.">
          <p class="rw-quiet">No tasks had arrived. Run the cell again to connect.</p>
        </Page>
      );
    case "archive":
      return (
        <Page title="No tasks.">
          <p class="rw-quiet">This archive holds no tasks.</p>
        </Page>
      );
    default:
      return unreachable(connection.state);
  }
}

function Page({
  title,
  failed = false,
  children,
}: {
  title: string;
  failed?: boolean;
  children: ComponentChildren;
}) {
  return (
    <div class="rw-page">
      <h3 class="rw-page-title">
        {failed && (
          <span class="rw-s-FAILED rw-inked rw-page-mark">
            <Icon name="close" />
          </span>
        )}
        {title}
      </h3>
      {children}
    </div>
  );
}

function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="rw-facts">
      {rows
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd dir="auto">{value}</dd>
          </div>
        ))}
    </dl>
  );
}
