"""What the models have to beat: simple ones, each with its settings from validation.

All return log odds of the viewers of validation, by a fit on training, and of those of test, by a fit of the
same settings on training and validation together.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler, normalize
from threadpoolctl import threadpool_limits

from chatlib.predict.evaluation import log_loss, rank_metrics, to_logit
from chatlib.predict.models.transformer import DonorInputs, mean_vectors
from chatlib.predict.models.trees import boost, fit_trees, map_fits, predict_boosted
from chatlib.predict.viewers.table import Periods, Viewers
from chatlib.workspace import release_memory

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
_LEAST_VIEWERS, _MOST_RUNS = 3, 50_000  # of a run of characters, and of these
_BLOCK, _ENTRIES = 20_000, 4_000_000  # viewers, and numbers of theirs, at once

_Table: TypeAlias = np.ndarray | sparse.csr_matrix


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
    rates = np.array([labels[periods.train].mean(), labels[periods.settled].mean()])
    yield BASELINES[0], np.repeat(to_logit(rates), (len(periods.validation), len(periods.test)))
    count = np.log1p(viewers.table["n_messages"].to_numpy(float))[:, None]
    yield BASELINES[1], fit_logistic(count, labels, periods)
    yield BASELINES[2], fit_boosting(behaviour, labels, periods, seed=seed)
    yield BASELINES[3], fit_boosting(known, labels, periods, seed=seed)
    yield BASELINES[4], fit_characters(viewers, periods)
    yield BASELINES[5], _fit_embedding(mean_vectors(inputs), labels, periods, seed=seed)


def score_trees(known: pd.DataFrame, labels: np.ndarray, periods: Periods, *, seed: int = 0) -> np.ndarray:
    """Return log odds for `periods.scored` of the default model, boosted trees of fixed settings."""
    fits = (periods.train, periods.settled)
    models = map_fits(lambda rows: fit_trees(known, labels, rows=rows, seed=seed), fits)
    asked = (periods.validation, periods.test)
    scores = [trees.score(known.iloc[rows]) for trees, rows in zip(models, asked, strict=True)]
    release_memory()  # of the baselines, too
    return np.concatenate(scores)


def fit_boosting(
    features: pd.DataFrame, labels: np.ndarray, periods: Periods, *, seed: int = 0
) -> np.ndarray:
    """Return log odds for `periods.scored` of gradient-boosted trees; size and rounds from validation."""
    table = features.to_numpy(np.float32)
    table = table[:, ~np.isnan(table[periods.train]).all(axis=0)]  # trees use what training ever knew
    tried = []
    for settings in _BOOSTING:
        model = boost(table[periods.train], labels[periods.train], settings, n_rounds=_N_ROUNDS, seed=seed)
        for n_rounds in range(10, _N_ROUNDS + 1, 10):
            scores = predict_boosted(model, table[periods.validation], n_rounds=n_rounds)
            tried.append((settings, n_rounds, scores))
    chosen, n_chosen, known = max(tried, key=lambda trial: _quality(labels[periods.validation], trial[-1]))
    rows = periods.settled
    model = boost(table[rows], labels[rows], chosen, n_rounds=n_chosen, seed=seed)
    return np.concatenate([known, predict_boosted(model, table[periods.test])])


def fit_logistic(
    table: _Table,
    labels: np.ndarray,
    periods: Periods,
    *,
    strengths: Iterable[float] = (0.01, 0.1, 1.0),
) -> np.ndarray:
    """Return log odds for `periods.scored` of logistic regression; C of `strengths` from validation."""
    tried = ((C, _fit_line(table, labels, periods.train, periods.validation, C)) for C in strengths)
    chosen, known = max(tried, key=lambda trial: _quality(labels[periods.validation], trial[-1]))
    return np.concatenate([known, _fit_line(table, labels, periods.settled, periods.test, chosen)])


def _fit_line(table: _Table, labels: np.ndarray, rows: np.ndarray, asked: np.ndarray, C: float) -> np.ndarray:
    model = LogisticRegression(C=C, max_iter=200)
    # Threads in steps as short as these mostly wait for each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(_take(table, rows), labels[rows])
    return model.decision_function(_take(table, asked))


def _take(table: _Table, rows: np.ndarray) -> _Table:
    """Return rows of a table, ascending; neighbours without a copy."""
    first, end = rows[0], rows[-1] + 1
    if end - first > len(rows) or isinstance(table, np.ndarray):
        return table[rows]
    at = slice(table.indptr[first], table.indptr[end])
    starts = table.indptr[first : end + 1] - at.start
    return sparse.csr_matrix((table.data[at], table.indices[at], starts), (len(rows), table.shape[1]))


def fit_characters(viewers: Viewers, periods: Periods) -> np.ndarray:
    """Return log odds for `periods.scored` of logistic regression on TF-IDF of two to four characters."""
    table = _weigh_characters(viewers, periods.train)
    return fit_logistic(table, viewers.paid, periods, strengths=(0.1, 1.0, 10.0))


def _weigh_characters(viewers: Viewers, train: np.ndarray) -> sparse.csr_matrix:
    """Return TF-IDF of each viewer's runs of two to four characters within a word, float32.

    Columns are the 50,000 most frequent ones of those that three viewers of `train` wrote. The runs of each
    distinct word are found once, and words of each distinct text: counts of viewers are products of these.
    """
    words = CountVectorizer(analyzer=lambda text: text.lower().split(), dtype=np.float32)
    said = words.fit_transform([*viewers.texts, "-"])[:-1]  # there is no word where nobody wrote
    texts = (np.ones(len(viewers.text_codes), np.float32), viewers.text_codes, viewers.starts)
    said = sparse.csr_matrix(texts, (len(viewers), len(viewers.texts))) @ said
    runs = CountVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32)
    of_word = runs.fit_transform(words.get_feature_names_out())
    n_viewers = np.zeros(of_word.shape[1], np.int64)
    for block in np.array_split(train, len(train) // _BLOCK + 1):
        n_viewers += np.bincount((said[block] @ of_word).indices, minlength=len(n_viewers))
    total = np.asarray(said[train].sum(axis=0) @ of_word).ravel()
    order = np.argsort(-total, kind="stable")
    kept = order[n_viewers[order] >= _LEAST_VIEWERS][:_MOST_RUNS]
    if not len(kept):  # hardly any text
        return sparse.csr_matrix((len(viewers), 1), dtype=np.float32)
    table = said @ of_word[:, kept]
    rarity = (np.log((1 + len(train)) / (1 + n_viewers[kept])) + 1).astype(np.float32)
    for first in range(0, table.nnz, _ENTRIES):
        part = slice(first, first + _ENTRIES)
        table.data[part] = (np.log(table.data[part]) + 1) * rarity[table.indices[part]]
    return normalize(table, copy=False)


def _fit_embedding(vectors: np.ndarray, labels: np.ndarray, periods: Periods, *, seed: int) -> np.ndarray:
    scaled = StandardScaler().fit(vectors[periods.train]).transform(vectors)
    n = min(_N_COMPONENTS, *scaled[periods.train].shape)
    pca = PCA(n, random_state=seed % 2**32, whiten=True).fit(scaled[periods.train])
    return fit_logistic(pca.transform(scaled), labels, periods)


def _quality(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Return what is compared on validation: PR-AUC, then the negative loss."""
    return rank_metrics(labels, logits)[0], -log_loss(labels, logits)
