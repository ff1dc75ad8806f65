// The peer "React Flow": an element for each task in sight, nodes memoised, nothing that can be connected or dragged.
import { Handle, Position, ReactFlow } from "@xyflow/react";
import { memo, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { COLUMN, ROW, changed, colorOf, placesOf } from "./places.js";

const Task = memo(({ data }) => (
  <div className="node" style={{ borderLeft: `4px solid ${data.color}` }}>
    <Handle type="target" position={Position.Left} />
    {data.goal}
    <Handle type="source" position={Position.Right} />
  </div>
));
const nodeTypes = { task: Task };

export async function mount(body, root) {
  let { tasks } = JSON.parse(body);
  const places = placesOf(tasks);
  const edges = tasks
    .filter(({ parent }) => places.has(parent))
    .map(({ id, parent }) => ({ id: `${parent}-${id}`, source: parent, target: id }));
  const nodeOf = (task) => {
    const { column, row } = places.get(task.id);
    return {
      id: task.id,
      type: "task",
      position: { x: column * COLUMN, y: row * ROW },
      width: 200,
      height: 48,
      data: { goal: task.goal, color: colorOf(task) },
    };
  };
  const first = tasks.map(nodeOf);
  let setNodes;
  let committed = () => {};
  const next = () => new Promise((done) => { committed = done; });

  function Run() {
    const [nodes, set] = useState(first);
    setNodes = set;
    useEffect(() => { if (nodes) committed(); }, [nodes]);
    return (
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        fitView
        minZoom={0.001}
        onlyRenderVisibleElements
        nodesDraggable={false}
        nodesConnectable={false}
        elementsSelectable={false}
      />
    );
  }

  root.style.height = "680px";
  const isThere = next();
  createRoot(root).render(<Run />);
  await isThere;
  await new Promise((seen) => {
    const look = () => (root.querySelector(".react-flow__node") ? seen() : requestAnimationFrame(look));
    look();
  });
  return async (change) => {
    const changes = JSON.parse(change).changed;
    tasks = changed(tasks, changes);
    const byId = new Map(tasks.map((task) => [task.id, task]));
    const isShown = next();
    setNodes((nodes) => nodes.map((node) => (changes[node.id] === undefined ? node : nodeOf(byId.get(node.id)))));
    await isShown;
  };
}
