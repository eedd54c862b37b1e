"""The command `analyze`: its options are chat-analyzer's, and some more."""

from __future__ import annotations

import argparse

__all__ = ["add_parsers"]

_METRICS = ("usersPSec", "chatsPSec", "activityPSec")
_MODES = ("url", "chatfile", "reanalyze", "db")


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `analyze`."""
    parser = subparsers.add_parser(
        "analyze",
        help="write the ChatAnalytics JSON of a chat",
        description="Write the ChatAnalytics JSON of a chat file, of the streams of a chat database, or of "
        "an earlier ChatAnalytics JSON with other highlights and spikes.",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a chat file, the address of a finished stream on YouTube, a ChatAnalytics JSON, or a chat "
        "database",
    )
    parser.add_argument(
        "--platform",
        choices=("youtube", "twitch"),
        help="where a chat file comes from (default: told from its content)",
    )
    parser.add_argument(
        "--mode",
        "-m",
        choices=_MODES,
        help="what SOURCE is: the address of a recording, a chat file, a ChatAnalytics JSON whose highlights "
        "and spikes are to be found anew, or a chat database (default: told from SOURCE)",
    )
    _add_stream_options(parser)
    _add_section_options(parser)
    _add_output_options(parser)
    parser.set_defaults(run=_run)


def _add_stream_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("samples")
    group.add_argument(
        "--interval",
        "-i",
        type=_interval,
        default=5,
        metavar="S",
        help="seconds of a sample, 1 to 120 (default: 5)",
    )
    group.add_argument(
        "--print-interval",
        type=int,
        metavar="N",
        help="messages between two lines of progress; none are written if 0 or less (default: 100 in a "
        "terminal, where a line replaces the one before, and none elsewhere)",
    )
    group.add_argument(
        "--break",
        "-b",
        dest="msg_break",
        type=int,
        default=-1,
        metavar="N",
        help="stop after N messages; no effect below 0",
    )
    group.add_argument("--stream", metavar="ID", help="in mode db: only the stream with this video id")


def _add_section_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("highlights and spikes")
    group.add_argument(
        "--highlight-percentile",
        "-ep",
        type=_percentile,
        default=93.0,
        metavar="P",
        help="samples at or above this percentile are a highlight (default: 93)",
    )
    group.add_argument(
        "--highlight-metric",
        "-em",
        choices=_METRICS,
        default="usersPSec",
        help="people, chat messages or all messages a second (default: usersPSec)",
    )
    group.add_argument(
        "--spike-sensitivity",
        "-ss",
        type=_positive,
        default=1.5,
        metavar="X",
        help="how easily a rise is a spike: it exceeds 1 + 2/X times the usual (default: 1.5)",
    )
    group.add_argument(
        "--spike-metric", "-sm", choices=_METRICS, default="usersPSec", help="default: usersPSec"
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--description", "-d", default="", help="a text to tell this output from others")
    group.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        help="file to write, .json is added if missing (default: the title as a file name); in mode db "
        "without --stream, a folder (default: chat_analytics)",
    )
    group.add_argument("--highlights-csv", metavar="FILE", help="write the ranked highlights as a table, too")
    group.add_argument("--chapters", metavar="FILE", help="write the highlights as a list of chapters, too")
    group.add_argument(
        "--merge-gap",
        type=_not_negative,
        default=0.0,
        metavar="S",
        help="in table and chapters, highlights with so few seconds between them are one (default: 0)",
    )
    group.add_argument("--nojson", action="store_true", help="do not add .json to the name of the output")
    group.add_argument(
        "--save-chatfile-output", "-sc", metavar="FILE", help="in mode url: keep the raw chat in this file"
    )
    group.add_argument("--debug", "-db", action="store_true", help="say more of what happens")


def _run(args: argparse.Namespace) -> int:
    from chatlib.analyze.actions import run_analyze

    return run_analyze(args)


def _interval(text: str) -> int:
    return _check(text, int, lambda value: 1 <= value <= 120, "a whole number from 1 to 120")


def _percentile(text: str) -> float:
    return _check(text, float, lambda value: 0 < value < 100, "a number above 0 and below 100")


def _positive(text: str) -> float:
    return _check(text, float, lambda value: 0 < value < float("inf"), "a number above 0")


def _not_negative(text: str) -> float:
    return _check(text, float, lambda value: 0 <= value < float("inf"), "a number, 0 or more")


def _check(text: str, kind: type, rule: object, words: str) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not rule(value):
        raise argparse.ArgumentTypeError(f"must be {words}, got {text}")
    return value
