"""What is wrong with what a server sent: kept apart by project, so that only who shows a project is told of its own.

What is wrong with the connection as a whole (its list of projects, its refusals, what cannot be read) stands under
None. When something counts as said or mended is `hearing`'s business.
"""

from __future__ import annotations

from collections.abc import Collection

from ..core.reading import MOST_PROBLEMS, hide

MOST_PROJECTS = 16
"""Projects remembered here that nobody needs: a server may invent any number of them."""
_SAID = 2


class Complaints:
    """See the module. `secrets` are hidden: a server may quote what it was sent."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self._lines: dict[str | None, tuple[str, ...]] = {}

    def replace(self, about: str | None, lines: tuple[str, ...], needed: Collection[str | None] = ()) -> bool:
        """From now on this is what is wrong with that; True when it was something else before."""
        before = self._lines.pop(about, ())
        if lines:
            self._lines[about] = lines
        spare = [key for key in self._lines if key not in (None, about) and key not in needed]
        for key in spare[: max(0, len(spare) - MOST_PROJECTS)]:
            del self._lines[key]
        return lines != before

    def add(self, about: str | None, lines: tuple[str, ...], needed: Collection[str | None] = ()) -> bool:
        """This is wrong, too; True when that is new."""
        both = dict.fromkeys((*lines, *self._lines.get(about, ())))
        return self.replace(about, tuple(both)[: MOST_PROBLEMS + 1], needed)

    def sentence(self, about: str | None) -> str | None:
        """The first of it for the person; None when nothing is wrong."""
        lines = self._lines.get(about, ())
        said = [f"{line.rstrip('.')}." for line in lines[:_SAID]]
        more = [f"And {len(lines) - _SAID} more."] if len(lines) > _SAID else []
        return hide(" ".join(said + more), self._secrets) or None
