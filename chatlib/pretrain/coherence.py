"""How similar messages are, against how far apart they were written.

Vectors of a language model all point much the same way, so they are centred first. Pairs by the same
author and pairs of the same text are left out: they are similar for other reasons. The mean over all
pairs of a stream, which is what shuffling the times gives, is subtracted, so 0 means "no more similar
than any two messages of that stream". The band is a bootstrap over streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from chatlib.errors import NotEnoughData, ParameterError

__all__ = ["Coherence", "find_neighbours", "measure_coherence", "reduce_to_plane", "sample_messages"]

# Edges of the distance bins, each about double the one before; in messages, 1 is the next one.
EDGES = {
    "seconds": (0, 2, 5, 10, 20, 45, 90, 180, 360, 720, 1440, 2880, 5760, 11520),
    "messages": (1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 1025, 2049, 4097),
}
MIN_PAIRS = 30
N_BOOTSTRAP = 1000


@dataclass(frozen=True)
class Coherence:
    """Similarity against distance, in seconds or in messages (`unit`; 1 is the next message).

    `table` has one row per bin [low_edge, high_edge) with at least 30 pairs, nearest first: `distance`
    (its geometric middle), `low_edge`, `high_edge`, `n_pairs`, `similarity` (baseline subtracted), `low`,
    `high` (95 % band; NaN with fewer than three streams). `baseline` is the mean cosine of shuffled
    pairs. `gone_after` is where the first bin begins, from the most similar one on, whose band reaches
    down to 0; None if there is no such bin or no band.
    """

    table: pd.DataFrame
    baseline: float
    gone_after: float | None
    n_messages: int
    n_streams: int
    unit: str = "seconds"

    def describe(self, name: str) -> str:
        """Return the result as one sentence, which begins with `name`."""
        nearest, farthest = self.table.iloc[0], self.table.iloc[-1]
        last = 1 if self.unit == "messages" else 0  # bins of whole numbers end one before the edge
        near, far = self._format(nearest["high_edge"] - last), self._format(farthest["low_edge"] - last)
        text = (
            f"{name}, messages at most {near} apart are {nearest['similarity']:+.3f} more similar than "
            f"shuffled pairs, those over {far} apart {farthest['similarity']:+.3f}"
        )
        if self.table["low"].isna().all():
            return f"{text}; {self.n_streams} streams are too few for a band."
        if self.table["low"].max() <= 0:
            return f"{text}; at no distance is the band above 0."
        if self.gone_after is None:
            return f"{text}; the similarity stays above 0 at every distance measured."
        return f"{text}; the band first reaches 0 after {self._format(self.gone_after)}."

    def _format(self, distance: float) -> str:
        if self.unit == "messages":
            return "1 message" if distance == 1 else f"{distance:,.0f} messages"
        if distance < 60:
            return f"{distance:.0f} s"
        return f"{distance / 60:.0f} min" if distance < 7200 else f"{distance / 3600:.1f} h"

    def to_results(self) -> dict[str, object]:
        """Return the named numbers of this measurement."""
        return {
            "baseline": self.baseline,
            "gone_after_s" if self.unit == "seconds" else "gone_after_messages": self.gone_after,
            "messages": self.n_messages,
            "streams": self.n_streams,
            "curve": self.table[["distance", "similarity", "low", "high"]].to_dict("list"),
        }


def sample_messages(chat: pd.DataFrame, *, per_stream: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Return up to `per_stream` random messages of each stream, in time order.

    The column `position` is a message's number in its stream, among all.
    """
    if per_stream < 1:
        raise ParameterError(f"COHERENCE_MESSAGES must be at least 1, got {per_stream}.")
    rng = np.random.default_rng(seed)
    chat = chat.assign(position=chat.groupby("stream_id").cumcount())
    parts = [np.sort(rng.permutation(rows)[:per_stream]) for rows in _rows_by_stream(chat)]
    if not parts:
        raise NotEnoughData("Coherence needs messages, and there are none. Add chat.")
    return chat.iloc[np.concatenate(parts)].reset_index(drop=True)


