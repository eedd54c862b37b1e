"""A linear model of a viewer's words, in this stream and in earlier ones, beside numbers about them.

With few donors, what somebody says word by word (the emotes that only members have, the jokes of
the regulars) is more than an averaged vector keeps of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from chatlib.predict.inputs import choose_messages
from chatlib.predict.viewers import Viewers

__all__ = ["Vocabulary", "WordModel", "fit_words", "join_earlier", "join_texts", "learn_vocabulary"]

_MAX_MESSAGES = 64  # of the stream itself; earlier ones: earlier.MAX_EARLIER
_MAX_TERMS = 60_000
_MIN_VIEWERS = 5  # who use a term
_SCALE = 0.1  # of the numbers beside TF-IDF rows of length one
_EAST_ASIAN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: each sign is a token
_TOKEN = rf"[{_EAST_ASIAN}]|[^\s{_EAST_ASIAN}]+"


@dataclass(frozen=True)
class Vocabulary:
    """Words and pairs of words of this stream and of earlier ones, with inverse document frequencies."""

    terms: tuple[list[str], list[str]]
    idf: tuple[np.ndarray, np.ndarray]

    def transform(self, viewers: Viewers) -> sparse.csr_matrix:
        """Return TF-IDF rows, one per viewer: terms of this stream, then terms of earlier ones."""
        blocks = []
        for texts, terms, idf in zip(_documents(viewers), self.terms, self.idf, strict=True):
            if not terms:
                blocks.append(sparse.csr_matrix((len(texts), 0), dtype=np.float32))
                continue
            vectorizer = _vectorizer(vocabulary={term: i for i, term in enumerate(terms)})
            vectorizer.idf_ = idf
            blocks.append(vectorizer.transform(texts))
        return sparse.hstack(blocks, format="csr")


@dataclass(frozen=True)
class WordModel:
    """Weights of the terms of a vocabulary, and of numbers with these means and spreads."""

    columns: list[str]
    mean: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    intercept: float

    def weigh(self, terms: sparse.csr_matrix, n_first: int) -> np.ndarray:
        """Return what terms of this stream, the first `n_first`, and of earlier ones add, shape (n, 2)."""
        weights, n = self.weights, terms.shape[1]
        parts = [terms[:, :n_first] @ weights[:n_first], terms[:, n_first:] @ weights[n_first:n]]
        return np.stack(parts, axis=1).astype(float)

    def score(self, weighed: np.ndarray, numbers: pd.DataFrame) -> np.ndarray:
        """Return log odds, float64, of viewers with these weights of terms and these numbers."""
        scaled = (_compress(numbers[self.columns]) - self.mean) / self.spread * _SCALE
        return weighed.sum(axis=1) + scaled @ self.weights[-len(self.columns) :] + self.intercept


def learn_vocabulary(viewers: Viewers, *, train: np.ndarray) -> Vocabulary:
    """Learn the terms that several viewers of the rows `train` use. Of other viewers nothing is read."""
    terms, idf = zip(*map(_learn_terms, _documents(viewers.take(train))), strict=True)
    return Vocabulary(terms, idf)


def fit_words(
    terms: sparse.csr_matrix, numbers: pd.DataFrame, labels: np.ndarray, *, strength: float = 1.0
) -> WordModel:
    """Fit L2-regularised logistic regression on TF-IDF rows of training viewers, and numbers about them.

    The numbers are taken as logarithms and scaled; those that are never known are left out.
    `strength` is the inverse of the penalty.
    """
    columns = numbers.columns[numbers.notna().any()].tolist()
    values = _compress(numbers[columns])
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread = np.where(spread > 1e-9, spread, 1.0)
    scaled = sparse.csr_matrix(((values - mean) / spread * _SCALE).astype(np.float32))
    table = sparse.hstack([terms, scaled], format="csr")
    fitted = LogisticRegression(C=strength, solver="liblinear", max_iter=200).fit(table, labels)
    return WordModel(columns, mean, spread, fitted.coef_[0], float(fitted.intercept_[0]))


def join_texts(viewers: Viewers, *, max_messages: int) -> list[str]:
    """Return each viewer's chosen messages as one text, a line per message."""
    chosen = choose_messages(viewers.starts, max_messages=max_messages)
    kept = np.minimum(np.diff(viewers.starts), max_messages)
    return _join(viewers.texts, viewers.text_codes[chosen], np.concatenate([[0], np.cumsum(kept)]))


def join_earlier(viewers: Viewers) -> list[str]:
    """Return what each viewer wrote in earlier streams as one text, a line per message."""
    return _join(viewers.texts, viewers.earlier.text_codes, viewers.earlier.starts)


def _join(texts: list[str], codes: np.ndarray, starts: np.ndarray) -> list[str]:
    said = np.array(texts, object)[codes]
    return ["\n".join(said[start:end]) for start, end in pairwise(starts)]


def _documents(viewers: Viewers) -> tuple[list[str], list[str]]:
    return join_texts(viewers, max_messages=_MAX_MESSAGES), join_earlier(viewers)


def _learn_terms(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """Return the terms of these texts and their inverse document frequencies; none where there is no text."""
    vectorizer = _vectorizer(max_features=_MAX_TERMS, min_df=_MIN_VIEWERS)
    try:
        vectorizer.fit(texts)
    except ValueError:  # hardly any text: nothing occurs so often
        return [], np.zeros(0, np.float32)
    return vectorizer.get_feature_names_out().tolist(), vectorizer.idf_


def _vectorizer(**settings: object) -> TfidfVectorizer:
    return TfidfVectorizer(
        token_pattern=_TOKEN, ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32, **settings
    )


def _compress(numbers: pd.DataFrame) -> np.ndarray:
    """Return logarithms that keep the sign; what is not known is 0."""
    values = numbers.to_numpy(float)
    return np.nan_to_num(np.sign(values) * np.log1p(np.abs(values)))
