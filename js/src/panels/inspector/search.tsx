// The search through the texts of the open trace: n of m, next and previous. What it searches is fetched whole first,
// stage by stage, from what the kernel has.

import { useEffect } from "preact/hooks";
import { count } from "../../format";
import type { Task } from "../../messages";
import { MOST_MATCHES } from "../../text/search";
import type { Match } from "../../trace/finding";
import type { Stage } from "../../trace/read";
import type { View } from "../../view";
import { IconButton } from "../parts";

/** Longer traces are searched in what has been read of them. */
const MOST_CHARS = 20_000_000;

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
      let chars = 0;
      for (const stage of stages) {
        for (const size of stage.sizes.values()) chars += size;
        if (isOver || chars > MOST_CHARS) return;
        if (stage.sizes.size > 0) await view.traces.whole(task.id, stage).done;
      }
    };
    void read();
    return () => {
      isOver = true;
    };
  }, [isWanted, stages]);

  const show = (to: number) => {
    const match = matches[(to + matches.length) % matches.length];
    if (match === undefined) return;
    inspection.match = matches.indexOf(match);
    inspection.folded.delete(match.name);
    if (inspection.openStage(task.id) === match.stage.seq) view.schedule();
    else view.openStage(task.id, match.stage.seq);
  };
  const isShown = () => matches[inspection.match]?.stage.seq === inspection.openStage(task.id);
  const step = (by: number) => show(isShown() ? inspection.match + by : inspection.match);
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && isWanted) search("");
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const search = (text: string) => {
    inspection.wanted = text;
    inspection.match = 0;
    view.schedule();
  };
  const many = matches.length >= MOST_MATCHES ? `${count(MOST_MATCHES)}+` : count(matches.length);
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
            {matches.length === 0 ? "none" : `${isShown() ? `${inspection.match + 1} of ` : ""}${many}`}
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
