"""How good scores are, and how sure one can be: metrics, calibration, bootstrap over streams.

Streams are drawn, not viewers, since viewers of one stream share what happened in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit

from chatlib.errors import NotEnoughData

__all__ = [
    "Calibrator",
    "average_precision",
    "bootstrap_metrics",
    "calibration_table",
    "choose_threshold",
    "compare_models",
    "fit_calibrator",
    "fit_weights",
    "measure",
    "measure_within_streams",
    "roc_auc",
    "to_logit",
]

_TOP_SHARES = (0.01, 0.05)
_EPS = 1e-6


def average_precision(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the area under the precision-recall curve, as average precision; NaN without donors.

    The sum of precision times the gain in recall, over distinct scores from high to low.
    Source: sklearn.metrics.average_precision_score, which this equals.
    """
    hits, everyone = _cumulate(labels, scores, weights)
    if len(hits) == 0 or hits[-1] <= 0:
        return float("nan")
    precision = hits / np.maximum(everyone, 1e-12)
    return float((precision * np.diff(hits, prepend=0.0)).sum() / hits[-1])


def roc_auc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the chance that a donor scores above a non-donor, ties half; NaN without both.

    Source: Hanley and McNeil 1982; it equals sklearn.metrics.roc_auc_score.
    """
    hits, everyone = _cumulate(labels, scores, weights)
    if len(hits) == 0 or hits[-1] <= 0 or everyone[-1] - hits[-1] <= 0:
        return float("nan")
    misses = everyone - hits
    step = np.diff(misses, prepend=0.0)
    above = hits - np.diff(hits, prepend=0.0) / 2.0
    return float((step * above).sum() / (hits[-1] * misses[-1]))


def _cumulate(
    labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return, from the highest distinct score on, the weight of donors and of everyone so far."""
    return _Ranking(labels, scores).cumulate(weights)


class _Ranking:
    """One model's order of the viewers, sorted once and weighted many times."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        self.order = np.argsort(-np.asarray(scores, float), kind="stable")
        ordered = np.asarray(scores, float)[self.order]
        self.ends = np.flatnonzero(np.diff(ordered, append=-np.inf) != 0) if len(ordered) else self.order
        self.labels = np.asarray(labels, float)[self.order]

    def cumulate(self, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        weights = np.ones(len(self.order)) if weights is None else weights[self.order]
        return np.cumsum(weights * self.labels)[self.ends], np.cumsum(weights)[self.ends]

    def metrics(self, weights: np.ndarray | None = None) -> tuple[float, float]:
        """Return PR-AUC and ROC-AUC under these weights."""
        hits, everyone = self.cumulate(weights)
        if len(hits) == 0 or hits[-1] <= 0 or everyone[-1] <= hits[-1]:
            return float("nan"), float("nan")
        gain, misses = np.diff(hits, prepend=0.0), everyone - hits
        precision = hits / np.maximum(everyone, 1e-12)
        area = (np.diff(misses, prepend=0.0) * (hits - gain / 2.0)).sum()
        return float((precision * gain).sum() / hits[-1]), float(area / (hits[-1] * misses[-1]))


def measure(labels: np.ndarray, probabilities: np.ndarray, *, threshold: float) -> dict[str, float]:
    """Return the metrics of one model on one set of viewers.

    `precision_top_1` and `recall_top_1` look at the 1 % with the highest probability (at least
    one viewer), `_top_5` at 5 %; viewers that tie at the edge count in proportion. `lift` is
    PR-AUC over prevalence.
    """
    labels = np.asarray(labels, bool)
    probabilities = np.asarray(probabilities, float)
    prevalence = float(labels.mean()) if len(labels) else float("nan")
    area = average_precision(labels, probabilities)
    result = {
        "pr_auc": area,
        "prevalence": prevalence,
        "lift": area / prevalence if prevalence else float("nan"),
        "roc_auc": roc_auc(labels, probabilities),
    }
    for share in _TOP_SHARES:
        found, size = _count_top(labels, probabilities, share)
        result[f"precision_top_{share * 100:.0f}"] = found / size if size else float("nan")
        result[f"recall_top_{share * 100:.0f}"] = found / labels.sum() if labels.any() else float("nan")
    named = probabilities >= threshold
    hits = float((named & labels).sum())
    result["f1"] = 2 * hits / max(named.sum() + labels.sum(), 1)
    result["n_named"] = int(named.sum())
    result["brier"] = float(np.mean((probabilities - labels) ** 2)) if len(labels) else float("nan")
    return result


def _count_top(labels: np.ndarray, scores: np.ndarray, share: float) -> tuple[float, int]:
    size = max(1, round(len(labels) * share)) if len(labels) else 0
    if not size:
        return 0.0, 0
    edge = np.sort(scores)[-size]
    above, at = scores > edge, scores == edge
    room = size - above.sum()
    return float(labels[above].sum() + labels[at].mean() * room), size


def measure_within_streams(labels: np.ndarray, scores: np.ndarray, streams: np.ndarray) -> dict[str, float]:
    """Return ROC-AUC and PR-AUC averaged over the streams that have donors and others.

    Each stream counts with its number of donors. NaN if there is no such stream.
    """
    rows, weights = [], []
    for stream in np.unique(streams):
        here = streams == stream
        if 0 < labels[here].sum() < here.sum():
            rows.append(_Ranking(labels[here], scores[here]).metrics())
            weights.append(labels[here].sum())
    if not rows:
        return {"pr_auc": float("nan"), "roc_auc": float("nan"), "n_streams": 0}
    pr, roc = np.average(np.array(rows), axis=0, weights=weights)
    return {"pr_auc": float(pr), "roc_auc": float(roc), "n_streams": len(rows)}


class Calibrator(NamedTuple):
    """A line through the logits: probability = sigmoid(slope * logit + shift)."""

    slope: float
    shift: float

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return probabilities of these logits."""
        return 1.0 / (1.0 + np.exp(-np.clip(self.slope * np.asarray(logits, float) + self.shift, -30, 30)))


