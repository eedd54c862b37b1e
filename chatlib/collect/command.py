"""The commands `import`, `convert`, `collect`, `update` and `watch`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chatlib.collect.files.formats import list_formats
from chatlib.collect.sites import CollectSettings
from chatlib.errors import ParameterError
from chatlib.files import looks_like_dataset
from chatlib.options import add_columns_option, add_options, read_columns_option, read_options
from chatlib.text import format_count, one_line

if TYPE_CHECKING:
    from chatlib.collect.files.importing import ImportReport
    from chatlib.collect.summary import CollectReport

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `import`, `convert`, `collect`, `update` and `watch`."""
    for add in (_add_import, _add_convert, _add_collect, _add_update, _add_watch):
        add(subparsers)


def _add_import(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "import",
        help="bring chat files into the chat database",
        description="Bring chat files into the chat database, plain or gzipped; formats are recognised by\n"
        f"content. What is in already is not read again.\n\n{list_formats()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a chat file, or a folder of them")
    parser.add_argument("--db", metavar="FILE", help="the chat database (default: data/Db_file.dbs)")
    parser.add_argument(
        "--dataset", metavar="DIR", help="import into a Parquet data set instead of a chat database"
    )
    parser.add_argument(
        "--limit", type=int, default=0, metavar="N", help="only the N oldest streams; 0 is all"
    )
    add_columns_option(parser)
    _add_ignore_errors(parser)
    parser.set_defaults(run=_run_import)


def _add_convert(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "convert",
        help="write a chat file in another format",
        description="Write the chat of a file, of any format that can be imported, as chat-downloader would: "
        "as JSON (.json), JSON Lines (.jsonl), CSV (.csv) or Parquet (.parquet), by OUT's ending. In CSV, "
        "what a spreadsheet would take for a formula gets an apostrophe in front; reading takes it away.",
    )
    parser.add_argument("source", metavar="IN", help="a chat file")
    parser.add_argument("out", metavar="OUT", help="the file to write, whole or not at all")
    parser.add_argument("--stream", default="", metavar="ID", help="of a file with several streams, this one")
    add_columns_option(parser)
    parser.set_defaults(run=_run_convert)


def _add_collect(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "collect",
        help="fetch the chats of channels on YouTube and Twitch",
        description="List the streams of channels on YouTube and Twitch and fetch their chats into the chat "
        "database. What is in already is left alone, so the same command goes on after an interruption. A "
        "key for the YouTube Data API is read from YOUTUBE_API_KEY.",
    )
    parser.add_argument(
        "channels",
        metavar="CHANNELS",
        help="a channel's address, or an ODS list of channels: address, spreadsheet for its streams",
    )
    _add_youtube_options(parser)


def _add_update(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "update",
        help="fetch what is new since, and what did not come whole",
        description="Add the new streams of the channels that were collected, and try again those whose chat "
        "is partial, blocked or failed.",
    )
    parser.add_argument(
        "channels",
        nargs="?",
        default="",
        metavar="CHANNELS",
        help="a channel's address or a list (default: the channels that the database knows)",
    )
    _add_youtube_options(parser)
    parser.add_argument(
        "--run",
        dest="updated_run",
        metavar="RUN",
        help="update this run's database, then learn the forecasts that the run keeps anew",
    )


def _add_watch(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "watch",
        help="capture the chat of running streams",
        description="Write the chat of running streams on YouTube and Twitch into the chat database as it "
        "comes, with payments and deletions, which replays lack. Begun before a stream, it waits; after a "
        "disconnection it connects again and says what it missed. Ctrl-C ends it; all that came is stored.",
    )
    parser.add_argument(
        "addresses",
        nargs="+",
        metavar="ADDRESS",
        help="a channel's address on YouTube or Twitch, or a stream's on YouTube; several at once",
    )
    parser.add_argument("--db", metavar="FILE", help="the chat database (default: data/Db_file.dbs)")
    parser.add_argument("--until-end", action="store_true", help="end with the stream")
    parser.add_argument("--minutes", type=float, metavar="N", help="end after so many minutes")
    add_options(parser, CollectSettings, ("cookies",))
    parser.add_argument(
        "--run",
        dest="model_run",
        metavar="RUN",
        help="a run whose notebook 04 is done: name those who are most likely to pay in what is left",
    )
    parser.add_argument("--names", action="store_true", help="with --run, names instead of viewer numbers")
    parser.set_defaults(run=_run_watch, open_ranker=None)


def _add_youtube_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--db", metavar="FILE", help="the chat database (default: data/Db_file.dbs)")
    add_options(parser, CollectSettings)
    _add_ignore_errors(parser)
    parser.set_defaults(run=_run_collect)


