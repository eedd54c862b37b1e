"""When streams were broadcast, where their dates say when they were uploaded.

Archives date a stream by its upload, days or weeks after the broadcast. Subscribers tell the true time: who
says "for 7 months" and later "for 9 months" let two months pass in between. Streams' dates are moved so
that the months named agree, once enough of these cannot be true by the dates: right dates stay as they are.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve

from chatlib.predict.viewers.history import MONTH

__all__ = ["Clock"]

_WINDOW = 200  # streams, the latest, that are moved
_LEAST_WRONG, _WRONG_SHARE = 5, 0.03  # pairs of a person's notices, before a date is moved
_NOTICE_DAYS = 4.0  # by which notices usually stray: a renewal is told of at the next visit
_SHIFT_DAYS = 20.0  # the larger, the more easily a date is moved
_STEP_DAYS = 3.0  # the smaller, the more alike are the shifts of neighbours
_TOO_LATE = 30.0  # times as hard: a stream was not broadcast after its upload
_EXACT_DAYS = 0.5
_CLOSE_DAYS = 0.02
_N_STEPS = 100  # at most


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
