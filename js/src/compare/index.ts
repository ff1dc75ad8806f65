// What anywidget calls for a comparison.

import type { WidgetModel } from "../kernel";
import { Mounted } from "../mount";
import { mountComparison } from "./mount";

function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  const mounted = new Mounted(el);
  mountComparison(model, mounted);
  return () => mounted.close();
}

export default { render };
