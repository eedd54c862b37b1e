"""Streams in order of time, when they truly were, and events that lay strictly before a question.

Archives date a stream by its upload, days or weeks after the broadcast. Subscribers tell the true time: who
says "for 7 months" and later "for 9 months" let two months pass in between. `Clock` moves streams' dates so
that the months named agree, once enough of these cannot be true by the dates: right dates stay as they are.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import spsolve

from chatlib.records import TWITCH

__all__ = ["MONTH", "AsOf", "Clock", "order_streams", "to_days"]

MONTH = 30.44  # days
_MOMENT = 1e-4  # days: more than numbers lose by rounding
_NEXT = 1e-3  # days between streams of one date, of which only the order is known
_WINDOW = 200  # streams, the latest, that are moved
_LEAST_WRONG, _WRONG_SHARE = 5, 0.03  # pairs of a person's notices, before a date is moved
_NOTICE_DAYS = 4.0  # by which notices usually stray: a renewal is told of at the next visit
_SHIFT_DAYS = 20.0  # the larger, the more easily a date is moved
_STEP_DAYS = 3.0  # the smaller, the more alike are the shifts of neighbours
_TOO_LATE = 30.0  # times as hard: a stream was not broadcast after its upload
_EXACT_DAYS = 0.5
_CLOSE_DAYS = 0.02
_N_STEPS = 100  # at most


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


class Clock:
    """The dates of a channel's streams, asked for in their order, each from what was said before it.

    `days` are the dates of the streams as given, in their order. Notices are by `person` in `stream` (its
    place in that order), who named that many `months`.
    """

    def __init__(
        self, days: np.ndarray, *, stream: np.ndarray, person: np.ndarray, months: np.ndarray
    ) -> None:
        order = np.argsort(stream, kind="stable")
        self.days, self._stream, self._person = days, stream[order], person[order]
        self._months = months[order].astype(float)
        self._shifts = np.zeros(0)
        # Between two notices at least the months passed that are full for sure.
        pairs = np.lexsort((stream, person))
        passed, grown = np.diff(days[stream[pairs]]), np.diff(months[pairs].astype(float))
        again, wrong = np.diff(person[pairs]) == 0, passed < MONTH * (grown - 1) - _NOTICE_DAYS
        self._pairs, self._wrong = (np.sort(stream[pairs][1:][mask]) for mask in (again, again & wrong))

    def read(self, k: int) -> np.ndarray:
        """Return when streams 0 to k were, in days, from notices in streams before k.

        By least absolute deviations, as iteratively reweighted least squares: of streams from their dates, of
        neighbours' shifts from each other, and of notices beyond a few days (Huber 1964). It begins where the
        last answer ended, which saves time and, the sum being convex, changes nothing.
        """
        n_pairs, n_wrong = (np.searchsorted(at, k) for at in (self._pairs, self._wrong))
        if n_wrong < max(_LEAST_WRONG, _WRONG_SHARE * n_pairs):
            return self.days[: k + 1].copy()
        start = max(k + 1 - _WINDOW, 0)
        shifts, n_known = np.zeros(k + 1), min(len(self._shifts), k + 1)
        if n_known:
            shifts[:n_known], shifts[n_known:] = self._shifts[:n_known], self._shifts[n_known - 1]
        shifts[:start] = 0.0
        among = slice(*np.searchsorted(self._stream, [start, k]))
        _, person, counts = np.unique(self._person[among], return_inverse=True, return_counts=True)
        again = counts[person] > 1
        if again.any():
            stream, months = self._stream[among][again] - start, self._months[among][again]
            person = np.unique(person[again], return_inverse=True)[1]
            shifts[start:] = _fit_shifts(self.days[start : k + 1], shifts[start:], stream, person, months)
        self._shifts = shifts
        return self.days[: k + 1] + shifts


def _fit_shifts(
    days: np.ndarray, shifts: np.ndarray, stream: np.ndarray, person: np.ndarray, months: np.ndarray
) -> np.ndarray:
    """Return by how many days each stream is moved, starting from `shifts`.

    The unknowns are the shifts and, for each person, the day on which their months began.
    """
    n, n_people, every = len(days), int(person.max()) + 1, np.arange(len(stream))
    ones = np.ones(len(stream))
    places = (np.concatenate([every, every]), np.concatenate([stream, n + person]))
    notices = sparse.csr_matrix((np.concatenate([ones, -ones]), places), (len(stream), n + n_people))
    wanted = MONTH * (months - 1) - days[stream]
    steps = sparse.diags([-np.ones(n), np.ones(n)], [0, 1], shape=(n - 1, n + n_people))
    began = days[stream] + shifts[stream] - MONTH * (months - 1)
    began = np.bincount(person, began) / np.bincount(person)
    x = np.concatenate([shifts, began])
    for _ in range(_N_STEPS):
        stray = np.maximum(np.abs(notices @ x - wanted) / _NOTICE_DAYS, 1.0)
        weight = 1.0 / (_NOTICE_DAYS**2 * stray)
        apart = np.maximum(np.abs(x[:n]), _EXACT_DAYS) * _SHIFT_DAYS
        stay = np.where(x[:n] > _EXACT_DAYS, _TOO_LATE, 1.0) / apart
        alike = 1.0 / (_STEP_DAYS * np.maximum(np.abs(np.diff(x[:n])), _EXACT_DAYS))
        normal = notices.T @ sparse.diags(weight) @ notices + steps.T @ sparse.diags(alike) @ steps
        normal += sparse.diags(np.concatenate([stay, np.full(n_people, 1e-8)]))
        before, x = x, spsolve(normal.tocsc(), notices.T @ (weight * wanted))
        if np.abs(x[:n] - before[:n]).max() < _CLOSE_DAYS:
            break
    return x[:n]


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
