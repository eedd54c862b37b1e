"""The command `export`."""

from __future__ import annotations

import argparse

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `export`."""
    exporting = subparsers.add_parser(
        "export",
        help="write a chat database as a Parquet data set",
        description="Write a chat database as a Parquet data set, which pandas, DuckDB, Polars and Spark "
        "read as it is: a file per stream under messages/platform=P/channel=C/, with streams, authors and "
        "clips beside them. `chatlib import DIR` brings it back.",
    )
    exporting.add_argument("db", metavar="DB", help="the chat database, or a run's name")
    exporting.add_argument(
        "folder", metavar="DIR", help="the folder to write: a new one, or an earlier data set"
    )
    exporting.add_argument(
        "--pseudonyms",
        action="store_true",
        help="put pseudonyms in place of ids, names and @mentions. A name without @ within a text stays, and "
        "who has the same chat can look up who wrote what",
    )
    exporting.set_defaults(run=_run_export)


def _run_export(args: argparse.Namespace) -> int:
    from chatlib.scale.export import Pseudonyms, export_store
    from chatlib.store import open_store
    from chatlib.workspace import locate_path, locate_run

    path = found if (found := locate_path(args.db)).is_file() else locate_run(args.db).db
    with open_store(path, read_only=True) as store:
        dataset = export_store(store, args.folder, pseudonyms=Pseudonyms() if args.pseudonyms else None)
    counts = ", ".join(
        f"{dataset.manifest[name]:,} {name}" for name in ("streams", "messages", "authors", "clips")
    )
    print(f"{counts} in {dataset.folder}")
    return 0
