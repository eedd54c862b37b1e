"""The honest protocol: everything is settled on validation, then test is read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chatlib.errors import DataError
from chatlib.predict.evaluation import (
    Calibrator,
    choose_threshold,
    compare_models,
    fit_calibrator,
    measure_within_streams,
    roc_auc,
)
from chatlib.predict.viewers import Viewers
from chatlib.splits import DateSplit, split_by_date
from chatlib.store import Store

__all__ = [
    "BEST_POSSIBLE",
    "Judgement",
    "describe_result",
    "evaluation_rows",
    "judge_models",
    "list_top",
    "load_truth",
    "split_streams",
    "summarize_models",
]

BEST_POSSIBLE = "best possible (simulated)"


@dataclass(frozen=True)
class Judgement:
    """What test said, once. `probabilities` are of the viewers `rows`, which are those of test.

    `table` has a row per model (see `compare_models`), `groups` one per model and group of
    viewers: all, never seen in training, seen in training, within streams.
    """

    rows: np.ndarray
    labels: np.ndarray
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
    thresholds = {
        name: choose_threshold(labels[validation], calibrators[name].apply(values[:n]))
        for name, values in logits.items()
    }
    probabilities = {name: calibrators[name].apply(values[n:]) for name, values in logits.items()}
    if truth is not None:
        probabilities[BEST_POSSIBLE] = truth[test]
        thresholds[BEST_POSSIBLE] = choose_threshold(labels[validation], truth[validation])
    streams = viewers.table["stream_id"].to_numpy()[test]
    table = compare_models(
        labels[test],
        probabilities,
        thresholds,
        streams,
        reference=reference,
        n_draws=n_draws,
        rng=np.random.default_rng(seed),
    )
    known = set(viewers.table["author"].to_numpy()[viewers.find_rows(split.train)])
    seen = viewers.table["author"].isin(known).to_numpy()[test]
    groups = _judge_groups(labels[test], probabilities, seen, streams)
    return Judgement(test, labels[test], probabilities, thresholds, calibrators, table, groups)


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


def list_top(viewers: Viewers, judgement: Judgement, model: str, *, n: int = 10) -> pd.DataFrame:
    """Return the n viewers of test that a model names first, under pseudonyms, by rank.

    What they did is in plain words; whether they paid is the last column.
    """
    probabilities = judgement.probabilities[model]
    top = np.argsort(-probabilities, kind="stable")[:n]
    table = viewers.table.iloc[judgement.rows[top]]
    streams = viewers.table["stream_id"].iloc[judgement.rows].unique().tolist()
    first, last = (viewers.offsets_s[viewers.starts[judgement.rows[top] + i] - i] for i in (0, 1))
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(top) + 1),
            "probability": probabilities[top],
            "stream": [f"test stream {streams.index(s) + 1}" for s in table["stream_id"]],
            "messages": table["n_messages"].to_numpy(),
            "first message (min)": first / 60.0,
            "last message (min)": last / 60.0,
            "earlier streams": table["past_streams"].to_numpy(int),
            "paid in earlier streams": table["past_paid_streams"].to_numpy(int),
            "paid": np.where(judgement.labels[top], "yes", "no"),
        }
    ).set_index("rank")


def summarize_models(judgement: Judgement) -> pd.DataFrame:
    """Return what a reader needs of `judgement.table`, rounded, intervals as text."""
    table = judgement.table
    return pd.DataFrame(
        {
            "PR-AUC": table["pr_auc"].round(3),
            "PR-AUC, 95 %": _say_intervals(table, "pr_auc"),
            "times chance": table["lift"].round(1),
            "ROC-AUC": table["roc_auc"].round(3),
            "ROC-AUC, 95 %": _say_intervals(table, "roc_auc"),
            "gain, 95 %": _say_intervals(table, "gain"),
            "found in top 5 %": (table["recall_top_5"] * 100).round(0).astype(int).astype(str) + " %",
            "F1": table["f1"].round(3),
            "Brier": table["brier"].round(4),
        }
    )


def _say_intervals(table: pd.DataFrame, metric: str) -> list[str]:
    ends = zip(table[f"{metric}_low"], table[f"{metric}_high"], strict=True)
    return [f"{low:.3f} to {high:.3f}" if np.isfinite(low) else "too few donors" for low, high in ends]


def describe_result(judgement: Judgement, model: str, *, count: str = "message count") -> list[str]:
    """Return what came out as sentences for a reader who knows no statistics."""
    labels, n = judgement.labels, len(judgement.labels)
    size = max(1, round(n * 0.05))
    table = judgement.table
    found = {name: table.loc[name, "recall_top_5"] * labels.sum() for name in (model, count)}
    chance = labels.mean() * size
    row = table.loc[model]
    pairs = row["roc_auc"] * 100
    sentences = [
        f"{int(labels.sum())} of {n} viewers of the test streams paid: {labels.mean():.1%}.",
        f"Of the {size} viewers it names first (5 %), {found[model]:.0f} paid; names drawn by lot would find "
        f"{chance:.1f}, and the {size} who wrote most {found[count]:.0f}.",
        f"Shown one who paid and one who did not, it points at the right one {pairs:.0f} times in 100; "
        "chance does so 50 times.",
        f"Its PR-AUC is {row['pr_auc']:.3f}, {row['lift']:.1f} times what chance reaches; counting messages "
        f"reaches {table.loc[count, 'pr_auc']:.3f}.",
    ]
    if np.isfinite(row["gain_low"]):
        sure = row["gain_low"] > 0 or row["gain_high"] < 0
        verdict = (
            "more than the draw of streams explains" if sure else "no more than the draw of streams explains"
        )
        sentences.append(
            f"Against counting messages that is {row['gain']:+.3f} "
            f"(95 % interval {row['gain_low']:+.3f} to {row['gain_high']:+.3f}): {verdict}."
        )
    if BEST_POSSIBLE in table.index:
        best = table.loc[BEST_POSSIBLE, "roc_auc"]
        share = (row["roc_auc"] - 0.5) / (best - 0.5) if best > 0.5 else float("nan")
        sentences.append(
            f"The chat is simulated, so the best score that is possible is known: ROC-AUC {best:.3f}; the "
            f"model has {share:.0%} of the way from chance to there."
        )
    return sentences


def load_truth(path: str | Path, db: Store, viewers: Viewers) -> np.ndarray | None:
    """Return the true probability of paying of each viewer of simulated chat, or None.

    None if there is no such file, or if a stream of the viewers is not simulated. The file is a
    CSV with video_id, author_id and probability; an author it does not name, a bot, never pays.

    Raises: DataError if the file does not know a stream of the database.
    """
    path = Path(path)
    streams = db.load_streams()
    used = streams[streams["stream_id"].isin(viewers.table["stream_id"])]
    if not path.is_file() or not used["simulated"].all():
        return None
    truth = pd.read_csv(path, dtype={"video_id": str, "author_id": str})
    authors = db.query("SELECT author, author_id FROM authors")
    table = viewers.table[["stream_id", "author"]].merge(
        used[["stream_id", "video_id"]], on="stream_id", how="left"
    )
    table = table.merge(authors, on="author", how="left")
    table = table.merge(truth, on=["video_id", "author_id"], how="left")
    unknown = ~table["video_id"].isin(truth["video_id"])
    if len(table) != len(viewers) or unknown.any():
        raise DataError(
            f"The true probabilities in {path} must name each viewer once and cover every simulated stream; "
            f"{int(unknown.sum())} of {len(viewers)} viewers are in streams that they miss. Use the file "
            "made together with the chat."
        )
    return table["probability"].fillna(0.0).to_numpy(float)


def split_streams(db: Store, *, train: float = 0.60, validation: float = 0.15) -> DateSplit:
    """Return the periods of the streams that have messages, as the language model splits them.

    Raises: as `chatlib.splits.split_by_date`.
    """
    streams = db.load_streams()
    return split_by_date(streams[streams["n_messages"] > 0], train=train, validation=validation)
