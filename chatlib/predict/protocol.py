"""The honest protocol: everything is settled on validation, then test is read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chatlib.errors import DataError
from chatlib.predict.evaluation import (
    Calibrator,
    average_precision,
    bootstrap_metrics,
    choose_threshold,
    compare_models,
    fit_calibrator,
    measure_within_streams,
    roc_auc,
)
from chatlib.predict.viewers.table import Viewers
from chatlib.splits import DateSplit, split_by_date
from chatlib.store import Store

__all__ = [
    "BEST_POSSIBLE",
    "Judgement",
    "best_baseline",
    "compare_pairs",
    "evaluation_rows",
    "judge_models",
    "load_truth",
    "split_streams",
]

BEST_POSSIBLE = "best possible (simulated)"


@dataclass(frozen=True)
class Judgement:
    """What test said, once. `probabilities` are of the viewers `rows`, which are those of test.

    `table` has a row per model (see `compare_models`, and the PR-AUC on validation, by which one
    may choose), `groups` one per model and group of
    viewers: all, never seen in training, seen in training, within streams.
    """

    rows: np.ndarray
    labels: np.ndarray
    n_validation_donors: int
    probabilities: dict[str, np.ndarray]
    thresholds: dict[str, float]
    calibrators: dict[str, Calibrator]
    table: pd.DataFrame
    groups: pd.DataFrame


def evaluation_rows(viewers: Viewers, split: DateSplit) -> tuple[np.ndarray, np.ndarray]:
    """Return the viewers of validation and of test; `judge_models` wants scores of both, in this order."""
    return viewers.find_rows(split.validation), viewers.find_rows(split.test)


def judge_models(
    viewers: Viewers,
    split: DateSplit,
    logits: Mapping[str, np.ndarray],
    *,
    reference: str,
    truth: np.ndarray | None = None,
    n_draws: int = 1000,
    seed: int = 0,
) -> Judgement:
    """Calibrate each model and set its threshold on validation, then measure all on test.

    `logits` are log odds of the viewers of validation followed by those of test. `truth` are
    true probabilities of all viewers, of simulated chat: the best that is possible.
    """
    validation, test = evaluation_rows(viewers, split)
    labels, n = viewers.paid, len(validation)
    calibrators = {name: fit_calibrator(labels[validation], values[:n]) for name, values in logits.items()}
    known = {name: calibrators[name].apply(values[:n]) for name, values in logits.items()}
    probabilities = {name: calibrators[name].apply(values[n:]) for name, values in logits.items()}
    if truth is not None:
        probabilities[BEST_POSSIBLE] = truth[test]
        known[BEST_POSSIBLE] = truth[validation]
    thresholds = {name: choose_threshold(labels[validation], p) for name, p in known.items()}
    streams = viewers.table["stream_id"].to_numpy()[test]
    rng = np.random.default_rng(seed)
    table = compare_models(
        labels[test], probabilities, thresholds, streams, reference=reference, n_draws=n_draws, rng=rng
    )
    chosen_by = {name: average_precision(labels[validation], values[:n]) for name, values in logits.items()}
    table.insert(0, "validation_pr_auc", pd.Series(chosen_by))
    author = viewers.table["author"].to_numpy()
    seen = np.isin(author[test], author[viewers.find_rows(split.train)])
    groups = _judge_groups(labels[test], probabilities, seen, streams)
    return Judgement(
        rows=test,
        labels=labels[test],
        n_validation_donors=int(labels[validation].sum()),
        probabilities=probabilities,
        thresholds=thresholds,
        calibrators=calibrators,
        table=table,
        groups=groups,
    )


def compare_pairs(
    viewers: Viewers, judgement: Judgement, pairs: Mapping[str, str], *, n_draws: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Return each model beside the one it has to beat: both PR-AUCs on test, their ratio and difference.

    The 95 % interval of the difference is over draws of streams, the same for both.
    """
    streams = viewers.table["stream_id"].to_numpy()[judgement.rows]
    named = {name: judgement.probabilities[name] for pair in pairs.items() for name in pair}
    rng = np.random.default_rng(seed)
    draws = bootstrap_metrics(judgement.labels, named, streams, n_draws=n_draws, rng=rng)
    rows = {}
    for model, other in pairs.items():
        ours, theirs = (average_precision(judgement.labels, named[name]) for name in (model, other))
        difference = draws[model][:, 0] - draws[other][:, 0]
        known = difference[~np.isnan(difference)]
        low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
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


def best_baseline(judgement: Judgement, names: Iterable[str]) -> str:
    """Return which of these models was best on validation, by PR-AUC."""
    return str(judgement.table.loc[list(names), "validation_pr_auc"].idxmax())


def _judge_groups(
    labels: np.ndarray, probabilities: Mapping[str, np.ndarray], seen: np.ndarray, streams: np.ndarray
) -> pd.DataFrame:
    rows = []
    groups = {"all": np.ones(len(labels), bool), "never seen in training": ~seen, "seen in training": seen}
    for model, values in probabilities.items():
        for group, here in groups.items():
            auc = roc_auc(labels[here], values[here])
            rows.append((model, group, int(here.sum()), int(labels[here].sum()), auc))
        within = measure_within_streams(labels, values, streams)
        rows.append((model, "within streams", len(labels), int(labels.sum()), within["roc_auc"]))
    columns = ["model", "group", "viewers", "donors", "roc_auc"]
    return pd.DataFrame(rows, columns=columns).set_index(["model", "group"])


def load_truth(path: str | Path, db: Store, viewers: Viewers) -> np.ndarray | None:
    """Return the true probability of paying of each viewer of simulated chat, or None.

    None if there is no such file, or if a stream of the viewers is not simulated. The file is a
    CSV with video_id, author_id, probability and paid.

    Raises: DataError if the file was made for other chat.
    """
    path = Path(path)
    streams = db.load_streams()
    used = streams[streams["stream_id"].isin(viewers.table["stream_id"])]
    if not path.is_file() or not used["simulated"].all():
        return None
    columns = {"video_id": str, "author_id": str, "probability": float, "paid": int}
    truth = pd.read_csv(path, usecols=list(columns), dtype=columns)
    authors = db.load_authors()[["author", "author_id"]]
    table = viewers.table[["stream_id", "author"]].merge(
        used[["stream_id", "video_id"]], on="stream_id", how="left"
    )
    table = table.merge(authors, on="author", how="left")
    table = table.merge(truth, on=["video_id", "author_id"], how="left")
    wrong = table["probability"].isna() | (table["paid"].fillna(0).astype(bool) != viewers.paid)
    if len(table) != len(viewers) or wrong.any():
        raise DataError(
            f"The true probabilities in {path} must be of this chat; {int(wrong.sum())} of {len(viewers)} "
            "viewers are not in it, or paid where it says that they did not. Use the file made together "
            "with the chat, or name none."
        )
    return table["probability"].to_numpy(float)


def split_streams(db: Store, *, train: float = 0.60, validation: float = 0.15) -> DateSplit:
    """Return the periods of the streams that have messages, as the language model splits them.

    Raises: as `chatlib.splits.split_by_date`.
    """
    streams = db.load_streams()
    return split_by_date(streams[streams["n_messages"] > 0], train=train, validation=validation)
