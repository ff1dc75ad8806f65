// The inspector of one task: its head, and under it one of five tabs. The texts in it are a model's: shown as text,
// clamped, never interpreted.

import { hasModifier } from "../../keyboard";
import type { Task } from "../../messages";
import { TABS, type Tab } from "../../trace/inspection";
import type { View } from "../../view";
import { Button } from "../parts";
import { ContextTab } from "./context";
import { Facts, TaskHead } from "./head";
import { Overview } from "./overview";
import { RawTab } from "./raw";
import { ResultTab } from "./result";
import { TraceTab } from "./trace";

export function Inspector({ view, task }: { view: View; task: Task }) {
  const { tab } = view.inspection;
  const hasRoom = view.shape === "wide";
  return (
    <section class="rw-inspector" aria-label="Task">
      <TaskHead view={view} task={task}>
        {hasRoom && <Facts view={view} task={task} />}
      </TaskHead>
      <TabList view={view} />
      <div class="rw-scroll" role="tabpanel" aria-label={tab} key={`${tab} ${task.id}`}>
        {!hasRoom && tab === "Overview" && (
          <div class="rw-section">
            <Facts view={view} task={task} />
          </div>
        )}
        <TabContent view={view} task={task} tab={tab} />
      </div>
    </section>
  );
}

function TabContent({ view, task, tab }: { view: View; task: Task; tab: Tab }) {
  switch (tab) {
    case "Overview":
      return <Overview view={view} task={task} />;
    case "Trace":
      return <TraceTab view={view} task={task} />;
    case "Result":
      return <ResultTab view={view} task={task} />;
    case "Context":
      return <ContextTab view={view} task={task} />;
    case "Raw":
      return <RawTab view={view} task={task} />;
  }
}

const STEPS: Readonly<Record<string, (at: number) => number>> = {
  ArrowLeft: (at) => at - 1,
  ArrowRight: (at) => at + 1,
  Home: () => 0,
  End: () => -1,
};

function TabList({ view }: { view: View }) {
  const { tab } = view.inspection;
  const onKey = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (step === undefined || hasModifier(event)) return;
    event.preventDefault();
    const to = TABS.at(step(TABS.indexOf(view.inspection.tab)) % TABS.length) as Tab;
    view.showTab(to);
    const buttons = (event.currentTarget as HTMLElement).children;
    (buttons[TABS.indexOf(to)] as HTMLElement).focus();
  };
  return (
    <div class="rw-tabs" role="tablist" aria-label="What is shown of the task" onKeyDown={onKey}>
      {TABS.map((each) => (
        <Button
          key={each}
          role="tab"
          aria-selected={each === tab}
          tabIndex={each === tab ? 0 : -1}
          onClick={() => view.showTab(each)}
        >
          {each}
        </Button>
      ))}
    </div>
  );
}
