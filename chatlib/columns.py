"""A chat as columns, numbers for the values in one, and where a measure of it rises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from chatlib.records import NOBODY, Message

__all__ = ["ChatColumns", "Codes", "Rise", "TextParts", "find_rises"]

# A rise's local baseline: the mean of the minutes before, plus half a message per sample, so that
# in a silent chat a single message is no spike.
_BASELINE_S = 300
_LEAST_HISTORY_S = 60
_LEAST_MESSAGES = 0.5
_SUSTAINED_SAMPLES = 2
_END = "\0"  # after each text; within one it is a blank
_BATCH = 4096  # texts that are split at once: what is made of them fits into a core's cache


class Codes(dict):
    """Numbers for values: what is new gets the next one."""

    def __missing__(self, value: Hashable) -> int:
        self[value] = code = len(self)
        return code

    def encode(self, values: Sequence[Hashable]) -> np.ndarray:
        """Return the numbers of values; new ones get the next number."""
        return np.fromiter(map(self.__getitem__, values), dtype=np.int64, count=len(values))


class ChatColumns(NamedTuple):
    """A chat as columns of equal length, rows in source order.

    offset_s: float, NaN where unknown. kind: numbers into `kinds`. author: one number per
    author, -1 for nobody. message_ids: row -> id, for kinds whose id counts once; a row that is
    not in it counts by itself.
    """

    offset_s: np.ndarray
    kind: np.ndarray
    kinds: Sequence[str]
    author: np.ndarray
    message_ids: Mapping[int, str]

    @classmethod
    def from_messages(cls, messages: Sequence[Message]) -> ChatColumns:
        """Return messages as columns."""
        authors = Codes({None: NOBODY})
        rows = [(m.offset_s, m.kind, authors[m.author_id], m.message_id) for m in messages]
        return cls.from_batches([rows] if rows else [])

    @classmethod
    def from_batches(cls, batches: Iterable[Sequence[tuple]]) -> ChatColumns:
        """Return batches of (offset_s, kind, author's number, message_id or None) as columns.

        Only a batch of them is held as Python objects at a time.
        """
        kinds = Codes()
        offsets, codes, authors = [np.empty(0)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        message_ids: dict[int, str] = {}
        n_rows = 0
        for rows in batches:
            offset_s, kind, author, message_id = zip(*rows, strict=True)
            offsets.append(np.array(offset_s, dtype=float))
            codes.append(kinds.encode(kind))
            authors.append(np.array(author, dtype=np.int64))
            message_ids |= {row: key for row, key in enumerate(message_id, n_rows) if key is not None}
            n_rows += len(rows)
        return cls(
            np.concatenate(offsets), np.concatenate(codes), list(kinds), np.concatenate(authors), message_ids
        )


class TextParts(NamedTuple):
    """What stands between the blanks of texts: an entry for each part of each text, in their order.

    names: the distinct parts. row: the text's place. code: the part's, in names.
    """

    names: Sequence[str]
    row: np.ndarray
    code: np.ndarray
    n_texts: int

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> TextParts:
        """Return the parts of texts: a tenth of the time that words would take text by text."""
        codes = Codes({_END: 0})
        batches = [texts[first : first + _BATCH] for first in range(0, len(texts), _BATCH)]
        joined = (f" {_END} ".join([*(text.replace(_END, " ") for text in batch), ""]) for batch in batches)
        found = [codes.encode(text.split()).astype(np.int32) for text in joined]
        code = np.concatenate([np.empty(0, np.int32), *found])
        is_end = code == 0
        row = np.cumsum(is_end, dtype=np.int32)[~is_end]
        return cls(list(codes)[1:], row, code[~is_end] - 1, len(texts))

    def sum_values(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the sum over the parts of each text, of one value per name."""
        return np.bincount(self.row, np.asarray(values, dtype=float)[self.code], self.n_texts)

    def take(self, texts: np.ndarray) -> TextParts:
        """Return the parts of some texts, by their places, which ascend; their new places are 0, 1, 2 …"""
        place = np.full(self.n_texts, -1)
        place[texts] = np.arange(len(texts))
        row = place[self.row]
        return TextParts(self.names, row[row >= 0], self.code[row >= 0], len(texts))

    def count_words(
        self, split: Callable[[str], Sequence[str]], *, texts: np.ndarray | None = None
    ) -> Counter[str]:
        """Return in how many of the texts each word is; `split` returns the words of a part.

        `texts` are the places of those that count, by default all.
        """
        row, code = self.take(texts)[1:3] if texts is not None else self[1:3]
        used = np.bincount(code, minlength=len(self.names)).tolist()
        words = Codes()
        of_part = [split(name) if n else () for name, n in zip(self.names, used, strict=True)]
        size = np.array([len(found) for found in of_part], dtype=np.int64)
        flat = words.encode(list(chain.from_iterable(of_part)))
        first, n_words = np.cumsum(size) - size, size[code]  # of a part's words, in flat
        place = np.arange(n_words.sum()) + np.repeat(first[code] - np.cumsum(n_words) + n_words, n_words)
        wrote = np.repeat(row, n_words).astype(np.int64) * len(words) + flat[place]
        wrote.sort()
        once = wrote[np.diff(wrote, prepend=-1) > 0] % max(len(words), 1)
        return Counter(dict(zip(words, np.bincount(once, minlength=len(words)).tolist(), strict=True)))


class Rise(NamedTuple):
    """A sharp, sustained rise: its samples from `first` until before `end`, and how many times `baseline`."""

    first: int
    end: int
    baseline: float
    times: float


def find_rises(values: np.ndarray, sample_s: float, *, sensitivity: float) -> list[Rise]:
    """Return the sharp, sustained rises of a measure per second in successive samples, in time order.

    From one sample to the next the measure rises above 1 + 2 / sensitivity times its local baseline (so
    sensitivity 1 requires three times the baseline, 2 twice), and stays above that for at least two
    samples; the rise lasts as long as it does. The baseline is the mean of the 5 minutes before (at least
    one is needed), plus half a message per sample.
    """
    baseline = _compute_baseline(values, sample_s)
    threshold = (1 + 2 / sensitivity) * baseline
    starts = np.flatnonzero((values[1:] > threshold[1:]) & (values[:-1] <= threshold[1:])) + 1
    rises: list[Rise] = []
    end = 0
    for first in starts.tolist():
        if first < end:  # still inside the rise before
            continue
        below = np.flatnonzero(values[first:] <= threshold[first])
        end = first + int(below[0]) if below.size else len(values)
        if end - first >= _SUSTAINED_SAMPLES:
            times = float(values[first:end].max() / baseline[first])
            rises.append(Rise(first, end, float(baseline[first]), times))
    return rises


def _compute_baseline(values: np.ndarray, sample_s: float) -> np.ndarray:
    """Return each sample's local baseline, from the samples before it; inf where they are too few."""
    n_before = max(int(_BASELINE_S / sample_s), 3)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    count = np.minimum(index, n_before)
    with np.errstate(invalid="ignore"):
        mean = (sums[index] - sums[index - count]) / count
    too_few = count < max(_LEAST_HISTORY_S / sample_s, 2)
    return np.where(too_few, np.inf, mean + _LEAST_MESSAGES / sample_s)
