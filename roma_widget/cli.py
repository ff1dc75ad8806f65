"""The command line: `roma-widget serve`, `roma-widget replay CAPTURE`, `roma-widget record URL OUT.roma`,
`roma-widget export RUN.roma OUT.html`, `roma-widget relay URL`.

Imports happen in the commands, so that each starts quickly.
Exit codes: 0 done (also when ended by Ctrl+C), 2 something that the user can mend, said in one sentence, 3 a relay that
runs already.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from roma_widget.relay.process import Wish

TOKEN_VARIABLE = "ROMA_WIDGET_TOKEN"
_NO_TOKEN_HERE = frozenset({"--token", "--server-token"})
MANY_TASKS = 1000
RUNS_ALREADY = 3
"""The exit code of a relay whose place is taken: unlike other mistakes it may pass, so a service tries again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    if any(argument.partition("=")[0] in _NO_TOKEN_HERE for argument in given):
        return _fail(
            f"a token comes from a file, which no other user of this machine can read: --token-file FILE, or the "
            f"variable {TOKEN_VARIABLE}."
        )
    arguments, unknown = _parser().parse_known_args(given)
    if unknown:
        return _fail(_unknown(unknown))
    if arguments.version:
        from roma_widget import __version__

        print(f"roma-widget {__version__}")
        return 0
    if arguments.command is None:
        return _fail("say what to do, e.g. `roma-widget serve --scenario report` (see --help).")
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        """No option is abbreviated: `--token SECRET` would be taken for a file, and said again."""
        super().__init__(**{**options, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        """One sentence instead of argparse's usage and sentence."""
        raise SystemExit(_fail(f"{message} (see --help)."))


def _unknown(arguments: Sequence[str]) -> str:
    """Names options only: what stands behind one may be a secret."""
    option = next((each.partition("=")[0] for each in arguments if each.startswith("--")), None)
    what = "more is given than this command takes" if option is None else f"there is no option {option} here"
    return f"{what} (see --help)."


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="roma-widget", description="Watch ROMA runs in a notebook.")
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(commands)
    _add_replay(commands)
    _add_record(commands)
    _add_export(commands)
    _add_relay(commands)
    return parser


def _add_serve(commands: argparse._SubParsersAction[_Parser]) -> None:
    serve = commands.add_parser("serve", help="run an embedded ROMA-compatible server")
    serve.add_argument(
        "--data-dir", help="keeps projects and traces over restarts (default: nothing is kept)"
    )
    serve.add_argument("--scenario", help="what a started project does: report, failure, wide or chat")
    serve.add_argument("--seed", type=int, default=0, help="of the scenario: the same seed, the same run")
    serve.add_argument("--tasks", type=int, help="how many, for the scenario wide (default: 1000)")
    serve.add_argument(
        "--no-hitl", action="store_true", help="the scenario asks nobody (of the four only report does)"
    )
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


def _add_relay(commands: argparse._SubParsersAction[_Parser]) -> None:
    relay = commands.add_parser(
        "relay", help="be the one client of a ROMA server, and a safe server to any number of notebooks"
    )
    relay.add_argument("url", metavar="URL", nargs="?", help="the ROMA server's address")
    what_else = relay.add_mutually_exclusive_group()
    what_else.add_argument(
        "--list", action="store_true", help="show those of yours that run here, with URL that one"
    )
    what_else.add_argument("--stop", action="store_true", help="end that of URL, without URL all of them")
    what_else.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)
    relay.add_argument("--host", default="127.0.0.1", help="any address but this machine's demands a token")
    relay.add_argument("--port", type=int, default=0, help="default: any free one")
    relay.add_argument("--token-file", help="a file with the token that clients need (default: made up)")
    relay.add_argument(
        "--server-token-file",
        help=f"a file with the token that the ROMA server needs (or the variable {TOKEN_VARIABLE})",
    )
    relay.add_argument("--record", metavar="DIR", help="a folder: one .roma file for each project")
    relay.add_argument(
        "--idle",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="ends by itself after so long without clients and without a living run (default: 600)",
    )
    relay.set_defaults(run=_relay)


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
    if wrong is None and arguments.tasks is not None and arguments.scenario != "wide":
        wrong = "--tasks is for --scenario wide: the other scenarios have the tasks they have."
    if wrong is None and arguments.tasks is not None and arguments.tasks < 1:
        wrong = f"--tasks must be 1 or more, not {arguments.tasks}."
    if wrong is None and arguments.start and arguments.scenario is None:
        wrong = "--start needs a --scenario to start."
    if wrong is not None:
        return _fail(wrong)
    try:
        token = _token(arguments.token_file)
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
            tasks=MANY_TASKS if arguments.tasks is None else arguments.tasks,
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


def _relay(arguments: argparse.Namespace) -> int:
    from roma_widget.errors import RomaError
    from roma_widget.local_relays.claim import AlreadyRuns

    try:
        if arguments.detached:
            from roma_widget.relay.detached import run_detached

            return run_detached()
        from roma_widget.relay.command import print_list, run_in_terminal, stop_all

        if arguments.list:
            print_list(arguments.url)
        elif arguments.stop:
            stop_all(arguments.url)
        elif arguments.url is None:
            return _fail("say of which server, e.g. `roma-widget relay http://127.0.0.1:5000` (see --help).")
        else:
            run_in_terminal(_relay_wish(arguments), arguments.token_file)
    except AlreadyRuns as error:
        _fail(str(error))
        return RUNS_ALREADY
    except RomaError as error:
        return _fail(str(error))
    return 0


def _relay_wish(arguments: argparse.Namespace) -> Wish:
    from roma_widget.core.address import server_url
    from roma_widget.relay.process import Wish

    return Wish(
        root=server_url(arguments.url),
        server_token=_token(arguments.server_token_file),
        host=arguments.host,
        port=arguments.port,
        token=None if arguments.token_file is None else _token(arguments.token_file),
        record=None if arguments.record is None else Path(arguments.record).expanduser().absolute(),
        idle_s=arguments.idle,
    )


def _token(path: str | None) -> str | None:
    """From a file or the environment: an argument could be read by every user of the machine. Raises RomaError."""
    from roma_widget.errors import RomaError

    source = f"variable {TOKEN_VARIABLE}" if path is None else f"token file {path}"
    try:
        text = os.environ.get(TOKEN_VARIABLE, "") if path is None else Path(path).read_text(encoding="utf-8")
        token = text.strip()
        if not token and path is not None:
            raise ValueError("it is empty")
        if len(token.splitlines()) > 1:
            raise ValueError("it has more than one line")
    except (OSError, ValueError) as error:
        raise RomaError(f"the {source} cannot be read: {error}.") from error
    return token or None


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
