"""The command line: `roma-widget serve`, `roma-widget replay CAPTURE`, `roma-widget record URL OUT.roma`,
`roma-widget export RUN.roma OUT.html`.

Imports happen in the commands, so that each starts quickly.
Exit codes: 0 done (also when ended by Ctrl+C), 2 something that the user can mend, said in one sentence.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

TOKEN_VARIABLE = "ROMA_WIDGET_TOKEN"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.version:
        from roma_widget import __version__

        print(f"roma-widget {__version__}")
        return 0
    if arguments.command is None:
        return _fail("say what to do, e.g. `roma-widget serve --scenario report` (see --help).")
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence instead of argparse's usage and sentence."""
        raise SystemExit(_fail(f"{message} (see --help)."))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="roma-widget", description="Watch ROMA runs in a notebook.")
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(commands)
    _add_replay(commands)
    _add_record(commands)
    _add_export(commands)
    return parser


def _add_serve(commands: argparse._SubParsersAction[_Parser]) -> None:
    serve = commands.add_parser("serve", help="run an embedded ROMA-compatible server")
    serve.add_argument(
        "--data-dir", help="keeps projects and traces over restarts (default: nothing is kept)"
    )
    serve.add_argument("--scenario", help="what a started project does: report, failure, wide or chat")
    serve.add_argument("--seed", type=int, default=0, help="of the scenario: the same seed, the same run")
    serve.add_argument("--tasks", type=int, default=1000, help="how many, for the scenario wide")
    serve.add_argument("--no-hitl", action="store_true", help="the scenario asks nobody")
    serve.add_argument("--start", action="store_true", help="start the scenario at once")
    serve.add_argument(
        "--token-file", help=f"a file with the token that clients need (or the variable {TOKEN_VARIABLE})"
    )
    serve.add_argument(
        "--origin", action="append", default=[], help="a web page's origin that may connect; repeatable"
    )
    _add_common(serve, "any address but this machine's own demands a token")
    serve.set_defaults(run=_serve)


def _add_replay(commands: argparse._SubParsersAction[_Parser]) -> None:
    replay = commands.add_parser("replay", help="serve a recorded run as if it were running now")
    replay.add_argument("capture", metavar="CAPTURE", help="a .jsonl or .jsonl.xz file")
    replay.add_argument(
        "--not-safe-to-join",
        action="store_true",
        help="be silent about it, as ROMA is: careful clients poll then",
    )
    _add_common(replay, "an address of this machine only")
    replay.set_defaults(run=_replay)


def _add_record(commands: argparse._SubParsersAction[_Parser]) -> None:
    record = commands.add_parser("record", help="write a run to a file while it happens, until Ctrl+C")
    record.add_argument("url", metavar="URL", help="the server's address")
    record.add_argument(
        "out", metavar="OUT.roma", help="what roma.load reads; one that is there is gone on with"
    )
    record.add_argument("--project", help="the id of a project (default: the server's current one)")
    record.add_argument("--until-done", action="store_true", help="end when the run has ended")
    record.add_argument(
        "--join", choices=("safe", "always"), default="safe", help="always: can freeze a run in progress"
    )
    _add_redact(record)
    record.add_argument(
        "--token-file", help=f"a file with the token that the server needs (or the variable {TOKEN_VARIABLE})"
    )
    record.set_defaults(run=_record)


def _add_export(commands: argparse._SubParsersAction[_Parser]) -> None:
    export = commands.add_parser("export", help="write a saved run as one page that any browser opens")
    export.add_argument("file", metavar="RUN.roma", help="what m.save or `record` wrote, or a raw recording")
    export.add_argument(
        "out", metavar="OUT.html", help="a page that is there is replaced, another file never is"
    )
    export.add_argument("--project", help="the id of a project (default: the one that was looked at last)")
    _add_redact(export)
    export.add_argument(
        "--max-mb",
        type=float,
        default=20,
        help="of the page; the largest texts are left out first (default: 20)",
    )
    export.set_defaults(run=_export)


