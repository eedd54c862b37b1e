"""What a viewer wrote in earlier streams, payments left out as everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from chatlib.predict.viewers.attendance import Keys
from chatlib.predict.viewers.history import rank_dates

__all__ = ["MAX_EARLIER", "Earlier", "find_earlier", "slice_rows"]

MAX_EARLIER = 120  # messages of one viewer, the latest


@dataclass(frozen=True)
class Earlier:
    """Messages of earlier dates. Those of viewer i are from `starts[i]` to `starts[i + 1]`, oldest first.

    `stream_ids` and `positions` say where message j is stored, `text_codes` what it says, as in
    `Viewers.texts`, and `days` how many days before the viewer's stream its own one was.
    """

    starts: np.ndarray
    stream_ids: np.ndarray
    positions: np.ndarray
    text_codes: np.ndarray
    days: np.ndarray

    def take(self, rows: np.ndarray) -> Earlier:
        """Return the messages of these viewers, in this order."""
        starts, at = slice_rows(self.starts, rows)
        return Earlier(starts, self.stream_ids[at], self.positions[at], self.text_codes[at], self.days[at])


def slice_rows(starts: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each of these rows starts once they are put together, and what they hold."""
    n = np.diff(starts)[rows]
    new = np.concatenate([[0], np.cumsum(n)])
    return new, np.repeat(starts[rows] - new[:-1], n) + np.arange(new[-1])


def find_earlier(
    messages: pd.DataFrame, keys: Keys, usable: np.ndarray, viewers: pd.DataFrame, *, most: int = MAX_EARLIER
) -> Earlier:
    """Return what each of `viewers` wrote on strictly earlier dates, its rows as text codes.

    `messages` are in order of time, `usable` is a mask of those that may be an input; of more than
    `most` of a viewer the latest are taken.
    """
    stream_date = rank_dates(keys.streams["started_at"])
    date, author = stream_date[keys.stream], keys.viewer_author[keys.viewer]
    viewer_date = rank_dates(viewers["started_at"])
    starts, rows = _take_latest(
        author, date, usable, viewers["author"].to_numpy(np.int64), viewer_date, most=most
    )
    return Earlier(
        starts=starts,
        stream_ids=messages["stream_id"].to_numpy(np.int64)[rows],
        positions=messages["position"].to_numpy(np.int64)[rows],
        text_codes=rows,
        days=np.repeat(viewer_date, np.diff(starts)) - date[rows],
    )


def _take_latest(
    author: np.ndarray,
    date: np.ndarray,
    usable: np.ndarray,
    viewer_author: np.ndarray,
    viewer_date: np.ndarray,
    *,
    most: int,
) -> tuple[np.ndarray, np.ndarray]:
    known = np.flatnonzero(usable)
    order = known[np.argsort(author[known], kind="stable")]
    dates, codes = np.unique(np.concatenate([date, viewer_date]), return_inverse=True)
    width = len(dates) + 1
    key = author[order] * width + codes[: len(date)][order]
    first = np.searchsorted(key, viewer_author * width, side="left")
    end = np.searchsorted(key, viewer_author * width + codes[len(date) :], side="left")
    first = np.maximum(first, end - most)
    starts = np.concatenate([[0], np.cumsum(end - first)])
    return starts, order[np.repeat(first - starts[:-1], end - first) + np.arange(starts[-1])]