def to_logit(probabilities: np.ndarray) -> np.ndarray:
    """Return log odds, probabilities of 0 and 1 brought in by a millionth."""
    clipped = np.clip(np.asarray(probabilities, float), _EPS, 1 - _EPS)
    return np.log(clipped / (1 - clipped))


def fit_calibrator(labels: np.ndarray, logits: np.ndarray, *, strength: float = 2.0) -> Calibrator:
    """Fit a line that makes logits of validation into probabilities (Platt 1999), by Newton steps.

    The slope is drawn towards 1 as if by `strength` observations, so that a handful of donors
    moves little more than the shift; it never turns negative.
    """
    y, x = np.asarray(labels, float), np.asarray(logits, float)
    if not 0 < y.sum() < len(y):
        raise NotEnoughData(
            f"Calibration needs donors and others; got {int(y.sum())} donors among {len(y)} viewers."
        )
    rate = y.mean()
    a, b = 1.0, np.log(rate / (1 - rate)) - np.median(x)
    for _ in range(50):
        p = Calibrator(a, b).apply(x)
        w = p * (1 - p) + 1e-9
        gradient = np.array([((p - y) * x).sum() + strength * (a - 1), (p - y).sum()])
        hessian = np.array([[(w * x * x).sum() + strength, (w * x).sum()], [(w * x).sum(), w.sum()]])
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
        a, b = a - step[0], b - step[1]
        if np.abs(step).max() < 1e-8:
            break
    if a <= 0:
        return Calibrator(1e-3, float(np.log(rate / (1 - rate)) - 1e-3 * np.median(x)))
    return Calibrator(float(a), float(b))


