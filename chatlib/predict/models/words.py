"""A linear model of a viewer's words, in this stream and in earlier ones, beside numbers about them.

With few donors, single words (the emotes that only members have, the jokes of the regulars) hold
more than an averaged vector keeps of them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from chatlib.errors import ModelError
from chatlib.predict.evaluation import are_sane
from chatlib.predict.viewers.table import Viewers
from chatlib.predict.viewers.texts import choose_messages

__all__ = ["Vocabulary", "WordModel", "fit_words", "join_texts", "learn_vocabulary"]

_MAX_MESSAGES = 64  # of the stream itself; earlier ones: texts.MAX_EARLIER
_MAX_TERMS = 60_000
_MIN_VIEWERS = 5  # who use a term
_SCALE = 0.1  # of the numbers beside TF-IDF rows of length one
_EAST_ASIAN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: each sign is a token
_MENTION = re.compile(r"[@＠]\S+")
_TOKEN = rf"[{_EAST_ASIAN}]|[^\s{_EAST_ASIAN}]+"


@dataclass(frozen=True)
class Vocabulary:
    """Words and pairs of words of this stream and of earlier ones, with inverse document frequencies."""

    terms: tuple[list[str], list[str]]
    idf: tuple[np.ndarray, np.ndarray]

    def __post_init__(self) -> None:
        for terms, idf in zip(self.terms, self.idf, strict=True):
            distinct = {term for term in terms if isinstance(term, str)}
            if not len(distinct) == len(terms) == idf.size or not are_sane(idf):
                raise ModelError("A vocabulary has distinct terms, each with a finite frequency.")

    def transform(self, viewers: Viewers) -> sparse.csr_matrix:
        """Return TF-IDF rows of length one, one per viewer: terms of this stream, then terms of earlier ones.

        How often a term occurs counts as 1 + ln of it, as `sublinear_tf` of scikit-learn.
        """
        known = sorted(set().union(*self.terms))
        place = {term: i for i, term in enumerate(known)}
        blocks = []
        counter = _counter(vocabulary=place) if known else None
        for counts, terms, idf in zip(_count_terms(viewers, counter), self.terms, self.idf, strict=True):
            rows = counts[:, [place[term] for term in terms]].astype(np.float32)
            if terms:
                rows.data = 1.0 + np.log(rows.data)
                rows = normalize(rows.multiply(idf.astype(np.float32)).tocsr(), copy=False)
            blocks.append(rows)
        return sparse.hstack(blocks, format="csr")


@dataclass(frozen=True)
class WordModel:
    """Weights of the terms of a vocabulary, and of numbers less `mean`, over `spread`."""

    columns: list[str]
    mean: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    intercept: float

    def __post_init__(self) -> None:
        n, numbers = len(self.columns), (self.mean, self.spread, self.weights, self.intercept)
        if not self.mean.shape == self.spread.shape == (n,) or self.weights.shape[0] < n:
            raise ModelError(f"A model of words needs a mean, a spread and a weight for each of {n} columns.")
        if not are_sane(*numbers) or not (self.spread > 0).all():
            raise ModelError("The numbers of a model of words must be finite, and the spreads positive.")

    def weigh(self, terms: sparse.csr_matrix, n_first: int) -> np.ndarray:
        """Return sums of weighted terms, shape (n, 2): the first `n_first`, of this stream; the others."""
        weights, n = self.weights, terms.shape[1]
        parts = [terms[:, :n_first] @ weights[:n_first], terms[:, n_first:] @ weights[n_first:n]]
        return np.stack(parts, axis=1).astype(float)

    def score(self, weighed: np.ndarray, numbers: pd.DataFrame) -> np.ndarray:
        """Return log odds, float64, of viewers with these weights of terms and these numbers."""
        scaled = (_compress(numbers[self.columns]) - self.mean) / self.spread
        return weighed.sum(axis=1) + scaled @ self.weights[-len(self.columns) :] + self.intercept


def learn_vocabulary(viewers: Viewers, *, train: np.ndarray) -> Vocabulary:
    """Learn the terms that several viewers of the rows `train` use. Of other viewers nothing is read."""
    learners, counter = viewers.take(train), _counter()
    terms, idf = [], []
    for counts in _count_terms(learners, counter):
        n_viewers = np.bincount(counts.indices, minlength=counts.shape[1])
        frequent = np.flatnonzero(n_viewers >= _MIN_VIEWERS)
        totals = np.asarray(counts.sum(axis=0)).ravel()[frequent]
        frequent = np.sort(frequent[np.argsort(-totals, kind="stable")[:_MAX_TERMS]])
        names = counter.get_feature_names_out() if len(frequent) else np.empty(0, object)
        terms.append(names[frequent].tolist())
        idf.append(np.log((1 + len(train)) / (1 + n_viewers[frequent])) + 1.0)
    return Vocabulary((terms[0], terms[1]), (idf[0], idf[1]))


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
    spread = np.where(spread > 1e-9, spread, 1.0) / _SCALE
    scaled = sparse.csr_matrix(((values - mean) / spread).astype(np.float32))
    table = sparse.hstack([terms, scaled], format="csr")
    fitted = LogisticRegression(C=strength, solver="liblinear", max_iter=200).fit(table, labels)
    return WordModel(columns, mean, spread, fitted.coef_[0], float(fitted.intercept_[0]))


def join_texts(viewers: Viewers, *, max_messages: int) -> list[str]:
    """Return each viewer's chosen messages as one text, a line per message."""
    chosen = choose_messages(viewers.starts, max_messages=max_messages)
    kept = np.minimum(np.diff(viewers.starts), max_messages)
    said = np.array(viewers.texts, object)[viewers.text_codes[chosen]]
    ends = np.cumsum(kept)
    return ["\n".join(said[end - n : end]) for n, end in zip(kept, ends, strict=True)]


