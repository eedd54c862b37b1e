"""The command line: `chatlib COMMAND`. Errors are one sentence and an exit code."""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import importlib
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import chatlib
from chatlib.errors import ChatlibError, ParameterError
from chatlib.text import remove_controls, suggest_name

if TYPE_CHECKING:
    from chatlib.store import Store

__all__ = ["main"]

# The commands in the order of the help, each with its room: only the room that is asked for is imported.
_GROUPS = {
    "a channel, from its chat to answers": {
        "report": "pipeline", "watch": "collect", "forecast": "predict", "analyze": "analyze",
        "clips": "analyze", "list": "pipeline", "open": "pipeline", "update": "collect", "bundle": "pipeline",
    },
    "step by step": {
        "import": "collect", "collect": "collect", "convert": "collect", "export": "scale",
        "pretrain": "pretrain", "run": "pipeline", "scale": "scale", "simulate": "simulate",
    },
    "for the project itself": {"images": "pipeline", "notebooks": "pipeline", "home": "pipeline"},
}  # fmt: skip
_ROOMS = {command: room for group in _GROUPS.values() for command, room in group.items()}
_N_NAMED = 3  # people that `watch` names
_INTERRUPTED = "interrupted; what was stored is whole. The same command goes on."


class _PlainFormatter(logging.Formatter):
    """Formats records without control and direction characters: they may quote chat and file names."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return "\n".join(map(remove_controls, super().formatMessage(record).split("\n")))


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit code.

    0: done. 1: failed, in whole or in part. 2: misused. 130: interrupted.
    """
    if not _open_standard_streams():
        print("chatlib: Standard output is closed. Send it to a file, or to /dev/null.", file=sys.stderr)
        return 1
    atexit.register(gc.freeze)  # else Python would look for cycles in everything once more
    debug = False
    try:
        args = _parse(sys.argv[1:] if argv is None else argv)
        debug = getattr(args, "debug", False)
        lines = logging.StreamHandler(sys.stderr)
        lines.setFormatter(_PlainFormatter("%(message)s"))
        logging.basicConfig(level=logging.INFO, handlers=[lines])
        for noisy in ("papermill", "traitlets", "blib2to3"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `... | head`
        _discard_output()
        return 1
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        code, message = _explain(error)
        print(f"chatlib: {remove_controls(message)}", file=sys.stderr)
        _discard_output()  # what could not be written would be tried again at exit
        return code


def _explain(error: BaseException) -> tuple[int, str]:
    """Return the exit code for an error, and one sentence with the next step."""
    match error:
        case KeyboardInterrupt():
            return 130, _INTERRUPTED
        case ParameterError():
            return 2, str(error)
        case ChatlibError():
            return 1, str(error)
        case RecursionError():
            return 1, "The input is nested more deeply than anything real. Leave that file out."
        case MemoryError():
            return 1, "The memory is used up. Give the command less at once, or a machine with more."
        case UnicodeError():
            return 1, f"A text or file name is not valid UTF-8 ({error}). Rename or convert that file."
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG):
            return 1, "The disk is full, or the output. Free some space and run the same command again."
        case OSError():
            where = f": {error.filename}" if error.filename is not None else ""
            return 1, f"The system refused ({error.strerror or error}){where}. Check the path, and try again."
        case RuntimeError() if "home directory" in str(error):
            return 1, "A path that begins with ~ must name somebody's home folder, and nobody has that one."
        case RuntimeError() if "Symlink loop" in str(error):
            return 1, f"A link must lead to a file or folder, not back to itself ({error})."
    name = type(error).__name__
    return 1, f"This should not have happened ({name}: {error}). Report it with what `--debug` adds."


def _open_standard_streams() -> bool:
    """Make the three standard streams safe to use; return False if standard output is closed.

    A closed one is replaced by the null device: the next file that is opened would take its place, and
    be written into. A character that the terminal cannot show is escaped.
    """
    is_open = sys.stdout is not None
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return is_open


def _discard_output() -> None:
    """Flush standard output, or throw away what it does not take, so that exiting does not fail."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: list[str]) -> argparse.Namespace:
    """Return the parsed arguments; a mistyped command or option is answered with the closest one."""
    argv = argv or ["--help"]
    parser, commands = _build_parser(argv[0])
    if argv[0] not in commands and not argv[0].startswith("-"):
        hint = suggest_name(argv[0], commands) or "`chatlib --help` lists them."
        parser.error(f"there is no command {remove_controls(argv[0])!r}. {hint}")
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        command = commands[argv[0]]
        hint = suggest_name(unknown[0].partition("=")[0], command._option_string_actions)
        hint = hint or f"`chatlib {argv[0]} --help` lists the options."
        command.error(f"unrecognized arguments: {remove_controls(' '.join(unknown))}. {hint}")
    return args


def _build_parser(command: str = "") -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser and those of the commands: of the room of `command`, or of all where it is none."""
    parser = argparse.ArgumentParser(
        prog="chatlib",
        usage="chatlib COMMAND ...",
        description=chatlib.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"chatlib {chatlib.__version__}")
    subparsers = parser.add_subparsers(
        prog="chatlib", required=True, metavar="COMMAND", help=argparse.SUPPRESS
    )
    for room in [_ROOMS[command]] if command in _ROOMS else sorted(set(_ROOMS.values())):
        importlib.import_module(f"chatlib.{room}.command").add_parsers(subparsers)
    if "watch" in subparsers.choices:
        subparsers.choices["watch"].set_defaults(open_ranker=_open_ranker)
        subparsers.choices["update"].set_defaults(refit=_refit)
    for choice in subparsers.choices.values():
        with suppress(argparse.ArgumentError):  # `analyze` has one of its own
            choice.add_argument("--debug", action="store_true", help="show the traceback of an error")
    summaries = {action.dest: action.help or "" for action in subparsers._choices_actions}
    subparsers._choices_actions.clear()  # they are listed in groups below
    parser.epilog = _format_groups(summaries) + "\n\n`chatlib COMMAND --help` says the rest."
    return parser, dict(subparsers.choices)


def _open_ranker(run: str, *, names: bool) -> Callable[[Store, int], list[str]]:
    """Return what names those of a running stream who are most likely to pay, by the model of a run.

    Collecting knows nothing of models, so `watch` is given this function.
    """
    from chatlib.predict.forecast import load_forecaster
    from chatlib.tables import format_share
    from chatlib.workspace import locate_run

    forecaster = load_forecaster(locate_run(run).models / "forecaster", "arrival")

    def rank(db: Store, stream_id: int) -> list[str]:
        """Return the likeliest to pay, each with the probability."""
        known = db.load_authors().set_index("author")["name"] if names else None
        table = forecaster.score(db, stream_id, names=known).head(_N_NAMED)
        return [f"{who} ({format_share(p)})" for who, p in zip(table["who"], table["p_pays"], strict=True)]

    return rank


def _refit(db: Store, run: str) -> str:
    """Learn the forecasts that a run keeps anew where the database has newer streams; return a sentence."""
    from chatlib.predict.command import refit_forecasters
    from chatlib.workspace import locate_run

    return refit_forecasters(db, locate_run(run).models / "forecaster")


def _format_groups(summaries: dict[str, str]) -> str:
    """Return the commands with their summaries, in groups."""
    return "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:<10} {summaries[name]}" for name in group if name in summaries)])
        for title, group in _GROUPS.items()
    )


if __name__ == "__main__":
    sys.exit(main())
