"""What is known of each person before a stream begins, kept up to date a stream at a time.

Memory is arrays by person, so that asking about thousands of people is a few dozen operations.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd

from chatlib.predict.viewers.history import MONTH
from chatlib.records import is_member

__all__ = ["BADGE_FEATURES", "HALF_LIVES", "RECENT", "Memory", "build_badges", "count_months"]

BADGE_FEATURES = ("member", "member_months", "moderator", "vip", "verified", "premium", "gifter", "bits",
                  "n_badges")  # fmt: skip
# A number and a unit, of which years are known in the languages that YouTube writes them in.
_TIME = re.compile(
    r"(?<!\d)(\d{1,4})[ -]?(?:(a[nñ]|jahr|jaar|lat|rok|tahun|year|yıl|год|лет|年|년|ปี)|[^\W\d])", re.I
)
_BADGES = {
    "moderator": re.compile("moderator", re.I),
    "vip": re.compile("vip", re.I),
    "verified": re.compile("verified|partner", re.I),
    "premium": re.compile("premium|prime|turbo", re.I),
    "gifter": re.compile("gift", re.I),
    "bits": re.compile("bits|cheer", re.I),
}

HALF_LIVES = (3, 10, 30)  # streams
RECENT = (1, 2, 3, 5, 10, 20)  # streams


class Memory:
    """What is known of each person so far, in arrays by person; NaN is never.

    Counts that decay hold their value at the person's last visit, and are brought forward when asked.
    """

    def __init__(
        self, n_people: int, person: np.ndarray, visits: dict[str, np.ndarray], badges: np.ndarray
    ) -> None:
        self.person, self.visits, self.badges = person, visits, badges
        counts = ("visits", "messages", "in_a_row", "paid", "since_paid", "as_member", "paid_lately",
                  "messages_lately", "chars_lately", "week", "month")  # fmt: skip
        times = ("first_day", "first_k", "day", "k", "k_before", "paid_day", "paid_k", "paid_day_before",
                 "first_s", "last_s", "member_day", "no_member_day")  # fmt: skip
        self.of = {name: np.zeros(n_people) for name in (*counts, *map(str, HALF_LIVES))}
        self.of |= {name: np.full(n_people, np.nan) for name in times}
        self.row = np.full(n_people, -1)  # of the last visit
        self.pattern = np.zeros(n_people, np.uint64)  # a bit per stream, the last visit's lowest
        self.last_day = np.nan  # of the channel's last stream

    def find_recent(self, since: float) -> np.ndarray:
        """Return the people whose last visit was on that day or later."""
        return np.flatnonzero(self.of["day"] >= since)

    def ask(self, who: np.ndarray, day: float, k: int) -> dict[str, np.ndarray]:
        """Return the features of these people before stream k, without those of notices.

        Of who is new nothing is known: counts are 0, the others NaN.
        """
        of, row = {name: values[who] for name, values in self.of.items()}, self.row[who]
        missed, away = k - 1 - of["k"], day - of["day"]
        pattern = _shift(self.pattern[who], np.nan_to_num(missed))
        badges = np.where(row[:, None] >= 0, self.badges[row], np.nan)
        since_paid = day - of["paid_day"]
        return {
            "days_since_paid": since_paid,
            "days_between_last_payments": of["paid_day"] - of["paid_day_before"],
            "day_of_paid_month": since_paid % MONTH,
            "streams_since_paid": k - of["paid_k"],
            "visits_since_paid": of["since_paid"],
            "paid_visits": of["paid"],
            "paid_visits_lately": of["paid_lately"] * 0.5 ** (missed / 30),
            "visits": of["visits"],
            **{f"visits_half_life_{n}": of[str(n)] * 0.5 ** (missed / n) for n in HALF_LIVES},
            "visits_half_life_7_days": of["week"] * 0.5 ** (away / 7),
            "visits_half_life_30_days": of["month"] * 0.5 ** (away / 30),
            **{f"visits_of_last_{n}": _count_bits(pattern, n) for n in RECENT},
            "visits_in_a_row": of["in_a_row"],
            "visit_share": of["visits"] / np.maximum(k - of["first_k"], 1),
            "days_since_first_visit": day - of["first_day"],
            "days_since_visit": away,
            "streams_since_visit": k - of["k"],
            "streams_since_visit_before": k - of["k_before"],
            "usual_first_s": of["first_s"],
            "usual_last_s": of["last_s"],
            "last_messages": np.where(row >= 0, self.visits["n_rows"][row], np.nan),
            "messages_lately": of["messages_lately"] * 0.5 ** (missed / 10),
            "chars_lately": of["chars_lately"] * 0.5 ** (missed / 10),
            "messages_per_visit": of["messages"] / np.maximum(of["visits"], 1),
            **{name: badges[:, i] for i, name in enumerate(BADGE_FEATURES)},
            "visits_as_member": of["as_member"],
            "days_since_member": day - of["member_day"],
            "days_since_no_member": day - of["no_member_day"],
            "days_since_stream": np.full(len(who), day - self.last_day),
        }

    def add(self, rows: np.ndarray, day: float, k: int) -> None:
        """Add the visits to stream k, which are these rows."""
        self.last_day = day
        who, of = self.person[rows], self.of
        visit = {name: values[rows] for name, values in self.visits.items()}
        streams, days = np.nan_to_num(k - of["k"][who]), np.nan_to_num(day - of["day"][who])
        for name, add, fade in (
            *((str(n), 1.0, 0.5 ** (streams / n)) for n in HALF_LIVES),
            ("week", 1.0, 0.5 ** (days / 7)),
            ("month", 1.0, 0.5 ** (days / 30)),
            ("paid_lately", visit["paid"] > 0, 0.5 ** (streams / 30)),
            ("messages_lately", visit["n_rows"], 0.5 ** (streams / 10)),
            ("chars_lately", visit["chars"], 0.5 ** (streams / 10)),
            ("visits", 1.0, 1.0),
            ("messages", visit["n_rows"], 1.0),
            ("since_paid", 1.0, visit["paid"] == 0),
            ("in_a_row", 1.0, of["k"][who] == k - 1),
        ):
            of[name][who] = of[name][who] * fade + add
        of["since_paid"][who[visit["paid"] > 0]] = 0.0
        self.pattern[who] = _shift(self.pattern[who], streams) | np.uint64(1)
        new = who[np.isnan(of["k"][who])]
        of["first_day"][new], of["first_k"][new] = day, k
        of["k_before"][who] = of["k"][who]
        of["day"][who], of["k"][who] = day, k
        for name in ("first_s", "last_s"):
            known, now = of[name][who], visit[name]
            of[name][who] = np.where(np.isnan(known) | np.isnan(now), now, 0.7 * known + 0.3 * now)
        payers = who[visit["paid"] > 0]
        of["paid_day_before"][payers] = of["paid_day"][payers]
        of["paid_day"][payers], of["paid_k"][payers] = day, k
        of["paid"][payers] += 1
        self._add_badges(rows, who, day)
        self.row[who] = rows

    def _add_badges(self, rows: np.ndarray, who: np.ndarray, day: float) -> None:
        member = BADGE_FEATURES.index("member")
        now = self.badges[rows, member] > 0
        known = self.row[who] >= 0
        before = known & (self.badges[self.row[who], member] > 0)
        self.of["member_day"][who[now & ~before]] = day
        self.of["no_member_day"][who[~now & before]] = day
        self.of["as_member"][who] = np.where(now, self.of["as_member"][who] + 1, 0.0)


def _shift(pattern: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return the patterns n streams later."""
    return np.where(n < 64, pattern << np.minimum(n, 63).astype(np.uint64), np.uint64(0))