def _count_terms(viewers: Viewers, counter: CountVectorizer | None) -> Iterator[sparse.csr_matrix]:
    """Yield how often each viewer uses each term, in this stream and in earlier ones.

    Each distinct text is split once. A counter without a vocabulary learns it here; None
    knows no term.
    """
    chosen = choose_messages(viewers.starts, max_messages=_MAX_MESSAGES)
    kept = np.minimum(np.diff(viewers.starts), _MAX_MESSAGES)
    codes = (viewers.text_codes[chosen], viewers.earlier.text_codes)
    starts = (np.concatenate([[0], np.cumsum(kept)]), viewers.earlier.starts)
    used = np.unique(np.concatenate(codes))
    texts = [viewers.texts[code] for code in used]
    by_text = sparse.csr_matrix((len(texts), 0), dtype=np.int64)
    if counter is not None:
        # A text without a single token is no reason to stop, only to know nothing.
        with contextlib.suppress(ValueError):
            by_text = counter.transform(texts) if counter.vocabulary else counter.fit_transform(texts)
    for said, start in zip(codes, starts, strict=True):
        place = np.searchsorted(used, said)
        shape = (len(viewers), len(used))
        yield (sparse.csr_matrix((np.ones(len(said), np.int64), place, start), shape) @ by_text).tocsr()


def _counter(**settings: Any) -> CountVectorizer:
    return CountVectorizer(preprocessor=_mask_mentions, token_pattern=_TOKEN, ngram_range=(1, 2), **settings)


def _mask_mentions(text: str) -> str:
    """Return the text in lower case, each @mention as a bare @: no model keeps a viewer's name."""
    return _MENTION.sub("@", text.lower())


def _compress(numbers: pd.DataFrame) -> np.ndarray:
    """Return logarithms that keep the sign; what is not known is 0."""
    values = numbers.to_numpy(float)
    return np.nan_to_num(np.sign(values) * np.log1p(np.abs(values)))
