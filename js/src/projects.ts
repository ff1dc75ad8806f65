// The server's projects as the menu lists them: newest first, searched, cut, and told apart. Pure.

import { epoch, firstText } from "./format";
import { addTo } from "./maps";
import type { ListedProject, Traits } from "./messages";

/** More than this many are searched, not read. */
export const READ_UP_TO = 8;
/** More than this many are not put into the document. */
export const ROWS_AT_MOST = 100;
const SHORT_ID = 8;

/** What the list calls a project. */
export const nameOf = ({ title }: { readonly title: string | null }): string =>
  firstText(title) ?? "Untitled project";

/** Newest first; those that say no time come last, in the server's order. */
export function newestFirst(projects: readonly ListedProject[]): readonly ListedProject[] {
  const created = new Map(projects.map(({ id, created }) => [id, epoch(created)]));
  return [...projects].sort((a, b) => {
    const [of_a, of_b] = [created.get(a.id) ?? null, created.get(b.id) ?? null];
    if (of_a === null || of_b === null) return (of_a === null ? 1 : 0) - (of_b === null ? 1 : 0);
    return of_b - of_a;
  });
}

/** Those that have every word of `query` in their title or status, or an id that begins with it. */
export function matching(projects: readonly ListedProject[], query: string): readonly ListedProject[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return projects;
  return projects.filter((project) => {
    const text = `${nameOf(project)} ${project.status ?? ""}`.toLowerCase();
    const start = project.id.toLowerCase();
    return words.every((word) => text.includes(word) || start.startsWith(word));
  });
}

/** The first hundred, and of the others only those in `wanted`. */
export function cut(
  projects: readonly ListedProject[],
  wanted: (project: ListedProject) => boolean,
): readonly ListedProject[] {
  return projects.filter((project, i) => i < ROWS_AT_MOST || wanted(project));
}

/** The beginning of each id, as long as it takes to tell projects of the same title apart. */
export function shortIds(projects: readonly ListedProject[]): ReadonlyMap<string, string> {
  const byName = new Map<string, string[]>();
  for (const project of projects) {
    addTo(byName, nameOf(project), project.id);
  }
  const shown = new Map<string, string>();
  for (const ids of byName.values()) {
    const longest = Math.max(...ids.map((id) => id.length));
    let length = SHORT_ID;
    while (length < longest && new Set(ids.map((id) => id.slice(0, length))).size < ids.length) length *= 2;
    // An ellipsis that hides two characters says less than the two.
    for (const id of ids) shown.set(id, id.length <= length + 2 ? id : `${id.slice(0, length)}…`);
  }
  return shown;
}

/** The projects with questions that this view does not show: those of the trait `pending` are the shown one's. */
export function askingElsewhere({ projects, project }: Traits): readonly ListedProject[] {
  return projects.filter(({ id, questions }) => questions > 0 && id !== project?.id);
}

/** Whether this monitor holds to a project that is known not to be the server's current one. */
export function isAside({ watching, projects }: Traits): boolean {
  if (watching === null) return false;
  const current = projects.find(({ is_current }) => is_current);
  return current === undefined ? projects.some(({ id }) => id === watching) : current.id !== watching;
}
