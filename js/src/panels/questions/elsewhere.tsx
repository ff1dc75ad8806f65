// Questions of projects that are not shown here: the header names the first such project, and a click shows it.

import { plural } from "../../format";
import { askingElsewhere, nameOf } from "../../projects";
import type { View } from "../../view";
import { ActionButton } from "../action";

const NAME_CHARS = 40;

export function QuestionsElsewhere({ view }: { view: View }) {
  const [first, ...others] = askingElsewhere(view.kernel.traits);
  if (first === undefined) return null;
  const name = nameOf(first);
  const short = name.length > NAME_CHARS ? `${name.slice(0, NAME_CHARS).trimEnd()}…` : name;
  const more = others.length > 0 ? ` and in ${plural(others.length, "more project")}` : "";
  return (
    <span class="rw-badge-box rw-elsewhere">
      <ActionButton
        key={first.id}
        view={view}
        action={{ action: "watch", project: first.id }}
        label={`${plural(first.questions, "question")} in ${short}${more}`}
      />
    </span>
  );
}
