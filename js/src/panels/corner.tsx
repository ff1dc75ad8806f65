// The panel in the graph's corner: a legend of what is drawn, the minimap, the zoom row. It follows the card grid and
// never covers a card after "fit".

import { useLayoutEffect, useRef } from "preact/hooks";
import { type Graph, LEGEND_FROM_HEIGHT } from "../graph/graph";
import { isStill } from "../kernel";
import { STATUSES, type Status, wordOfCode } from "../status";
import type { View } from "../view";
import { Glyph, Icon } from "./parts";

const LEGEND_ORDER: readonly Status[] = [
  "DONE",
  "FAILED",
  "RUNNING",
  "AGGREGATING",
  "PLAN_DONE",
  "NEEDS_REPLAN",
  "READY",
  "PENDING",
  "CANCELLED",
  "UNKNOWN",
];

export function Corner({ view }: { view: View }) {
  const { graph } = view;
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const map = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    graph?.useMinimap(canvas.current, frame.current);
    view.schedule();
    return () => graph?.useMinimap(null, null);
  }, [graph, view]);
  if (graph === null) return null;

  const go = (event: PointerEvent) => {
    if (event.buttons !== 1 || map.current === null) return;
    map.current.setPointerCapture(event.pointerId);
    const box = map.current.getBoundingClientRect();
    graph.goToMap(event.clientX - box.left, event.clientY - box.top);
  };
  const tall = graph.height >= LEGEND_FROM_HEIGHT;
  return (
    <div class="rw-corner">
      {graph.level !== "blocks" && tall && <Legend view={view} graph={graph} />}
      <div class="rw-map" ref={map} aria-hidden="true" onPointerDown={go} onPointerMove={go}>
        <canvas ref={canvas} />
        <div class="rw-map-window" ref={frame} />
      </div>
      <div class="rw-zoom-row">
        <button type="button" aria-label="Zoom out" title="Zoom out" onClick={() => graph.zoomBy(0.8)}>
          <Icon name="minus" />
        </button>
        <button
          type="button"
          class="rw-zoom"
          aria-label={`${percent(graph.camera.zoom)}, zoom to 100 %`}
          title="Zoom to 100 %"
          onClick={() => graph.zoomBy(1 / graph.camera.zoom)}
        >
          {percent(graph.camera.zoom)}
        </button>
        <button type="button" aria-label="Zoom in" title="Zoom in" onClick={() => graph.zoomBy(1.25)}>
          <Icon name="plus" />
        </button>
        <span class="rw-split" />
        <button
          type="button"
          aria-label="Fit the whole run"
          title="Fit the whole run"
          onClick={() => graph.fit()}
        >
          <Icon name="fit" />
        </button>
        {!isStill(view.kernel.traits.connection) && (
          <>
            <span class="rw-split" />
            <button
              type="button"
              class="rw-follow"
              aria-pressed={graph.following}
              title="Keep the newest running task in view"
              onClick={() => graph.toggleFollowing()}
            >
              <Icon name="follow" />
              follow
            </button>
          </>
        )}
      </div>
    </div>
  );
}

const percent = (zoom: number): string =>
  `${zoom < 0.0995 ? (zoom * 100).toFixed(zoom < 0.01 ? 1 : 0) : Math.round(zoom * 100)} %`;

function Legend({ view, graph }: { view: View; graph: Graph }) {
  const { all } = view.tally;
  const present = LEGEND_ORDER.filter((status) => (all[STATUSES.indexOf(status)] as number) > 0);
  const hasEdges = view.run.tree.levels > 1;
  return (
    <ul class="rw-legend" aria-label="Legend">
      {present.map((status) => (
        <li key={status}>
          <button
            type="button"
            class="rw-legend-button"
            aria-pressed={view.finder.wanted.codes.has(STATUSES.indexOf(status))}
            title={`Only what is ${wordOfCode(STATUSES.indexOf(status))}`}
            onClick={() => view.lookFor(() => view.finder.toggleStatus(STATUSES.indexOf(status)))}
          >
            <Glyph status={status} />
            {wordOfCode(STATUSES.indexOf(status))}
          </button>
        </li>
      ))}
      {view.waiting.size > 0 && (
        <li>
          <Glyph status="waits" />
          waits for you
        </li>
      )}
      {hasEdges && (
        <li>
          <svg viewBox="0 0 16 12" class="rw-edge-sample" aria-hidden="true">
            <path class="rw-edge-solid" d="M0 2.5H16M5.5 2.5V7.5A2 2 0 0 0 7.5 9.5H16" />
          </svg>
          sub-task
        </li>
      )}
      {graph.shows.dependencies && (
        <li>
          <svg viewBox="0 0 16 12" class="rw-edge-sample" aria-hidden="true">
            <path class="rw-edge-dashed" d="M0 6H10" />
            <path class="rw-edge-head" d="M16 6L10.5 3.2V8.8z" />
          </svg>
          depends on
        </li>
      )}
      {view.showsCritical && (
        <li>
          <svg viewBox="0 0 16 12" class="rw-edge-sample" aria-hidden="true">
            <path class="rw-edge-critical" d="M0 6H16" />
          </svg>
          critical path
        </li>
      )}
      {graph.shows.context && (
        <li>
          <svg viewBox="0 0 16 12" class="rw-edge-sample" aria-hidden="true">
            <path class="rw-edge-context" d="M2 6H11" />
            <path
              class="rw-edge-context-head"
              d="M16 6L10.5 3.2V8.8zM2.5 3.7a2.3 2.3 0 1 0 0 4.6a2.3 2.3 0 1 0 0-4.6z"
            />
          </svg>
          context
        </li>
      )}
    </ul>
  );
}
