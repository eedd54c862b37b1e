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
    parser.set_defaults(run=_run_collect)


def _run_import(args: argparse.Namespace) -> int:
    from chatlib.collect.files.importing import import_chats
    from chatlib.store import open_store
    from chatlib.workspace import PROJECT_DIR

    with open_store(args.db or PROJECT_DIR / "data" / "Db_file.dbs", create=True) as db:
        report = import_chats(db, args.paths, limit=args.limit)
        sys.stdout.write(report.format_summary(db.path))
    return 0 if report.is_usable else 1


def _run_collect(args: argparse.Namespace) -> int:
    from chatlib.collect.sources import fill_from_youtube
    from chatlib.store import open_store
    from chatlib.workspace import PROJECT_DIR

    settings = CollectSettings(
        listing=args.listing,
        chat_sources=args.chat_sources,
        cookies=str(Path(args.cookies).expanduser().absolute()) if args.cookies else "",
        at_once=args.at_once,
        requests_per_s=args.requests_per_s,
        limit=args.limit,
    )
    with open_store(args.db or PROJECT_DIR / "data" / "Db_file.dbs", create=bool(args.channels)) as db:
        report = fill_from_youtube(db, args.channels, settings, base=Path.cwd())
        sys.stdout.write(report.format_summary(db.path))
    return 0 if report.is_usable else 1
