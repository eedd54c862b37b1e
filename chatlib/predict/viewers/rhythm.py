"""How regularly a viewer came and paid before a stream: habits, from strictly earlier dates only.

Subscriptions return monthly, so what counts is not only that somebody paid, but when, how often,
and how many streams they have let pass since.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["RHYTHM_COLUMNS", "build_rhythm"]

_MONTH = 30.44  # days
_MOMENT = 1e-4  # days: more than numbers lose by rounding
_WINDOWS = {"attended_last_week": 7.5, "attended_last_30_days": 30.0, "attended_last_60_days": 60.0}
RHYTHM_COLUMNS = (
    "days_since_paid_before_last",
    "paid_last_40_days",
    "paid_last_95_days",
    "day_of_paid_month",
    "streams_since_paid",
    "streams_since_paid_month",
    "paid_per_month",
    "paid_per_stream",
    *_WINDOWS,
)


def build_rhythm(author: np.ndarray, dates: np.ndarray, paid: np.ndarray) -> pd.DataFrame:
    """Return RHYTHM_COLUMNS for each row: one author in one stream on a date, in days, who paid in it or not.

    NaN where it never happened. `streams_since_paid_month` counts the streams attended when the
    30 days after the last payment were over.
    """
    dates, paid = np.asarray(dates, float), np.asarray(paid, bool)
    attended, payments = _Past(author, dates, np.ones(len(dates), bool)), _Past(author, dates, paid)
    since = dates - payments.date(-1)
    months = 1.0 + (dates - payments.date(0)) / _MONTH
    table = {
        "days_since_paid_before_last": dates - payments.date(-2),
        "paid_last_40_days": payments.count(40.0),
        "paid_last_95_days": payments.count(95.0),
        "day_of_paid_month": since % _MONTH,
        "streams_since_paid": attended.count(since),
        "streams_since_paid_month": attended.count(since - 30.0),
        "paid_per_month": payments.count(np.inf) / months,
        "paid_per_stream": payments.count(np.inf) / (1.0 + attended.count(np.inf)),
        **{name: attended.count(days) for name, days in _WINDOWS.items()},
    }
    return pd.DataFrame(table)[list(RHYTHM_COLUMNS)]


class _Past:
    """Events of authors as one line of time, an author's behind another's, asked from each row's date."""

    def __init__(self, author: np.ndarray, dates: np.ndarray, mask: np.ndarray) -> None:
        origin = dates.min() if len(dates) else 0.0
        length = 2.0 * (np.ptp(dates) + 1.0) if len(dates) else 1.0
        self.start = np.unique(author, return_inverse=True)[1] * length
        self.now = self.start + (dates - origin)
        order = np.argsort(self.now[mask], kind="stable")
        self.line, self.dates = self.now[mask][order], dates[mask][order]
        self.first = np.searchsorted(self.line, self.start)
        self.end = np.searchsorted(self.line, self.now)  # events of the same date are not of the past

    def count(self, days: float | np.ndarray) -> np.ndarray:
        """Return how many events there were in the days before, NaN where those are NaN."""
        since = np.maximum(self.now - days, self.start - _MOMENT)
        n = self.end - np.searchsorted(self.line, np.nan_to_num(since) + _MOMENT)
        return np.where(np.isnan(since), np.nan, np.maximum(n, 0))

    def date(self, rank: int) -> np.ndarray:
        """Return the date of the first (0), the last (-1) or the one before the last event (-2)."""
        at = self.first if rank == 0 else self.end + rank
        known = (at >= self.first) & (at < self.end)
        dates = np.append(self.dates, np.nan)
        return dates[np.where(known, at, len(self.dates))]
