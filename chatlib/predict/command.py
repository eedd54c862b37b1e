"""The command `score`: who of a stream's viewers will pay, by the model of notebook 04."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_parsers"]


def add_parsers(subparsers: argparse._SubParsersAction) -> None:
    """Register `score`."""
    parser = subparsers.add_parser(
        "score",
        help="rank a stream's viewers by how likely they pay",
        description="Rank the viewers of a stream, which may be one never seen before, with the model that "
        "notebook 04 left in a run. Names are personal data: keep the table to yourself.",
    )
    parser.add_argument("run_dir", metavar="RUN", help="the run's folder, such as data/runs/sample")
    parser.add_argument("video", metavar="VIDEO", help="the stream's video id, as in its address")
    parser.add_argument("--db", metavar="FILE", help="another chat database (default: the run's)")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="viewers to print (default: 20)")
    parser.add_argument("--out", metavar="FILE", help="write all viewers to this CSV file")
    parser.add_argument(
        "--language-model", default="chat_lm", metavar="NAME", help="its folder in models (default: chat_lm)"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from chatlib.collect.sheets.tables import clean_line
    from chatlib.errors import ParameterError
    from chatlib.files import save_table
    from chatlib.predict.scorer import load_scorer
    from chatlib.pretrain.encoder import load_encoder
    from chatlib.store import open_store
    from chatlib.workspace import Workspace

    ws = Workspace(Path(args.run_dir))
    if args.top < 0 or not ws.models.is_dir():
        raise ParameterError(
            "A run is a folder in which notebook 04 left its model, and --top a number of viewers; "
            f"got {args.run_dir} and {args.top}. Say data/runs/sample, for example."
        )
    encoder_folder = ws.models / args.language_model
    scorer = load_scorer(ws.models / "donor", encoder_folder=encoder_folder)
    with open_store(args.db or ws.db) as db:
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
