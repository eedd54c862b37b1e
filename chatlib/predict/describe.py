"""The evaluation in sentences and tables, for readers who know statistics and for those who do not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chatlib.errors import NotEnoughData
from chatlib.predict.models.blend import Blend
from chatlib.predict.protocol import BEST_POSSIBLE, Claim, Evaluation
from chatlib.predict.viewers.table import Viewers

__all__ = [
    "describe_members",
    "describe_naive",
    "describe_result",
    "list_top",
    "pick_donor",
    "summarize_models",
]

_FEW_DONORS = 10


def list_top(viewers: Viewers, evaluation: Evaluation, model: str, *, n: int = 10) -> pd.DataFrame:
    """Return the n viewers of test that a model names first, without names, by rank.

    What they did is in plain words; whether they paid is the last column.
    """
    probabilities = evaluation.probabilities[model]
    top = np.argsort(-probabilities, kind="stable")[:n]
    table = viewers.table.iloc[evaluation.rows[top]]
    streams = viewers.table["stream_id"].iloc[evaluation.rows].unique().tolist()
    first, last = (viewers.offsets_s[viewers.starts[evaluation.rows[top] + i] - i] for i in (0, 1))
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
            "paid": np.where(evaluation.labels[top], "yes", "no"),
        }
    ).set_index("rank")


def pick_donor(evaluation: Evaluation, model: str) -> int:
    """Return which of the viewers of test is the donor whom a model ranks first.

    Raises: NotEnoughData if nobody paid.
    """
    donors = np.flatnonzero(evaluation.labels)
    if not len(donors):
        raise NotEnoughData(f"A donor to look at must be among the {len(evaluation.labels)} viewers of test.")
    return int(donors[np.argmax(evaluation.probabilities[model][donors])])


def describe_members(blend: Blend) -> list[str]:
    """Return the share of each member's weight in a blend."""
    total = max(sum(blend.weights.values()), 1e-9)
    return [f"{name}: {weight / total:.0%} of the weight" for name, weight in blend.weights.items()]


def summarize_models(evaluation: Evaluation) -> pd.DataFrame:
    """Return what a reader needs of `evaluation.table`, rounded, intervals as text."""
    table = evaluation.table
    return pd.DataFrame(
        {
            "PR-AUC": table["pr_auc"].round(3),
            "PR-AUC, 95 %": _format_intervals(table, "pr_auc"),
            "times chance": table["lift"].round(1),
            "ROC-AUC": table["roc_auc"].round(3),
            "ROC-AUC, 95 %": _format_intervals(table, "roc_auc"),
            "gain, 95 %": _format_intervals(table, "gain"),
            "found in top 5 %": (table["recall_top_5"] * 100).round(0).astype(int).astype(str) + " %",
            "F1": table["f1"].round(3),
            "Brier": table["brier"].round(4),
        }
    )


def _format_intervals(table: pd.DataFrame, metric: str) -> list[str]:
    ends = zip(table[f"{metric}_low"], table[f"{metric}_high"], strict=True)
    return [f"{low:.3f} to {high:.3f}" if np.isfinite(low) else "too few donors" for low, high in ends]


def describe_result(evaluation: Evaluation, model: str, *, count: str = "message count") -> list[str]:
    """Return what came out as sentences for a reader who knows no statistics."""
    labels, n = evaluation.labels, len(evaluation.labels)
    size = max(1, round(n * 0.05))
    table = evaluation.table.to_dict("index")
    row = table[model]
    found = {name: table[name]["recall_top_5"] * labels.sum() for name in (model, count)}
    chance = labels.mean() * size
    pairs = row["roc_auc"] * 100
    sentences = [
        f"{int(labels.sum())} of {n} viewers of the test streams paid: {labels.mean():.1%}.",
        f"Of the {size} viewers it names first (5 %), {found[model]:.0f} paid; names drawn at random would "
        f"find {chance:.1f}, and the {size} who wrote most {found[count]:.0f}.",
        f"Shown one who paid and one who did not, it points at the right one {pairs:.0f} times in 100; "
        "chance does so 50 times.",
        f"Its PR-AUC is {row['pr_auc']:.3f}, {row['lift']:.1f} times what chance reaches; counting messages "
        f"reaches {table[count]['pr_auc']:.3f}.",
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
    if evaluation.n_validation_donors < _FEW_DONORS:
        sentences.append(
            f"Validation has {evaluation.n_validation_donors} donor(s), so epochs, settings and thresholds "
            "were chosen on next to nothing: another draw of streams could turn the order of the models."
        )
    if BEST_POSSIBLE in table:
        best = table[BEST_POSSIBLE]["roc_auc"]
        share = (row["roc_auc"] - 0.5) / (best - 0.5) if best > 0.5 else float("nan")
        way = f"goes {share:.0%} of the way from chance to there" if share > 0 else "is no better than chance"
        sentences.append(
            "The chat is simulated, so the best score that is possible is known: "
            f"ROC-AUC {best:.3f}; the model {way}."
        )
    return sentences


def describe_naive(claim: Claim, evaluation: Evaluation, model: str) -> str:
    """Return the claim of the naive protocol beside the honest number of the same model."""
    row = evaluation.table.to_dict("index")[model]
    if not np.isfinite(claim.roc_auc):
        return f"With {claim.viewers} viewers the naive protocol has too few donors to claim anything."
    return (
        f"Naive protocol: ROC-AUC {claim.roc_auc:.3f}, PR-AUC {claim.pr_auc:.3f} on {claim.viewers} "
        "viewers, half of them donors.\n"
        f"Honest protocol, same model: ROC-AUC {row['roc_auc']:.3f}, PR-AUC {row['pr_auc']:.3f} where "
        f"{row['prevalence']:.1%} are donors."
    )
