// The search through the texts of the open trace: n of m, next and previous. What it searches is fetched whole first,
// stage by stage, from what the kernel has.

import { useEffect } from "preact/hooks";
import { count, plural } from "../../format";
import { takeKey } from "../../keyboard";
import type { Task } from "../../messages";
import { MOST_MATCHES } from "../../text/search";
import { type Match, progressOf, searched } from "../../trace/finding";
import type { Stage } from "../../trace/read";
import type { View } from "../../view";
import { IconButton } from "../parts";
import { Failed } from "./shared";

interface TraceSearchProps {
  view: View;
  task: Task;
  stages: readonly Stage[];
  matches: readonly Match[];
}

export function TraceSearch({ view, task, stages, matches }: TraceSearchProps) {
  const { inspection } = view;
  const { wanted } = inspection;
  const isWanted = wanted !== "";
  useEffect(() => {
    if (!isWanted) return;
    let isOver = false;
    const read = async () => {
      for (const stage of searched(stages)) {
        if (isOver) return;
        await view.traces.whole(task.id, stage).done;
      }
    };
    void read();
    return () => {
      isOver = true;
    };
  }, [isWanted, stages]);

  const at = inspection.matchAt(task.id, matches);
  const isShown = at >= 0 && matches[at]?.stage.seq === inspection.openStage(task.id);
  const step = (by: 1 | -1) => {
    const to = isShown ? at + by : at >= 0 ? at : by === 1 ? 0 : -1;
    const match = matches.at(to % matches.length);
    if (match === undefined) return;
    const { stage, name } = match;
    inspection.match = { task: task.id, seq: stage.seq, name, at: match.at };
    inspection.folded.delete(name);
    if (inspection.openStage(task.id) === stage.seq) view.schedule();
    else view.openStage(task.id, stage.seq);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") search("");
    else return;
    takeKey(event);
  };
  const search = (text: string) => {
    inspection.wanted = text;
    inspection.match = null;
    view.schedule();
  };
  const { failed, waits, isCut } = progressOf(stages, (stage) => view.traces.wholeIfAsked(stage));
  const many = matches.length >= MOST_MATCHES ? `${count(MOST_MATCHES)}+` : count(matches.length);
  const soFar = waits > 0 || failed > 0 || isCut ? " so far" : "";
  const found = matches.length === 0 ? "none" : `${isShown ? `${at + 1} of ` : ""}${many}`;
  const said = matches.length === 0 && waits > 0 ? "searching…" : `${found}${soFar}`;
  return (
    <>
      <input
        type="search"
        class="rw-search"
        placeholder="Search the texts"
        aria-label="Search the texts of the trace"
        maxLength={200}
        value={wanted}
        onInput={(event) => search(event.currentTarget.value)}
        onKeyDown={onKey}
      />
      {isWanted && (
        <>
          <span class="rw-quiet" role="status">
            {said}
          </span>
          <IconButton
            icon="up"
            label="Previous match"
            isOff={matches.length === 0}
            onClick={() => step(-1)}
          />
          <IconButton icon="open" label="Next match" isOff={matches.length === 0} onClick={() => step(1)} />
        </>
      )}
    </>
  );
}

/** Why a search that has ended has not seen everything. */
export function SearchNote({ view, task, stages }: Omit<TraceSearchProps, "matches">) {
  const { failed, waits, isCut } = progressOf(stages, (stage) => view.traces.wholeIfAsked(stage));
  if (view.inspection.wanted === "" || waits > 0 || (failed === 0 && !isCut)) return null;
  const again = () => {
    for (const stage of searched(stages)) view.traces.whole(task.id, stage);
    view.schedule();
  };
  return (
    <div class="rw-trace-note rw-quiet">
      {isCut && "Only the first 20 million characters are searched."}
      {failed > 0 && (
        <Failed
          view={view}
          why={`The texts of ${plural(failed, "stage")} could not be read.`}
          again={again}
        />
      )}
    </div>
  );
}
