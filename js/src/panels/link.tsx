// The state of the connection at the left of the header, and under it, when opened, how good the line is: asked of the
// kernel at once and every two seconds while it is open, and never while it is closed.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { count, duration, size, trip, UNKNOWN } from "../format";
import { seen, unreachable } from "../kernel";
import type { Connection, LinkQuality } from "../messages";
import type { View } from "../view";
import { NOT_READY } from "./notices";
import { Button, Grow, Quiet } from "./parts";
import { Popover } from "./popover";
import { Sparkline } from "./spark";

export const ASK_EVERY_MS = 2_000;

function stateWord(connection: Connection): string {
  const state = seen(connection);
  if (state !== connection.state) return `Relay · ${stateWord({ ...connection, state, attempt: null })}`;
  switch (state) {
    case "live":
      return "Live";
    case "polling":
      return "HTTP";
    case "connecting":
      return "Connecting";
    case "reconnecting":
      return connection.attempt === null ? "Reconnecting" : `Reconnecting, try ${connection.attempt}`;
    case "failed":
      return connection.server === "not_ready" ? "Not ready" : "Not reachable";
    case "closed":
      return "Closed";
    case "archive":
      return "Saved run";
    default:
      return unreachable(state);
  }
}

export function LinkState({ view }: { view: View }) {
  const { traits, link } = view.kernel;
  const { connection } = traits;
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const word = link.alive ? stateWord(connection) : "No kernel";
  const roundTrip =
    link.alive &&
    link.round_trip_ms !== null &&
    (connection.state === "live" || connection.state === "polling")
      ? `${Math.round(link.round_trip_ms)} ms`
      : null;
  if (connection.state === "archive") {
    // The file's name stands in the header only where there is room for it.
    const said = [view.traits.address, connection.reason].filter(Boolean).join(". ");
    return (
      <div class="rw-state-box">
        <span class="rw-state" title={said.slice(0, 600)}>
          <span class="rw-dot rw-dot-archive" aria-hidden />
          <span class="rw-state-word">{word}</span>
        </span>
      </div>
    );
  }
  return (
    <div class="rw-state-box">
      <Button
        class="rw-state"
        ref={button}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        title={connection.relay?.via ?? `${word}: show the connection`}
        onClick={() => setOpen(!isOpen)}
      >
        <span class={`rw-dot rw-dot-${link.alive ? seen(connection) : "gone"}`} aria-hidden />
        <span class="rw-state-word">{word}</span>
        {roundTrip !== null && <span class="rw-quiet rw-trip">{roundTrip}</span>}
      </Button>
      {isOpen && (
        <Popover label="Connection" kind="link" anchor={button} onClose={() => setOpen(false)}>
          <LinkPanel view={view} word={word} />
        </Popover>
      )}
    </div>
  );
}

interface Heard {
  /** The last answer, kept while a later one is missing. */
  readonly quality: LinkQuality | null;
  readonly error: string | null;
}

/** What `ask link` last brought. The next question waits for the answer to this one. */
function useLinkQuality(view: View): Heard {
  const [heard, setHeard] = useState<Heard>({ quality: null, error: null });
  useLayoutEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      const began = performance.now();
      const answer = await view.kernel.askLink().catch((error: Error) => error);
      if (isOver) return;
      setHeard((before) =>
        answer instanceof Error
          ? { quality: before.quality, error: answer.message }
          : { quality: answer, error: null },
      );
      timer = setTimeout(ask, Math.max(0, ASK_EVERY_MS - (performance.now() - began)));
    };
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [view]);
  return heard;
}

function LinkPanel({ view, word }: { view: View; word: string }) {
  const { connection } = view.traits;
  const { quality, error } = useLinkQuality(view);
  const counted = (n: number | null | undefined) => count(n ?? null);
  const perSecond = (n: number | null | undefined) => (n == null ? UNKNOWN : `${rate(n)}/s`);
  const bytes = (n: number | null | undefined) => (n == null ? UNKNOWN : size(Math.round(n)));
  const each = (n: number | null | undefined) => (n == null ? UNKNOWN : `${bytes(n)}/s`);
  const age_s = quality?.age_s ?? null;
  const { via, said } = connection.relay ?? {};
  return (
    <>
      <div class="rw-link-head">
        <span class={`rw-dot rw-dot-${seen(connection)}`} aria-hidden />
        <b>{word}</b>
        <span class="rw-quiet rw-link-transport">
          {connection.state === "polling" ? "no socket" : (connection.transport ?? UNKNOWN)}
        </span>
        <Grow />
        <span class={connection.server === "ready" ? "rw-quiet" : "rw-link-server"}>
          {serverWord(connection)}
        </span>
      </div>
      <Sparkline history={quality?.history ?? []} />
      <dl class="rw-link-facts" aria-busy={quality === null && error === null}>
        <Fact name="Round trip" value={trip(quality?.round_trip_s ?? null)} />
        <Fact name="Jitter" value={trip(quality?.jitter_s ?? null)} />
        <Fact name="Frames" value={perSecond(quality?.frames_per_s)} more={counted(quality?.frames)} />
        <Fact name="Received" value={each(quality?.bytes_per_s)} more={bytes(quality?.bytes_received)} />
        <Fact name="Skipped frames" value={counted(quality?.skipped_frames)} />
        <Fact name="Lost deltas" value={counted(quality?.lost_deltas)} />
        <Fact name="Missed pings" value={counted(quality?.missed_pings)} />
        <Fact name="Reconnects" value={counted(quality?.reconnects ?? connection.reconnects)} />
        <Fact name="Shown state is" value={age_s === null ? UNKNOWN : `${duration(age_s * 1000)} old`} />
        <Fact name="Updates" value={updates(quality?.extension ?? null)} />
        {(quality?.unasked_replies ?? 0) > 0 && (
          <Fact name="Unasked replies" value={counted(quality?.unasked_replies)} />
        )}
      </dl>
      <dl class="rw-link-words">
        {connection.reason !== null && (
          <div>
            <dt>{connection.state === "polling" ? "Why HTTP" : "Note"}</dt>
            <dd dir="auto">{connection.reason}</dd>
          </div>
        )}
        {(via ?? said) && (
          <div>
            <dt>Relay</dt>
            <dd dir="auto">
              {via} {said}
            </dd>
          </div>
        )}
        <div>
          <dt>Last error</dt>
          <dd dir="auto">{lastError(connection)}</dd>
        </div>
      </dl>
      {error !== null && (
        <p class="rw-popover-error" role="status" dir="auto">
          {error}
        </p>
      )}
    </>
  );
}

function Fact({ name, value, more }: { name: string; value: string; more?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value}
        {more !== undefined && more !== UNKNOWN && <Quiet>{` · ${more}`}</Quiet>}
      </dd>
    </div>
  );
}

const rate = (n: number): string => (n < 9.95 ? n.toFixed(1) : count(n));
/** With our extension of the protocol a server sends what changed, without it everything each time. */
const updates = (extension: boolean | null): string =>
  extension === null ? UNKNOWN : extension ? "changes only" : "everything";

function lastError({ error, server }: Connection): string {
  return error ?? (server === "not_ready" ? NOT_READY : UNKNOWN);
}

function serverWord({ server }: Connection): string {
  switch (server) {
    case "ready":
      return "server ready";
    case "not_ready":
      return "server not ready";
    case "unreachable":
      return "server unreachable";
    case null:
      return `server ${UNKNOWN}`;
    default:
      return unreachable(server);
  }
}
