"""The honest protocol: everything is settled on validation, then test is read once.

Beside it stands the naive protocol of the first version of this research: as many others as donors, a
random split with the same streams and people on both sides, paid messages left in, and the best
epoch on test. It is run only to show what it would have claimed; its number means nothing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.errors import DataError
from chatlib.predict import FORECAST, NEXT_STREAM, RETROSPECTIVE, Question
from chatlib.predict.evaluation import (
    Calibrator,
    bootstrap_metrics,
    choose_threshold,
    compare_models,
    fit_calibrator,
    fit_weights,
    interval,
    rank_metrics,
    rank_within_streams,
)
from chatlib.predict.forecast import Forecast
from chatlib.predict.models.baselines import BASELINES, CHARACTERS
from chatlib.predict.models.transformer import (
    DonorConfig,
    Encoder,
    Training,
    build_inputs,
    fit_donor_models,
)
from chatlib.predict.viewers.table import Viewers, load_viewers
from chatlib.store import Store
from chatlib.text import one_line
from chatlib.times import DateSplit, split_by_date

__all__ = [
    "BEST_POSSIBLE",
    "BLENDS",
    "TRANSFORMER",
    "TREES",
    "Claim",
    "Evaluation",
    "blend_scores",
    "choose_best",
    "compare_pairs",
    "count_readings",
    "evaluate_models",
    "load_truth",
    "measure_way",
    "run_naive_protocol",
    "select_everything",
    "split_streams",
]

BEST_POSSIBLE = "best possible (simulated)"
TRANSFORMER, TREES = "donor transformer", "boosted trees"
BLENDS = {  # members of each; the first reads messages and times alone, the last adds the transformer
    "blend: messages": (TRANSFORMER, BASELINES[2], CHARACTERS),
    "trees and characters": (TREES, CHARACTERS),
    "blend: everything": (TREES, CHARACTERS, TRANSFORMER),
}
_NAIVE_DONORS = 200  # at most
_NAIVE_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Evaluation:
    """What reading test once showed. `probabilities` are of the viewers `rows`, which are those of test.

    `table` has a row per model (see `compare_models`, and the PR-AUC on validation, by which one may
    choose), `groups` one per model and group of viewers: all, those without a recorded payment before,
    newcomers (no earlier stream in the database), within streams. `draws` are PR-AUC and ROC-AUC of each
    model in each bootstrap draw of streams and people.
    """

    rows: np.ndarray
    labels: np.ndarray
    n_validation_donors: int
    probabilities: dict[str, np.ndarray]
    thresholds: dict[str, float]
    calibrators: dict[str, Calibrator]
    draws: dict[str, np.ndarray]
    table: pd.DataFrame
    groups: pd.DataFrame


def evaluate_models(
    viewers: Viewers,
    split: DateSplit,
    logits: Mapping[str, np.ndarray],
    past: pd.DataFrame,
    *,
    reference: str,
    truth: np.ndarray | None = None,
    n_draws: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Calibrate each model and set its threshold on validation, then measure all on test.

    `logits` are log odds of the viewers of validation followed by those of test (`Periods.scored`), `past`
    has `visits` and `paid_visits` of all viewers before the stream.
    `truth` are true probabilities of all viewers, of simulated chat: the best that is possible.
    """
    _, validation, test = viewers.find_periods(split)
    labels, n = viewers.paid, len(validation)
    calibrators = {name: fit_calibrator(labels[validation], values[:n]) for name, values in logits.items()}
    known = {name: calibrators[name].apply(values[:n]) for name, values in logits.items()}
    probabilities = {name: calibrators[name].apply(values[n:]) for name, values in logits.items()}
    if truth is not None:
        probabilities[BEST_POSSIBLE], known[BEST_POSSIBLE] = truth[test], truth[validation]
    thresholds = {name: choose_threshold(labels[validation], p) for name, p in known.items()}
    streams = viewers.table["stream_id"].to_numpy()[test]
    rng = np.random.default_rng(seed)
    people = viewers.table["author"].to_numpy()[test]
    draws = bootstrap_metrics(labels[test], probabilities, streams, people=people, n_draws=n_draws, rng=rng)
    table = compare_models(labels[test], probabilities, draws, reference=reference, thresholds=thresholds)
    chosen_by = {name: rank_metrics(labels[validation], values[:n])[0] for name, values in logits.items()}
    table.insert(0, "validation_pr_auc", pd.Series(chosen_by))
    before = {
        "no payment before": (past["paid_visits"] == 0).to_numpy()[test],
        "newcomers": (past["visits"] == 0).to_numpy()[test],
    }
    return Evaluation(
        rows=test,
        labels=labels[test],
        n_validation_donors=int(labels[validation].sum()),
        probabilities=probabilities,
        thresholds=thresholds,
        calibrators=calibrators,
        draws=draws,
        table=table,
        groups=_compare_groups(labels[test], probabilities, before, streams),
    )


