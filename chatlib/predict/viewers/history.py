"""What was known of a viewer before a stream began: from strictly earlier dates only."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["HISTORY_COLUMNS", "build_history", "rank_dates"]

HISTORY_COLUMNS = (
    "past_streams",
    "past_messages",
    "past_paid_streams",
    "past_payments",
    "past_gifts",
    "days_since_first_seen",
    "days_since_seen",
    "days_since_paid",
    "days_between_payments",
    "past_streams_of_channel",
)


def rank_dates(dates: pd.Series) -> np.ndarray:
    """Return days since 1970, float, from ISO 8601 dates; one without a zone is UTC."""
    days = pd.to_datetime(dates, utc=True, format="ISO8601")
    return ((days - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)).to_numpy(float)


def build_history(attendance: pd.DataFrame, *, dates: np.ndarray, stream_dates: np.ndarray) -> pd.DataFrame:
    """Return HISTORY_COLUMNS and `badges` for each row of `attendance`, in its order.

    `attendance` has one row per author and stream: author, n_rows, n_paid, n_gifts,
    last_badges; `dates` says when, in days, and `stream_dates` when the channel had streams.
    A row's history is the sum over the author's rows of strictly earlier dates: two streams of
    one day, with no time given, know nothing of each other. Days are NaN where it never
    happened, badges None where the author is new.
    """
    order = np.lexsort((dates, attendance["author"].to_numpy()))
    past = _Past(attendance["author"].to_numpy()[order], dates[order])
    paid = attendance["n_paid"].to_numpy(float)[order]
    sums = {
        "past_streams": np.ones(len(order)),
        "past_messages": attendance["n_rows"].to_numpy(float)[order],
        "past_paid_streams": (paid > 0).astype(float),
        "past_payments": paid,
        "past_gifts": attendance["n_gifts"].to_numpy(float)[order],
    }
    table = {name: past.sum(values) for name, values in sums.items()}
    now = dates[order]
    last_paid, first_paid = past.last(paid > 0), past.first(paid > 0)
    last_seen = past.last(np.ones(len(order), bool))
    table["days_since_first_seen"] = now - past.at(dates[order], past.first(np.ones(len(order), bool)))
    table["days_since_seen"] = now - past.at(dates[order], last_seen)
    table["days_since_paid"] = now - past.at(dates[order], last_paid)
    span = past.at(dates[order], last_paid) - past.at(dates[order], first_paid)
    often = table["past_paid_streams"]
    table["days_between_payments"] = np.where(often > 1, span / np.maximum(often - 1, 1), np.nan)
    table["past_streams_of_channel"] = np.searchsorted(np.sort(stream_dates), now, side="left").astype(float)
    badges = attendance["last_badges"].to_numpy(object)[order]
    badges = np.where(last_seen < 0, None, badges[np.maximum(last_seen, 0)])
    table["badges"] = pd.Series(badges, dtype=object)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pd.DataFrame(table)[[*HISTORY_COLUMNS, "badges"]].iloc[back].reset_index(drop=True)


class _Past:
    """Sums and last rows over an author's earlier dates; rows are sorted by author, then date."""

    def __init__(self, author: np.ndarray, date: np.ndarray) -> None:
        n = len(author)
        new_author = np.ones(n, bool)
        new_author[1:] = author[1:] != author[:-1]
        new_date = new_author.copy()
        new_date[1:] |= date[1:] != date[:-1]
        rows = np.arange(n)
        self.author_start = np.maximum.accumulate(np.where(new_author, rows, 0))
        self.date_start = np.maximum.accumulate(np.where(new_date, rows, 0))

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of the author's values before the date."""
        total = np.concatenate([[0.0], np.cumsum(values)])
        return total[self.date_start] - total[self.author_start]

    def last(self, mask: np.ndarray) -> np.ndarray:
        """Return the author's last row of the mask before the date, -1 for none."""
        rows = np.where(mask, np.arange(len(mask)), -1)
        last = np.maximum.accumulate(rows)
        before = np.concatenate([[-1], last])[self.date_start]
        return np.where(before >= self.author_start, before, -1)

    def first(self, mask: np.ndarray) -> np.ndarray:
        """Return the author's first row of the mask before the date, -1 for none."""
        n = len(mask)
        rows = np.where(mask, np.arange(n), n)
        following = np.minimum.accumulate(rows[::-1])[::-1] if n else rows
        first = following[self.author_start] if n else rows
        return np.where(first < self.date_start, first, -1)

    @staticmethod
    def at(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the values at these rows, NaN where the row is -1."""
        return np.where(rows < 0, np.nan, values[np.maximum(rows, 0)]) if len(values) else values
