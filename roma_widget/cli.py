"""The command line: `roma-widget replay CAPTURE`.

Imports happen in the commands, so that each starts quickly.
Exit codes: 0 done (also when ended by Ctrl+C), 2 something that the user can mend, said in one sentence.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.version:
        from roma_widget import __version__

        print(f"roma-widget {__version__}")
        return 0
    if arguments.command is None:
        return _fail("say what to do, e.g. `roma-widget replay report` (see --help).")
    return _replay(arguments)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence instead of argparse's usage and sentence."""
        raise SystemExit(_fail(f"{message} (see --help)."))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="roma-widget", description="Watch ROMA runs in a notebook.")
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    replay = commands.add_parser("replay", help="serve a recorded run as if it were running now")
    replay.add_argument(
        "capture", metavar="CAPTURE", help="a .jsonl or .jsonl.xz file, or a recording's name: report"
    )
    replay.add_argument(
        "--speed", type=float, default=1.0, help="recorded seconds per second; 0: as fast as possible"
    )
    replay.add_argument("--port", type=int, default=0, help="default: any free one")
    replay.add_argument("--host", default="127.0.0.1", help="an address of this machine only")
    replay.add_argument(
        "--not-safe-to-join",
        action="store_true",
        help="be silent about it, as ROMA is: careful clients poll then",
    )
    replay.add_argument("--parent-pid", type=int, help=argparse.SUPPRESS)  # end with that process
    replay.add_argument(
        "--announce", action="store_true", help=argparse.SUPPRESS
    )  # the address as a JSON line
    return parser


def _replay(arguments: argparse.Namespace) -> int:
    from roma_widget.errors import RomaError
    from roma_widget.server.serve import serve_replay

    if math.isnan(arguments.speed) or arguments.speed < 0:
        return _fail(f"--speed must be 0 (as fast as possible) or more, not {arguments.speed:g}.")
    if not 0 <= arguments.port <= 65535:
        return _fail(f"--port must be between 0 (any free one) and 65535, not {arguments.port}.")
    try:
        serve_replay(
            arguments.capture,
            host=arguments.host,
            port=arguments.port,
            speed=arguments.speed,
            safe_to_join=not arguments.not_safe_to_join,
            parent_pid=arguments.parent_pid,
            announce=arguments.announce,
        )
    except RomaError as error:
        return _fail(str(error))
    return 0


def _fail(sentence: str) -> int:
    print(f"roma-widget: {sentence}", file=sys.stderr)
    return 2
