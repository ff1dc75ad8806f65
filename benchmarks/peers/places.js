// Where each task stands, for every peer the same: a tidy tree in rows, worked out here so that no peer pays for a layout.

export const COLUMN = 232;
export const ROW = 54;
export const COLORS = { DONE: "#2e9e5b", RUNNING: "#2878d0", FAILED: "#c8372d" };

export const colorOf = ({ status }) => COLORS[status] ?? "#999";

/** For each task: its column and row (a parent level with its first child). Parents come before their children. */
export function placesOf(tasks) {
  const places = new Map();
  const hasChild = new Set();
  let rows = 0;
  for (const { id, parent } of tasks) {
    const up = places.get(parent);
    const row = up !== undefined && !hasChild.has(parent) ? up.row : rows++;
    hasChild.add(parent);
    places.set(id, { column: (up?.column ?? -1) + 1, row });
  }
  return places;
}

/** The tasks after a change. */
export function changed(tasks, changes) {
  return tasks.map((task) => (changes[task.id] === undefined ? task : { ...task, ...changes[task.id] }));
}
