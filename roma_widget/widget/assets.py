"""The bundle that the browser runs, as text; every widget of the package has the same."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from ..errors import RomaError


@cache  # ipywidgets keeps every monitor ever made, and each would keep a bundle of its own
def asset(name: str) -> str:
    asset = files("roma_widget") / "static" / name
    if not asset.is_file():
        raise RomaError(f"roma_widget/static/{name} is missing: build the front end with `make build`.")
    return asset.read_text(encoding="utf-8")
