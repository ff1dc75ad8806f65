// One row of the project menu: what it shows of a project, the button beside it, and the question before that acts.

import type { ComponentChildren } from "preact";
import { dayAndTime, epoch, plural } from "../format";
import type { ListedProject } from "../messages";
import { nameOf } from "../projects";
import { Confirmation } from "./action";
import { Button, Icon } from "./parts";

const FOR_EVERYONE = "Make current for everyone";
const QUESTION = "This switches the project for everyone who watches this server.";

interface PickProps {
  isChecked: boolean;
  isTabbable: boolean;
  isOff: boolean;
  isBusy: boolean;
  title: string;
  tags?: readonly string[];
  /** How many questions wait there. */
  questions?: number;
  children: ComponentChildren;
  onPick: () => void;
  onStand: () => void;
}

/** The main button of a row: title and tags, and a quiet second line. */
export function Pick(props: PickProps) {
  const {
    isChecked,
    isTabbable,
    isOff,
    isBusy,
    title,
    tags = [],
    questions = 0,
    children,
    onPick,
    onStand,
  } = props;
  return (
    <Button
      class="rw-pick"
      tabIndex={isTabbable ? 0 : -1}
      aria-disabled={isOff}
      aria-busy={isBusy}
      onClick={onPick}
      onFocus={onStand}
    >
      <span class="rw-pick-mark" aria-hidden>
        {isChecked && <Icon name="copied" />}
      </span>
      <span class="rw-pick-title" dir="auto" title={title}>
        {title}
      </span>
      <span class="rw-tags">
        {questions > 0 && <span class="rw-tag rw-tag-asks">{plural(questions, "question")}</span>}
        {(isBusy ? ["asking…"] : tags).map((tag) => (
          <span key={tag} class="rw-tag">
            {tag}
          </span>
        ))}
      </span>
      <span class="rw-pick-meta rw-quiet" dir="auto">
        {children}
      </span>
    </Button>
  );
}

interface ProjectRowProps {
  at: number;
  project: ListedProject;
  shortId: string;
  now: number;
  isChecked: boolean;
  isShown: boolean;
  isActive: boolean;
  isOff: boolean;
  isBusy: boolean;
  isSwitching: boolean;
  isConfirming: boolean;
  onPick: () => void;
  onStand: () => void;
  onEveryone: () => void;
  onYes: () => void;
  onNo: () => void;
}

export function ProjectRow(props: ProjectRowProps) {
  const { at, project, shortId, now, isActive, isConfirming, isSwitching, isOff } = props;
  const title = nameOf(project);
  const created = epoch(project.created);
  const tags = [project.is_current ? "current" : "", props.isShown ? "shown here" : ""].filter(Boolean);
  return (
    <div
      role="row"
      class={isConfirming ? "rw-project rw-project-asks" : "rw-project"}
      data-at={at}
      aria-selected={props.isChecked}
    >
      <div role="gridcell" class="rw-project-cell">
        <Pick
          isChecked={props.isChecked}
          isTabbable={isActive}
          isOff={isOff}
          isBusy={props.isBusy}
          title={title}
          tags={tags}
          questions={project.questions}
          onPick={props.onPick}
          onStand={props.onStand}
        >
          {project.status !== null && <bdi>{`${project.status} · `}</bdi>}
          {created !== null && `${dayAndTime(created, now)} · `}
          <bdi class="rw-mono" title={project.id.slice(0, 300)}>
            {shortId}
          </bdi>
        </Pick>
      </div>
      {!project.is_current && !isConfirming && (
        <div role="gridcell" class="rw-project-cell">
          <Button
            class="rw-everyone rw-link"
            tabIndex={-1}
            aria-disabled={isOff}
            onClick={props.onEveryone}
            onFocus={props.onStand}
          >
            {FOR_EVERYONE}
          </Button>
        </div>
      )}
      {isConfirming && (
        <div role="gridcell" class="rw-project-confirm">
          <Confirmation
            question={QUESTION}
            label={isSwitching ? "Switching…" : "Switch for everyone"}
            isOff={isOff}
            busy={isSwitching}
            onYes={props.onYes}
            onNo={props.onNo}
          />
        </div>
      )}
    </div>
  );
}
