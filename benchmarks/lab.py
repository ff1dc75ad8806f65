"""A JupyterLab and a Chromium of its own for a part that is measured in them, so that no part can spoil the next."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from .driver import executable
from .size import Size
from .table import Row


def measured(part: ModuleType, size: Size) -> Iterator[Row]:
    """The rows of the module's `measure_in(lab, browser, size)`."""
    chromium = executable()
    from browser.lab import chromium_browser, lab_server

    with (
        tempfile.TemporaryDirectory() as own,
        lab_server(Path(own)) as lab,
        chromium_browser(chromium) as browser,
    ):
        yield from part.measure_in(lab, browser, size)
