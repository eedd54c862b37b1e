"""How well payers are forecast by each of the four questions, refitted each month, on real chat.

    python tests/benchmarks/bench_forecast.py [PATH] [--question NAME] [--draws N] [--seeds N] [--truth FILE]

PATH is a folder of chats or a chat database. Beside the trees stand rules, and trees that may read less:
nothing of past notices, and of viewers only what they did in the stream ("messages only"). Intervals are
drawn over streams and people together; `gain` is what each rule has more than the trees.

With the `truth.csv.gz` of a simulated channel: how far from chance to the best possible ROC-AUC each question
goes; and by the protocol of notebook 04, trees, characters and both. Ten times the sample: `chatlib simulate
--viewers 3000 --messages 17000 --seed 20260109`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from chatlib.collect.files.importing import import_chats
from chatlib.predict import QUESTIONS, RETROSPECTIVE, Question, protocol
from chatlib.predict.forecast import Forecast, describe_rolling, evaluate_rolling
from chatlib.predict.models.baselines import CHARACTERS, fit_characters, score_trees
from chatlib.predict.viewers.past import HABIT_COLUMNS, NOTICE_COLUMNS
from chatlib.predict.viewers.people import People, load_people
from chatlib.predict.viewers.table import load_viewers
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
    parser.add_argument("--truth", type=Path, help="the true probabilities of a simulated channel")
    parser.add_argument("--messages", type=int, default=16, help="read of each viewer (default: 16)")
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
                measure(db, Question(name), n_draws=args.draws, n_seeds=args.seeds, truth=args.truth)
            if args.truth and args.question in (None, RETROSPECTIVE):
                measure_protocol(db, args.truth, max_messages=args.messages)


def measure(db: Store, question: Question, *, n_draws: int, n_seeds: int, truth: Path | None) -> None:
    """Print how good one question's forecasts were, and what they cost."""
    started = time.process_time()
    people = load_people(db, question)
    loaded = time.process_time()
    rolling = evaluate_rolling(people, n_draws=n_draws, n_seeds=n_seeds)
    print(f"\n{question.name}: {people.question.terms.asks}")
    print(
        f"{len(people.table):,} rows in {loaded - started:.1f} s, evaluated in "
        f"{time.process_time() - loaded:.0f} s of CPU"
    )
    print("\n".join(describe_rolling(rolling)))
    if truth:
        way = protocol.measure_way(Forecast(question, [], rolling, None, people.table), truth, db)
        print(f"of the way to the best possible ROC-AUC: {'not known' if way is None else f'{way:.1%}'}")
    if rolling:
        table = rolling.table.set_index(["question", "group", "model"])[_SHOWN]
        with pd.option_context("display.max_columns", None, "display.width", 250):
            print(table.round(4))
            print(rolling.months.round(1))
    for rival, columns in ({} if truth or not rolling else choose_rivals(people)).items():
        less = evaluate_rolling(_Fewer(**vars(people), kept=columns), n_draws=n_draws, n_seeds=n_seeds)
        print(f"{rival}: {less.table[_SHOWN].iloc[0].round(4).to_dict()}")


def measure_protocol(db: Store, path: Path, *, max_messages: int) -> None:
    """Print how well trees, characters and both tell who paid, and the share of the way that they go."""
    people, viewers = load_people(db, Question(RETROSPECTIVE)), load_viewers(db, max_messages=max_messages)
    split = protocol.split_streams(db)
    rows, known = viewers.find_periods(split), viewers.align(people.table)
    scores = {
        protocol.TREES: score_trees(known[list(people.columns)], viewers.paid, rows),
        CHARACTERS: fit_characters(viewers, rows),
    }
    both, shares = protocol.blend_scores(scores, list(scores), viewers.paid[rows.validation])
    truth = protocol.load_truth(path, db, viewers.table)
    table = protocol.evaluate_models(
        viewers, split, scores | {"both": both}, known, reference="both", truth=truth, n_draws=50
    ).table
    table["of the way"] = (table["roc_auc"] - 0.5) / (table["roc_auc"][protocol.BEST_POSSIBLE] - 0.5)
    print(f"\nretrospective, by the protocol, {max_messages} messages read; weights of both: {shares}")
    print(table[["validation_pr_auc", "pr_auc", "roc_auc", "of the way"]].round(3))


@dataclass(frozen=True)
class _Fewer(People):
    kept: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return self.kept


def choose_rivals(people: People) -> dict[str, tuple[str, ...]]:
    """Return the columns of trees that know less."""
    notices = {*NOTICE_COLUMNS, *HABIT_COLUMNS}
    rivals = {"trees without notices": tuple(name for name in people.columns if name not in notices)}
    if "stream" in people.groups:
        rivals["trees, messages only"] = people.groups["stream"]
    return rivals


if __name__ == "__main__":
    main()
