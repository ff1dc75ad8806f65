"""The import order of docs/architecture.md, kept: who may import whom, and what `core` must not touch.

Every import counts: at the top, in a function, under TYPE_CHECKING, or by a literal name given to `import_module`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "roma_widget"

# Part -> the parts it may import besides itself. A part is a module or folder right below roma_widget/.
PARTS = frozenset({"errors", "core", "client", "analysis", "archive", "local_relays", "server", "widget"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "core": frozenset({"errors"}),
    "client": frozenset({"errors", "core"}),
    "analysis": frozenset({"errors", "core"}),
    "archive": frozenset({"errors", "core", "analysis"}),
    "server": frozenset({"errors", "core", "archive"}),
    "local_relays": frozenset({"errors", "core", "client"}),
    "widget": frozenset({"errors", "core", "analysis", "archive"}),
    # The places where parts are put together.
    "keeping": PARTS,
    "reaching": PARTS,
    "session": PARTS | {"keeping", "reaching"},
    "loading": PARTS,
    "opening": PARTS | {"session"},
    "recording": PARTS | {"opening", "session"},
    "relay": PARTS - {"widget"} | {"opening", "session"},
    # The doors.
    "cli": PARTS | {"loading", "opening", "recording", "relay", "session", "__init__"},
    "__main__": frozenset({"cli"}),
    "__init__": PARTS | {"loading", "opening", "relay", "session"},
}

# The same inside server/. Its modules that are no part (embedded, serve) put the parts together; none imports them.
SERVER_MAY_IMPORT: dict[str, frozenset[str]] = {
    "wire": frozenset(),
    "state": frozenset({"wire"}),
    "agents": frozenset({"wire", "state"}),
    "network": frozenset({"wire"}),
    "live": frozenset({"wire", "state", "agents", "network"}),
    "recorded": frozenset({"wire", "network"}),
    "scenarios": frozenset({"agents"}),
}

# What a pure part must not import: anything that acts, waits, looks at a clock or throws dice.
IMPURE_MODULES = frozenset(
    """asyncio concurrent http io logging multiprocessing os pathlib queue random sched secrets select selectors
    shutil signal socket sqlite3 ssl subprocess sys tempfile threading time urllib.request""".split()
)
# Of other people's libraries it may import these.
PURE_LIBRARIES = frozenset({"msgspec"})
# ... and must not call (the last two names of the call count).
IMPURE_CALLS = frozenset(
    """datetime.now datetime.today datetime.utcnow date.today uuid.uuid1 uuid.uuid4 uuid1 uuid4
    breakpoint input open print""".split()
)


def part_of(module: str) -> str:
    """`roma_widget.core.wire` -> `core`; the package itself -> `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> path of every module of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(module: str, source: str, *, is_package: bool = False) -> Iterator[tuple[str, int]]:
    """(absolute dotted name, line) of everything the source imports; `from a import b` gives `a.b`."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                yield from ((name.name, node.lineno) for name in names)
            case ast.ImportFrom(origin, names, level):
                where = absolute("." * level + (origin or ""), package)
                yield from ((f"{where}.{name.name}", node.lineno) for name in names)
            case ast.Call(ast.Name("import_module" | "__import__"), [ast.Constant(str(name)), *_]) | ast.Call(
                ast.Attribute(_, "import_module"), [ast.Constant(str(name)), *_]
            ):
                yield absolute(name, package), node.lineno


def absolute(name: str, package: list[str]) -> str:
    """`..core.model` as seen from a module of `package` -> `roma_widget.core.model`."""
    rest = name.lstrip(".")
    level = len(name) - len(rest)
    above = package[: len(package) - level + 1] if level else []
    return ".".join([*above, *([rest] if rest else [])])


def order_violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """What of the source goes against MAY_IMPORT."""
    own = part_of(module)
    if own not in MAY_IMPORT:
        return [
            f"{module} is not in the table: say in MAY_IMPORT (and in docs/architecture.md) what it may import"
        ]
    violations = []
    for name, line in imports(module, source, is_package=is_package):
        if name.split(".")[0] != "roma_widget":
            continue
        other = name.split(".")[1] if "." in name else "__init__"
        if other not in MAY_IMPORT and own != "__init__":
            other = "__init__"  # a name that the package itself offers
        if other in MAY_IMPORT and other != own and other not in MAY_IMPORT[own]:
            violations.append(f"{module}:{line} imports {name}, but {own} may not import {other}")
    return violations


def purity_violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """What of the source is not pure."""
    violations = []
    for name, line in imports(module, source, is_package=is_package):
        top = name.split(".")[0]
        if top == "roma_widget" or top in PURE_LIBRARIES:
            continue
        if any(name == impure or name.startswith(f"{impure}.") for impure in IMPURE_MODULES):
            violations.append(f"{module}:{line} imports {name}, which is not pure")
        elif top not in sys.stdlib_module_names:
            violations.append(
                f"{module}:{line} imports {name}: core takes no library but {sorted(PURE_LIBRARIES)}"
            )
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return violations + [
        f"{module}:{call.lineno} calls {ast.unparse(call.func)}, which is not pure"
        for call in calls
        if ".".join(ast.unparse(call.func).split(".")[-2:]) in IMPURE_CALLS
    ]


@pytest.mark.parametrize(("module", "path"), modules().items(), ids=modules())
def test_a_module_imports_only_from_those_above_it(module: str, path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert order_violations(module, source, is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    "module", [name for name in modules() if name.startswith("roma_widget.server.") and name.count(".") > 2]
)
def test_a_part_of_the_server_imports_only_from_those_above_it(module: str) -> None:
    path = modules()[module]
    own = module.split(".")[2]
    for name, line in imports(
        module, path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py"
    ):
        if name.startswith("roma_widget.server."):
            other = name.split(".")[2]
            assert other in SERVER_MAY_IMPORT[own] | {own}, f"{module}:{line} imports {name}"


@pytest.mark.parametrize("module", [module for module in modules() if part_of(module) in {"core", "errors"}])
def test_core_is_pure(module: str) -> None:
    path = modules()[module]
    source = path.read_text(encoding="utf-8")
    assert purity_violations(module, source, is_package=path.name == "__init__.py") == []


def test_the_table_has_no_circle() -> None:
    """Each part may import only parts that may not import it."""
    for part, below in MAY_IMPORT.items():
        assert [other for other in below if part in MAY_IMPORT[other]] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("roma_widget.core.wire", "from ..client import socket"),
        ("roma_widget.core.wire", "from .. import client"),
        ("roma_widget.core.wire", "import roma_widget.analysis.frames"),
        ("roma_widget.core.wire", "import roma_widget"),
        ("roma_widget.core.wire", "from roma_widget import Monitor"),
        ("roma_widget.analysis.frames", "def f():\n    from ..archive import recording"),
        ("roma_widget.widget.monitor", "if TYPE_CHECKING:\n    from ..session import Session"),
        ("roma_widget.widget.monitor", "from roma_widget.client.feed import Feed"),
        ("roma_widget.server.network.app", "importlib.import_module('...client.feed', __package__)"),
        ("roma_widget.server.network.app", "import_module('roma_widget.session')"),
        ("roma_widget.session", "from .relay import Relay"),
        ("roma_widget.relay", "from . import cli"),
        ("roma_widget.errors", "from .core.model import Task"),
        ("roma_widget.helpers", "import json"),
    ],
)
def test_the_order_check_can_fail(module: str, source: str) -> None:
    assert order_violations(module, source) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("roma_widget.core.state", "from ..errors import RomaError\nfrom .model import Task\nimport json"),
        ("roma_widget.session", "from .widget.monitor import Monitor\nfrom .client import feed"),
        ("roma_widget.cli", "from . import relay, opening"),
    ],
)
def test_the_order_check_lets_the_right_ones_pass(module: str, source: str) -> None:
    assert order_violations(module, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "import os.path",
        "from time import monotonic",
        "from concurrent.futures import ThreadPoolExecutor",
        "import urllib.request",
        "import pandas as pd",
        "from datetime import datetime\nnow = datetime.now(UTC)",
        "import datetime\nnow = datetime.datetime.now()",
        "text = open('file').read()",
        "import uuid\nkey = uuid.uuid4()",
    ],
)
def test_the_purity_check_can_fail(source: str) -> None:
    assert purity_violations("roma_widget.core.state", source) != []


def test_the_purity_check_lets_pure_sources_pass() -> None:
    source = "import math\nfrom datetime import datetime\nimport msgspec\nfrom ..errors import RomaError"
    assert purity_violations("roma_widget.core.state", source) == []
