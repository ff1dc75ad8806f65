"""Placeholder until the real one is merged."""

from __future__ import annotations

from typing import Any


class Nothing:
    def project(self, x: Any) -> Any:
        return x

    task = rest = trace = row = annotation = project

    def report(self) -> dict[str, Any]:
        return {}


def redaction(redact: Any, hidden: Any = ()) -> Any:
    return Nothing()