def _count_bits(pattern: np.ndarray, n: int) -> np.ndarray:
    """Return how many of the last n streams a pattern has."""
    return np.bitwise_count(pattern & np.uint64((1 << n) - 1)).astype(float)


def build_badges(badges: pd.Series) -> pd.DataFrame:
    """Return BADGE_FEATURES of JSON arrays of badge titles; all NaN where there is None."""
    codes, distinct = pd.factorize(badges, use_na_sentinel=True)
    rows = [_describe_badges(text) for text in distinct]
    table = np.array([*rows, [np.nan] * len(BADGE_FEATURES)], float)
    return pd.DataFrame(table[codes], columns=list(BADGE_FEATURES))


def _describe_badges(badges: str) -> list[float]:
    titles = json.loads(badges)
    months = np.fmax.reduce([0.0, *(count_months(t) for t in titles if is_member(json.dumps([t])))])
    kinds = [float(any(pattern.search(t) for t in titles)) for pattern in _BADGES.values()]
    return [float(is_member(badges)), months, *kinds, float(len(titles))]


def count_months(length: str) -> float:
    """Return the months that a text such as `6 months`, `1-Year` or `6 個月` says, NaN where it says none."""
    found = _TIME.search(length)
    return float(found[1]) * (12 if found[2] else 1) if found else np.nan
