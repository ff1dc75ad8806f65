// The page that stands in place of the graph while there are no tasks: what is so, then what helps.

import type { ComponentChildren } from "preact";
import { unreachable } from "../kernel";
import type { Connection } from "../messages";
import type { View } from "../view";
import { RetryNow } from "./action";
import { NOT_READY, nextTry, secondsTo, whyFailed } from "./notices";
import { Icon } from "./parts";

/** In place of graph and panel while there are no tasks. */
export function NoTasks({ view }: { view: View }) {
  const { connection, address, project } = view.traits;
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
        <Page title={connection.server === "not_ready" ? NOT_READY : `No answer from ${server} yet`}>
          <Facts
            rows={[
              ["Came back", connection.error],
              ["Next try", nextTry(view) || null],
              ["What helps", whatHelps(connection)],
            ]}
          />
          <div class="rw-page-actions">
            <RetryNow view={view} main />
          </div>
        </Page>
      );
    case "failed":
      return (
        <Page title={whyFailed(connection)} failed>
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
              ["What helps", whatHelps(connection)],
            ]}
          />
          <div class="rw-page-actions">
            <RetryNow view={view} main />
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

const whatHelps = ({ server }: Connection): string =>
  server === "not_ready"
    ? "wait until it has started, or read its log"
    : server === "unreachable"
      ? "start ROMA's server, or check the address"
      : "check the address and the token";

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
