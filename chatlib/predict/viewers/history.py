"""What was known of a viewer before a stream began: from strictly earlier dates only.

Subscriptions return monthly, so what counts is not only that somebody paid, but when, how often,
and how many streams they have let pass since.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from chatlib.records import TWITCH

__all__ = ["HISTORY_COLUMNS", "MONTH", "RHYTHM_COLUMNS", "AsOf", "build_history", "order_streams", "to_days"]

MONTH = 30.44  # days
_MOMENT = 1e-4  # days: more than numbers lose by rounding
_NEXT = 1e-3  # days between streams of one date, of which only the order is known
_WINDOWS = {"attended_last_week": 7.5, "attended_last_30_days": 30.0, "attended_last_60_days": 60.0}
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

    def find(self, rank: int) -> np.ndarray:
        """Return the index of the first event (0), the last (-1) or the one before it (-2); -1 for none."""
        at = self.first if rank == 0 else self.end + rank
        known = (at >= self.first) & (at < self.end)
        return np.append(self.order, -1)[np.where(known, at, len(self.order))]

    def at(self, values: np.ndarray, rank: int) -> np.ndarray:
        """Return the value of the event that `find` finds, NaN for none."""
        return np.append(values, np.nan)[self.find(rank)]


def build_history(attendance: pd.DataFrame, *, stream_dates: np.ndarray) -> pd.DataFrame:
    """Return HISTORY_COLUMNS, RHYTHM_COLUMNS and `badges` for each row of `attendance`, in its order.

    `attendance` has one row per author and stream: author, day, n_rows, n_paid, n_gifts, last_badges;
    `stream_dates` are the days on which the channel had streams. Two streams at the same time know
    nothing of each other (see `order_streams`). What never happened is NaN, badges None where
    the author is new. `streams_since_paid_month` counts the streams attended when the 30 days after
    the last payment were over.
    """
    who, day = attendance["author"].to_numpy(np.int64), attendance["day"].to_numpy(float)
    paid = attendance["n_paid"].to_numpy() > 0
    seen = AsOf(who, day, asked=who, when=day)
    payments = AsOf(who[paid], day[paid], asked=who, when=day)
    n_seen, n_paid, paid_days = seen.count(), payments.count(), day[paid]
    first_paid, last_paid = payments.at(paid_days, 0), payments.at(paid_days, -1)
    since = day - last_paid
    table = {
        "past_streams": n_seen,
        "past_messages": seen.total(attendance["n_rows"].to_numpy(float)),
        "past_paid_streams": n_paid,
        "past_payments": seen.total(attendance["n_paid"].to_numpy(float)),
        "past_gifts": seen.total(attendance["n_gifts"].to_numpy(float)),
        "days_since_first_seen": day - seen.at(day, 0),
        "days_since_seen": day - seen.at(day, -1),
        "days_since_paid": since,
        "days_between_payments": np.where(
            n_paid > 1, (last_paid - first_paid) / np.maximum(n_paid - 1, 1), np.nan
        ),
        "past_streams_of_channel": np.searchsorted(np.sort(stream_dates), day, side="left").astype(float),
        "days_since_paid_before_last": day - payments.at(paid_days, -2),
        "paid_last_40_days": payments.count(40.0),
        "paid_last_95_days": payments.count(95.0),
        "day_of_paid_month": since % MONTH,
        "streams_since_paid": seen.count(since),
        "streams_since_paid_month": seen.count(since - 30.0),
        "paid_per_month": n_paid / (1.0 + (day - first_paid) / MONTH),
        "paid_per_stream": n_paid / (1.0 + n_seen),
        **{name: seen.count(days) for name, days in _WINDOWS.items()},
    }
    badges = np.append(attendance["last_badges"].to_numpy(object), [None])[seen.find(-1)]
    return pd.DataFrame(table).assign(badges=pd.Series(badges, dtype=object))
