// The edges that a person drags: the widget's lower one for its height, the inspector's for its width. Arrows move
// them, too; a double click takes the height back.

import { takeKey } from "../keyboard";
import { HEIGHT_PX, INSPECTOR_PX } from "../sizing";
import type { View } from "../view";

const STEP_PX = 20;

interface GripProps {
  label: string;
  className: string;
  isUpright: boolean;
  value: number;
  least: number;
  most: number;
  onMove: (value: number) => void;
  onReset: () => void;
  /** Client coordinates → the new value. */
  valueAt: (event: PointerEvent) => number;
}

function Grip({ label, className, isUpright, value, least, most, onMove, onReset, valueAt }: GripProps) {
  const onPointer = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    if (!(event.buttons & 1)) return;
    if (event.type === "pointerdown") event.currentTarget.setPointerCapture(event.pointerId);
    else if (event.currentTarget.hasPointerCapture(event.pointerId)) onMove(valueAt(event));
  };
  const onKey = (event: KeyboardEvent) => {
    const steps: Record<string, number> = isUpright
      ? { ArrowLeft: 1, ArrowRight: -1 }
      : { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step === undefined || event.altKey) return;
    takeKey(event);
    onMove(value + step * STEP_PX);
  };
  return (
    <div
      class={`rw-grip ${className}`}
      role="separator"
      tabIndex={0}
      aria-label={label}
      aria-orientation={isUpright ? "vertical" : "horizontal"}
      aria-valuemin={least}
      aria-valuemax={most}
      aria-valuenow={value}
      title={label}
      onPointerDown={onPointer}
      onPointerMove={onPointer}
      onDblClick={onReset}
      onKeyDown={onKey}
    />
  );
}

export function HeightGrip({ view }: { view: View }) {
  const { sizing, root } = view;
  const move = (px: number | null) => view.change(() => sizing.setHeight(px));
  return (
    <Grip
      label="Height of the view"
      className="rw-grip-height"
      isUpright={false}
      value={view.height}
      least={HEIGHT_PX.least}
      most={HEIGHT_PX.most}
      onMove={move}
      onReset={() => move(null)}
      valueAt={(event) => event.clientY - root.getBoundingClientRect().top}
    />
  );
}

export function InspectorGrip({ view }: { view: View }) {
  const { sizing, root } = view;
  const move = (px: number) => view.change(() => sizing.setInspector(px));
  return (
    <Grip
      label="Width of the inspector"
      className="rw-grip-inspector"
      isUpright
      value={sizing.inspector}
      least={INSPECTOR_PX.least}
      most={INSPECTOR_PX.most}
      onMove={move}
      onReset={() => move(INSPECTOR_PX.usual)}
      valueAt={(event) => root.getBoundingClientRect().right - event.clientX}
    />
  );
}
