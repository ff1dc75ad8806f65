"""How the server above is asked on behalf of clients: what it refuses is refused to them in its words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import ConnectError, NotLive, RomaError, UnknownProject, WaitTimeout
from ..server.wire.requests import Refused, one_sentence


@contextmanager
def passed_up() -> Iterator[None]:
    """Turns an error of asking into a refusal."""
    try:
        yield
    except UnknownProject as error:
        raise Refused(one_sentence(error), status=404) from error
    except (ConnectError, NotLive, WaitTimeout) as error:
        raise Refused(one_sentence(error), status=502) from error
    except RomaError as error:
        raise Refused(one_sentence(error), status=409) from error
