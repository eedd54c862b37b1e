"""What the donor model reads: a viewer's chosen messages as vectors, each with its times.

Every distinct text is encoded once, however often it was written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from chatlib.errors import ParameterError
from chatlib.predict.viewers.table import Viewers

__all__ = [
    "CHOICES",
    "DonorInputs",
    "Encoder",
    "Scaling",
    "build_inputs",
    "choose_messages",
    "fit_scaling",
    "iter_batches",
    "mean_vectors",
]

CHOICES = ("even", "recent", "first")


class Encoder(Protocol):
    """What is asked of a language model: texts in, one float32 vector of `dim` per text out."""

    dim: int

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class DonorInputs:
    """Message vectors of viewers. Row i has `vectors[codes[j]]` with `times[j]`, j from
    `starts[i]` to `starts[i + 1]`, oldest first; times are the message's offset and the last
    offset of its stream (of the input, in `forecast`), in seconds.
    """

    vectors: np.ndarray
    starts: np.ndarray
    codes: np.ndarray
    times: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Messages per viewer."""
        return np.diff(self.starts)

    def pad(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return codes, times and mask of these viewers, padded to the longest of them.

        Shapes (rows, longest), (rows, longest, 2), (rows, longest); padding is code 0, time 0.
        """
        lengths = self.lengths[rows]
        places = np.arange(lengths.max(initial=0))
        mask = places < lengths[:, None]
        at = np.where(mask, self.starts[rows][:, None] + places, 0)
        return np.where(mask, self.codes[at], 0), self.times[at] * mask[:, :, None], mask


@dataclass(frozen=True)
class Scaling:
    """Means and spreads over the messages of the training period, vector and two times."""

    mean: np.ndarray
    spread: np.ndarray


def choose_messages(starts: np.ndarray, *, max_messages: int, choice: str = "even") -> np.ndarray:
    """Return the messages that are read, ascending: at most `max_messages` of each viewer.

    Of a longer list `even` takes evenly spread ones with the first and the last among them,
    `recent` the last, `first` the first ones.
    """
    if max_messages < 1 or choice not in CHOICES:
        raise ParameterError(
            f"MAX_MESSAGES must be at least 1, and the choice one of {CHOICES}; "
            f"got {max_messages} and {choice!r}."
        )
    n = np.diff(starts)
    kept = np.minimum(n, max_messages)
    place = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
    n, first, kept = np.repeat(n, kept), np.repeat(starts[:-1], kept), np.repeat(kept, kept)
    if choice == "even":
        place = np.where(n > kept, place * (n - 1) // np.maximum(kept - 1, 1), place)
    elif choice == "recent":
        place = place + n - kept
    return first + place


def build_inputs(
    viewers: Viewers, encoder: Encoder, *, max_messages: int = 64, choice: str = "even"
) -> DonorInputs:
    """Return the inputs of all viewers; only texts of chosen messages are encoded, each once."""
    chosen = choose_messages(viewers.starts, max_messages=max_messages, choice=choice)
    used, codes = np.unique(viewers.text_codes[chosen], return_inverse=True)
    vectors = np.asarray(encoder.encode([viewers.texts[i] for i in used]), np.float32)
    assert vectors.shape == (len(used), encoder.dim), vectors.shape
    ends = viewers.table["stream_end_s"].to_numpy(float)[viewers.message_viewers()[chosen]]
    kept = np.minimum(np.diff(viewers.starts), max_messages)
    return DonorInputs(
        vectors=vectors,
        starts=np.concatenate([[0], np.cumsum(kept)]),
        codes=codes.astype(np.int64),
        times=np.stack([viewers.offsets_s[chosen], ends], axis=1).astype(np.float32),
    )


def fit_scaling(inputs: DonorInputs, rows: np.ndarray) -> Scaling:
    """Return means and spreads over the messages of these viewers, which are those of training."""
    take = np.zeros(len(inputs.lengths), bool)
    take[rows] = True
    messages = np.repeat(take, inputs.lengths)
    counts = np.bincount(inputs.codes[messages], minlength=len(inputs.vectors)).astype(float)
    share = counts / max(counts.sum(), 1.0)
    mean = share @ inputs.vectors
    spread = np.sqrt(np.maximum(share @ inputs.vectors.astype(float) ** 2 - mean**2, 0.0))
    times = inputs.times[messages].astype(float)
    mean = np.concatenate([mean, times.mean(axis=0)])
    spread = np.concatenate([spread, times.std(axis=0)])
    return Scaling(mean.astype(np.float32), np.where(spread > 1e-6, spread, 1.0).astype(np.float32))


def mean_vectors(inputs: DonorInputs) -> np.ndarray:
    """Return each viewer's mean message vector, float32, shape (n_viewers, dim)."""
    result = np.zeros((len(inputs.lengths), inputs.vectors.shape[1]), np.float32)
    for start in range(0, len(result), 4096):
        part = inputs.starts[start : start + 4097]
        vectors = inputs.vectors[inputs.codes[part[0] : part[-1]]]
        sums = np.add.reduceat(vectors, part[:-1] - part[0], axis=0)
        result[start : start + len(sums)] = sums / np.diff(part)[:, None]
    return result


def iter_batches(
    lengths: np.ndarray, rows: np.ndarray, *, max_tokens: int, rng: np.random.Generator | None = None
) -> Iterator[np.ndarray]:
    """Yield batches of viewers of like length, at most `max_tokens` padded messages in each.

    With a generator, viewers of one length and the batches are in random order; without, short
    viewers come first. A viewer longer than `max_tokens` is a batch alone.
    """
    ties = rng.random(len(rows)) if rng is not None else np.arange(len(rows))
    ordered = rows[np.lexsort((ties, lengths[rows]))]
    sizes = lengths[ordered] + 1  # the CLS token
    batches, start = [], 0
    while start < len(ordered):
        # Lengths ascend, so a batch that ends before `end` costs (end - start) * sizes[end - 1].
        cost = np.arange(1, len(ordered) - start + 1) * sizes[start:]
        end = start + max(1, int(np.searchsorted(cost, max_tokens, side="right")))
        batches.append(ordered[start:end])
        start = end
    if rng is not None:
        rng.shuffle(batches)
    yield from batches
