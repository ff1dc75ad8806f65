// Data of any shape as a tree: a branch is made when it is unfolded, a hundred of its members at a time.

import { useMemo, useState } from "preact/hooks";
import { count, plural } from "../../format";
import { BlockHead, Button, Clamped, CopyButton, Grow, Icon, LinkButton, Quiet } from "../parts";

const MEMBERS_AT_ONCE = 100;
const NAME_CHARS = 300;
const RAW_LINES = 14;
/** Fewer never fill the height that a text may have. */
const SCROLLED_CHARS = 100;
const OPEN_UP_TO = 12;

export function DataTree({ json, isCut }: { json: string; isCut: boolean }) {
  const value = useMemo(() => parsed(json), [json]);
  const note = isCut ? ", its beginning" : "";
  if (value === undefined) {
    return (
      <div class="rw-section">
        <Clamped
          text={json}
          lines={RAW_LINES}
          copyLabel="Copy the data"
          title={<h4 class="rw-label">Data{note}</h4>}
        />
      </div>
    );
  }
  return (
    <div class="rw-section">
      <BlockHead>
        <h4 class="rw-label">Data{note}</h4>
        <Grow />
        <CopyButton text={json} label="Copy the data" />
      </BlockHead>
      <JsonTree value={value} />
    </div>
  );
}

/** All of what a plan was taken from, folded: its sub-tasks and facts may not be all that there is. */
export function AllData({ json, more }: { json: string; more: number }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <div class="rw-section">
        <Button class="rw-data-branch" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name={open ? "open" : "closed"} />
          All the data
          {more > 0 && <span class="rw-s-waits rw-inked rw-data-more">{plural(more, "more field")}</span>}
        </Button>
      </div>
      {open && <DataTree json={json} isCut={json.endsWith("…")} />}
    </>
  );
}

export function JsonTree({ value }: { value: unknown }) {
  return (
    <ul class="rw-data">
      <Member name={null} value={value} />
    </ul>
  );
}

/** undefined where it is no JSON. */
export function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** A member of the tree; `isNear` to its root, so that it is open from the beginning unless it is large. */
function Member({ name, value, isNear = false }: { name: string | null; value: unknown; isNear?: boolean }) {
  const isList = Array.isArray(value);
  const isBranch = typeof value === "object" && value !== null;
  const names = useMemo(() => (isBranch && !isList ? Object.keys(value) : null), [value]);
  const size = isList ? value.length : (names?.length ?? 0);
  const [open, setOpen] = useState(name === null || (isNear && size <= OPEN_UP_TO));
  const [shown, setShown] = useState(MEMBERS_AT_ONCE);
  const label = name !== null && (
    <span class="rw-data-name">
      <bdi>{name.slice(0, NAME_CHARS)}</bdi>
      {": "}
    </span>
  );
  if (!isBranch) {
    return (
      <li>
        {label}
        <Leaf value={value} />
      </li>
    );
  }
  const members = Array.from({ length: Math.min(size, shown) }, (_, i) => names?.[i] ?? String(i));
  return (
    <li>
      <Button class="rw-data-branch" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? "open" : "closed"} />
        {label}
        <Quiet>{plural(size, isList ? "entry" : "field", isList ? "entries" : "fields")}</Quiet>
      </Button>
      {open && (
        <ul>
          {members.map((member) => (
            <Member
              key={member}
              name={member}
              value={(value as Record<string, unknown>)[member]}
              isNear={name === null}
            />
          ))}
          {size > shown && (
            <li>
              <LinkButton onClick={() => setShown(shown + MEMBERS_AT_ONCE)}>
                show more of {count(size - shown)}
              </LinkButton>
            </li>
          )}
        </ul>
      )}
    </li>
  );
}

function Leaf({ value }: { value: unknown }) {
  return typeof value === "string" ? (
    // A long text is scrolled by keys, too.
    <span class="rw-data-text" dir="auto" tabIndex={value.length > SCROLLED_CHARS ? 0 : undefined}>
      {value || "“”"}
    </span>
  ) : (
    <span class="rw-data-value">{String(value)}</span>
  );
}
