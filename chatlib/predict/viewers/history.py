"""Streams in order of time, and events that lay strictly before a question."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chatlib.records import TWITCH

__all__ = ["MONTH", "AsOf", "order_streams", "to_days"]

MONTH = 30.44  # days
_MOMENT = 1e-4  # days: more than numbers lose by rounding
_NEXT = 1e-3  # days between streams of one date, of which only the order is known


def to_days(dates: pd.Series) -> np.ndarray:
    """Return days since 1970, float, from ISO 8601 dates; one without a zone is UTC."""
    days = pd.to_datetime(dates, utc=True, format="ISO8601")
    return ((days - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)).to_numpy(float)


def order_streams(streams: pd.DataFrame) -> pd.DataFrame:
    """Return dated streams oldest first, with `day`: when they started, in days since 1970.

    Often only a date is known. Twitch numbers its videos in time, so there each stream comes a moment
    after the one before it. Elsewhere streams with the same start stay at the same time: neither is
    known to be earlier.
    """
    number = pd.to_numeric(streams["video_id"].where(streams["platform"] == TWITCH), errors="coerce")
    table = streams.assign(day=to_days(streams["started_at"]), number=number)
    table = table.sort_values(["day", "number"], kind="stable", ignore_index=True)
    rank = table.groupby(["day", "platform"]).cumcount().where(table["number"].notna(), 0)
    return table.assign(day=table["day"] + _NEXT * rank).drop(columns="number")


class AsOf:
    """People's events, seen from questions: of a question on a day only strictly earlier events count.

    Events `order[first[i]:end[i]]` are those of question i's person before its day, oldest first;
    of one day, in the order given. People are integers of 0 or more, times are days.
    """

    def __init__(self, people: np.ndarray, days: np.ndarray, *, asked: np.ndarray, when: np.ndarray) -> None:
        # One line of time for all, a person's behind another's.
        every = np.concatenate([days, when])
        origin, length = (every.min(), 2.0 * (np.ptp(every) + 1.0)) if len(every) else (0.0, 1.0)
        line = people * length + (days - origin)
        self.order = np.argsort(line, kind="stable")
        self._line = line[self.order]
        self._start = asked * length
        self._now = self._start + (when - origin)
        self.first = np.searchsorted(self._line, self._start)
        self.end = np.searchsorted(self._line, self._now)

    def count(self, days: float | np.ndarray = np.inf) -> np.ndarray:
        """Return how many events there were in the days before, NaN where those are NaN."""
        since = np.maximum(self._now - days, self._start - _MOMENT)
        n = self.end - np.searchsorted(self._line, np.nan_to_num(since) + _MOMENT)
        return np.where(np.isnan(since), np.nan, np.maximum(n, 0))

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of the events' values."""
        sums = np.concatenate([[0.0], np.cumsum(values[self.order])])
        return sums[self.end] - sums[self.first]

    def at(self, values: np.ndarray, rank: int) -> np.ndarray:
        """Return the value of the first event (0), the last (-1) or the one before it (-2); NaN for none."""
        at = self.first if rank == 0 else self.end + rank
        known = (at >= self.first) & (at < self.end)
        return np.append(values[self.order], np.nan)[np.where(known, at, len(self.order))]
