"""The commands of this part: `import` and `simulate`."""

from __future__ import annotations

import argparse

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `import` and `simulate`."""
    importing = subparsers.add_parser("import", help="bring chat files into the chat database")
    importing.add_argument("paths", nargs="+", metavar="PATH", help="chat file, or folder of them")
    importing.add_argument("--db", metavar="FILE", help="the database (default: data/Db_file.dbs)")
    importing.add_argument("--limit", type=int, default=0, metavar="N", help="only the oldest N streams")
    importing.set_defaults(run=_run_import)


def _run_import(args: argparse.Namespace) -> int:
    from chatlib.collect.chat_files import import_chats
    from chatlib.store import open_store
    from chatlib.workspace import PROJECT_DIR

    with open_store(args.db or PROJECT_DIR / "data" / "Db_file.dbs", create=True) as db:
        report = import_chats(db, args.paths, limit=args.limit)
    return 0 if report.usable else 1
