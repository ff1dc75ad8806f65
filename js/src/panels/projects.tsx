// The title in the header and the menu under it: which project is shown here, and which one is current for everybody.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { IN_PLACE } from "../focus";
import { count } from "../format";
import type { View } from "../view";
import { Button, Icon } from "./parts";
import { Popover } from "./popover";
import { ProjectList } from "./project-list";

/** What the person asked for last. A refusal outlives the menu, but not the project that was shown when it came. */
export interface Asked {
  readonly what: "watch" | "switch";
  /** null: the server's current one. */
  readonly project: string | null;
  /** null: under way. */
  readonly error: string | null;
}

export function ProjectMenu({ view, title }: { view: View; title: string }) {
  const { traits, link } = view.kernel;
  const { projects, watching, project } = traits;
  const [isOpen, setOpen] = useState(false);
  const [asked, setAsked] = useState<Asked | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  /** How often the menu was opened, and whether it is open: an answer closes the menu that asked, and no later one. */
  const openings = useRef(0);
  const opened = useRef(false);
  const turn = useRef(0);
  opened.current = isOpen;

  const ask = async (what: Asked["what"], id: string | null): Promise<boolean> => {
    const mine = ++turn.current;
    setAsked({ what, project: id, error: null });
    const error = await view.kernel.do(
      what === "switch" && id !== null ? { action: "switch", project: id } : { action: "watch", project: id },
    );
    // Somebody who has asked for something else meanwhile hears of that alone.
    if (mine !== turn.current) return false;
    setAsked(error === null ? null : { what, project: id, error });
    return error === null;
  };
  const forgetRefusal = () =>
    setAsked((before) => (before === null || before.error === null ? before : null));
  useLayoutEffect(forgetRefusal, [project?.id, watching]);
  const close = () => {
    if (!opened.current) return;
    setOpen(false);
    button.current?.focus(IN_PLACE);
  };
  const watch = (id: string | null) => {
    // Choosing what is shown takes back a choice that is still under way: the kernel goes to both, in this order.
    const isUnderWay = asked !== null && asked.what === "watch" && asked.error === null;
    if (id === watching && !isUnderWay) {
      forgetRefusal();
      return close();
    }
    const opening = openings.current;
    void ask("watch", id).then((done) => done && opening === openings.current && close());
  };
  const toggle = () => {
    if (!isOpen) openings.current++;
    setOpen(!isOpen);
  };
  const makeCurrent = (id: string) => ask("switch", id);

  const list = useMemo(
    () =>
      isOpen && (
        <Popover label="Projects" kind="projects" anchor={button} onClose={() => setOpen(false)}>
          <ProjectList
            projects={projects}
            watching={watching}
            shown={project?.id ?? null}
            canAct={link.alive}
            asked={asked}
            onWatch={watch}
            onMakeCurrent={makeCurrent}
          />
        </Popover>
      ),
    [isOpen, projects, watching, project?.id, link.alive, asked],
  );
  const text = (
    <span class="rw-title-text" dir="auto">
      {title}
    </span>
  );
  // A file of one run leads nowhere else.
  const hasMenu =
    traits.connection.state === "archive" ? projects.length > 1 : projects.length > 0 || watching !== null;
  return (
    <div class="rw-title-box">
      <h2 class="rw-title" title={title.slice(0, 1000)}>
        {hasMenu ? (
          <Button
            class="rw-title-button"
            ref={button}
            aria-haspopup="dialog"
            aria-expanded={isOpen}
            onClick={toggle}
          >
            {text}
            {projects.length > 1 && (
              <span class="rw-quiet rw-title-count">
                {count(projects.length)}
                <span class="rw-clipped"> projects</span>
              </span>
            )}
            <Icon name="open" />
          </Button>
        ) : (
          text
        )}
      </h2>
      {list}
    </div>
  );
}
