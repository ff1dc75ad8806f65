// The peer "Cytoscape.js": a canvas, given every place, told what a capable user tells it for large graphs.
import cytoscape from "cytoscape";
import { COLUMN, ROW, colorOf, placesOf } from "./places.js";

export async function mount(body, root) {
  const { tasks } = JSON.parse(body);
  const places = placesOf(tasks);
  const nodes = tasks.map((task) => {
    const { column, row } = places.get(task.id);
    const data = { id: task.id, label: task.goal, color: colorOf(task) };
    return { group: "nodes", data, position: { x: column * COLUMN, y: row * ROW } };
  });
  const edges = tasks
    .filter(({ parent }) => places.has(parent))
    .map(({ id, parent }) => ({ group: "edges", data: { source: parent, target: id } }));
  const style = [
    {
      selector: "node",
      style: {
        shape: "rectangle",
        width: 200,
        height: 44,
        "background-color": "data(color)",
        label: "data(label)",
        "text-valign": "center",
        "text-wrap": "ellipsis",
        "text-max-width": 190,
        "min-zoomed-font-size": 6,
      },
    },
    { selector: "edge", style: { width: 1, "line-color": "#bbb", "curve-style": "haystack" } },
  ];
  const graph = cytoscape({
    container: root,
    elements: [...nodes, ...edges],
    style,
    layout: { name: "preset", fit: true },
    autoungrabify: true,
    textureOnViewport: true,
    hideEdgesOnViewport: true,
    minZoom: 0.001,
  });
  await new Promise((drawn) => graph.one("render", drawn));
  // It draws in the next frame, for which the driver waits.
  return (change) => {
    graph.batch(() => {
      for (const [id, fields] of Object.entries(JSON.parse(change).changed))
        graph.getElementById(id).data("color", colorOf(fields));
    });
  };
}
