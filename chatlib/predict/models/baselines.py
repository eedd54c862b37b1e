"""What the donor model has to beat: six simple models, each with its settings from validation.

All return log odds for every viewer asked about, and see labels of training and validation only.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from chatlib.predict.evaluation import average_precision, to_logit
from chatlib.predict.models.inputs import DonorInputs, mean_vectors
from chatlib.predict.models.trees import boost
from chatlib.predict.models.words import join_texts
from chatlib.predict.viewers.features import build_features
from chatlib.predict.viewers.table import Viewers

__all__ = ["BASELINES", "MESSAGE_BASELINES", "fit_boosting", "fit_logistic", "iter_baselines"]

BASELINES = (
    "prior",
    "message count",
    "boosting: behaviour",
    "boosting: behaviour, badges, history",
    "characters: TF-IDF, logistic",
    "mean embedding, logistic",
)
MESSAGE_BASELINES = (BASELINES[2], BASELINES[4], BASELINES[5])  # they read messages and times alone
_BOOSTING = (
    {"num_leaves": 4, "min_data_in_leaf": 40, "lambda_l2": 5.0, "learning_rate": 0.05},
    {"num_leaves": 12, "min_data_in_leaf": 20, "lambda_l2": 1.0, "learning_rate": 0.05},
)
_N_ROUNDS = 200
_STRENGTHS = (0.01, 0.1, 1.0)
_N_COMPONENTS = 64

log = logging.getLogger(__name__)


def iter_baselines(
    viewers: Viewers,
    inputs: DonorInputs,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    rows: np.ndarray,
    seed: int = 0,
    max_messages: int = 64,
) -> Iterable[tuple[str, np.ndarray]]:
    """Yield name and log odds for `rows` of each of BASELINES, in that order.

    All but the prior, the count and the boosting read at most `max_messages` of a viewer, as the
    donor model does.
    """
    fit = {"labels": viewers.paid, "train": train, "validation": validation, "rows": rows}
    rate = viewers.paid[train].mean()
    yield BASELINES[0], np.full(len(rows), float(to_logit(rate)))
    count = np.log1p(viewers.table["n_messages"].to_numpy(float))[:, None]
    yield BASELINES[1], fit_logistic(count, **fit)
    yield BASELINES[2], fit_boosting(build_features(viewers), seed=seed, **fit)
    yield BASELINES[3], fit_boosting(build_features(viewers, known_before=True), seed=seed, **fit)
    yield BASELINES[4], _fit_characters(join_texts(viewers, max_messages=max_messages), **fit)
    yield BASELINES[5], _fit_embedding(mean_vectors(inputs), seed=seed, **fit)


def fit_boosting(
    features: pd.DataFrame,
    *,
    labels: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    rows: np.ndarray,
    seed: int = 0,
) -> np.ndarray:
    """Return log odds for `rows` of gradient-boosted trees; size and rounds from validation."""
    table = features.to_numpy(np.float64)
    table = table[:, ~np.isnan(table[train]).all(axis=0)]  # what training never knew, no tree can use
    best, result = (-1.0, 0.0), np.zeros(len(rows))
    for settings in _BOOSTING:
        model = boost(table[train], labels[train], settings, n_rounds=_N_ROUNDS, seed=seed)
        for n in range(10, _N_ROUNDS + 1, 10):
            logits = model.predict(table[validation], raw_score=True, num_iteration=n, num_threads=1)
            if (quality := _quality(labels[validation], logits)) > best:
                best = quality
                result = model.predict(table[rows], raw_score=True, num_iteration=n, num_threads=1)
    return result


def fit_logistic(
    table: np.ndarray | sparse.csr_matrix,
    *,
    labels: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    rows: np.ndarray,
    strengths: Iterable[float] = _STRENGTHS,
) -> np.ndarray:
    """Return log odds for `rows` of logistic regression; C of `strengths` from validation."""
    best, result = (-1.0, 0.0), np.zeros(len(rows))
    for strength in strengths:
        model = LogisticRegression(C=strength, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(table[train], labels[train])
        quality = _quality(labels[validation], model.decision_function(table[validation]))
        if quality > best:
            best, result = quality, model.decision_function(table[rows])
    return result


def _fit_characters(texts: list[str], *, train: np.ndarray, **fit: np.ndarray) -> np.ndarray:
    vectorizer = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 4),
        min_df=3,
        max_features=50_000,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        vectorizer.fit([texts[i] for i in train])
    except ValueError:  # hardly any text: nothing occurs three times
        return fit_logistic(np.zeros((len(texts), 1)), train=train, **fit)
    return fit_logistic(vectorizer.transform(texts), train=train, strengths=(0.1, 1.0, 10.0), **fit)


def _fit_embedding(vectors: np.ndarray, *, seed: int, train: np.ndarray, **fit: np.ndarray) -> np.ndarray:
    scaled = StandardScaler().fit(vectors[train]).transform(vectors)
    n = min(_N_COMPONENTS, *scaled[train].shape)
    pca = PCA(n, random_state=seed, whiten=True).fit(scaled[train])
    return fit_logistic(pca.transform(scaled), train=train, **fit)


def _quality(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Return what is compared on validation: PR-AUC, then the negative loss."""
    loss = np.logaddexp(0.0, np.where(labels, -logits, logits)).mean()
    return average_precision(labels, logits), -float(loss)
