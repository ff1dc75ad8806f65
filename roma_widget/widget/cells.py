"""Which notebook cell is running, as far as the kernel knows."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class CellWatch:
    """Counts the cells that run now. One per process, registered with the shell when first needed."""

    def __init__(self) -> None:
        self._running = 0
        self._shell: Any = None

    def busy(self) -> bool:
        return self._running > 0

    def register(self) -> None:
        shell = _shell()
        if shell is None or shell is self._shell:
            return
        self._shell = shell
        self._running = 1  # whoever registers does so from a cell
        shell.events.register("pre_run_cell", self._began)
        shell.events.register("post_run_cell", self._ended)

    def _began(self, _info: object = None) -> None:
        self._running = 1

    def _ended(self, _result: object = None) -> None:
        self._running = 0


cell_watch = CellWatch()


@dataclass(frozen=True, slots=True)
class Cell:
    """One execution of one cell."""

    cell_id: str
    execution: str


def current_cell() -> Cell | None:
    """The cell whose code runs, as JupyterLab and Notebook 7 tell it; None elsewhere."""
    kernel = getattr(_shell(), "kernel", None)
    try:
        parent = kernel.get_parent("shell") if kernel is not None else None
    except (AttributeError, TypeError):  # another kernel than ipykernel
        return None
    if not isinstance(parent, dict):
        return None
    cell_id = parent.get("metadata", {}).get("cellId")
    execution = parent.get("header", {}).get("msg_id")
    if isinstance(cell_id, str) and isinstance(execution, str):
        return Cell(cell_id, execution)
    return None


def context_for_later() -> contextvars.Context:
    """The context for code of this cell that is called when the cell has ended: what it prints comes out beside it.

    Where cells have no ids, as under nbclient, what belongs to an earlier cell is dropped: there it is empty,
    so that it comes out in the cell that runs then.
    """
    if current_cell() is None and getattr(_shell(), "kernel", None) is not None:
        return contextvars.Context()
    return contextvars.copy_context()


class MadeInCells(Generic[T]):
    """What the newest run of each cell made. ipywidgets and `Out` never let go of what earlier runs made."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[str, WeakSet[T]]] = {}

    def replaced_by(self, made: T) -> list[T]:
        """The running cell made this: gives what its earlier run made, which nobody sees any more."""
        cell = current_cell()
        if cell is None:
            return []
        execution, earlier = self._made.get(cell.cell_id, ("", WeakSet()))
        if execution == cell.execution:
            earlier.add(made)
            return []
        self._made[cell.cell_id] = (cell.execution, WeakSet([made]))
        return list(earlier)


def _shell() -> Any:
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()
