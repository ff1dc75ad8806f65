// The list in the project menu: a grid of rows, one column to show a project here, one to make it current for everyone.
// The keyboard stands on one row at a time; letters search, or jump where there is nothing to search.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { IN_PLACE } from "../focus";
import { count, plural } from "../format";
import { hasModifier } from "../keyboard";
import type { ListedProject } from "../messages";
import { cut, matching, nameOf, newestFirst, READ_UP_TO, shortIds } from "../projects";
import { Typing } from "../tree/typing";
import { activeElement } from "./popover";
import { Pick, ProjectRow } from "./project-row";
import type { Asked } from "./projects";

const PAGE = 8;

interface ProjectListProps {
  projects: readonly ListedProject[];
  watching: string | null;
  shown: string | null;
  canAct: boolean;
  asked: Asked | null;
  onWatch: (id: string | null) => void;
  onMakeCurrent: (id: string) => Promise<boolean>;
}

type Column = "pick" | "everyone";

export function ProjectList(props: ProjectListProps) {
  const { projects, watching, shown, canAct, asked, onWatch, onMakeCurrent } = props;
  const [query, setQuery] = useState("");
  /** The row that the keyboard stands on, by its project's id; null is "follow". */
  const [active, setActive] = useState<string | null>(watching);
  const [confirming, setConfirming] = useState<string | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const typing = useRef(new Typing());

  const sorted = useMemo(() => newestFirst(projects), [projects]);
  const ids = useMemo(() => shortIds(projects), [projects]);
  const found = useMemo(() => matching(sorted, query), [sorted, query]);
  const rows = useMemo(
    () =>
      cut(
        found,
        ({ id, is_current, questions }) => is_current || questions > 0 || id === shown || id === watching,
      ),
    [found, shown, watching],
  );
  const isSearchable = projects.length > READ_UP_TO;
  const keys: readonly (string | null)[] = [null, ...rows.map(({ id }) => id)];
  const latest = useRef(keys);
  latest.current = keys;
  const here = Math.max(0, keys.indexOf(active));
  const now = Date.now();

  const rowAt = (place: number) => list.current?.querySelector<HTMLElement>(`[data-at="${place}"]`) ?? null;
  const stand = (place: number, column: Column = "pick") => {
    const row = rowAt(place);
    if (row === null) return;
    scrollTo(list.current as HTMLElement, row);
    const button =
      row.querySelector<HTMLElement>(`.rw-${column}`) ?? row.querySelector<HTMLElement>(".rw-pick");
    button?.focus(IN_PLACE);
  };
  // Whoever has much to choose from begins by typing.
  useLayoutEffect(() => {
    stand(here);
    search.current?.focus(IN_PLACE);
  }, []);

  const pick = (id: string | null) => {
    if (!canAct) return;
    setConfirming(null);
    onWatch(id);
  };
  const onKey = (event: KeyboardEvent) => {
    if (hasModifier(event)) return;
    const place = moved(event.key, here, keys.length);
    if (place !== null) {
      event.preventDefault();
      if (place < 0 && search.current !== null) search.current.focus(IN_PLACE);
      else stand(place);
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      event.preventDefault();
      stand(here, event.key === "ArrowRight" ? "everyone" : "pick");
    } else if (event.key.length === 1 && event.key !== " ") {
      event.preventDefault();
      type(event.key);
    }
  };
  const type = (letter: string) => {
    if (search.current !== null) {
      setQuery(query + letter);
      search.current.focus(IN_PLACE);
      return;
    }
    const nameAt = (row: number) => nameOf(rows[row] as ListedProject);
    const place = typing.current.row(letter, performance.now(), here - 1, rows.length, nameAt);
    if (place >= 0) stand(place + 1);
  };
  const onSearchKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      stand(query === "" ? here : 1);
    } else if (event.key === "Enter" && query !== "" && rows[0] !== undefined) {
      event.preventDefault();
      pick(rows[0].id);
    }
  };
  const makeCurrent = (id: string) => {
    void onMakeCurrent(id).then((done) => done && endConfirmation(id));
  };
  const endConfirmation = (id: string) => {
    // The list may have changed since the question was asked; the keyboard may be elsewhere.
    const place = latest.current.indexOf(id);
    const row = rowAt(place);
    if (row?.contains(activeElement(row))) stand(place);
    setConfirming((open) => (open === id ? null : open));
  };
  const current = projects.find(({ is_current }) => is_current);
  const isUnderWay = (id: string | null, what: Asked["what"]) =>
    asked !== null && asked.error === null && asked.what === what && asked.project === id;

  return (
    <>
      {isSearchable && (
        <input
          ref={search}
          class="rw-search"
          type="text"
          spellcheck={false}
          autocomplete="off"
          maxLength={200}
          placeholder={`Search ${count(projects.length)} projects`}
          aria-label="Search projects"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={onSearchKey}
        />
      )}
      <div class="rw-project-list" ref={list} role="grid" aria-label="Projects" onKeyDown={onKey}>
        <div role="row" class="rw-project rw-project-follow" data-at={0} aria-selected={watching === null}>
          <div role="gridcell" class="rw-project-cell">
            <Pick
              isChecked={watching === null}
              isTabbable={here === 0}
              isOff={!canAct}
              isBusy={isUnderWay(null, "watch")}
              title="Follow the server's current project"
              onPick={() => pick(null)}
              onStand={() => setActive(null)}
            >
              {current === undefined ? "the server names none" : nameOf(current)}
            </Pick>
          </div>
        </div>
        {rows.map((project, i) => (
          <ProjectRow
            key={project.id}
            at={i + 1}
            project={project}
            shortId={ids.get(project.id) ?? project.id}
            now={now}
            isChecked={watching === project.id}
            isShown={shown === project.id}
            isActive={here === i + 1}
            isOff={!canAct}
            isBusy={isUnderWay(project.id, "watch")}
            isSwitching={isUnderWay(project.id, "switch")}
            isConfirming={confirming === project.id}
            onPick={() => pick(project.id)}
            onStand={() => setActive(project.id)}
            onEveryone={() => canAct && setConfirming(project.id)}
            onYes={() => makeCurrent(project.id)}
            onNo={() => endConfirmation(project.id)}
          />
        ))}
      </div>
      <p class="rw-project-foot rw-quiet" role="status">
        {footWords(props, query, found.length, rows.length)}
      </p>
      {asked !== null && asked.error !== null && (
        <p class="rw-popover-error" role="alert" dir="auto">
          {asked.error}
        </p>
      )}
    </>
  );
}

