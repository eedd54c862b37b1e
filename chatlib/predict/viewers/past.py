"""What is known of each person before a stream begins: what they did, and what was announced of them.

Memory is kept up to date a stream at a time, in arrays by person, so that asking about thousands of people is
a few dozen operations. Notices name kind, months, tier, streak, and so when the next renewal is due. Twitch
announces subscriptions, YouTube memberships, which are no payment in the chat but say who is a member
and since when. What has no notice (Super Chats, bits) counts by its kind and its day. Only what is
strictly earlier is read.
"""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd

from chatlib.predict.viewers.history import MONTH, AsOf
from chatlib.records import AMOUNT_KINDS, GIFT_RECEIVED_KINDS, MEMBERSHIP_KINDS, is_member

__all__ = [
    "BADGE_FEATURES",
    "HABIT_COLUMNS",
    "MEMORY_GROUPS",
    "NOTICE_COLUMNS",
    "SUBSCRIPTIONS",
    "Memory",
    "build_badges",
    "build_habits",
    "build_notices",
    "parse_notices",
]

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

_HALF_LIVES = (3, 10, 30)  # streams
_RECENT = (1, 2, 3, 5, 10, 20)  # streams

SUBSCRIPTIONS = (
    "subscription",
    "resubscription",
    "prime_paid_upgrade",
    "gift_paid_upgrade",
    *MEMBERSHIP_KINDS,
)
_GROUPS = {
    "renewal": ("resubscription",),
    "new": ("subscription", "prime_paid_upgrade", "gift_paid_upgrade"),
    "gift": ("subscription_gift", "mystery_subscription_gift", "sponsorships_gift_purchase_announcement"),
    "received": tuple(GIFT_RECEIVED_KINDS),
    "tip": tuple(AMOUNT_KINDS),  # and bits
}
_AT_ONCE_S = 1.0


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
        self.of = {name: np.zeros(n_people) for name in (*counts, *map(str, _HALF_LIVES))}
        self.of |= {name: np.full(n_people, np.nan) for name in times}
        self.row = np.full(n_people, -1)  # of the last visit
        self.pattern = np.zeros(n_people, np.uint64)  # a bit per stream, the last visit's lowest
        self.last_day = np.nan  # of the channel's last stream

    def find_recent(self, since: float) -> np.ndarray:
        """Return the people whose last visit was on that day or later."""
        return np.flatnonzero(self.of["day"] >= since)

    def ask(self, who: np.ndarray, day: float, k: int) -> dict[str, dict[str, np.ndarray]]:
        """Return the features of these people before stream k, by group, without those of notices.

        Of who is new nothing is known: counts are 0, the others NaN.
        """
        of, row = {name: values[who] for name, values in self.of.items()}, self.row[who]
        missed, away = k - 1 - of["k"], day - of["day"]
        pattern = _shift(self.pattern[who], np.nan_to_num(missed))
        badges = np.where(row[:, None] >= 0, self.badges[row], np.nan)
        since_paid = day - of["paid_day"]
        return {
            "renewal": {
                "days_since_paid": since_paid,
                "days_between_last_payments": of["paid_day"] - of["paid_day_before"],
                "day_of_paid_month": since_paid % MONTH,  # counted anew each month
                "streams_since_paid": k - of["paid_k"],  # of the channel
                "visits_since_paid": of["since_paid"],
            },
            "payments": {
                "paid_visits": of["paid"],
                "paid_visits_lately": of["paid_lately"] * 0.5 ** (missed / 30),
            },
            "attendance": {
                "visits": of["visits"],
                **{f"visits_half_life_{n}": of[str(n)] * 0.5 ** (missed / n) for n in _HALF_LIVES},
                "visits_half_life_7_days": of["week"] * 0.5 ** (away / 7),
                "visits_half_life_30_days": of["month"] * 0.5 ** (away / 30),
                **{f"visits_of_last_{n}": _count_bits(pattern, n) for n in _RECENT},
                "visits_in_a_row": of["in_a_row"],
                "visit_share": of["visits"] / np.maximum(k - of["first_k"], 1),  # since the first visit
                "days_since_first_visit": day - of["first_day"],
                "days_since_visit": away,
                "streams_since_visit": k - of["k"],
                "streams_since_visit_before": k - of["k_before"],
                "usual_first_s": of["first_s"],  # decaying mean of when they first wrote, and last
                "usual_last_s": of["last_s"],
            },
            "writing": {
                "last_messages": np.where(row >= 0, self.visits["n_rows"][row], np.nan),
                "messages_lately": of["messages_lately"] * 0.5 ** (missed / 10),
                "chars_lately": of["chars_lately"] * 0.5 ** (missed / 10),
                "messages_per_visit": of["messages"] / np.maximum(of["visits"], 1),
            },
            "badges": {
                **{name: badges[:, i] for i, name in enumerate(BADGE_FEATURES)},  # as last worn
                "visits_as_member": of["as_member"],  # in a row
                "days_since_member": day - of["member_day"],  # since the badge appeared, and was gone
                "days_since_no_member": day - of["no_member_day"],
            },
            "channel": {"days_since_stream": np.full(len(who), day - self.last_day)},
        }

    def add(self, rows: np.ndarray, day: float, k: int) -> None:
        """Add the visits to stream k, which are these rows."""
        self.last_day = day
        who, of = self.person[rows], self.of
        visit = {name: values[rows] for name, values in self.visits.items()}
        streams, days = np.nan_to_num(k - of["k"][who]), np.nan_to_num(day - of["day"][who])
        for name, add, fade in (
            *((str(n), 1.0, 0.5 ** (streams / n)) for n in _HALF_LIVES),
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


def build_notices(events: pd.DataFrame, *, asked: np.ndarray, when: np.ndarray) -> pd.DataFrame:
    """Return the features of notices for each person asked about, as of a day; NaN for what is not known.

    `events` are payments and memberships as `parse_notices` returns them, with author and day. Days are
    times since 1970, as in `order_streams`.
    """
    events = events.sort_values(["author", "day"], kind="stable", ignore_index=True)
    told = events["kind"].isin(SUBSCRIPTIONS) & events["months"].notna()
    columns = _find_renewals(events[told].reset_index(drop=True), asked, when)
    for name, kinds in _GROUPS.items():
        of_group = events["kind"].isin(kinds).to_numpy(bool)
        day = events["day"].to_numpy(float)[of_group]
        past = AsOf(events["author"].to_numpy(np.int64)[of_group], day, asked=asked, when=when)
        columns |= {f"{name}_days_since": when - past.at(day, -1), f"{name}_n": past.count()}
    return pd.DataFrame(columns)


def parse_notices(events: pd.DataFrame) -> pd.DataFrame:
    """Return the events with the months, tier (0 is Prime) and streak that their sentences name.

    Months are those begun: Twitch's first is 1; YouTube counts what is over, so that a new member is in month
    1, and a "Member for 6 months" in month 7. Memberships become Twitch's kinds of subscription, bits Super
    Chats.
    """
    notice, kind = events["notice"].astype("string"), events["kind"].to_numpy(object)
    numbers = {"months": r"for (\d{1,4}) months?", "tier": r"Tier (\d)", "streak": r"on a (\d{1,4}) month"}
    joined = np.isin(kind, list(MEMBERSHIP_KINDS))
    found = {
        name: pd.to_numeric(notice.str.extract(pattern)[0], errors="coerce").astype(float).mask(joined)
        for name, pattern in numbers.items()
    }
    found["tier"] = found["tier"].mask(notice.str.contains("Prime", na=False).to_numpy(bool) & ~joined, 0.0)
    found["months"] = found["months"].mask(kind == "subscription", 1.0)
    found["months"][joined] = np.array([_read_milestone(text) for text in notice[joined].fillna("")], float)
    is_new = (found["months"] == 1).to_numpy(bool)
    tips = (events["bits"].astype("Float64").fillna(0) > 0).to_numpy(bool)
    choices = [joined & is_new, joined & ~is_new, tips], ["subscription", "resubscription", "paid_message"]
    return events.assign(kind=np.select(*choices, kind), **found)


def _read_milestone(notice: str) -> float:
    """Return the month that YouTube's sentence about a member says they are in, NaN where it does not.

    A milestone has its length and the level's name; a welcome is one part, and may hold a number, too.
    """
    length, several, _ = notice.partition(" · ")
    return count_months(length) + 1.0 if several or length.startswith("Member for ") else 1.0


def _find_renewals(notices: pd.DataFrame, asked: np.ndarray, when: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the last notice named, and when the next renewal was due.

    Whoever announces m months on a day began between m and m - 1 months before. Each notice narrows
    the beginning down; a contradiction (a pause) starts anew. The next renewal is due m months later.
    """
    day, months = notices["day"].to_numpy(float), notices["months"].to_numpy(float)
    past = AsOf(notices["author"].to_numpy(np.int64), day, asked=asked, when=when)
    earliest, latest = day - MONTH * months, day - MONTH * (months - 1)
    by_author = pd.DataFrame({"earliest": earliest, "latest": latest}).groupby(notices["author"])
    low, high = by_author["earliest"].cummax().to_numpy(), by_author["latest"].cummin().to_numpy()
    began, began_before = past.at(latest, -1), past.at(latest, -2)
    first_began, last_months = past.at(by_author["latest"].cummin().to_numpy(), -1), past.at(months, -1)
    paused = low >= high
    low, high = np.where(paused, earliest, low), np.where(paused, latest, high)
    first = notices.groupby("author")["months"].transform("first").to_numpy(float)
    n_so_far = notices.groupby("author").cumcount().to_numpy() + 1.0
    since = when - past.at(day, -1)
    return {
        **{name: past.at(notices[name].to_numpy(float), -1) for name in ("months", "tier", "streak")},
        "days_since_notice": since,
        "n_notices": past.count(),
        "months_by_now": past.at(months, -1) + since / MONTH,
        "overdue_at_most": when - past.at(low + MONTH * months, -1),
        "overdue_at_least": when - past.at(high + MONTH * months, -1),
        "overdue_by_earliest": when - (first_began + MONTH * last_months),
        "overdue_by_last_two": when - (np.fmin(began, began_before) + MONTH * last_months),
        "due_uncertainty": past.at(high - low, -1),
        "due_change": began - began_before,
        "share_announced": past.at(n_so_far / np.maximum(months - first + 1, 1.0), -1),
    }


def build_habits(
    payments: pd.DataFrame, visits: pd.DataFrame, notices: pd.DataFrame, *, asked: np.ndarray, day: float
) -> pd.DataFrame:
    """Return for each person asked about how they pay, and whether they came since a renewal was due.

    `payments` and `visits` (author, day; of payers) are all before the day, the payments in order, with
    offset_s and after_s (their offset less that of their payer's first row in the stream); `notices` is what
    `build_notices` returned of the same people.
    """
    when = np.full(len(asked), day)
    who, days = visits["author"].to_numpy(np.int64), visits["day"].to_numpy(float)
    came = AsOf(who, days, asked=asked, when=when)
    due = notices["days_since_notice"].to_numpy(float) - MONTH
    earliest = notices["overdue_by_earliest"].to_numpy(float)
    streams = np.unique(days)
    after, offset = payments["after_s"].to_numpy(float), payments["offset_s"].to_numpy(float)
    paid_days = payments["day"].to_numpy(float)
    paid = AsOf(payments["author"].to_numpy(np.int64), paid_days, asked=asked, when=when)
    n_paid = paid.count()
    at_once = paid.total((np.nan_to_num(after, nan=1e9) <= _AT_ONCE_S).astype(float))
    since_due = len(streams) - np.searchsorted(streams, day - due).astype(float)
    columns = {
        "visits_since_due": came.count(np.maximum(due, 0.0)),
        "visits_since_earliest_due": came.count(np.maximum(earliest, 0.0)),
        "streams_since_due": np.where(np.isnan(due), np.nan, since_due),
        "paid_at_once_share": np.where(n_paid > 0, at_once / np.maximum(n_paid, 1), np.nan),
        "last_paid_after_s": paid.at(after, -1),
        "last_paid_offset_s": paid.at(offset, -1),
        "n_payments": n_paid,
    }
    return pd.DataFrame(columns)


# The features' names, as they are of nobody.
_NOBODY, _NEVER = np.zeros(0, np.int64), np.zeros(0)
_NO_VISITS = dict.fromkeys(("n_rows", "chars", "first_s", "last_s", "paid"), _NEVER)
_NOTHING = pd.DataFrame(
    dict.fromkeys(("author", "day", "months", "tier", "streak", "after_s", "offset_s"), _NEVER)
).assign(kind="")
_NONE = build_notices(_NOTHING, asked=_NOBODY, when=_NEVER)
MEMORY_GROUPS = {
    group: tuple(columns)
    for group, columns in Memory(0, _NOBODY, _NO_VISITS, np.zeros((0, len(BADGE_FEATURES))))
    .ask(_NOBODY, 0.0, 0)
    .items()
}
NOTICE_COLUMNS = tuple(map(str, _NONE))
HABIT_COLUMNS = tuple(map(str, build_habits(_NOTHING, _NOTHING, _NONE, asked=_NOBODY, day=0.0)))
