// The page that stands in place of the graph while there are no tasks: what is so, then what helps.

import type { ComponentChildren } from "preact";
import { unreachable } from "../kernel";
import type { View } from "../view";
import { ActionButton } from "./action";
import { NOT_READY, nextTry, secondsTo } from "./notices";
import { Icon } from "./parts";

/** In place of graph and panel while there are no tasks. */
export function NoTasks({ view }: { view: View }) {
  const { connection, address, project } = view.kernel.traits;
  const server = address ?? "the server";
  const notReady = connection.server === "not_ready";
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
        <Page title={notReady ? NOT_READY : `No answer from ${server} yet`}>
          <Facts
            rows={[
              ["Came back", connection.error],
              ["Next try", nextTry(view) || null],
              ["What helps", whatHelps(notReady)],
            ]}
          />
          <div class="rw-page-actions">
            <ActionButton view={view} action={{ action: "retry" }} label="Retry now" main />
          </div>
        </Page>
      );
    case "failed":
      return (
        <Page title={notReady ? NOT_READY : "The server does not answer"} failed>
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
              ["What helps", whatHelps(notReady)],
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
          <p class="rw-quiet">
            {view.run.rev !== null && "No tasks had arrived. "}Run the cell again to connect.
          </p>
        </Page>
      );
    case "archive":
      return (
        <Page title="No tasks.">
          <p class="rw-quiet">The saved run holds none.</p>
        </Page>
      );
    default:
      return unreachable(connection.state);
  }
}

const whatHelps = (notReady: boolean): string =>
  notReady ? "wait until it has started, or read its log" : "start ROMA's server, or check the address";

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
