// The peer "plotly": what a FigureWidget does in the browser, with the copy that plotly for Python carries (`window.Plotly`).
import { changed, colorOf, placesOf } from "./places.js";

export async function mount(body, root) {
  const { Plotly } = window;
  let { tasks } = JSON.parse(body);
  const places = placesOf(tasks);
  const lines = { x: [], y: [], mode: "lines", hoverinfo: "skip", line: { width: 1, color: "#bbb" } };
  const points = { x: [], y: [], text: [], mode: "markers", marker: { color: tasks.map(colorOf) } };
  for (const { id, parent, goal } of tasks) {
    const { column, row } = places.get(id);
    points.x.push(column);
    points.y.push(-row);
    points.text.push(goal);
    const up = places.get(parent);
    if (up === undefined) continue;
    lines.x.push(up.column, column, null);
    lines.y.push(-up.row, -row, null);
  }
  const layout = { width: 1280, height: 680, showlegend: false, dragmode: "pan", margin: { l: 0, r: 0, t: 0, b: 0 } };
  await Plotly.newPlot(root, [lines, points], layout, { scrollZoom: true });
  return async (change) => {
    tasks = changed(tasks, JSON.parse(change).changed);
    await Plotly.restyle(root, { "marker.color": [tasks.map(colorOf)] }, [1]);
  };
}
