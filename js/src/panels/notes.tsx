// What people wrote beside tasks, with `m.annotate`: shown as text, clamped.

import { dayAndTime } from "../format";
import type { Note } from "../messages";
import { Clamped, Quiet } from "./parts";

const LINES = 4;

/** A note: when it was written, its tags, its text. */
export function NoteText({ note }: { note: Note }) {
  return (
    <div class="rw-note">
      <Clamped
        text={note.text}
        lines={LINES}
        mono={false}
        copyLabel="Copy the note"
        title={
          <Quiet>
            {dayAndTime(note.time, Date.now())}
            {note.tags.map((tag, i) => (
              <bdi class="rw-chip" key={i}>
                {tag}
              </bdi>
            ))}
          </Quiet>
        }
      />
    </div>
  );
}