def _add_ignore_errors(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ignore-errors",
        action="store_true",
        help="exit with 0 although something failed, if the database has chat of what was named",
    )


def _run_import(args: argparse.Namespace) -> int:
    from chatlib.collect.files.importing import import_chats
    from chatlib.collect.lists import find_chat_files
    from chatlib.store import open_store

    columns = read_columns_option(args.columns)
    datasets = [path for path in args.paths if looks_like_dataset(path)]
    if args.dataset and (args.db or datasets or columns):
        raise ParameterError("--dataset takes chat files, not --db, not --columns. Leave the other out.")
    if datasets and len(args.paths) > 1:
        raise ParameterError(f"{datasets[0]} is a data set: import it by itself.")
    if args.dataset:
        from chatlib.collect.files.into_dataset import import_into_dataset

        report, place = import_into_dataset(args.paths, args.dataset, limit=args.limit), Path(args.dataset)
    elif datasets:
        from chatlib.collect.files.into_dataset import import_dataset
        from chatlib.dataset import open_dataset

        dataset, place = open_dataset(datasets[0]), _find_db(args)
        with open_store(place, create=True) as db:
            report = import_dataset(db, dataset)
    else:
        find_chat_files(args.paths)  # a wrong path leaves no database behind
        place = _find_db(args)
        with open_store(place, create=True) as db:
            report = import_chats(db, args.paths, limit=args.limit, columns=columns)
    sys.stdout.write(report.format_summary(place))
    return _exit_code(args, report)


def _run_convert(args: argparse.Namespace) -> int:
    from chatlib.collect.files.chat_downloader import convert_chat_file

    chat = convert_chat_file(
        args.source, args.out, columns=read_columns_option(args.columns), stream_id=args.stream
    )
    sys.stdout.write(f"{format_count(len(chat.messages), 'message')}, read as {chat.format}\n")
    for reason, n_rows in chat.skipped.items():
        sys.stdout.write(f"{n_rows:>9,} × {one_line(reason)}\n")
    return 0


def _run_collect(args: argparse.Namespace) -> int:
    from chatlib.collect.collection import collect_channels, load_known_channels
    from chatlib.collect.sources import find_channels
    from chatlib.store import open_store

    settings = _read_settings(args)
    path, run = _find_db(args), getattr(args, "updated_run", None)
    found = find_channels(args.channels, folder=path.parent, base=Path.cwd()) if args.channels else None
    with open_store(path, create=found is not None) as db:
        report = collect_channels(db, found or load_known_channels(db), settings)
        sys.stdout.write(report.format_summary(db.path))
        if run:
            sys.stdout.write(f"{args.refit(db, run)}\n")
    return _exit_code(args, report)


def _run_watch(args: argparse.Namespace) -> int:
    import signal
    import threading

    from chatlib.collect.live import WatchSettings, watch_streams
    from chatlib.collect.sources import open_feeds
    from chatlib.store import open_store

    rank = args.open_ranker(args.model_run, names=args.names) if args.model_run else None
    settings = WatchSettings(minutes=args.minutes, until_end=args.until_end)
    stop = threading.Event()
    feeds = open_feeds(args.addresses, _read_settings(args), stop=stop)

    def end(*_: object) -> None:
        """End the watch, not in the middle of a write; at a second Ctrl-C, at once."""
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, end)
    with open_store(_find_db(args), create=True) as db:
        captures = watch_streams(db, feeds, settings, rank=rank, stop=stop)
    captures = [capture for capture in captures if capture.was_connected]
    for capture in captures:
        sys.stdout.write(f"{capture.describe()}\n")
    n_added = sum(capture.n_added for capture in captures)
    added, of = format_count(n_added, "new message"), format_count(len(captures), "stream")
    sys.stdout.write(f"{added} of {of} in {db.path}\n")
    return 0 if captures else 1


def _read_settings(args: argparse.Namespace) -> CollectSettings:
    if args.cookies:  # a relative path starts at the current folder, not at the project
        args.cookies = str(Path(args.cookies).expanduser().absolute())
    return read_options(args, CollectSettings)


def _find_db(args: argparse.Namespace) -> Path:
    from chatlib.workspace import PROJECT_DIR, locate_run

    if run := getattr(args, "updated_run", None):
        if args.db:
            raise ParameterError(f"--run names a run, whose database is updated; leave out --db {args.db}.")
        return locate_run(run).db
    return PROJECT_DIR / "data" / "Db_file.dbs" if args.db is None else Path(args.db)


def _exit_code(args: argparse.Namespace, report: ImportReport | CollectReport) -> int:
    return 0 if report.is_usable and (args.ignore_errors or not report.has_failed) else 1
