// What a node editor does with a run: one absolutely positioned element per task in a layer that is panned and zoomed
// by a transform, no edges and nothing else. The peer of `python -m benchmarks graph`.

const LEFT = 10, COLUMN = 232, ROW = 54;

export function mount(body, root) {
  const tasks = new Map(), nodes = new Map();
  let rows = 0;
  const layer = document.createElement("div");
  const camera = { x: LEFT, y: LEFT, zoom: 1 };
  const move = () => { layer.style.transform = `translate(${camera.x}px,${camera.y}px) scale(${camera.zoom})`; };
  const write = (node, task) => {
    node.dataset.status = task.status;
    node.children[0].textContent = task.goal;
    node.children[1].textContent = `${task.id} ${task.type} ${task.agent ?? ""}`;
  };
  for (const task of JSON.parse(body).tasks) {
    const up = nodes.get(task.parent);
    const node = document.createElement("div");
    node.append(document.createElement("b"), document.createElement("span"));
    node.row = up !== undefined && up.last === undefined ? up.row : rows++;
    if (up !== undefined) up.last = node;
    node.column = (up?.column ?? -1) + 1;
    node.className = "node";
    node.style.left = `${node.column * COLUMN}px`;
    node.style.top = `${node.row * ROW}px`;
    write(node, task);
    tasks.set(task.id, task);
    nodes.set(task.id, node);
    layer.append(node);
  }
  root.append(layer);
  camera.zoom = Math.max(0.02, 600 / (rows * ROW));
  layer.style.transformOrigin = "0 0";
  move();
  root.onpointermove = (event) => {
    if (!(event.buttons & 1)) return;
    camera.x += event.movementX;
    camera.y += event.movementY;
    move();
  };
  root.addEventListener("wheel", (event) => {
    event.preventDefault();
    camera.zoom *= Math.exp(-event.deltaY / 160);
    move();
  }, { passive: false });
  return (change) => {
    for (const [id, fields] of Object.entries(JSON.parse(change).changed)) {
      tasks.set(id, { ...tasks.get(id), ...fields });
      write(nodes.get(id), tasks.get(id));
    }
  };
}
