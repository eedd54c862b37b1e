"""The commands `import`, `collect` and `update`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from chatlib.collect.youtube.settings import CollectSettings

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `import`, `collect` and `update`."""
    importing = subparsers.add_parser(
        "import",
        help="bring chat files into the chat database",
        description="Bring chat files into the chat database: chat-downloader JSON and JSONL, yt-dlp "
        "live_chat, YouTube's own responses, TwitchDownloader, Twitch v5 comments, Twitch GraphQL comment "
        "pages, each also gzipped, and databases of the first version. What is in already is not read again.",
    )
    importing.add_argument("paths", nargs="+", metavar="PATH", help="a chat file, or a folder of them")
    importing.add_argument("--db", metavar="FILE", help="the chat database (default: data/Db_file.dbs)")
    importing.add_argument(
        "--limit", type=int, default=0, metavar="N", help="only the N oldest streams; 0 is all"
    )
    _add_ignore_errors(importing)
    importing.set_defaults(run=_run_import)
    collecting = subparsers.add_parser(
        "collect",
        help="fetch the chats of channels on YouTube and Twitch",
        description="List the streams of channels on YouTube and Twitch and fetch their chats into the chat "
        "database. What is in already is left alone, so the same command goes on after an interruption. A "
        "key for the YouTube Data API is read from YOUTUBE_API_KEY.",
    )
    collecting.add_argument(
        "channels",
        metavar="CHANNELS",
        help="a channel's address, or an ODS list of channels: address, spreadsheet for its streams",
    )
    _add_youtube_options(collecting)
    updating = subparsers.add_parser(
        "update",
        help="fetch what is new since, and what did not come whole",
        description="Add the new streams of the channels that were collected, and try again those whose chat "
        "is partial, blocked or failed.",
    )
    updating.add_argument(
        "channels",
        nargs="?",
        default="",
        metavar="CHANNELS",
        help="a channel's address or a list, also one of the first version, with a database in its third "
        "column (default: the channels that the database knows)",
    )
    _add_youtube_options(updating)


def _add_youtube_options(parser: argparse.ArgumentParser) -> None:
    default = CollectSettings
    parser.add_argument("--db", metavar="FILE", help="the chat database (default: data/Db_file.dbs)")
    parser.add_argument(
        "--listing",
        default=default.listing,
        metavar="HOW",
        help="selenium (Chromium) or yt-dlp (default: %(default)s)",
    )
    parser.add_argument(
        "--chat-sources",
        default=default.chat_sources,
        metavar="NAMES",
        help="which to try, in order (default: %(default)s)",
    )
    parser.add_argument(
        "--cookies", default=default.cookies, metavar="FILE", help="a cookies.txt in Netscape's format"
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=default.at_once,
        metavar="N",
        help="streams fetched at once (default: %(default)s)",
    )
    parser.add_argument(
        "--requests-per-s",
        type=float,
        default=default.requests_per_s,
        metavar="N",
        help="per host, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=default.limit,
        metavar="N",
        help="only a channel's N newest streams; 0 is all",
    )
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
    from chatlib.collect.sheets.streams import find_chat_files
    from chatlib.store import open_store

    find_chat_files(args.paths)  # a wrong path leaves no database behind
    with open_store(_find_db(args), create=True) as db:
        report = import_chats(db, args.paths, limit=args.limit)
        sys.stdout.write(report.format_summary(db.path))
    return _exit_code(args, is_usable=report.is_usable, has_failed=bool(report.errors))


def _run_collect(args: argparse.Namespace) -> int:
    from chatlib.collect.collection import collect_channels, load_known_channels
    from chatlib.collect.sources import find_channels
    from chatlib.store import open_store

    settings = CollectSettings(
        listing=args.listing,
        chat_sources=args.chat_sources,
        cookies=str(Path(args.cookies).expanduser().absolute()) if args.cookies else "",
        at_once=args.at_once,
        requests_per_s=args.requests_per_s,
        limit=args.limit,
    )
    path = _find_db(args)
    found = find_channels(args.channels, folder=path.parent, base=Path.cwd()) if args.channels else None
    with open_store(path, create=found is not None) as db:
        report = collect_channels(db, found or load_known_channels(db), settings)
        sys.stdout.write(report.format_summary(db.path))
    return _exit_code(args, is_usable=report.is_usable, has_failed=report.has_failed)


def _find_db(args: argparse.Namespace) -> Path:
    from chatlib.workspace import PROJECT_DIR

    return Path(args.db) if args.db else PROJECT_DIR / "data" / "Db_file.dbs"


def _exit_code(args: argparse.Namespace, *, is_usable: bool, has_failed: bool) -> int:
    return 0 if is_usable and (args.ignore_errors or not has_failed) else 1
