"""How the tests run a piece of documentation."""

from __future__ import annotations

import ast
import asyncio
import inspect
from typing import Any


def run(code: str, name: str, namespace: dict[str, Any], line: int = 1) -> None:
    """As a cell does: `await` may stand outside of functions; a traceback names the page and the line."""
    compiled = compile("\n" * (line - 1) + code, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    made = eval(compiled, namespace)
    if inspect.CO_COROUTINE & compiled.co_flags:
        asyncio.run(made)
