// The root only composes: header, notices, graph or outline, inspector. Called once per frame that something asked for;
// parts whose inputs did not change are the same element as before, which Preact does not look into.

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { Graph } from "./graph/graph";
import { hasModifier } from "./keyboard";
import { Corner } from "./panels/corner";
import { HeightGrip, InspectorGrip } from "./panels/grip";
import { Header, ProgressBar } from "./panels/header";
import { Inspector } from "./panels/inspector/inspector";
import { Notices } from "./panels/notices";
import { NoTasks } from "./panels/pages";
import { QuestionTray } from "./panels/questions/tray";
import { RunPanel } from "./panels/run";
import { TimeStrip } from "./panels/strip/strip";
import { applyKey } from "./tree/keys";
import { TreeGrid } from "./tree/treegrid";
import type { View } from "./view";

export function App({ view }: { view: View }) {
  const { run, layout, selected, focused, second, shape, isPast } = view;
  const { traits, link } = view.kernel;
  const { wish, times, error } = view.travel;
  const { version } = view.questions;
  const { wanted } = view.finder;
  const { mode } = view.sizing;
  const top = useMemo(
    () => (
      <>
        <Header view={view} />
        <ProgressBar view={view} />
        <Notices view={view} />
      </>
    ),
    [
      view,
      run,
      traits,
      link,
      second,
      version,
      wanted,
      selected,
      view.menu,
      view.errand.isBusy,
      mode,
      shape,
      view.showsCritical,
      view.selection.refusal,
    ],
  );
  const tray = useMemo(
    () => <QuestionTray view={view} />,
    [view, run, link.alive, second, version, view.wantsTray],
  );
  const tree = useMemo(
    () => <TreeGrid view={view} visible={shape === "narrow"} />,
    [
      view,
      run,
      layout,
      selected,
      focused,
      view.wantsFocus,
      shape,
      second,
      link.alive,
      view.waiting,
      wanted,
      view.frames.hasPainted,
    ],
  );
  const strip = useMemo(
    () => <TimeStrip view={view} />,
    [
      view,
      run,
      view.kernel.run,
      traits,
      link.alive,
      selected,
      second,
      wish,
      times,
      error,
      wanted,
      view.waits.all,
    ],
  );
  const outline = run.tasks.size > 0 ? tree : <p class="rw-quiet rw-graph-empty">There were no tasks yet.</p>;
  const hasTasks = view.kernel.run.tasks.size > 0 || isPast;
  const task = selected === null ? undefined : view.task(selected);
  return (
    <>
      {top}
      <div class="rw-middle" data-asks={view.questions.isOpen}>
        {hasTasks ? (
          <div class="rw-body">
            {shape === "narrow" ? outline : <GraphPane view={view}>{outline}</GraphPane>}
            {shape === "wide" && <InspectorGrip view={view} />}
            {task === undefined ? <MemoRun view={view} /> : <Inspector view={view} task={task} />}
          </div>
        ) : (
          <NoTasks view={view} />
        )}
        {tray}
      </div>
      {hasTasks && strip}
      {!view.sizing.isOut && view.hasKernel && <HeightGrip view={view} />}
      <div class="rw-clipped" role="log" aria-live="polite">
        {view.announcement}
      </div>
    </>
  );
}

function MemoRun({ view }: { view: View }) {
  const { run, second } = view;
  const { link, traits } = view.kernel;
  return useMemo(
    () => <RunPanel view={view} />,
    [view, run, view.progress, second, link.alive, view.finder.wanted, view.waiting, traits.notes],
  );
}

function GraphPane({ view, children }: { view: View; children: preact.ComponentChildren }) {
  const stage = useRef<HTMLDivElement>(null);
  const pane = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (stage.current === null) return;
    const controller = new AbortController();
    const hasFocus = () => pane.current?.matches(":focus-within") ?? false;
    view.graph = new Graph(view, stage.current, hasFocus, controller.signal);
    view.schedule();
    return () => {
      controller.abort();
      view.graph = null;
    };
  }, [view]);
  const onKey = (event: KeyboardEvent) => {
    if (event.target !== stage.current || hasModifier(event)) return;
    if (applyKey(view, event.key)) event.preventDefault();
  };
  return (
    <div class="rw-graph-pane" ref={pane}>
      <div class="roma-graph" ref={stage} tabIndex={-1} onKeyDown={onKey} />
      {children}
      <Corner view={view} />
    </div>
  );
}
