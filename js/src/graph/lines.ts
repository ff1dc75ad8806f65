// All that one frame draws on the canvas.

import { drawBars } from "./bars";
import { drawBlocks } from "./blocks";
import type { Level } from "./camera";
import { drawContext, drawCritical, drawDependencies, drawSubTaskEdges } from "./edges";
import { drawMarks } from "./marks";
import type { Scene } from "./scene";

export function drawLines(scene: Scene, level: Level): void {
  switch (level) {
    case "blocks":
      drawBlocks(scene);
      break;
    case "bars":
      drawSubTaskEdges(scene);
      drawBars(scene);
      break;
    case "cards":
    case "details":
      drawSubTaskEdges(scene);
      drawDependencies(scene);
      break;
  }
  drawCritical(scene);
  drawContext(scene);
  if (level === "blocks" || level === "bars") drawMarks(scene);
}
