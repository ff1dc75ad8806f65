// What can be taken along, in the header's menu. Each line does one thing and says what came of it.

import { now } from "../clock";
import { wholeTime } from "../format";
import type { View } from "../view";
import { Button, CopyButton, copyText, pressable, Quiet } from "./parts";

export function Exports({ view }: { view: View }) {
  const { selected, graph, errand } = view;
  const { isBusy, outcome } = errand;
  const act = (work: () => Promise<string>) => errand.begin(work);
  return (
    <>
      <Line
        label="Copy the selected task as JSON"
        note={selected === null ? "none is selected" : undefined}
        isOff={isBusy || selected === null}
        code={selected === null ? null : `${view.expression}.task(${JSON.stringify(selected)}).raw`}
        codeLabel="Copy the Python expression of the server's own record"
        onClick={() => act(() => copySelection(view))}
      />
      <Line
        label="Save the graph as PNG"
        note={graph === null ? "too narrow for a graph" : "all that is unfolded"}
        isOff={isBusy || graph === null}
        code={null}
        onClick={() => act(() => savePicture(view))}
      />
      {view.hasKernel && (
        <Line
          label="Save a page to send"
          note="beside the notebook, secrets taken out"
          isOff={isBusy || !view.canAct}
          code={'m.to_html("run.html", redact="secrets")'}
          onClick={() => act(async () => `Written: ${await view.kernel.exportPage()}`)}
        />
      )}
      {/* The live region of the view says it, too. */}
      <p class={`rw-export-said ${outcome?.isError ? "rw-s-FAILED rw-inked" : "rw-quiet"}`} dir="auto">
        {isBusy ? "At it…" : outcome?.text}
      </p>
    </>
  );
}

interface LineProps {
  label: string;
  note?: string | undefined;
  isOff: boolean;
  /** What does the same in Python, or something that `codeLabel` says. */
  code: string | null;
  codeLabel?: string;
  onClick: () => void;
}

function Line({ label, note, isOff, code, codeLabel = "Copy as code", onClick }: LineProps) {
  return (
    <div class="rw-export">
      <Button {...pressable(isOff, onClick)}>
        {label}
        {note !== undefined && <Quiet> {note}</Quiet>}
      </Button>
      {code !== null && <CopyButton text={code} label={codeLabel} />}
    </div>
  );
}

async function copySelection(view: View): Promise<string> {
  const task = view.task(view.selected ?? "");
  if (task === undefined) throw new Error("The selected task is gone.");
  // Whole texts where they can be had; of a moment of the past only what is known of it.
  const whole = view.isPast ? null : await view.kernel.ask(task.id);
  const { task: _, left_out: __, ...texts } = whole ?? { task: "", left_out: null };
  if (!(await copyText(JSON.stringify({ ...task, ...texts }, null, 2))))
    throw new Error("The browser does not let this page copy.");
  return `Copied: ${task.id}`;
}

async function savePicture(view: View): Promise<string> {
  if (view.graph === null) throw new Error("There is no graph in this view.");
  const time = now(view);
  const picture = view.graph.picture(view.title ?? "", time === null ? "" : wholeTime(time));
  const blob = await new Promise<Blob | null>((done) => picture.toBlob(done));
  if (blob === null) throw new Error("The browser could not make a picture of this size.");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "graph.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return "Saved: graph.png";
}
