// Questions of projects that are not shown here: the header says so, and a click shows the newest such project.

import { plural } from "../../format";
import { askingElsewhere, nameOf } from "../../projects";
import type { View } from "../../view";
import { ActionButton } from "../action";

const NAME_CHARS = 40;

export function QuestionsElsewhere({ view }: { view: View }) {
  const [first, ...others] = askingElsewhere(view.traits);
  if (first === undefined) return null;
  const name = nameOf(first);
  const cut = name.length > NAME_CHARS ? `${name.slice(0, NAME_CHARS).trimEnd()}…` : name;
  const all = others.reduce((sum, { questions }) => sum + questions, first.questions);
  const where = others.length === 0 ? cut : plural(others.length + 1, "other project");
  const label = `${plural(all, "question")} in ${where}`;
  const short = others.length === 0 && view.shape === "wide" ? label : `${all} elsewhere`;
  return (
    <span class="rw-badge-box rw-elsewhere" title={`${label}: show it here`}>
      <ActionButton
        key={first.id}
        view={view}
        action={{ action: "watch", project: first.id }}
        label={short}
        name={short === label ? undefined : `${short}: ${label}`}
      />
    </span>
  );
}
