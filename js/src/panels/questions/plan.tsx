// A plan under review: its sub-tasks with what is new in them, and the editing of each by mouse or keyboard.

import type { RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { isKnown } from "../../fields";
import { IN_PLACE } from "../../focus";
import { plural } from "../../format";
import { takeKey } from "../../keyboard";
import type { PlanStep } from "../../messages";
import {
  comparedRows,
  editedRows,
  type Mark,
  type PlanRow,
  plainRows,
  summaryOf,
} from "../../questions/diff";
import { add, draftOf, move, readGoal, readNumbers, rewrite, toggle } from "../../questions/plan";
import type { Writing } from "../../questions/writing";
import { wordDiff } from "../../word-diff";
import { Button, Grow, Icon, IconButton, Quiet } from "../parts";

const SIGNS: Readonly<Record<Mark, string>> = {
  added: "+",
  removed: "−",
  reworded: "~",
  moved: "↕",
  changed: "~",
};
const TYPES = ["SEARCH", "WRITE", "THINK", "CODE", "REVIEW"];
const NODES = ["EXECUTE", "PLAN"];
/** Longer goals are shown without marks in them. */
const DIFFED_CHARS = 4_000;

interface PlanProps {
  plan: readonly PlanStep[];
  /** The plan before the last modification. */
  before: readonly PlanStep[] | null;
  /** The kernel told only its beginning. */
  isCut: boolean;
  writing: Writing;
  canEdit: boolean;
}

export function PlanReview({ plan, before, isCut, writing, canEdit }: PlanProps) {
  const { draft } = writing;
  const rows = useMemo(
    () =>
      draft !== null
        ? editedRows(plan, draft)
        : before !== null
          ? comparedRows(before, plan)
          : plainRows(plan),
    [plan, before, draft],
  );
  const [editing, setEditing] = useState<number | "new" | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const focusOn = useRef<number | null>(null);
  useLayoutEffect(() => {
    if (focusOn.current === null) return;
    list.current?.querySelector<HTMLElement>(`[data-step="${focusOn.current}"] .rw-step-goal`)?.focus();
    focusOn.current = null;
  });
  const summary = summaryOf(rows);
  const change = (key: number, by: "up" | "down" | "remove") => {
    focusOn.current = key;
    writing.edit(plan, (steps) =>
      by === "remove" ? toggle(steps, key, plan.length) : move(steps, key, by === "up" ? -1 : 1),
    );
  };
  const leave = (key: number | null) => {
    focusOn.current = key;
    setEditing(null);
  };
  return (
    <div class="rw-plan">
      <h4 class="rw-label">
        <span>
          <b>Plan</b> {plural(rows.filter(({ number }) => number !== null).length, "sub-task")}
          {isCut && ", its beginning"}
        </span>
        <span class="rw-label-note">
          {summary}
          {summary === "" && draft === null && before !== null && "as before"}
        </span>
      </h4>
      <ul ref={list}>
        {rows.map((row) =>
          editing !== null && editing === row.key ? (
            <StepEditor
              key={row.key}
              plan={plan}
              writing={writing}
              row={row}
              onLeave={() => leave(row.key)}
            />
          ) : (
            <StepRow
              key={row.key ?? `was${row.was}`}
              row={row}
              more={(row.key === null ? undefined : plan[row.key]?.more) ?? 0}
              canEdit={canEdit}
              onEdit={() => setEditing(row.key)}
              onChange={(by) => row.key !== null && change(row.key, by)}
            />
          ),
        )}
        {editing === "new" && (
          <StepEditor plan={plan} writing={writing} row={null} onLeave={() => setEditing(null)} />
        )}
      </ul>
      {canEdit && editing !== "new" && (
        <Button class="rw-step-add" onClick={() => setEditing("new")}>
          <Icon name="plus" />
          add a sub-task
          <Quiet>edits are sent as instructions</Quiet>
        </Button>
      )}
    </div>
  );
}

interface RowProps {
  row: PlanRow;
  /** How many fields it has that are not shown here. */
  more: number;
  canEdit: boolean;
  onEdit: () => void;
  onChange: (by: "up" | "down" | "remove") => void;
}

function StepRow({ row, more, canEdit, onEdit, onChange }: RowProps) {
  const { key, number, was, marks } = row;
  const isRemoved = number === null;
  const tooEarly = number !== null && row.after.some((other) => other > number);
  const mayEdit = canEdit && key !== null;
  const onKey = (event: KeyboardEvent) => {
    const by =
      event.altKey && event.key === "ArrowUp"
        ? "up"
        : event.altKey && event.key === "ArrowDown"
          ? "down"
          : null;
    const wish = by ?? (event.key === "Delete" ? "remove" : null);
    if (!mayEdit || wish === null || (isRemoved && wish !== "remove")) return;
    event.preventDefault();
    onChange(wish);
  };
  const words = <StepWords row={row} />;
  const [mark] = marks;
  return (
    <li class={`rw-step${mark === undefined ? "" : ` rw-step-${mark}`}`} data-step={key} onKeyDown={onKey}>
      <span class="rw-step-sign" aria-hidden>
        {mark !== undefined && SIGNS[mark]}
      </span>
      <span class="rw-step-number">{number}</span>
      {mayEdit ? (
        <Button
          class="rw-step-goal"
          dir="auto"
          title={isRemoved ? "Take it back" : "Edit this sub-task"}
          onClick={isRemoved ? () => onChange("remove") : onEdit}
        >
          {words}
        </Button>
      ) : (
        <span class="rw-step-goal" dir="auto">
          {words}
        </span>
      )}
      <span class="rw-step-tools">
        {mayEdit && !isRemoved && (
          <>
            <IconButton icon="up" label={`Move sub-task ${number} up`} onClick={() => onChange("up")} />
            <IconButton icon="open" label={`Move sub-task ${number} down`} onClick={() => onChange("down")} />
            <IconButton icon="close" label={`Remove sub-task ${number}`} onClick={() => onChange("remove")} />
          </>
        )}
      </span>
      <span class="rw-step-meta">
        {row.task_type !== null && <span class="rw-chip">{row.task_type}</span>}
        <span>
          {row.node_type !== null && (
            <>
              <bdi>{row.node_type.toLowerCase()}</bdi>
              {", "}
            </>
          )}
          {isRemoved
            ? `was ${was}`
            : row.after.length === 0
              ? "starts at once"
              : `after ${row.after.join(", ")}`}
        </span>
        {tooEarly && <span class="rw-s-waits rw-inked">stands too early</span>}
        {more > 0 && <span class="rw-s-waits rw-inked">{plural(more, "more field")}</span>}
        <Grow />
        <span class="rw-step-word">
          {marks.map((one) => (one === "moved" && was !== null ? `moved, was ${was}` : one)).join(", ")}
        </span>
      </span>
    </li>
  );
}

/** The goal, with its new words underlined. */
function StepWords({ row }: { row: PlanRow }) {
  const { goal, goalBefore } = row;
  const pieces = useMemo(
    () => (goalBefore === null || goal.length > DIFFED_CHARS ? [] : wordDiff(goalBefore, goal)[1]),
    [goalBefore, goal],
  );
  if (row.number === null) return <del>{goal}</del>;
  return (
    <>{pieces.length === 0 ? goal : pieces.map(({ text, isNew }) => (isNew ? [<ins>{text}</ins>] : text))}</>
  );
}

interface EditorProps {
  plan: readonly PlanStep[];
  writing: Writing;
  /** null: a new sub-task. */
  row: PlanRow | null;
  onLeave: () => void;
}

/** The fields of one sub-task. Enter takes them, Escape leaves them. */
function StepEditor({ plan, writing, row, onLeave }: EditorProps) {
  const goal = useRef<HTMLTextAreaElement>(null);
  const type = useRef<HTMLSelectElement>(null);
  const node = useRef<HTMLSelectElement>(null);
  const after = useRef<HTMLInputElement>(null);
  const [error, setError] = useState<string | null>(null);
  useLayoutEffect(() => {
    goal.current?.focus(IN_PLACE);
    goal.current?.scrollIntoView?.({ block: "nearest" });
  }, []);
  const types = options(
    plan.map((step) => step.task_type),
    TYPES,
  );
  const nodes = options(
    plan.map((step) => step.node_type),
    NODES,
  );

  const take = () => {
    const said = readGoal(goal.current?.value ?? "", row?.goal ?? null);
    if (said.trim() === "") return setError("A sub-task needs a goal.");
    const keys = readNumbers(writing.draft ?? draftOf(plan), row?.key ?? null, after.current?.value ?? "");
    if (typeof keys === "string") return setError(keys);
    const wording = {
      goal: said,
      task_type: type.current?.value || null,
      node_type: node.current?.value || null,
      after: keys,
    };
    writing.edit(plan, (draft) =>
      row === null || row.key === null ? add(draft, wording) : rewrite(draft, row.key, wording),
    );
    onLeave();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      takeKey(event);
      onLeave();
    } else if (event.key === "Enter" && !event.shiftKey && !(event.target instanceof HTMLButtonElement)) {
      event.preventDefault();
      take();
    }
  };
  const name = row === null ? "the new sub-task" : `sub-task ${row.number}`;
  return (
    <li class="rw-step rw-step-editor" onKeyDown={onKey}>
      <textarea
        ref={goal}
        dir="auto"
        rows={2}
        aria-label={`Goal of ${name}`}
        placeholder="What should be done?"
        defaultValue={row?.goal ?? ""}
      />
      <div class="rw-step-fields">
        <Choice
          label={`Type of ${name}`}
          at={type}
          words={types}
          chosen={row === null ? types[0] : row.task_type}
        />
        <Choice
          label={`Kind of ${name}`}
          at={node}
          words={nodes}
          chosen={row === null ? nodes[0] : row.node_type}
        />
        <label>
          after
          <input
            ref={after}
            type="text"
            aria-label={`Numbers of the sub-tasks before ${name}`}
            placeholder="none"
            defaultValue={row?.after.join(", ") ?? ""}
          />
        </label>
        <Grow />
        <Button class="rw-button" onClick={take}>
          Done
        </Button>
        <Button class="rw-button rw-button-quiet" onClick={onLeave}>
          Cancel
        </Button>
      </div>
      {error !== null && (
        <p class="rw-s-FAILED rw-inked" role="alert">
          {error}
        </p>
      )}
    </li>
  );
}

const options = (said: readonly (string | null)[], known: readonly string[]): readonly string[] => [
  ...new Set([...said.filter(isKnown), ...known]),
];

interface ChoiceProps {
  label: string;
  at: RefObject<HTMLSelectElement | null>;
  words: readonly string[];
  chosen: string | null | undefined;
}

function Choice({ label, at, words, chosen }: ChoiceProps) {
  return (
    <select ref={at} aria-label={label} defaultValue={chosen ?? ""}>
      {!chosen && <option value="">—</option>}
      {words.map((word) => (
        <option key={word} value={word} selected={word === chosen}>
          {word}
        </option>
      ))}
    </select>
  );
}
