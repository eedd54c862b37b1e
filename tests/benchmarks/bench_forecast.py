"""How well payers are forecast by each of the four questions, refitted each month, on real chat.

    python tests/benchmarks/bench_forecast.py [PATH] [--question NAME] [--draws N] [--seeds N]

PATH is a folder of chats or a chat database. Beside the trees stand rules, and trees that may read less:
nothing of past notices, and of viewers only what they did in the stream ("messages only"). Intervals are
drawn over streams and people together; `gain` is what the trees have more.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd

from chatlib.collect.files.importing import import_chats
from chatlib.predict.forecast import describe_rolling, evaluate_rolling
from chatlib.predict.questions import QUESTIONS, Question
from chatlib.predict.viewers.notices import HABIT_COLUMNS, NOTICE_COLUMNS
from chatlib.predict.viewers.people import People, load_people
from chatlib.store import Store, open_store

CHANNEL = Path(__file__).resolve().parents[3] / "shared" / "data" / "twitch" / "channel_2023"
_SHOWN = ["asked", "positives", "pr_auc", "pr_auc_low", "pr_auc_high", "lift", "roc_auc", "gain", "gain_low",
          "gain_high"]  # fmt: skip


def main() -> None:
    """Evaluate, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", default=CHANNEL, type=Path)
    parser.add_argument("--question", choices=QUESTIONS, help="this one alone (default: all four)")
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
            for name in [args.question] if args.question else QUESTIONS:
                measure(db, Question(name), n_draws=args.draws, n_seeds=args.seeds)


def measure(db: Store, question: Question, *, n_draws: int, n_seeds: int) -> None:
    """Print how good one question's forecasts were, and what they cost."""
    started = time.process_time()
    people = load_people(db, question)
    loaded = time.process_time()
    rivals = choose_rivals(people)
    rolling = evaluate_rolling(people, n_draws=n_draws, n_seeds=n_seeds, rivals=rivals)
    print(f"\n{question.name}: {people.question.terms.asks}")
    print(
        f"{len(people.table):,} rows in {loaded - started:.1f} s, evaluated in "
        f"{time.process_time() - loaded:.0f} s of CPU"
    )
    print("\n".join(describe_rolling(rolling)))
    if rolling:
        table = rolling.table.set_index(["question", "group", "model"])[_SHOWN]
        with pd.option_context("display.max_columns", None, "display.width", 250):
            print(table.round(4))
            print(rolling.months.round(1))


def choose_rivals(people: People) -> dict[str, tuple[str, ...]]:
    """Return the columns of trees that know less."""
    notices = {*NOTICE_COLUMNS, *HABIT_COLUMNS}
    rivals = {"trees without notices": tuple(name for name in people.columns if name not in notices)}
    if "stream" in people.groups:
        rivals["trees, messages only"] = people.groups["stream"]
    return rivals


if __name__ == "__main__":
    main()
