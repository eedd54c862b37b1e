"""The commands of this part: `import` and `simulate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatlib.collect.import_report import ImportReport

__all__ = ["add_parsers", "say_report"]

_MAX_LINES = 20  # of each list in the summary


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `import` and `simulate`."""
    importing = subparsers.add_parser(
        "import",
        help="bring chat files into the chat database",
        description="Bring chat files into the chat database: chat-downloader JSON and JSONL, yt-dlp "
        "live_chat, YouTube's own responses, TwitchDownloader, Twitch v5 comments, each also gzipped, and "
        "databases of the first version. What is in already is not read again.",
    )
    importing.add_argument("paths", nargs="+", metavar="PATH", help="a chat file, or a folder of them")
    importing.add_argument("--db", metavar="FILE", help="the chat database (default: data/Db_file.dbs)")
    importing.add_argument(
        "--limit", type=int, default=0, metavar="N", help="only the N oldest streams; 0 is all"
    )
    importing.set_defaults(run=_run_import)
    simulating = subparsers.add_parser(
        "simulate",
        help="make a simulated channel of any size, as chat files",
        description="Make a simulated channel: chat files with a list of streams, which `import` reads.",
    )
    simulating.add_argument("--streams", type=int, default=24, metavar="N", help="how many (default: 24)")
    simulating.add_argument(
        "--viewers", type=int, default=300, metavar="N", help="of a stream, on average (default: 300)"
    )
    simulating.add_argument(
        "--messages", type=int, default=1700, metavar="N", help="of a stream, on average (default: 1700)"
    )
    simulating.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the same seed, the same channel"
    )
    simulating.add_argument(
        "--new", type=int, default=0, metavar="N", help="lay the last N streams apart, as what came later"
    )
    simulating.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    simulating.set_defaults(run=_run_simulate)


def _run_import(args: argparse.Namespace) -> int:
    from chatlib.collect.chat_files import import_chats
    from chatlib.store import open_store
    from chatlib.workspace import PROJECT_DIR

    with open_store(args.db or PROJECT_DIR / "data" / "Db_file.dbs", create=True) as db:
        report = import_chats(db, args.paths, limit=args.limit)
        sys.stdout.write(say_report(report, db.path))
    return 0 if report.is_usable else 1


def _run_simulate(args: argparse.Namespace) -> int:
    from chatlib.collect.simulate import simulate_channel

    report = simulate_channel(
        Path(args.out),
        n_streams=args.streams,
        n_viewers=args.viewers,
        n_messages=args.messages,
        seed=args.seed,
        n_new=args.new,
    )
    sys.stdout.write(
        f"{report.n_streams:,} simulated streams, {report.n_rows:,} rows, {report.n_viewers:,} viewers, "
        f"{report.donor_share:.1%} of them donors, in {report.out_dir}\n"
    )
    return 0


def say_report(report: ImportReport, db: Path) -> str:
    """Return the summary of an import: what is in the database, what was left out, and why."""
    from chatlib.collect.rows import clean_text

    states = [file.state for file in report.files]
    lines = [
        f"{states.count('imported'):,} read, {states.count('known'):,} known already, "
        f"{states.count('failed'):,} failed; {report.n_added:,} new messages in {db}",
        "",
        "".join(f"{name:>12}" for name in report.totals),
        "".join(f"{count:>12,}" for count in report.totals.values()),
    ]
    if report.skipped:
        lines += ["", "Left out or incomplete:"]
        lines += _shorten([f"{count:>12,} × {reason}" for reason, count in report.skipped.items()])
    if report.errors:
        lines += ["", "Could not be read:"]
        lines += _shorten([f"  {path}: {error}" for path, error in report.errors.items()])
    if report.ignored:
        lines += ["", "No chat, left alone:"]
        lines += _shorten([f"  {path}" for path in report.ignored])
    return clean_text("\n".join(lines) + "\n")


def _shorten(lines: list[str]) -> list[str]:
    more = len(lines) - _MAX_LINES
    return lines if more <= 0 else [*lines[:_MAX_LINES], f"  … and {more:,} more"]
