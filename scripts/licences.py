"""Writes docs/licences.md and licenses/: which licences come with what we install and with what is in the bundles.

`python scripts/licences.py` in an environment of `make setup`. What a licence is stands in the metadata of each
installed package, and for npm in js/package-lock.json. tests/setup/test_licences.py says when the page is not current.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
NOTICES = ROOT / "licenses"
JS = ROOT / "js"
PEERS = ROOT / "benchmarks" / "peers"

# What packages say that do not say it in SPDX; the longest beginning that fits counts.
_SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd": "BSD",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "gnu general public license (gpl)": "GPL",
    "isc": "ISC",
    "mit": "MIT",
    "mozilla public license 2.0": "MPL-2.0",
    "mpl-2.0": "MPL-2.0",
    "public domain": "public domain",
    "psf-2.0": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense": "Unlicense",
}
_EXPRESSION = re.compile(r"[\w.-]+(?: (?:AND|OR|WITH) [\w.-]+)+")
_BARE_IMPORT = re.compile(r"""\bfrom\s+["']((?:@[\w.-]+/)?[\w-][\w.-]*)""")


class Unsaid(Exception):
    """A package does not say its licence in a way that is known here; the message says what to do."""


@dataclass(frozen=True, order=True)
class Package:
    name: str
    version: str
    licence: str
    wanted_by: tuple[str, ...]

    @property
    def row(self) -> str:
        return f"| {self.name} | {self.licence} | {', '.join(self.wanted_by)} |"


def installed(requirements: Iterable[str]) -> list[Package]:
    """These and all that they need here, by name. Raises `Unsaid`; PackageNotFoundError for what is not installed."""
    wanted_by: dict[str, set[str]] = {}
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    todo = [(Requirement(text), "roma-widget") for text in requirements]
    while todo:
        wanted, by = todo.pop()
        name = canonicalize_name(wanted.name)
        wanted_by.setdefault(name, set()).add(by)
        found.setdefault(name, distribution(name))
        for extra in {"", *wanted.extras} - {extra for key, extra in seen if key == name}:
            seen.add((name, extra))
            todo += [(needed, name) for needed in needs(found[name], extra)]
    return sorted(
        Package(name, each.version, licence_of(each), tuple(sorted(wanted_by[name])))
        for name, each in found.items()
    )


def needs(package: Distribution, extra: str) -> Iterator[Requirement]:
    """What it needs with `extra` (without it for ""), on this machine and Python."""
    for text in package.requires or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            yield needed


def licence_of(package: Distribution) -> str:
    """As SPDX, of the newest field that says it: the expression, the old text, the classifiers."""
    told: Any = package.metadata  # a Message; the type that is told of it has no get
    if expression := told.get("License-Expression"):
        return str(expression)
    text = (told.get("License") or "").strip()
    if _EXPRESSION.fullmatch(text):
        return text
    classifiers = [
        each.rpartition(" :: ")[2]
        for each in told.get_all("Classifier", [])
        if each.startswith("License ::") and not each.endswith(("DFSG approved", "OSI Approved"))
    ]
    known = {spdx for spdx in map(_spdx, [text, *classifiers]) if spdx}
    if not known or None in map(_spdx, classifiers):
        raise Unsaid(
            f"{told['Name']} says {[text[:80], *classifiers]}: add what that is to scripts/licences.py, "
            "after a look at its text."
        )
    if any(spdx.startswith("BSD-") for spdx in known):
        known.discard("BSD")  # one field says which, the other does not
    return " AND ".join(sorted(known))


def _spdx(text: str) -> str | None:
    beginnings = [known for known in _SPDX if text.lower().removeprefix("the ").startswith(known)]
    return _SPDX[max(beginnings, key=len)] if beginnings else None


def bundled() -> list[Package]:
    """The npm packages that the sources of the bundles import, and what those need."""
    sources = [*sorted((JS / "src").rglob("*.ts*")), JS / "jsx.mjs"]
    imported = {name for path in sources for name in _BARE_IMPORT.findall(path.read_text(encoding="utf-8"))}
    return locked(JS, imported, "the front end")


def compared_with() -> list[Package]:
    """The npm packages that the benchmarks measure us against, and what those need."""
    said = json.loads((PEERS / "package.json").read_text(encoding="utf-8"))
    return locked(PEERS, said["dependencies"], "the benchmarks")


def locked(folder: Path, names: Iterable[str], wanted_by: str) -> list[Package]:
    """These npm packages and all that they need, as the lock file of `folder` has them."""
    known = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    todo, found = [(name, wanted_by) for name in sorted(names)], {}
    while todo:
        name, by = todo.pop()
        told = known[f"node_modules/{name}"]
        found[name] = Package(name, told["version"], told["license"], (by,))
        todo += [(each, name) for each in told.get("dependencies", {}) if each not in found]
    return sorted(found.values())


def project() -> dict[str, list[Package]]:
    """By part of the page: what runs, what an extra adds to it, what is in the bundles."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = {"run": installed(said["dependencies"])}
    known = {package.name for package in parts["run"]}
    for extra, requirements in said["optional-dependencies"].items():
        parts[extra] = [each for each in installed(requirements) if each.name not in known]
    parts["bundle"] = bundled()
    parts["peers"] = compared_with()
    return parts


INTRODUCTION = """# Licences

roma-widget is under BSD-3-Clause ([LICENSE](../LICENSE)). A wheel holds our code and, in its bundles, the npm package
below, with its notice (`licenses/`). Everything else is installed from its own package and not copied; some of those
carry libraries of others inside, and say so in their own files.

Made by `python scripts/licences.py` from what the packages say of themselves, on Linux with what `constraints.txt`
pins; other systems and Pythons leave some out and add a few. "BSD" and "GPL" stand where a package does not
say which.
"""

HEADINGS = {
    "bundle": "In the bundles, and so in every wheel and exported page",
    "run": "Installed with roma-widget",
    "parquet": "Added by `roma-widget[parquet]`",
    "dev": "Added for development (`[dev]`); nothing of it is shipped",
    "peers": "Measured by the benchmarks beside ours (`benchmarks/peers`); never shipped",
}


def page(parts: dict[str, list[Package]]) -> str:
    tables = [
        f"## {heading}\n\n| package | licence | wanted by |\n|---|---|---|\n"
        + "".join(f"{package.row}\n" for package in parts[part])
        for part, heading in HEADINGS.items()
    ]
    return "\n".join([INTRODUCTION, *tables])


def main() -> None:
    try:
        parts = project()
    except (Unsaid, PackageNotFoundError) as reason:
        sys.exit(f"licences: {reason}")
    PAGE.write_text(page(parts), encoding="utf-8")
    NOTICES.mkdir(exist_ok=True)
    for package in parts["bundle"]:
        text = (JS / "node_modules" / package.name / "LICENSE").read_text(encoding="utf-8")
        (NOTICES / f"{package.name.replace('/', '-')}.txt").write_text(text, encoding="utf-8")
    print(f"licences: {PAGE.relative_to(ROOT)} names {sum(map(len, parts.values()))} packages")


if __name__ == "__main__":
    main()
