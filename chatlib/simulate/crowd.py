"""Who is there: viewers with latent traits, which of them come to a stream, and who pays.

The regulars are a pool of fixed size; some leave after every stream and others take their
place, so memory does not grow with the number of streams.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

__all__ = ["PAY_WEIGHTS", "TRAITS", "Audience", "Crowd"]

TRAITS = ("engagement", "affinity", "wealth", "mood", "humour", "curiosity", "formality")

# The logistic model of paying, on traits of mean 0 and variance 1; the intercept is set
# per stream so that its share of donors is what the stream's luck says.
PAY_WEIGHTS = {"engagement": 0.75, "affinity": 1.05, "wealth": 0.45, "mood": 1.0}
PAY_BOTH = 0.25  # affinity x wealth

_REGULARS_PER_VIEWER = 1.45
_SHARE_OF_REGULARS = 0.62
_TURNOVER = 0.02
_WHIM = 1.3  # of who comes, beside loyalty
_JAPANESE_SHARE = 0.12
_N_CURRENCIES = 20
_LEVELS = (0, 1, 2, 6, 12, 24, 36)  # months of membership that have a badge of their own
_NEVER = 10**9
_POOL = np.dtype(
    [
        ("serial", int),
        ("traits", float, len(TRAITS)),
        ("japanese", bool),
        ("luck", float),  # uniform, fixed per viewer: currency, style and the like
        ("loyalty", float),
        ("since", int),  # day on which a membership was bought
        ("gift_until", int),
        ("announced", int),  # level of the membership that was told last
        ("seen", bool),
        ("moderator", bool),
    ]
)


class Audience(NamedTuple):
    """The viewers of one stream, as arrays of one length; `months` is -1 for no member."""

    serial: np.ndarray
    traits: np.ndarray  # (n, len(TRAITS))
    japanese: np.ndarray
    luck: np.ndarray
    months: np.ndarray
    moderator: np.ndarray
    announces: np.ndarray  # months announced in this stream, or -1
    probability: np.ndarray
    pays: np.ndarray
    slot: np.ndarray  # place in the pool, -1 for who comes once


class Crowd:
    """The channel's public over time. Call `gather` once per stream, in order of date."""

    def __init__(self, seed: int, *, n_viewers: int) -> None:
        self._seed = seed
        rng = np.random.default_rng([seed, 0, 1])
        n = max(4, round(n_viewers * _REGULARS_PER_VIEWER))
        self._next_serial = 2  # 0 is the owner, 1 the bot
        self._pool = self._draw_regulars(rng, n, affinity=0.25, earliest=-600, latest=150)
        self._pool["announced"] = np.searchsorted(_LEVELS, -self._pool["since"] / 30.4, side="right")
        self._pool["moderator"][np.argsort(-self._pool["loyalty"])[: 2 + n // 400]] = True
        self._before = self._pool
        self._intercept, self._n_regulars = 0.0, 0
        self.n_authors = 0

    def gather(self, index: int, day: int, *, n_viewers: int) -> Audience:
        """Return who comes to the stream number `index`, on `day` since the channel's first."""
        rng = np.random.default_rng([self._seed, index, 2])
        self._before = self._pool.copy()
        leaves = rng.random(len(self._pool)) < _TURNOVER
        gone = np.flatnonzero(leaves & ~self._pool["moderator"])
        self._pool[gone] = self._draw_regulars(rng, len(gone), affinity=0.1, earliest=day, latest=day + 150)
        wish = self._pool["loyalty"] + _WHIM * rng.standard_normal(len(self._pool))
        n_present = min(len(wish), round(n_viewers * _SHARE_OF_REGULARS))
        present = np.sort(np.argsort(-wish, kind="stable")[:n_present])
        here = self._pool[present]
        self.n_authors += int((~here["seen"]).sum())
        self._pool["seen"][present] = True
        n_new = max(1, n_viewers - len(present))
        new = _draw_traits(rng, n_new, affinity=-0.45)
        traits = np.concatenate([here["traits"], new])
        serial = np.concatenate([here["serial"], self.take_serials(n_new)])
        day_mood = rng.standard_normal(len(serial))
        traits[:, 3] = 0.4 * traits[:, 3] + np.sqrt(1 - 0.4**2) * day_mood
        months, announces = self._read_membership(rng, present, day)
        rate = float(np.clip(0.045 * np.exp(0.1 * rng.standard_normal()), 0.036, 0.054))
        probability, self._intercept = _pay_probability(traits, rate=rate)
        self._n_regulars = len(present)
        nowhere = np.full(n_new, -1)
        return Audience(
            serial,
            traits,
            np.concatenate([here["japanese"], rng.random(n_new) < _JAPANESE_SHARE]),
            np.concatenate([here["luck"], rng.random(n_new)]),
            np.concatenate([months, nowhere]),
            np.concatenate([here["moderator"], np.zeros(n_new, bool)]),
            np.concatenate([announces, nowhere]),
            probability,
            _sample_with(rng, probability),
            np.concatenate([present, nowhere]),
        )

    def expect(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return what was to be expected before the stream that was gathered last, of people seen earlier.

        Arrays of serial numbers, who writes Japanese, and the true probabilities of coming, and of coming and
        paying. People seen before and not in them never come again. Who comes is a draw among the regulars
        by loyalty and chance; who is not a moderator may have left.
        What the day's mood adds to paying is averaged over (Gauss-Hermite quadrature).
        """
        before = self._before
        traits, loyalty = before["traits"], before["loyalty"]
        low, high = loyalty.min() - 10.0, loyalty.max() + 10.0
        for _ in range(50):  # the wish from which on as many come as came
            middle = (low + high) / 2
            comes = ndtr((loyalty - middle) / _WHIM)
            low, high = (middle, high) if comes.sum() > self._n_regulars else (low, middle)
        comes = comes * np.where(before["moderator"], 1.0, 1.0 - _TURNOVER)
        moods, weights = np.polynomial.hermite_e.hermegauss(15)
        pays = np.zeros(len(before))
        for mood, weight in zip(moods, weights / weights.sum(), strict=True):
            day = traits.copy()
            day[:, 3] = 0.4 * traits[:, 3] + np.sqrt(1 - 0.4**2) * mood
            pays += weight * _sigmoid(_pay_score(day) + self._intercept)
        seen = before["seen"]
        return before["serial"][seen], before["japanese"][seen], comes[seen], (comes * pays)[seen]

    def take_serials(self, n: int) -> np.ndarray:
        """Return serial numbers of `n` people who were never seen before."""
        self.n_authors += n
        return self._take_serials(n)

    def give_memberships(self, slots: np.ndarray, day: int) -> None:
        """Make the regulars in these places of the pool members for a month."""
        self._pool["gift_until"][slots[slots >= 0]] = day + 30

    def _take_serials(self, n: int) -> np.ndarray:
        first = self._next_serial
        self._next_serial += n
        return np.arange(first, first + n)

    def _draw_regulars(
        self, rng: np.random.Generator, n: int, *, affinity: float, earliest: int, latest: int
    ) -> np.ndarray:
        """Return new regulars; those who are or will be members are so from a day between the two."""
        pool = np.zeros(n, _POOL)
        pool["serial"] = self._take_serials(n)
        pool["traits"] = traits = _draw_traits(rng, n, affinity=affinity)
        pool["japanese"] = rng.random(n) < _JAPANESE_SHARE
        pool["luck"] = rng.random(n)
        pool["loyalty"] = 0.6 * traits[:, 1] + 0.8 * rng.standard_normal(n)
        wants = rng.random(n) < _sigmoid(-2.0 + 1.1 * traits[:, 1] + 0.6 * traits[:, 2])
        since = (earliest + (latest - earliest) * rng.random(n)).astype(int)
        pool["since"] = np.where(wants, since, _NEVER)
        pool["gift_until"] = -_NEVER
        return pool

    def _read_membership(
        self, rng: np.random.Generator, present: np.ndarray, day: int
    ) -> tuple[np.ndarray, np.ndarray]:
        here = self._pool[present]
        since = here["since"]
        own = since <= day
        months = np.where(own, (day - since) // 30, -1)
        months = np.where(~own & (here["gift_until"] >= day), 0, months)
        level = np.searchsorted(_LEVELS, months, side="right")
        due = own & (level > here["announced"])
        tells = due & ((months == 0) | (rng.random(len(present)) < 0.6))
        self._pool["announced"][present] = np.where(due, level, here["announced"])
        return months, np.where(tells, months, -1)


def _draw_traits(rng: np.random.Generator, n: int, *, affinity: float) -> np.ndarray:
    traits = rng.standard_normal((n, len(TRAITS)))
    traits[:, 1] += affinity
    return traits


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _pay_score(traits: np.ndarray) -> np.ndarray:
    score = np.zeros(len(traits))
    for name, weight in PAY_WEIGHTS.items():
        score = score + weight * traits[:, TRAITS.index(name)]
    return score + PAY_BOTH * traits[:, 1] * traits[:, 2]


def _pay_probability(traits: np.ndarray, *, rate: float) -> tuple[np.ndarray, float]:
    """Return the probabilities of paying, and the intercept at which their mean is the rate."""
    score = _pay_score(traits)
    low, high = -20.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(score + middle).mean() < rate else (low, middle)
    return _sigmoid(score + low), low


def _sample_with(rng: np.random.Generator, probability: np.ndarray) -> np.ndarray:
    """Return who is drawn, each with exactly their probability, and as many as expected.

    Systematic sampling in random order (Madow 1949).
    """
    order = np.argsort(rng.random(len(probability)), kind="stable")
    edges = np.concatenate([[0.0], np.cumsum(probability[order])]) + rng.random()
    drawn = np.zeros(len(probability), bool)
    drawn[order] = np.floor(edges[1:]) > np.floor(edges[:-1])
    return drawn
