// The canvas under the slider: the lanes of the run, drawn anew when what they show is another.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Palette, readPalette, watchTheme } from "../../graph/palette";
import { placeOf, type Span, ticks } from "../../time/axis";
import { drawLanes, lanesOf } from "../../time/lanes";
import type { View } from "../../view";

export const LEFT_PX = 12;
export const RIGHT_PX = 58;
const AXIS_PX = 14;
const HEIGHT_PX = 63;

/** Drawn when the run, its time, the size or the theme is another; of a run that goes on once a second. */
export function useLanes(view: View, span: Span, line: number, isLive: boolean) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [palette, setPalette] = useState<Palette | null>(null);
  const { selected } = view;
  const { run, traits } = view.kernel;
  const waits = view.waits.all;
  const lanes = useMemo(() => lanesOf(run, waits), [isLive ? view.second : run, traits.project?.id, waits]);
  useLayoutEffect(() => {
    const controller = new AbortController();
    const read = () => setPalette(readPalette(view.root));
    read();
    watchTheme(view.root, read, controller.signal);
    return () => controller.abort();
  }, [view]);
  useLayoutEffect(() => {
    const element = canvas.current;
    const ctx = element?.getContext("2d") ?? null;
    if (element === null || ctx === null || palette === null || line === 0 || !view.frames.isInSight) return;
    const ratio = window.devicePixelRatio || 1;
    element.width = Math.round((line + LEFT_PX + RIGHT_PX) * ratio);
    element.height = Math.round(HEIGHT_PX * ratio);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = palette.color.hair;
    for (const time of [span.from, ...ticks(span, line).map(({ time }) => time)]) {
      ctx.fillRect(Math.round(LEFT_PX + placeOf(time, span, line)), 3, 1, HEIGHT_PX - 6);
    }
    const top = AXIS_PX + 3;
    const isMeant = view.found === null ? null : (id: string) => view.isFound(id);
    drawLanes(lanes, { ctx, width: line, left: LEFT_PX, top, span, palette, selected, isMeant });
  }, [lanes, palette, line, span.from, isLive ? view.second : span.to, selected, view.finder.wanted]);
  return canvas;
}
