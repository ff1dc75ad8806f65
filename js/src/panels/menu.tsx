// The menu at the header's end: the filter by status and type, what can be taken along, what the graph shows, how large the view is; and the
// list of keys, which `?` opens.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { codeOfFound } from "../find/code";
import { count } from "../format";
import { KEYS } from "../shortcuts";
import type { Mode } from "../sizing";
import { signOf, wordOfCode } from "../status";
import type { View } from "../view";
import { Exports } from "./exports";
import { BlockHead, Button, CopyButton, Glyph, Grow, Icon, Quiet } from "./parts";
import { Popover } from "./popover";

const MOST_TYPES = 20;
const SIZES: readonly (readonly [mode: Mode, words: string])[] = [
  ["tall", "full height"],
  ["wide", "full width"],
  ["window", "full width and height"],
];

export function Menu({ view }: { view: View }) {
  const button = useRef<HTMLButtonElement>(null);
  const { menu } = view;
  return (
    <div class="rw-menu-box">
      <Button
        class="rw-icon-button"
        ref={button}
        aria-label="View"
        title="Filter, export, size, keys"
        aria-haspopup="dialog"
        aria-expanded={menu !== null}
        onClick={() => view.openMenu(menu === null ? "view" : null)}
      >
        <Icon name="menu" />
      </Button>
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
  const { finder, counts, sizing, waiting } = view;
  const { codes, types } = finder.wanted;
  const present = counts.flatMap((tasks, code) => (tasks > 0 || codes.has(code) ? [code] : []));
  const typeCounts = new Map<string, number>();
  for (const { type } of view.run.tasks.values())
    if (type !== null) typeCounts.set(type, (typeCounts.get(type) ?? 0) + 1);
  const sorted = [...typeCounts].sort((a, b) => b[1] - a[1]).slice(0, MOST_TYPES);
  return (
    <>
      <Group label="Only these statuses" code={codeOfFound(view.expression, finder.wanted, waiting.size > 0)}>
        {present.map((code) => (
          <Toggle
            key={code}
            isOn={codes.has(code)}
            onClick={() => view.change(() => finder.toggleStatus(code))}
          >
            <Glyph status={signOf(code)} />
            {wordOfCode(code)} <Quiet>{count(counts[code] as number)}</Quiet>
          </Toggle>
        ))}
      </Group>
      {sorted.length > 0 && (
        <Group label="Only these types">
          {sorted.map(([type, tasks]) => (
            <Toggle
              key={type}
              isOn={types.has(type)}
              onClick={() => view.change(() => finder.toggleType(type))}
            >
              <bdi class="rw-menu-type">{type.slice(0, 60)}</bdi> <Quiet>{count(tasks)}</Quiet>
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
            <Toggle
              isOn={view.showsCritical}
              onClick={() =>
                view.change(() => {
                  view.showsCritical = !view.showsCritical;
                })
              }
            >
              critical path
            </Toggle>
            <CopyButton text={`${view.expression}.critical_path()`} label="Copy the critical path as code" />
          </span>
        )}
        {view.hasKernel &&
          SIZES.map(([mode, words]) => (
            <Toggle
              key={mode}
              isOn={sizing.mode === mode}
              onClick={() => view.change(() => sizing.toggle(mode))}
            >
              {words}
            </Toggle>
          ))}
        <Button class="rw-link rw-menu-keys" onClick={() => view.openMenu("keys")}>
          Keys
        </Button>
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
      <BlockHead>
        <h3 class="rw-label">{label}</h3>
        <Grow />
        {code !== null && <CopyButton text={code} label="Copy what is found as code" />}
      </BlockHead>
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
    <Button class="rw-toggle" aria-pressed={isOn} onClick={onClick}>
      {children}
    </Button>
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