/** Where a key leads from row `here`: -1 is above the first one, null is no such key. */
function moved(key: string, here: number, rows: number): number | null {
  switch (key) {
    case "ArrowDown":
      return Math.min(rows - 1, here + 1);
    case "ArrowUp":
      return here - 1;
    case "PageDown":
      return Math.min(rows - 1, here + PAGE);
    case "PageUp":
      return Math.max(0, here - PAGE);
    case "Home":
      return 0;
    case "End":
      return rows - 1;
    default:
      return null;
  }
}

function footWords(
  { projects, canAct }: ProjectListProps,
  query: string,
  found: number,
  rows: number,
): string {
  if (!canAct) return "The kernel is gone. This is the list as it last was.";
  if (query.trim() !== "" && found === 0) return "No project has these words.";
  const more = found > rows ? `${count(found - rows)} more: type to search` : "";
  if (query.trim() === "") return more || "A choice shows a project here and switches nobody else.";
  return [`${count(found)} of ${plural(projects.length, "project")}`, more].filter(Boolean).join(" · ");
}

/** Brings a row into the list's own sight; the notebook around it stays where it is. */
function scrollTo(list: HTMLElement, row: HTMLElement): void {
  if (row.offsetTop < list.scrollTop) list.scrollTop = row.offsetTop;
  const below = row.offsetTop + row.offsetHeight - list.clientHeight;
  if (below > list.scrollTop) list.scrollTop = below;
}
