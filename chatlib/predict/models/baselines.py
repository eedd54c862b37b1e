"""What the models have to beat: simple ones, each with its settings from validation.

All return log odds of the viewers of validation, by a fit on training, and of those of test, by a fit of the
same settings on training and validation together.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from chatlib.predict.evaluation import log_loss, rank_metrics, to_logit
from chatlib.predict.models.transformer import DonorInputs, mean_vectors
from chatlib.predict.models.trees import boost, fit_trees, predict_boosted
from chatlib.predict.viewers.table import Periods, Viewers

__all__ = ["BASELINES", "BOOSTED_ALL", "CHARACTERS", "MESSAGE_BASELINES", "fit_boosting", "fit_characters",
           "fit_logistic", "iter_baselines", "score_trees"]  # fmt: skip

BASELINES = (
    "prior",
    "message count",
    "boosting: behaviour",
    "boosting: everything known",
    "characters: TF-IDF, logistic",
    "mean embedding, logistic",
)
BOOSTED_ALL, CHARACTERS = BASELINES[3:5]
MESSAGE_BASELINES = (BASELINES[2], BASELINES[4], BASELINES[5])  # they read messages and times alone
_BOOSTING = (
    {"num_leaves": 4, "min_data_in_leaf": 40, "lambda_l2": 5.0, "learning_rate": 0.05},
    {"num_leaves": 12, "min_data_in_leaf": 20, "lambda_l2": 1.0, "learning_rate": 0.05},
)
_N_ROUNDS = 200
_N_COMPONENTS = 64

_Score = Callable[[np.ndarray], np.ndarray]  # from rows to their log odds


def iter_baselines(
    viewers: Viewers,
    inputs: DonorInputs,
    *,
    behaviour: pd.DataFrame,
    known: pd.DataFrame,
    periods: Periods,
    seed: int = 0,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and log odds for the viewers `periods.scored` of each of BASELINES, in that order.

    `behaviour` are numbers of what a viewer did in the stream, `known` all numbers that any model reads.
    """
    labels = viewers.paid
    rates = (labels[periods.train].mean(), labels[periods.settled].mean())
    sizes = (len(periods.validation), len(periods.test))
    yield BASELINES[0], np.repeat(to_logit(np.array(rates)), sizes)
    count = np.log1p(viewers.table["n_messages"].to_numpy(float))[:, None]
    yield BASELINES[1], fit_logistic(count, labels, periods)
    yield BASELINES[2], fit_boosting(behaviour, labels, periods, seed=seed)
    yield BASELINES[3], fit_boosting(known, labels, periods, seed=seed)
    yield BASELINES[4], fit_characters(viewers, periods)
    yield BASELINES[5], _fit_embedding(mean_vectors(inputs), labels, periods, seed=seed)


def score_trees(known: pd.DataFrame, labels: np.ndarray, periods: Periods, *, seed: int = 0) -> np.ndarray:
    """Return log odds for `periods.scored` of the default model, boosted trees of fixed settings."""
    fits = ((periods.train, periods.validation), (periods.settled, periods.test))
    parts = [
        fit_trees(known.iloc[rows], labels[rows], seed=seed).score(known.iloc[asked]) for rows, asked in fits
    ]
    return np.concatenate(parts)


def fit_boosting(
    features: pd.DataFrame, labels: np.ndarray, periods: Periods, *, seed: int = 0
) -> np.ndarray:
    """Return log odds for `periods.scored` of gradient-boosted trees; size and rounds from validation."""
    table = features.to_numpy(np.float32)
    # No tree can use a column that training never knew.
    table = table[:, ~np.isnan(table[periods.train]).all(axis=0)]
    asked, best, known = table[periods.validation], (-1.0, 0.0), np.zeros(len(periods.validation))
    chosen, n_chosen = _BOOSTING[0], 10
    for settings in _BOOSTING:
        model = boost(table[periods.train], labels[periods.train], settings, n_rounds=_N_ROUNDS, seed=seed)
        for n_rounds in range(10, _N_ROUNDS + 1, 10):
            logits = predict_boosted(model, asked, n_rounds=n_rounds)
            if (quality := _quality(labels[periods.validation], logits)) > best:
                best, known, chosen, n_chosen = quality, logits, settings, n_rounds
    rows = periods.settled
    model = boost(table[rows], labels[rows], chosen, n_rounds=n_chosen, seed=seed)
    return np.concatenate([known, predict_boosted(model, table[periods.test])])


def fit_logistic(
    table: np.ndarray | sparse.csr_matrix,
    labels: np.ndarray,
    periods: Periods,
    *,
    strengths: Iterable[float] = (0.01, 0.1, 1.0),
) -> np.ndarray:
    """Return log odds for `periods.scored` of logistic regression; C of `strengths` from validation."""
    best, known, chosen = (-1.0, 0.0), np.zeros(len(periods.validation)), 1.0
    for strength in strengths:
        logits = _fit_line(table, labels, periods.train, strength)(periods.validation)
        if (quality := _quality(labels[periods.validation], logits)) > best:
            best, known, chosen = quality, logits, strength
    return np.concatenate([known, _fit_line(table, labels, periods.settled, chosen)(periods.test)])


def _fit_line(
    table: np.ndarray | sparse.csr_matrix, labels: np.ndarray, rows: np.ndarray, strength: float
) -> _Score:
    model = LogisticRegression(C=strength, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(table[rows], labels[rows])
    return lambda asked: model.decision_function(table[asked])


def fit_characters(viewers: Viewers, periods: Periods) -> np.ndarray:
    """Return log odds for `periods.scored` of logistic regression on TF-IDF of two to four characters."""
    labels, said = viewers.paid, np.array(viewers.texts, object)[viewers.text_codes]
    texts = ["\n".join(said[start:end]) for start, end in pairwise(viewers.starts)]
    vectorizer = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 4),
        min_df=3,
        max_features=50_000,
        sublinear_tf=True,
        dtype=np.float32,
    )
    place = np.zeros(len(texts), np.int64)  # in the table below
    place[np.concatenate([periods.train, periods.scored])] = np.arange(
        len(periods.train) + len(periods.scored)
    )
    try:
        train = vectorizer.fit_transform(texts[i] for i in periods.train)
    except ValueError:  # hardly any text: nothing occurs three times
        return fit_logistic(np.zeros((len(texts), 1)), labels, periods)
    later = vectorizer.transform(texts[i] for i in periods.scored)
    table = sparse.vstack([train, later], format="csr")[place]
    return fit_logistic(table, labels, periods, strengths=(0.1, 1.0, 10.0))


def _fit_embedding(vectors: np.ndarray, labels: np.ndarray, periods: Periods, *, seed: int) -> np.ndarray:
    scaled = StandardScaler().fit(vectors[periods.train]).transform(vectors)
    n = min(_N_COMPONENTS, *scaled[periods.train].shape)
    pca = PCA(n, random_state=seed, whiten=True).fit(scaled[periods.train])
    return fit_logistic(pca.transform(scaled), labels, periods)


def _quality(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Return what is compared on validation: PR-AUC, then the negative loss."""
    return rank_metrics(labels, logits)[0], -log_loss(labels, logits)
