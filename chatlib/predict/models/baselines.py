"""What the donor model has to beat: six simple models, each with its settings from validation.

All return log odds for every viewer asked about, and see labels of training and validation only.
"""

from __future__ import annotations

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

from chatlib.predict.evaluation import average_precision, log_loss, to_logit
from chatlib.predict.models.transformer import DonorInputs, mean_vectors
from chatlib.predict.models.trees import boost, predict_boosted
from chatlib.predict.models.words import join_texts
from chatlib.predict.viewers.features import build_features
from chatlib.predict.viewers.table import Periods, Viewers

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
_N_COMPONENTS = 64


def iter_baselines(
    viewers: Viewers, inputs: DonorInputs, *, periods: Periods, max_messages: int, seed: int = 0
) -> Iterable[tuple[str, np.ndarray]]:
    """Yield name and log odds for the viewers `periods.scored` of each of BASELINES, in that order.

    All but the prior, the count and the boosting read at most `max_messages` of a viewer, as the
    donor model does.
    """
    labels, texts = viewers.paid, join_texts(viewers, max_messages=max_messages)
    yield BASELINES[0], np.full(len(periods.scored), float(to_logit(labels[periods.train].mean())))
    count = np.log1p(viewers.table["n_messages"].to_numpy(float))[:, None]
    yield BASELINES[1], fit_logistic(count, labels, periods)
    yield BASELINES[2], fit_boosting(build_features(viewers), labels, periods, seed=seed)
    known = build_features(viewers, known_before=True)
    yield BASELINES[3], fit_boosting(known, labels, periods, seed=seed)
    yield BASELINES[4], _fit_characters(texts, labels, periods)
    yield BASELINES[5], _fit_embedding(mean_vectors(inputs), labels, periods, seed=seed)


def fit_boosting(
    features: pd.DataFrame, labels: np.ndarray, periods: Periods, *, seed: int = 0
) -> np.ndarray:
    """Return log odds for `periods.scored` of gradient-boosted trees; size and rounds from validation."""
    table = features.to_numpy(np.float64)
    # No tree can use a column that training never knew.
    table = table[:, ~np.isnan(table[periods.train]).all(axis=0)]
    n, best, result = len(periods.validation), (-1.0, 0.0), np.zeros(len(periods.scored))
    for settings in _BOOSTING:
        model = boost(table[periods.train], labels[periods.train], settings, n_rounds=_N_ROUNDS, seed=seed)
        for n_rounds in range(10, _N_ROUNDS + 1, 10):
            logits = predict_boosted(model, table[periods.scored], n_rounds=n_rounds)
            if (quality := _quality(labels[periods.validation], logits[:n])) > best:
                best, result = quality, logits
    return result


def fit_logistic(
    table: np.ndarray | sparse.csr_matrix,
    labels: np.ndarray,
    periods: Periods,
    *,
    strengths: Iterable[float] = (0.01, 0.1, 1.0),
) -> np.ndarray:
    """Return log odds for `periods.scored` of logistic regression; C of `strengths` from validation."""
    n, best, result = len(periods.validation), (-1.0, 0.0), np.zeros(len(periods.scored))
    for strength in strengths:
        model = LogisticRegression(C=strength, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(table[periods.train], labels[periods.train])
        logits = model.decision_function(table[periods.scored])
        if (quality := _quality(labels[periods.validation], logits[:n])) > best:
            best, result = quality, logits
    return result


def _fit_characters(texts: list[str], labels: np.ndarray, periods: Periods) -> np.ndarray:
    vectorizer = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(2, 4),
        min_df=3,
        max_features=50_000,
        sublinear_tf=True,
        dtype=np.float32,
    )
    try:
        vectorizer.fit([texts[i] for i in periods.train])
    except ValueError:  # hardly any text: nothing occurs three times
        return fit_logistic(np.zeros((len(texts), 1)), labels, periods)
    return fit_logistic(vectorizer.transform(texts), labels, periods, strengths=(0.1, 1.0, 10.0))


def _fit_embedding(vectors: np.ndarray, labels: np.ndarray, periods: Periods, *, seed: int) -> np.ndarray:
    scaled = StandardScaler().fit(vectors[periods.train]).transform(vectors)
    n = min(_N_COMPONENTS, *scaled[periods.train].shape)
    pca = PCA(n, random_state=seed, whiten=True).fit(scaled[periods.train])
    return fit_logistic(pca.transform(scaled), labels, periods)


def _quality(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Return what is compared on validation: PR-AUC, then the negative loss."""
    return average_precision(labels, logits), -log_loss(labels, logits)
