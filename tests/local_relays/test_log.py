"""The log of a relay: bounded, without its secrets."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from roma_widget.relay.log import logging_to

SECRET = "abcdef-secret"


def test_it_is_bounded_and_keeps_what_is_newest_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "log"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    log = logging.getLogger("roma_widget.relay")
    with logging_to(fd, 4096, [SECRET, SECRET[:6], ""]):
        for number in range(200):
            log.info("line %d with %s and %s", number, SECRET, "words " * 10)
            assert path.stat().st_size <= 4096
        try:
            raise ValueError(SECRET)
        except ValueError:
            log.exception("caught")
    log.info("after it")
    os.close(fd)
    text = path.read_text()
    assert "ValueError: …" in text
    assert "line 199 with … and words" in text
    assert "line 1 " not in text
    assert SECRET not in text
    assert "after it" not in text
    assert text.startswith("2")  # a whole line
