"""How good scores are, and how sure one can be: metrics, calibration, bootstrap over streams and people.

Streams are drawn, not viewers, since viewers of one stream share what happened in it; people too where
the same ones come again and again.
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
    "are_sane",
    "bootstrap_metrics",
    "choose_threshold",
    "compare_models",
    "compute_metrics",
    "describe_interval",
    "fit_calibrator",
    "fit_weights",
    "interval",
    "log_loss",
    "rank_metrics",
    "rank_within_streams",
    "to_logit",
]

_TOP_SHARES = (0.01, 0.05)
_EPS = 1e-6
_LIMIT = 1e9
_LEAST_SLOPE = 1e-3
_LEAST_DRAWS = 20  # of which an interval is told


class _Ranking:
    """One model's order of the viewers, sorted once and weighted many times."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        scores = np.asarray(scores, float)
        self.order = np.argsort(-scores, kind="stable")
        self.ends = np.flatnonzero(np.diff(scores[self.order], append=-np.inf) != 0)
        self.labels = np.asarray(labels, float)[self.order]

    def cumulate(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return, from the highest distinct score on, the weight of donors and of everyone so far."""
        weights = np.ones(len(self.order)) if weights is None else weights[self.order]
        return np.cumsum(weights * self.labels)[self.ends], np.cumsum(weights)[self.ends]

    def metrics(self, weights: np.ndarray | None = None) -> tuple[float, float]:
        """Return PR-AUC and ROC-AUC under these weights."""
        hits, everyone = self.cumulate(weights)
        if len(hits) == 0 or hits[-1] <= 0:
            return float("nan"), float("nan")
        gain, misses = np.diff(hits, prepend=0.0), everyone - hits
        pr_auc = float((hits / np.maximum(everyone, 1e-12) * gain).sum() / hits[-1])
        if misses[-1] <= 0:
            return pr_auc, float("nan")
        area = (np.diff(misses, prepend=0.0) * (hits - gain / 2.0)).sum()
        return pr_auc, float(area / (hits[-1] * misses[-1]))


def rank_metrics(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Return PR-AUC, as average precision, and ROC-AUC; NaN without donors, the second also without others.

    They equal average_precision_score and roc_auc_score of sklearn.metrics: the sum of precision
    times the gain in recall over distinct scores from high to low, and the chance that a donor
    scores above a non-donor, ties half (Hanley and McNeil 1982).
    """
    return _Ranking(labels, scores).metrics()


def are_sane(*values: object) -> bool:
    """Return whether all numbers, or arrays of them, are finite and smaller than any model has reason for."""
    return all(bool((np.abs(np.asarray(value, float)) < _LIMIT).all()) for value in values)


def log_loss(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the mean negative log-likelihood of log odds."""
    return float(np.logaddexp(0.0, np.where(labels, -logits, logits)).mean())


def compute_metrics(
    labels: np.ndarray, probabilities: np.ndarray, *, threshold: float | None = None
) -> dict[str, float]:
    """Return the metrics of one model on one set of viewers; without a threshold, those of a ranking alone.

    `precision_top_1` and `recall_top_1` look at the 1 % with the highest probability (at least
    one viewer), `_top_5` at 5 %; viewers that tie at the edge count in proportion. `lift` is
    PR-AUC over prevalence.
    """
    labels, probabilities = np.asarray(labels, bool), np.asarray(probabilities, float)
    prevalence = float(labels.mean()) if len(labels) else float("nan")
    pr_auc, roc = rank_metrics(labels, probabilities)
    result = {
        "pr_auc": pr_auc,
        "prevalence": prevalence,
        "lift": pr_auc / prevalence if prevalence else float("nan"),
        "roc_auc": roc,
    }
    for share in _TOP_SHARES:
        found, size = _count_top(labels, probabilities, share)
        result[f"precision_top_{share * 100:.0f}"] = found / size if size else float("nan")
        result[f"recall_top_{share * 100:.0f}"] = found / labels.sum() if labels.any() else float("nan")
    if threshold is None:
        return result
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
    scores = np.nan_to_num(scores, nan=-np.inf)  # not known: last, as in a ranking
    edge = np.sort(scores)[-size]
    above, at = scores > edge, scores == edge
    room = size - above.sum()
    return float(labels[above].sum() + labels[at].mean() * room), size


def rank_within_streams(labels: np.ndarray, scores: np.ndarray, streams: np.ndarray) -> tuple[float, float]:
    """Return `rank_metrics` averaged over the streams that have donors and others; NaN without any.

    Each stream counts with its number of donors.
    """
    rows, weights = [], []
    for stream in np.unique(streams):
        here = streams == stream
        if 0 < labels[here].sum() < here.sum():
            rows.append(rank_metrics(labels[here], scores[here]))
            weights.append(labels[here].sum())
    if not rows:
        return float("nan"), float("nan")
    pr_auc, roc = np.average(np.array(rows), axis=0, weights=weights)
    return float(pr_auc), float(roc)


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


def fit_calibrator(labels: np.ndarray, logits: np.ndarray) -> Calibrator:
    """Fit a line that makes logits of validation into probabilities (Platt 1999).

    The slope is drawn towards 1 as if by two observations, so that a handful of donors
    moves little more than the shift; it never turns negative.

    Raises: NotEnoughData without donors and others.
    """
    slope, shift = fit_weights(labels, np.asarray(logits)[:, None], strength=2.0, least=_LEAST_SLOPE)
    return Calibrator(float(slope), float(shift))


def fit_weights(
    labels: np.ndarray, logits: np.ndarray, *, strength: float = 20.0, least: float = 0.0
) -> np.ndarray:
    """Return weights of models and a shift, shape (n_models + 1,), for log odds of validation.

    Logistic regression on the models' log odds, shape (n, n_models), with weights of at least `least`
    (stacking: Wolpert 1992, Breiman 1996): a model that repeats another one, or knows nothing,
    counts for little. Weights are drawn towards equal ones as if by `strength` observations.

    Raises: NotEnoughData without donors and others.
    """
    y, x = np.asarray(labels, float), np.asarray(logits, float)
    if not 0 < y.sum() < len(y):
        raise NotEnoughData(
            f"Weights and calibration need donors and others; got {int(y.sum())} donors among "
            f"{len(y)} viewers. Add streams."
        )
    n = x.shape[1]
    equal, sign = 1 / n, np.where(y > 0, -1.0, 1.0)

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalised loss of weights and offset, and its gradient."""
        z, away = x @ at[:n] + at[n], at[:n] - equal
        error = expit(z) - y
        value = np.logaddexp(0.0, sign * z).sum() + strength / 2 * (away**2).sum()
        return float(value), np.append(x.T @ error + strength * away, error.sum())

    start = np.append(np.full(n, equal), 0.0)
    bounds = [(least, None)] * n + [(None, None)]
    options = {"ftol": 1e-13, "gtol": 1e-7}
    return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options).x


def choose_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the probability from which on naming viewers gives the best F1 on these labels."""
    ranking = _Ranking(labels, probabilities)
    hits, everyone = ranking.cumulate()
    if len(hits) == 0:
        return 1.0
    f1 = 2 * hits / (everyone + hits[-1])
    return float(np.asarray(probabilities, float)[ranking.order][ranking.ends[int(np.argmax(f1))]])


def bootstrap_metrics(
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    streams: np.ndarray,
    *,
    people: np.ndarray | None = None,
    n_draws: int = 1000,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return PR-AUC and ROC-AUC of each model in each draw of streams, shape (n_draws, 2).

    Streams are drawn with replacement, and independently of them `people`, if given: a row counts as
    often as its stream times its person (pigeonhole bootstrap: Owen 2007). All models see the same
    draws, so that differences are paired. A draw without both classes is NaN.
    """
    rankings = {name: _Ranking(labels, values) for name, values in scores.items()}
    codes = [np.unique(keys, return_inverse=True)[1] for keys in (streams, people) if keys is not None]
    result = {name: np.full((n_draws, 2), np.nan) for name in scores}
    for draw in range(n_draws):
        weights = np.ones(len(labels))
        for code in codes:
            n = int(code.max(initial=-1)) + 1
            weights *= rng.multinomial(n, np.full(n, 1 / max(n, 1)))[code]
        for name, ranking in rankings.items():
            result[name][draw] = ranking.metrics(weights)
    return result


def compare_models(
    labels: np.ndarray,
    scores: Mapping[str, np.ndarray],
    draws: Mapping[str, np.ndarray],
    *,
    reference: str,
    thresholds: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return one row per model: its metrics, 95 % intervals, and PR-AUC minus the reference's.

    Intervals are percentiles over `draws` of `bootstrap_metrics` (`pr_auc_low`, `pr_auc_high`, ...;
    `gain`, `gain_low`, `gain_high`). With `thresholds`, scores are probabilities.
    """
    rows = {}
    for name, values in scores.items():
        row = compute_metrics(labels, values, threshold=thresholds[name] if thresholds else None)
        row["pr_auc_low"], row["pr_auc_high"] = interval(draws[name][:, 0])
        row["roc_auc_low"], row["roc_auc_high"] = interval(draws[name][:, 1])
        row["gain"] = row["pr_auc"] - rank_metrics(labels, scores[reference])[0]
        row["gain_low"], row["gain_high"] = interval(draws[name][:, 0] - draws[reference][:, 0])
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the ends of the middle 95 % of draws, NaN where fewer than 20, or half, of them have a value."""
    known = values[~np.isnan(values)]
    if len(known) < max(len(values) / 2, _LEAST_DRAWS):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def describe_interval(low: float, high: float, *, form: str = ".3f") -> str:
    """Return an interval in words, also where it is not known."""
    return "95 % interval " + ("not known" if np.isnan(low) else f"{low:{form}} to {high:{form}}")