def compare_pairs(evaluation: Evaluation, pairs: Mapping[str, str]) -> pd.DataFrame:
    """Return each model beside the one it should beat: both PR-AUCs on test, their ratio and difference.

    The 95 % interval of the difference is over draws of streams and people, the same for both.
    """
    rows = {}
    for model, other in pairs.items():
        ours, theirs = evaluation.table.loc[[model, other], "pr_auc"].astype(float)
        low, high = interval(evaluation.draws[model][:, 0] - evaluation.draws[other][:, 0])
        rows[model] = {
            "has to beat": other,
            "PR-AUC": ours,
            "the other's": theirs,
            "ratio": ours / theirs,
            "difference": ours - theirs,
            "low": low,
            "high": high,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def choose_best(evaluation: Evaluation, names: Iterable[str]) -> str:
    """Return which of these models was best on validation, by PR-AUC."""
    return str(evaluation.table.loc[list(names), "validation_pr_auc"].idxmax())


def _compare_groups(
    labels: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
    groups: Mapping[str, np.ndarray],
    streams: np.ndarray,
) -> pd.DataFrame:
    rows = []
    for model, values in probabilities.items():
        for group, here in {"all": np.ones(len(labels), bool), **groups}.items():
            areas = rank_metrics(labels[here], values[here])
            rows.append((model, group, int(here.sum()), int(labels[here].sum()), *areas))
        within = rank_within_streams(labels, values, streams)
        rows.append((model, "within streams", len(labels), int(labels.sum()), *within))
    columns = ["model", "group", "viewers", "donors", "pr_auc", "roc_auc"]
    return pd.DataFrame(rows, columns=columns).set_index(["model", "group"])


def blend_scores(
    scores: Mapping[str, np.ndarray], names: Iterable[str], labels: np.ndarray
) -> tuple[np.ndarray, dict[str, float]]:
    """Return the weighted sum of some models' log odds, and the share of each in the weights.

    Weights are fitted on validation (`fit_weights`), whose `labels` belong to the first of the scores.
    """
    names = list(names)
    table = np.stack([scores[name] for name in names], axis=1)
    *weights, shift = fit_weights(labels, table[: len(labels)]).tolist()
    total = max(sum(weights), 1e-9)
    shares = {name: weight / total for name, weight in zip(names, weights, strict=True)}
    return table @ np.array(weights) + shift, shares


def count_readings(path: str | Path) -> int:
    """Return how often test will have been read after this run: once more than a results file says."""
    try:
        return int(json.loads(Path(path).read_text(encoding="utf-8"))["test_readings"]) + 1
    except (OSError, ValueError, KeyError, TypeError):
        return 1


def load_truth(
    path: str | Path, db: Store, asked: pd.DataFrame, question: Question | None = None
) -> np.ndarray | None:
    """Return the true probability of each row of `asked` (stream_id, author, paid), or None.

    `path` is the `truth.csv.gz` of a simulated channel, whose README says what is conditioned on; of
    `next_stream` the table beside it is read, where who is not named has probability 0. The default question
    is `retrospective`. None if there is no such file, if it lacks the question or is of another channel, or
    if a stream asked about is not simulated.

    Raises: DataError if the file contradicts the chat, or is no such table.
    """
    question, path = question or Question(RETROSPECTIVE), Path(path)
    is_next, column = question.name == NEXT_STREAM, "probability"
    if is_next:
        path = path.with_name(path.name.replace("truth", "truth_next", 1))
    elif question.name != RETROSPECTIVE:
        column = f"forecast_{question.landmark_min:g}" if question.name == FORECAST else question.name
    streams = db.load_streams()
    used = streams[streams["stream_id"].isin(asked["stream_id"])]
    if not path.is_file() or not used["simulated"].all():
        return None
    columns = {"video_id": str, "author_id": str, column: float, "paid": int}
    table = asked[["stream_id", "author"]].merge(used[["stream_id", "video_id"]], on="stream_id", how="left")
    table = table.merge(db.load_authors()[["author", "author_id"]], on="author", how="left")
    try:
        truth = pd.read_csv(path, usecols=lambda name: name in columns, dtype=columns)
        table = table.merge(truth, on=["video_id", "author_id"], how="left")
    except (OSError, EOFError, zlib.error, ValueError, KeyError) as error:
        raise DataError(
            f"True probabilities are a table with video_id and author_id, and {path} is none "
            f"({one_line(error, 99)}). Name the truth.csv.gz of the simulated chat, or none."
        ) from error
    if column not in truth or table[column].isna().all():
        return None
    if is_next:
        return table[column].fillna(0.0).to_numpy(float)
    paid, told = asked["paid"].to_numpy(bool), table["paid"].fillna(0).to_numpy(bool)
    wrong = table[column].isna() | (told != paid if question.name == RETROSPECTIVE else paid & ~told)
    if len(table) != len(asked) or wrong.any():
        raise DataError(
            f"The true probabilities in {path} must be of this chat; {int(wrong.sum())} of {len(asked)} "
            "viewers are not in it, or paid against what it states. Use the file made together "
            "with the chat, or name none."
        )
    return table[column].to_numpy(float)


def measure_way(forecast: Forecast, path: str | Path, db: Store) -> float | None:
    """Return the share of the way from chance to the best possible ROC-AUC that forecasts went.

    `path` is as in `load_truth`. None where the truth is not known.
    """
    asked = forecast.rolling.asked if forecast.rolling else None
    truth = None if asked is None else load_truth(path, db, asked, forecast.question)
    if asked is None or truth is None:
        return None
    ours, best = (
        rank_metrics(asked["paid"].to_numpy(bool), scores)[1] - 0.5
        for scores in (asked["p_pays"].to_numpy(), truth)
    )
    return ours / best if best > 0 else None


def split_streams(db: Store, *, train: float = 0.60, validation: float = 0.15) -> DateSplit:
    """Return the periods of the streams that have messages, as the language model splits them.

    Raises: as `chatlib.times.split_by_date`.
    """
    streams = db.load_streams()
    return split_by_date(streams[streams["n_messages"] > 0], train=train, validation=validation)


class Claim(NamedTuple):
    """What the naive protocol claims: areas on its test, at a prevalence of one half."""

    viewers: int
    pr_auc: float
    roc_auc: float


def run_naive_protocol(
    db: Store, encoder: Encoder, *, config: DonorConfig, training: Training, max_messages: int
) -> Claim:
    """Return what the first donor transformer would claim under the naive protocol, on all dated streams.

    Raises: NotEnoughData without viewers.
    """
    rng = np.random.default_rng(training.seed)
    everyone = load_viewers(db, max_messages=max_messages, select=select_everything)
    donors, others = np.flatnonzero(everyone.paid), np.flatnonzero(~everyone.paid)
    n = min(len(donors), len(others), _NAIVE_DONORS)
    rows = np.concatenate([rng.choice(donors, n, replace=False), rng.choice(others, n, replace=False)])
    viewers = everyone.take(rng.permutation(rows))
    inputs = build_inputs(viewers, encoder)
    n_test = max(round(len(viewers) * _NAIVE_TEST_SHARE), 1)
    test, train = np.split(np.arange(len(viewers)), [n_test])
    once = replace(training, n_seeds=1)
    _, epochs = fit_donor_models(
        inputs, viewers.paid, train=train, validation=test, config=config, training=once
    )
    best = epochs[epochs["chosen"]].iloc[0]
    return Claim(len(viewers), float(best["pr_auc"]), float(best["roc_auc"]))


def select_everything(messages: pd.DataFrame, _paid: np.ndarray) -> np.ndarray:
    """Return a mask of all that somebody wrote at some time, payments and all. Not for predicting."""
    return (messages["author"].notna() & messages["offset_s"].notna()).to_numpy(bool)
