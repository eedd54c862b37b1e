"""A chat as columns, and numbers for the values in one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chatlib.records import NOBODY, Message

__all__ = ["ChatColumns", "Codes"]


class Codes(dict):
    """Numbers for values: what is new gets the next one."""

    def __missing__(self, value: Hashable) -> int:
        self[value] = code = len(self)
        return code

    def encode(self, values: Sequence[Hashable]) -> np.ndarray:
        """Return the numbers of values."""
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
