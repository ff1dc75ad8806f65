// The menu at the header's end: the filter by status and type, what can be taken along, what the graph shows, how large the view is; and the
// list of keys, which `?` opens.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { codeOfFound } from "../find/code";
import { count } from "../format";
import { KEYS } from "../shortcuts";
import { STATUSES, type Status, wordOfCode } from "../status";
import type { View } from "../view";
import { Exports } from "./exports";
import { CopyButton, Glyph, Icon } from "./parts";
import { Popover } from "./popover";

const MOST_TYPES = 20;

export function Menu({ view }: { view: View }) {
  const button = useRef<HTMLButtonElement>(null);
  const { menu } = view;
  return (
    <div class="rw-menu-box">
      <button
        type="button"
        class="rw-icon-button"
        ref={button}
        aria-label="View"
        title="Filter, export, size, keys"
        aria-haspopup="dialog"
        aria-expanded={menu !== null}
        onClick={() => view.openMenu(menu === null ? "view" : null)}
      >
        <Icon name="menu" />
      </button>
      {menu !== null && (
        <Popover
          key={menu}
          label={menu === "keys" ? "Keys" : "View"}
          kind="menu"
          anchor={button}
          onClose={() => view.openMenu(null)}
        >
          {menu === "keys" ? <Keys /> : <Choices view={view} />}
        </Popover>
      )}
    </div>
  );
}

function Choices({ view }: { view: View }) {
  const { finder, tally, sizing } = view;
  const { codes, types } = finder.wanted;
  const present = tally.all.flatMap((tasks, code) => (tasks > 0 || codes.has(code) ? [code] : []));
  const typeCounts = new Map<string, number>();
  for (const { type } of view.run.tasks.values())
    if (type !== null) typeCounts.set(type, (typeCounts.get(type) ?? 0) + 1);
  const sorted = [...typeCounts].sort((a, b) => b[1] - a[1]).slice(0, MOST_TYPES);
  return (
    <>
      <Group label="Only these statuses" code={codeOfFound(view.expression, finder.wanted)}>
        {present.map((code) => (
          <Toggle
            key={code}
            isOn={codes.has(code)}
            onClick={() => view.lookFor(() => finder.toggleStatus(code))}
          >
            <Glyph status={STATUSES[code] as Status} />
            {wordOfCode(code)} <span class="rw-quiet">{count(tally.all[code] as number)}</span>
          </Toggle>
        ))}
      </Group>
      {sorted.length > 0 && (
        <Group label="Only these types">
          {sorted.map(([type, tasks]) => (
            <Toggle
              key={type}
              isOn={types.has(type)}
              onClick={() => view.lookFor(() => finder.toggleType(type))}
            >
              <bdi class="rw-menu-type">{type.slice(0, 60)}</bdi> <span class="rw-quiet">{count(tasks)}</span>
            </Toggle>
          ))}
        </Group>
      )}
      <div class="rw-section" role="group" aria-label="Export">
        <h3 class="rw-label">Export</h3>
        <Exports view={view} />
      </div>
      <Group label={view.shape === "narrow" && !view.hasKernel ? "Help" : "View"}>
        {view.shape !== "narrow" && (
          <span class="rw-with-code">
            <Toggle isOn={view.showsCritical} onClick={() => view.toggleCritical()}>
              critical path
            </Toggle>
            <CopyButton text={`${view.expression}.critical_path()`} label="Copy the critical path as code" />
          </span>
        )}
        {view.hasKernel && (
          <>
            <Toggle isOn={sizing.mode === "tall"} onClick={() => view.resize(() => sizing.toggle("tall"))}>
              full height
            </Toggle>
            <Toggle
              isOn={sizing.mode === "window"}
              onClick={() => view.resize(() => sizing.toggle("window"))}
            >
              full width and height
            </Toggle>
          </>
        )}
        <button type="button" class="rw-link rw-menu-keys" onClick={() => view.openMenu("keys")}>
          Keys
        </button>
      </Group>
    </>
  );
}

interface GroupProps {
  label: string;
  /** What gives in Python what is found with it. */
  code?: string | null;
  children: ComponentChildren;
}

function Group({ label, code = null, children }: GroupProps) {
  return (
    <div class="rw-section" role="group" aria-label={label}>
      <div class="rw-block-head">
        <h3 class="rw-label">{label}</h3>
        <span class="rw-grow" />
        {code !== null && <CopyButton text={code} label="Copy what is found as code" />}
      </div>
      <div class="rw-toggles">{children}</div>
    </div>
  );
}

interface ToggleProps {
  isOn: boolean;
  onClick: () => void;
  children: ComponentChildren;
}

function Toggle({ isOn, onClick, children }: ToggleProps) {
  return (
    <button type="button" class="rw-toggle" aria-pressed={isOn} onClick={onClick}>
      {children}
    </button>
  );
}

function Keys() {
  return (
    <div class="rw-section">
      <h3 class="rw-label">Keys</h3>
      <dl class="rw-keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