def measure_coherence(
    chat: pd.DataFrame, vectors: np.ndarray, *, unit: str = "seconds", seed: int = 0
) -> Coherence:
    """Return the similarity of messages of the same stream against their distance in `unit`.

    `chat` is of `sample_messages`, with a row for each row of `vectors`. Two unknown authors (-1) count
    as the same author. Memory grows with the square of the messages of one stream.

    Raises: NotEnoughData if no distance has 30 pairs.
    """
    if len(chat) != len(vectors):
        raise ParameterError(f"There is one vector per message: got {len(vectors)} for {len(chat)} messages.")
    if unit not in EDGES:
        raise ParameterError(f"Distance is in {' or '.join(EDGES)}, got {unit!r}.")
    edges = np.asarray(EDGES[unit], float)
    columns = (
        _centre(vectors),
        chat["offset_s" if unit == "seconds" else "position"].to_numpy(),
        chat["author"].to_numpy(),
        pd.factorize(chat["text"].str.casefold())[0],
    )
    sums = [_sum_pairs(*(values[rows] for values in columns), edges=edges) for rows in _rows_by_stream(chat)]
    n_pairs, cosines, totals, counts = map(np.array, zip(*sums, strict=True))
    used = n_pairs.sum(0) >= MIN_PAIRS
    if not used.any():
        raise NotEnoughData(
            f"Coherence needs {MIN_PAIRS} pairs of messages by different authors at some distance; "
            f"{len(chat)} messages give fewer. Add chat."
        )
    baseline = totals / np.maximum(counts, 1)
    n_pairs, excess = n_pairs[:, used], (cosines - n_pairs * baseline[:, None])[:, used]
    table = _bins_as_table(edges, unit=unit).loc[used].reset_index(drop=True)
    table["n_pairs"] = n_pairs.sum(0)
    table["similarity"] = excess.sum(0) / n_pairs.sum(0)
    table["low"], table["high"] = _bootstrap(excess, n_pairs, seed=seed)
    gone = table.loc[table["similarity"].idxmax() :].query("low <= 0")["low_edge"]
    return Coherence(
        table=table,
        baseline=float(totals.sum() / max(counts.sum(), 1)),
        gone_after=None if gone.empty else float(gone.iloc[0]),
        n_messages=len(chat),
        n_streams=len(n_pairs),
        unit=unit,
    )


def find_neighbours(texts: Sequence[str], vectors: np.ndarray, *, seed: int = 0) -> pd.DataFrame:
    """Return the texts nearest to six random ones, by cosine of centred vectors; never the same text.

    Columns: `message`, `nearest`, `2nd`, `3rd`, `4th`; fewer where there are fewer texts.
    """
    distinct = pd.DataFrame({"text": texts, "key": [t.casefold() for t in texts]}).drop_duplicates("key")
    unit = _centre(np.asarray(vectors)[distinct.index])
    drawn = np.random.default_rng(seed).permutation(len(unit))[:6]
    cosines = unit[drawn] @ unit.T
    cosines[np.arange(len(drawn)), drawn] = -np.inf
    nearest = np.argsort(-cosines, axis=1)[:, : min(4, len(unit) - 1)]
    words = distinct["text"].to_numpy()
    columns = ["message", "nearest", "2nd", "3rd", "4th"]
    rows = [[words[i], *words[near]] for i, near in zip(drawn, nearest, strict=True)]
    return pd.DataFrame(rows, columns=columns[: 1 + nearest.shape[1]])


def reduce_to_plane(vectors: np.ndarray) -> np.ndarray:
    """Return the two leading principal components of vectors, shape (n, 2), for a picture."""
    return PCA(2, svd_solver="full").fit_transform(vectors)


def _centre(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(0)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)


def _rows_by_stream(chat: pd.DataFrame) -> list[np.ndarray]:
    return [np.asarray(rows) for rows in chat.groupby("stream_id", sort=False).indices.values()]


def _sum_pairs(
    unit: np.ndarray, places: np.ndarray, authors: np.ndarray, texts: np.ndarray, *, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return pairs per bin, their summed cosines, and the sum and number over all pairs of one stream."""
    first, second = np.triu_indices(len(unit), 1)
    allowed = (authors[first] != authors[second]) & (texts[first] != texts[second])
    first, second = first[allowed], second[allowed]
    cosines = (unit @ unit.T)[first, second].astype(np.float64)
    bins = np.searchsorted(edges, np.abs(places[first] - places[second]), side="right") - 1
    n_bins = len(edges) - 1
    inside = (bins >= 0) & (bins < n_bins)
    n_pairs = np.bincount(bins[inside], minlength=n_bins)
    sums = np.bincount(bins[inside], weights=cosines[inside], minlength=n_bins)
    return n_pairs, sums, cosines.sum(), float(len(cosines))


def _bootstrap(excess: np.ndarray, n_pairs: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    n_streams, n_bins = excess.shape
    if n_streams < 3:
        return np.full(n_bins, np.nan), np.full(n_bins, np.nan)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(n_streams, np.full(n_streams, 1 / n_streams), size=N_BOOTSTRAP)
    pairs = weights @ n_pairs
    means = np.where(pairs > 0, weights @ excess / np.maximum(pairs, 1), np.nan)
    low, high = np.nanpercentile(means, [2.5, 97.5], axis=0)
    return low, high


def _bins_as_table(edges: np.ndarray, *, unit: str) -> pd.DataFrame:
    """Return `distance` (geometric middle; of a bin that starts at 0, half of its end) and edges."""
    low, high = edges[:-1], edges[1:]
    last = high - 1 if unit == "messages" else high
    middle = np.where(low > 0, np.sqrt(low * last), last / 2)
    return pd.DataFrame({"distance": middle, "low_edge": low, "high_edge": high})
