// Mounts a comparison: reads its body once, draws it, and draws it again when its width asks for another shape.

import { h, render } from "preact";
import type { WidgetModel } from "../kernel";
import type { Mounted } from "../mount";
import { readText } from "../read";
import { Comparison } from "./comparison";
import { readCompared, unpack } from "./read";

const UNREADABLE = "This comparison could not be read. Run its cell again.";

export function mountComparison(model: WidgetModel, mounted: Mounted): void {
  const { root, signal, picture } = mounted;
  root.classList.add("rw-comparison");
  picture.hide(readText(model.get("static_key")));
  void unpack(model.get("body"))
    .then(readCompared)
    .catch(() => null)
    .then((compared) => {
      if (signal.aborted) return;
      const draw = () => {
        root.dataset.shape = mounted.shape;
        if (compared === null)
          return render(h("p", { class: "rw-cmp-nothing", role: "alert" }, UNREADABLE), root);
        root.dataset.rows = String(compared.pairs.length);
        render(h(Comparison, { compared, isNarrow: mounted.shape === "narrow" }), root);
      };
      mounted.onShape = draw;
      draw();
    });
}
