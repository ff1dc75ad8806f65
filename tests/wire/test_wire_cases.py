"""The kernel tells a browser what `failed_run.json` says; `js/tests/wire.test.ts` reads the same file."""

from __future__ import annotations

import json

from wire.make import CASE, case


def test_the_kernel_says_what_the_front_end_is_tested_with() -> None:
    assert case() == json.loads(CASE.read_text(encoding="utf-8")), "python tests/wire/make.py writes it anew"
