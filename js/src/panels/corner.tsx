// The panel in the graph's corner: a legend of what is drawn, the minimap, the zoom row. It follows the card grid and
// never covers a card after "fit".

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { LEGEND_FROM_HEIGHT } from "../graph/corner";
import type { Graph } from "../graph/graph";
import { isStill } from "../kernel";
import { CODE, onlyWhat, signOf, WAITS_CODE, wordOfCode } from "../status";
import type { View } from "../view";
import { Button, Glyph, Icon } from "./parts";

const LEGEND: readonly number[] = [
  CODE.DONE,
  CODE.FAILED,
  CODE.RUNNING,
  CODE.AGGREGATING,
  CODE.PLAN_DONE,
  CODE.NEEDS_REPLAN,
  CODE.READY,
  CODE.PENDING,
  CODE.CANCELLED,
  CODE.UNKNOWN,
  WAITS_CODE,
];

export function Corner({ view }: { view: View }) {
  const { graph } = view;
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const map = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    graph?.map.use(canvas.current, frame.current);
    view.schedule();
    return () => graph?.map.use(null, null);
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
      <div class="rw-map" ref={map} aria-hidden onPointerDown={go} onPointerMove={go}>
        <canvas ref={canvas} />
        <div class="rw-map-window" ref={frame} />
      </div>
      <div class="rw-zoom-row">
        <Button aria-label="Zoom out" title="Zoom out" onClick={() => graph.zoomBy(0.8)}>
          <Icon name="minus" />
        </Button>
        <Button
          class="rw-zoom"
          aria-label={`${percent(graph.camera.zoom)}, zoom to 100 %`}
          title="Zoom to 100 %"
          onClick={() => graph.zoomBy(1 / graph.camera.zoom)}
        >
          {percent(graph.camera.zoom)}
        </Button>
        <Button aria-label="Zoom in" title="Zoom in" onClick={() => graph.zoomBy(1.25)}>
          <Icon name="plus" />
        </Button>
        <span class="rw-split" />
        <Button aria-label="Fit the whole run" title="Fit the whole run" onClick={() => graph.fit()}>
          <Icon name="fit" />
        </Button>
        {!isStill(view.traits.connection) && (
          <>
            <span class="rw-split" />
            <Button
              class="rw-follow"
              aria-pressed={graph.following}
              title="Keep the newest running task in view"
              onClick={() => graph.toggleFollowing()}
            >
              <Icon name="follow" />
              follow
            </Button>
          </>
        )}
      </div>
    </div>
  );
}

const percent = (zoom: number): string =>
  `${zoom < 0.0995 ? (zoom * 100).toFixed(zoom < 0.01 ? 1 : 0) : Math.round(zoom * 100)} %`;

function Legend({ view, graph }: { view: View; graph: Graph }) {
  const { counts, finder } = view;
  const hasEdges = view.run.tree.levels > 1;
  return (
    <ul class="rw-legend" aria-label="Legend">
      {LEGEND.filter((code) => (counts[code] as number) > 0).map((code) => (
        <li key={code}>
          <Button
            class="rw-legend-button"
            aria-pressed={finder.wanted.codes.has(code)}
            title={onlyWhat(code)}
            onClick={() => view.change(() => finder.toggleStatus(code))}
          >
            <Glyph status={signOf(code)} />
            {wordOfCode(code)}
          </Button>
        </li>
      ))}
      {hasEdges && (
        <EdgeSample word="sub-task">
          <path class="rw-edge-solid" d="M0 2.5H16M5.5 2.5V7.5A2 2 0 0 0 7.5 9.5H16" />
        </EdgeSample>
      )}
      {graph.shows.dependencies && (
        <EdgeSample word="depends on">
          <path class="rw-edge-dashed" d="M0 6H10" />
          <path class="rw-edge-head" d="M16 6L10.5 3.2V8.8z" />
        </EdgeSample>
      )}
      {view.showsCritical && (
        <EdgeSample word="critical path">
          <path class="rw-edge-critical" d="M0 6H16" />
        </EdgeSample>
      )}
      {graph.shows.context && (
        <EdgeSample word="context">
          <path class="rw-edge-context" d="M2 6H11" />
          <path
            class="rw-edge-context-head"
            d="M16 6L10.5 3.2V8.8zM2.5 3.7a2.3 2.3 0 1 0 0 4.6a2.3 2.3 0 1 0 0-4.6z"
          />
        </EdgeSample>
      )}
    </ul>
  );
}

function EdgeSample({ word, children }: { word: string; children: ComponentChildren }) {
  return (
    <li>
      <svg viewBox="0 0 16 12" class="rw-edge-sample" aria-hidden>
        {children}
      </svg>
      {word}
    </li>
  );
}