def _add_redact(parser: _Parser) -> None:
    parser.add_argument(
        "--redact",
        action="append",
        default=[],
        help="leave out prompts, responses, results or secrets; repeatable",
    )


def _add_common(parser: _Parser, host: str) -> None:
    parser.add_argument("--speed", type=float, default=1.0, help="seconds per second; 0: as fast as possible")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--host", default="127.0.0.1", help=host)
    parser.add_argument("--parent-pid", type=int, help=argparse.SUPPRESS)  # end with that process
    parser.add_argument(
        "--announce", action="store_true", help=argparse.SUPPRESS
    )  # the address as a JSON line


def _serve(arguments: argparse.Namespace) -> int:
    from roma_widget.errors import RomaError
    from roma_widget.server.serve import serve

    wrong = _wrong_numbers(arguments)
    if wrong is None and arguments.tasks < 1:
        wrong = f"--tasks must be 1 or more, not {arguments.tasks}."
    if wrong is None and arguments.start and arguments.scenario is None:
        wrong = "--start needs a --scenario to start."
    if wrong is not None:
        return _fail(wrong)
    try:
        token = _token(arguments.token_file)
    except (OSError, ValueError) as error:
        return _fail(f"the token file {arguments.token_file} cannot be read: {error}.")
    try:
        serve(
            host=arguments.host,
            port=arguments.port,
            data_dir=arguments.data_dir,
            token=token,
            origins=arguments.origin,
            scenario_name=arguments.scenario,
            seed=arguments.seed,
            speed=arguments.speed,
            hitl=not arguments.no_hitl,
            tasks=arguments.tasks,
            start=arguments.start,
            parent_pid=arguments.parent_pid,
            announce=arguments.announce,
        )
    except (RomaError, ValueError) as error:
        return _fail(str(error))
    return 0


def _record(arguments: argparse.Namespace) -> int:
    from roma_widget.errors import RomaError

    try:
        token = _token(arguments.token_file)
    except (OSError, ValueError) as error:
        return _fail(f"the token file {arguments.token_file} cannot be read: {error}.")
    try:
        from roma_widget.client.feed import FeedOptions
        from roma_widget.core.address import server_url
        from roma_widget.recording import record

        options = FeedOptions(server_url(arguments.url), token=token, always_join=arguments.join == "always")
        record(
            options,
            arguments.out,
            arguments.project,
            redact=arguments.redact or None,
            until_done=arguments.until_done,
        )
    except (RomaError, ValueError) as error:
        return _fail(str(error))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from roma_widget.archive.redaction import redaction
    from roma_widget.archive.saved import open_run
    from roma_widget.errors import RomaError
    from roma_widget.widget.page import page_place, write_page

    try:
        page_place(arguments.out)
        with open_run(arguments.file, arguments.project) as run:
            wanted = redaction(arguments.redact or None)
            n_steps = len(run.times_us())
            page = write_page(arguments.out, run, run.source(), n_steps, wanted, arguments.max_mb)
    except (RomaError, ValueError) as error:
        return _fail(str(error))
    print(f"{page.path}: {page.n_bytes / 1e6:.1f} MB")
    for sentence in page.left_out:
        print(sentence)
    return 0


def _token(path: str | None) -> str | None:
    """From a file or the environment: an argument could be read by every user of the machine."""
    if path is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    token = Path(path).read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError("it is empty")
    return token


def _replay(arguments: argparse.Namespace) -> int:
    from roma_widget.errors import RomaError
    from roma_widget.server.serve import serve_replay

    wrong = _wrong_numbers(arguments)
    if wrong is not None:
        return _fail(wrong)
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


def _wrong_numbers(arguments: argparse.Namespace) -> str | None:
    if math.isnan(arguments.speed) or arguments.speed < 0:
        return f"--speed must be 0 (as fast as possible) or more, not {arguments.speed:g}."
    if not 0 <= arguments.port <= 65535:
        return f"--port must be between 0 (any free one) and 65535, not {arguments.port}."
    return None


def _fail(sentence: str) -> int:
    print(f"roma-widget: {sentence}", file=sys.stderr)
    return 2
