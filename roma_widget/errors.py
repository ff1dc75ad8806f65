"""The one tree of errors. Every message says what was tried, what came back and what to do."""

from __future__ import annotations


class RomaError(Exception):
    """Base of everything roma-widget raises on purpose."""


class ConnectError(RomaError):
    """The server cannot be reached, is no ROMA server, or the address makes no sense."""


class ServerError(RomaError):
    """The server refused a request. `event` names the reply that said so."""

    def __init__(self, message: str, event: str) -> None:
        super().__init__(message)
        self.message = message
        self.event = event


class WaitTimeout(RomaError, TimeoutError):
    """`wait` ran out of time; the message says what was waited for and what is so instead."""


class RunStalled(RomaError):
    """`wait` gave up because the run does not move any more; the message says why."""


class RunStopped(RomaError):
    """A run that reports to an embedded server was stopped by request: its next report raises this."""


class TaskAborted(RomaError):
    """A human answered an agent's question with "abort"."""


class NotLive(RomaError):
    """An action needs a live connection and there is none (disconnected, closed, an archive)."""


class AnswerError(RomaError):
    """An agent's question cannot be answered so: it is unknown, answered already, or the answer is none."""


class UnknownTask(RomaError, KeyError):
    """No task has this id in the shown project."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0])


class UnknownProject(RomaError, KeyError):
    """No project has this id on the server."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownTime(RomaError, ValueError):
    """Nothing is known of a run at this time; the message says what the nearest is."""


class ArchiveError(RomaError):
    """A saved run cannot be read or written; the message names the file and says what is wrong with it."""
