"""The commands `score`, by the model of notebook 04, and `forecast`, of the next stream."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `score` and `forecast`."""
    parser = subparsers.add_parser(
        "score",
        help="rank a stream's viewers by how likely they pay",
        description="Rank the viewers of a stream, which may be one never seen before, with the model that "
        "notebook 04 left in a run. Names are personal data: keep the table to yourself.",
    )
    parser.add_argument("run_dir", metavar="RUN", help="a run's name or folder, such as sample")
    parser.add_argument("video", metavar="VIDEO", help="the stream's video id, as in its address")
    parser.add_argument("--db", metavar="FILE", help="another chat database (default: the run's)")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="viewers to print (default: 20)")
    parser.add_argument("--out", metavar="FILE", help="write all viewers to this CSV file")
    parser.add_argument(
        "--language-model", default="chat_lm", metavar="NAME", help="its folder in models (default: chat_lm)"
    )
    parser.set_defaults(run=_run_score)
    _add_forecast(subparsers)


def _run_score(args: argparse.Namespace) -> int:
    from chatlib.collect.sheets.tables import clean_line
    from chatlib.errors import ParameterError
    from chatlib.files import save_table
    from chatlib.predict.scorer import load_scorer
    from chatlib.pretrain.encoder import load_encoder
    from chatlib.store import open_store
    from chatlib.workspace import locate_run

    ws = locate_run(args.run_dir)
    if args.top < 0 or not ws.models.is_dir():
        raise ParameterError(
            "A run is a folder in which notebook 04 left its model, and --top a number of viewers; "
            f"got {args.run_dir} and {args.top}. Say data/runs/sample, for example."
        )
    encoder_folder = ws.models / args.language_model
    scorer = load_scorer(ws.models / "donor", encoder_folder=encoder_folder)
    with open_store(args.db or ws.db, read_only=True) as db:
        found = [s.stream_id for s in db.list_streams() if s.video_id == args.video]
        if not found:
            raise ParameterError(f"A video id must be in the database, and {args.video!r} is not. Import it.")
        table = scorer.score(db, found[0], load_encoder(encoder_folder))
        names = db.load_authors().set_index("author")["name"]
    table.insert(0, "name", names.reindex(table.pop("author")).to_numpy())
    if args.out:
        save_table(table, Path(args.out))
    print(f"{len(table)} viewers, {int(table['named'].sum())} beyond {scorer.threshold:.1%}")
    for row in table.head(args.top).itertuples():
        print(f"{row.probability:6.1%}  {row.n_messages:5d} messages  {clean_line(str(row.name))}")
    return 0


def _add_forecast(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser(
        "forecast",
        help="rank people by how likely they pay in the next stream",
        description="Rank everybody seen lately by how likely they pay in the next stream, after showing how "
        "good the forecasts of the last months were. It ranks; it does not say what a message to these "
        "people would change.",
    )
    parser.add_argument(
        "path", metavar="RUN_OR_DB", help="a run's name or folder, such as sample, or a database"
    )
    parser.add_argument(
        "--top", type=int, default=10, metavar="N", help="people to print per list (default: 10)"
    )
    parser.add_argument(
        "--days",
        type=float,
        default=60.0,
        metavar="N",
        help="ask about whom was seen in these days (default: 60)",
    )
    parser.add_argument("--out", metavar="FILE", help="write everybody asked about to this CSV file")
    parser.add_argument(
        "--names", action="store_true", help="names instead of `viewer N`: they are personal data"
    )
    parser.set_defaults(run=_run_forecast)


def _run_forecast(args: argparse.Namespace) -> int:
    from chatlib.errors import ParameterError
    from chatlib.files import save_table
    from chatlib.predict.forecast import describe_rolling, evaluate_rolling, forecast_next
    from chatlib.predict.viewers.people import NEXT, load_people
    from chatlib.store import open_store
    from chatlib.workspace import locate_path, locate_run

    if args.top < 1:
        raise ParameterError(f"--top must be a number of people, 1 or more, got {args.top}.")
    path = locate_path(args.path)
    with open_store(path if path.is_file() else locate_run(args.path).db, read_only=True) as db:
        people = load_people(db, days=args.days)
        names = db.load_authors().set_index("author")["name"] if args.names else None
    print("\n".join(describe_rolling(evaluate_rolling(people))))
    table = forecast_next(people, names=names)
    if args.out:
        save_table(table, Path(args.out))
    begins = people.table.loc[people.table["stream_id"] == NEXT, "started_at"]
    when = f"about {begins.min()[:10]}" if len(begins) else "unknown"
    print(
        f"\nThe next stream ({when}, after the usual pause): {len(table):,} people were seen in the "
        f"{args.days:g} days before; {table['p_comes'].sum():,.0f} are expected to come, and "
        f"{table['p_pays'].sum():.1f} to pay."
    )
    _print_lists(table, top=args.top)
    return 0


def _print_lists(table: pd.DataFrame, *, top: int) -> None:
    """Print the likeliest to pay of all, of lapsed supporters, and of those who never paid."""
    from chatlib.collect.sheets.tables import clean_line
    from chatlib.predict.forecast import FIRST, LAPSED

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
            amount = f"{row['expected_amount']:8.2f} {row['currency']}" if row["currency"] else ""
            print(
                f"{row['p_pays']:6.1%}  comes {row['p_comes']:4.0%}{amount}  {clean_line(str(row['who']))}"
                f"  {row['reasons']}".rstrip()
            )
    print("\nThis ranks people by what they did before; it does not say what a message to them would change.")
