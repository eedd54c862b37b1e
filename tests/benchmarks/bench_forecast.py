"""How well the next stream's payers are forecast, refitted each month, on real chat.

    python tests/benchmarks/bench_forecast.py [PATH] [--draws N] [--seeds N]

PATH is a folder of chats or a chat database. Everybody seen in the 60 days before a stream is asked
about, whether they came or not. Intervals are drawn over streams and people together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd

from chatlib.collect.files.importing import import_chats
from chatlib.predict.forecast import describe_rolling, evaluate_rolling
from chatlib.predict.viewers.people import load_people
from chatlib.store import open_store

CHANNEL = Path(__file__).resolve().parents[3] / "shared" / "data" / "twitch" / "channel_2023"


def main() -> None:
    """Evaluate, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", default=CHANNEL, type=Path)
    parser.add_argument("--draws", type=int, default=300, help="of the bootstrap (default: 300)")
    parser.add_argument("--seeds", type=int, default=3, help="models that are averaged (default: 3)")
    args = parser.parse_args()
    if not args.path.exists():
        print(f"skipped: {args.path} is not here")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = args.path if args.path.is_file() else Path(folder) / "chat.dbs"
        with open_store(path, create=args.path.is_dir()) as db:
            if args.path.is_dir():
                import_chats(db, [args.path])
            started = time.perf_counter()
            people = load_people(db)
    print(f"{len(people.table):,} rows in {time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    rolling = evaluate_rolling(people, n_draws=args.draws, n_seeds=args.seeds)
    print(f"evaluated in {time.perf_counter() - started:.0f} s (this depends on what else runs)")
    print("\n".join(describe_rolling(rolling)))
    if rolling:
        with pd.option_context("display.max_columns", None, "display.width", 250):
            print(rolling.table.set_index(["question", "group", "model"]).round(4))
            print(rolling.months.round(1))


if __name__ == "__main__":
    main()
