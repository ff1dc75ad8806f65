"""What neither the package nor the built front end may hold: ways in which a stranger's text becomes code or markup.

And what no file of the repository may: what git leaves of a merge that nobody finished.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from setup.sources import source_files

PACKAGE = Path(__file__).resolve().parent.parent / "roma_widget"
FRONT_END = PACKAGE.parent / "js" / "src"
BUNDLES = ("widget.js", "comparison.js", "page.js")

EVALUATORS = frozenset({"eval", "exec", "__import__"})
"""Not even their names, by which they could be called something else."""
FORBIDDEN_CALLS = EVALUATORS | {"compile", "mktemp", "create_subprocess_shell", "_create_unverified_context"}
PROGRAM_STARTERS = re.compile(r"system|popen|exec[lv]p?e?|(?:posix_)?spawn[lvp]*e?|startfile")
"""Of `os`."""
FORBIDDEN_MODULES = frozenset(
    "pickle cPickle dill cloudpickle marshal shelve joblib yaml code codeop pty runpy xmlrpc".split()
)
FORBIDDEN_ARGUMENTS = {
    "shell": ("False",),
    "allow_pickle": ("False",),
    "ssl": ("True", "_trusting(os.environ.get('SSL_CERT_FILE'), os.environ.get('SSL_CERT_DIR'))"),
    "verify_ssl": ("True",),
    "verify": ("True",),
    "check_hostname": ("True",),
    "verify_mode": ("ssl.CERT_REQUIRED",),
}
"""What is said of these; anything else may switch a check off."""
TLS_SWITCHES = ("check_hostname", "verify_mode")
COMPILED_PATTERN = ("re",)
"""`re.compile` is the one `compile` that is none."""

FORBIDDEN_IN_SCRIPTS = re.compile(
    r"""\beval\b | \bFunction\b | \bimportScripts\b | (?<!\bthis)\.constructor\s*\(  | \[\s*["'`]constructor
    | setAttribute(?:NS)?\(\s*["'`]on | createElement(?:NS)?\([^()]*["'`]script | (?<![\w"'`])import\s*\(
    | set(?:Timeout|Interval)\(\s*["'`] | javascript: | \bsrcdoc\b
    | innerHTML | outerHTML | InnerHTML | insertAdjacentHTML | createContextualFragment | DOMParser
    | setHTML | document\.write | document\.cookie""",
    re.VERBOSE,
)
"""preact itself calls `this.constructor(…)`, which is the component's class."""


def test_the_package_runs_no_text_and_no_shell() -> None:
    found = [
        f"{path.relative_to(PACKAGE).as_posix()}, {what}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for what in forbidden_in(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_bundle_makes_no_code_and_no_markup_of_a_text(bundle: str) -> None:
    script = (PACKAGE / "static" / bundle).read_text(encoding="utf-8")
    assert [script[max(0, found.start() - 40) : found.end() + 40] for found in matches(script)] == []


def test_nor_do_the_sources_of_the_bundles() -> None:
    found = [
        f"{path.relative_to(FRONT_END).as_posix()}: {match[0]}"
        for path in sorted(FRONT_END.rglob("*.ts*"))
        for match in matches(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "builtins.exec(text)",
        "compile(text, '', 'exec')",
        "import pickle",
        "from yaml import load",
        "import_module('pickle')",
        "pd.read_pickle(path)",
        "frame.to_pickle(path)",
        "numpy.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "subprocess.run(text, shell=is_windows)",
        "os.system(text)",
        "asyncio.create_subprocess_shell(text)",
        "frame.eval(text)",
        "ssl._create_unverified_context()",
        "http.get(url, ssl=False)",
        "tempfile.mktemp()",
        "run = eval",
        "getattr(builtins, 'eval')",
        "from os import system as s",
        "run = os.system",
        "os.execvp(program, words)",
        "os.posix_spawn(program, words, {})",
        "runpy.run_path(path)",
        "import runpy",
        "numpy.load(path, allow_pickle=flag)",
        "http.get(url, ssl=verify)",
        "joblib.load(path)",
        "import joblib as j",
        "import_module(name='pickle')",
        "from importlib import import_module\nimport_module('yaml')",
        "context.check_hostname = False",
        "context.verify_mode = ssl.CERT_NONE",
        "setattr(context, 'check_hostname', False)",
    ],
)
def test_the_rules_for_python_can_fail(source: str) -> None:
    assert forbidden_in(source)


def test_what_only_looks_like_it_passes() -> None:
    assert forbidden_in("re.compile(text)\nast.parse(text, mode='eval')\nrun(command, shell=False)") == []


@pytest.mark.parametrize(
    "source",
    [
        "eval(a)",
        "new Function(a)",
        "new(Function)(a)",
        "let F=Function;",
        "x.constructor('return 1')()",
        "x['constructor'](a)()",
        "a.setAttribute('onclick',b)",
        "document.createElement('script')",
        'd.createElementNS(svg,"script")',
        "a.innerHTML=b",
        "h('p',{dangerouslySetInnerHTML:a})",
        "import(a)",
    ],
)
def test_the_rules_for_scripts_can_fail(source: str) -> None:
    assert matches(source)


MERGE_MARK = re.compile(rb"^(?:<{7} .*|={7}|>{7} .*|\|{7} .*)\r?$", re.MULTILINE)


def test_no_merge_is_unfinished() -> None:
    found = [path for path in source_files(PACKAGE.parent) if MERGE_MARK.search(path.read_bytes())]
    assert found == []


@pytest.mark.parametrize("line", [b"<" * 7 + b" HEAD", b"=" * 7, b"=" * 7 + b"\r", b">" * 7 + b" a branch"])
def test_the_rule_for_merges_can_fail(line: bytes) -> None:
    assert MERGE_MARK.search(b"before\n" + line + b"\nafter")


def matches(script: str) -> list[re.Match[str]]:
    return list(FORBIDDEN_IN_SCRIPTS.finditer(script))


def forbidden_in(source: str) -> list[str]:
    """What must not be there, each with its line."""
    found: list[tuple[Any, str]] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found += [(node, name.name) for name in names if is_forbidden_module(name.name)]
            case ast.ImportFrom(module=str(name), names=names):
                found += [(node, each.name) for each in names if is_forbidden_name(each.name, (name,))]
                if is_forbidden_module(name):
                    found.append((node, name))
            case ast.Name(id=name) if name in EVALUATORS:
                found.append((node, name))
            case ast.Attribute():
                *before, name = ast.unparse(node).split(".")
                if is_forbidden_name(name, tuple(before)):
                    found.append((node, name))
            case ast.Assign(targets=targets, value=value):
                names_set = [ast.unparse(target).rpartition(".")[2] for target in targets]
                found += [
                    (node, name) for name in names_set if name in TLS_SWITCHES and is_switched(name, value)
                ]
            case ast.Call():
                found += [(node, what) for what in forbidden_in_call(node)]
    return [f"line {node.lineno}: {what}" for node, what in found]


def forbidden_in_call(call: ast.Call) -> list[str]:
    *before, name = ast.unparse(call.func).split(".")
    found = [name] if is_forbidden_name(name, tuple(before)) else []
    said = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [each.value for each in said if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    if name == "import_module":
        found += [text for text in texts if is_forbidden_module(text)]
    if name in ("getattr", "setattr"):
        found += [text for text in texts if text in TLS_SWITCHES or is_forbidden_name(text, ("os",))]
    return found + [
        f"{keyword.arg}={ast.unparse(keyword.value)}"
        for keyword in call.keywords
        if is_switched(keyword.arg, keyword.value)
    ]


def is_forbidden_name(name: str, before: tuple[str, ...]) -> bool:
    """As it is called, imported or only named, with what stands before it."""
    if name == "compile":
        return before != COMPILED_PATTERN
    if before and before[0] != "code" and before[0] in FORBIDDEN_MODULES:  # `code` is a variable, too
        return True
    if before == ("os",) and PROGRAM_STARTERS.fullmatch(name):
        return True
    return name in FORBIDDEN_CALLS or "pickle" in name


def is_switched(name: str | None, value: ast.expr) -> bool:
    return name in FORBIDDEN_ARGUMENTS and ast.unparse(value) not in FORBIDDEN_ARGUMENTS[name]


def is_forbidden_module(name: str) -> bool:
    return name.partition(".")[0] in FORBIDDEN_MODULES
