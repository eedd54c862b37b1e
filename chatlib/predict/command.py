"""The command `forecast`: who will pay, by any of the four questions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from chatlib.money import format_money
from chatlib.options import add_options, read_options
from chatlib.predict import NEXT_STREAM, QUESTIONS, Question

if TYPE_CHECKING:
    import pandas as pd

    from chatlib.predict.forecast import Forecaster
    from chatlib.store import Store

__all__ = ["add_parsers", "refit_forecasters"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `forecast`."""
    parser = subparsers.add_parser(
        "forecast",
        help="rank people by how likely they pay",
        description="Rank people by how likely they pay: everybody seen lately, before the next stream; or "
        "the viewers of a stream. It says first how well such forecasts of the last months came true. A run "
        "keeps what was learned, and learns anew when its database holds newer streams. It ranks; it does "
        "not say what a message to these people would change.",
    )
    parser.add_argument(
        "path", metavar="RUN_OR_DB", help="a run's name or folder, such as sample, or a database"
    )
    add_options(parser, Question)
    parser.add_argument(
        "--stream", metavar="VIDEO", help="the stream's video id (default: the newest); not for next_stream"
    )
    parser.add_argument("--top", type=int, default=10, metavar="N", help="people per list (default: 10)")
    parser.add_argument("--out", metavar="FILE", help="write everybody asked about to this CSV file")
    parser.add_argument(
        "--names", action="store_true", help="names instead of `viewer N`: they are personal data"
    )
    parser.add_argument("--refit", action="store_true", help="measure and fit anew, whatever the run holds")
    parser.set_defaults(run=_run_forecast)


def _run_forecast(args: argparse.Namespace) -> int:
    from chatlib.errors import ParameterError
    from chatlib.files import save_table
    from chatlib.predict.viewers.people import NEXT
    from chatlib.store import open_store
    from chatlib.workspace import locate_path, locate_run

    question = read_options(args, Question)
    if args.top < 1:
        raise ParameterError(f"--top must be a number of people, 1 or more, got {args.top}.")
    if args.stream and question.name == NEXT_STREAM:
        raise ParameterError(
            f"The next stream has no id yet; --stream {args.stream} needs another --question."
        )
    path = locate_path(args.path)
    ws = None if path.is_file() else locate_run(args.path)
    with open_store(ws.db if ws else path, read_only=True) as db:
        stream_id, title = _find_stream(db, args.stream) if question.name != NEXT_STREAM else (NEXT, "")
        forecaster = _get_forecaster(db, question, ws.models / "forecaster" if ws else None, refit=args.refit)
        names = db.load_authors().set_index("author")["name"] if args.names else None
        table = forecaster.score(db, stream_id, names=names)
    print("\n".join([f"{question.terms.asks}", *forecaster.sentences]))
    if args.out:
        save_table(table.drop(columns="author"), Path(args.out))
    if question.name == NEXT_STREAM:
        print(
            f"\nThe next stream: {len(table):,} people were seen in the {question.days:g} days before; "
            f"{table['p_comes'].sum():,.0f} are expected to come, and {table['p_pays'].sum():.1f} to pay."
        )
    else:
        print(f"\n{title}: {len(table):,} people, {table['p_pays'].sum():.1f} of them expected to pay.")
    _print_lists(table, top=args.top)
    return 0


def _find_stream(db: Store, video_id: str | None) -> tuple[int, str]:
    """Return the key and the id of a stream, of the newest with chat and a date without one named."""
    from chatlib.errors import NotEnoughData, ParameterError
    from chatlib.text import suggest_name

    streams = [stream for stream in db.list_streams() if stream.n_messages and stream.started_at]
    found = [stream for stream in streams if video_id in (None, stream.video_id)]
    if not streams:
        raise NotEnoughData("A stream to ask about needs chat and a date. Give the dates in streams.csv.")
    if not found:
        hint = suggest_name(str(video_id), [stream.video_id for stream in streams])
        raise ParameterError(
            f"A video id must be of a stream with chat and a date, and {video_id!r} is not. {hint}".strip()
        )
    return found[-1].stream_id, f"Stream {found[-1].video_id}"


def refit_forecasters(db: Store, folder: Path) -> str:
    """Measure and fit anew those forecasters in a folder that lack a stream; return what was done."""
    from chatlib.predict.forecast import load_forecaster

    kept = [load_forecaster(folder, name) for name in QUESTIONS if (folder / name).is_dir()]
    if not kept:
        return "The run keeps no forecasts yet: `chatlib forecast RUN`, or notebook 04, makes them."
    old = [forecaster for forecaster in kept if _find_newest(db) > forecaster.until]
    for forecaster in old:
        _get_forecaster(db, forecaster.question, folder, refit=True)
    names = ", ".join(forecaster.question.name for forecaster in old)
    return f"Forecasts learned anew: {names}." if old else "No newer stream: the forecasts stay as they are."


def _find_newest(db: Store) -> str:
    """Return when the newest stream with chat began."""
    return max((s.started_at for s in db.list_streams() if s.n_messages and s.started_at), default="")


def _get_forecaster(db: Store, question: Question, folder: Path | None, *, refit: bool) -> Forecaster:
    """Return what a run keeps, or what is fitted now: where it has none, or lacks a stream that is over."""
    from chatlib.errors import NotEnoughData
    from chatlib.predict.forecast import load_forecaster, save_forecaster, try_forecast

    if folder and not refit and (folder / question.name).is_dir():
        forecaster = load_forecaster(folder, question.name)
        is_old = question.name == NEXT_STREAM and _find_newest(db) > forecaster.until
        if forecaster.question == question and not is_old:
            return forecaster
    result = try_forecast(db, question)
    if result.forecaster is None:
        raise NotEnoughData(" ".join(result.sentences))
    if folder:
        save_forecaster(folder, result.forecaster)
    return result.forecaster


def _print_lists(table: pd.DataFrame, *, top: int) -> None:
    """Print the likeliest to pay of all, of lapsed supporters, and of those who never paid."""
    from chatlib.collect.sheets import clean_line
    from chatlib.predict.forecast import FIRST, LAPSED
    from chatlib.tables import format_share

    lists = {
        "Most likely to pay": table,
        "Lapsed supporters (no payment in 45 days), the likeliest to return first": table[
            table["status"] == LAPSED
        ],
        "No payment before, the likeliest first": table[table["status"] == FIRST],
    }
    for title, people in lists.items():
        print(f"\n{title}:" if len(people) else f"\n{title}: nobody")
        for row in people.head(top).to_dict("records"):
            paid = format_money(row["expected_amount"], row["currency"]) if row["currency"] else ""
            comes = f"  comes {format_share(row['p_comes']):>6}" if "p_comes" in row else ""
            amount = f"  {paid:>13}" if table["currency"].any() else ""
            who = clean_line(str(row["who"]))
            print(f"{format_share(row['p_pays']):>6}{comes}{amount}  {who}  {row['reasons']}".rstrip())
    print("\nThis ranks people by what they did before; it does not say what a message to them would change.")