def fit_weights(labels: np.ndarray, logits: np.ndarray, *, strength: float = 20.0) -> np.ndarray:
    """Return weights of models and a shift, shape (n_models + 1,), for log odds of validation.

    Logistic regression on what the models say, shape (n, n_models), with weights that are not
    negative (stacking: Wolpert 1992, Breiman 1996): a model that repeats another one, or knows
    nothing, counts for little. Weights are drawn towards equal ones as if by `strength` observations.

    Raises: NotEnoughData without donors and others.
    """
    y, x = np.asarray(labels, float), np.asarray(logits, float)
    if not 0 < y.sum() < len(y):
        raise NotEnoughData(
            f"Weights need donors and others; got {int(y.sum())} donors among {len(y)} viewers."
        )
    n = x.shape[1]
    equal, sign = 1 / n, np.where(y > 0, -1.0, 1.0)

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        z, away = x @ at[:n] + at[n], at[:n] - equal
        error = expit(z) - y
        value = np.logaddexp(0.0, sign * z).sum() + strength / 2 * (away**2).sum()
        return float(value), np.append(x.T @ error + strength * away, error.sum())

    start = np.append(np.full(n, equal), 0.0)
    bounds = [(0, None)] * n + [(None, None)]
    return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x


def choose_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the probability from which on naming viewers gives the best F1 on these labels."""
    ranking = _Ranking(labels, probabilities)
    hits, everyone = ranking.cumulate(None)
    if len(hits) == 0:
        return 1.0
    f1 = 2 * hits / (everyone + hits[-1])
    return float(np.asarray(probabilities, float)[ranking.order][ranking.ends[int(np.argmax(f1))]])


def calibration_table(labels: np.ndarray, probabilities: np.ndarray, *, n_bins: int = 8) -> pd.DataFrame:
    """Return bins of about equally many viewers: predicted and observed rates, viewers, donors."""
    order = np.argsort(probabilities, kind="stable")
    bins = [b for b in np.array_split(order, n_bins) if len(b)]
    rows = [(probabilities[b].mean(), labels[b].mean(), len(b), int(labels[b].sum())) for b in bins]
    return pd.DataFrame(rows, columns=["predicted", "observed", "viewers", "donors"])


def bootstrap_metrics(
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    streams: np.ndarray,
    *,
    n_draws: int = 1000,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return PR-AUC and ROC-AUC of each model in each draw of streams, shape (n_draws, 2).

    Streams are drawn with replacement; all models see the same draws, so that differences are
    paired. A draw without both classes is NaN.
    """
    _, codes = np.unique(streams, return_inverse=True)
    n_streams = int(codes.max()) + 1 if len(codes) else 0
    counts = rng.multinomial(n_streams, np.full(n_streams, 1 / max(n_streams, 1)), size=n_draws)
    result = {}
    for name, values in scores.items():
        ranking = _Ranking(labels, values)
        result[name] = np.array([ranking.metrics(row[codes].astype(float)) for row in counts])
    return result


def compare_models(
    labels: np.ndarray,
    probabilities: Mapping[str, np.ndarray],
    thresholds: Mapping[str, float],
    streams: np.ndarray,
    *,
    reference: str,
    n_draws: int = 1000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return one row per model: its metrics, 95 % intervals, and PR-AUC minus the reference's.

    Intervals are percentiles over draws of streams (`pr_auc_low`, `pr_auc_high`, ...; `gain`,
    `gain_low`, `gain_high`); NaN where most draws have no donor.
    """
    draws = bootstrap_metrics(labels, probabilities, streams, n_draws=n_draws, rng=rng)
    rows = {}
    for name, values in probabilities.items():
        row = measure(labels, values, threshold=thresholds[name])
        row["pr_auc_low"], row["pr_auc_high"] = _interval(draws[name][:, 0])
        row["roc_auc_low"], row["roc_auc_high"] = _interval(draws[name][:, 1])
        row["gain"] = row["pr_auc"] - average_precision(labels, probabilities[reference])
        row["gain_low"], row["gain_high"] = _interval(draws[name][:, 0] - draws[reference][:, 0])
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _interval(values: np.ndarray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if len(known) < max(len(values) / 2, 1):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
