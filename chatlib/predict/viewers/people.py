"""Everybody seen lately, asked before each stream: will they come, and will they pay?

One pass over a channel's streams, oldest first. Before a stream, the people seen in the last days are
asked about, whether they come or not; then what they did in it is added to what is known of them. So
no number of a row knows anything of the stream asked about, but when it begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.predict.viewers.features import BADGE_FEATURES, build_badges
from chatlib.predict.viewers.history import MONTH, order_streams
from chatlib.predict.viewers.notices import NOTICE_COLUMNS, build_notices
from chatlib.store import Store

__all__ = ["FEATURE_GROUPS", "NEXT", "PEOPLE_COLUMNS", "People", "load_people"]

NEXT = -1  # the stream_id of the stream to come
_GIFTS = tuple(name for name in NOTICE_COLUMNS if name.startswith(("gift_", "bits_")))
_HALF_LIVES = (3, 10, 30)  # streams
_RECENT = (1, 2, 3, 5, 10, 20)  # streams
FEATURE_GROUPS = {
    "renewal": (
        "days_since_paid",
        "days_between_last_payments",
        "day_of_paid_month",  # days since the last payment, counted anew each month
        "streams_since_paid",  # of the channel
        "visits_since_paid",
        *(name for name in NOTICE_COLUMNS if name not in _GIFTS),
    ),
    "payments": ("paid_visits", "paid_visits_lately", *_GIFTS),
    "attendance": (
        "visits",
        *(f"visits_half_life_{n}" for n in _HALF_LIVES),  # decaying by streams
        "visits_half_life_7_days",
        "visits_half_life_30_days",
        *(f"visits_of_last_{n}" for n in _RECENT),
        "visits_in_a_row",
        "visit_share",  # of the streams since the first visit
        "days_since_first_visit",
        "days_since_visit",
        "streams_since_visit",
        "streams_since_visit_before",
        "usual_first_s",  # decaying mean of when they first wrote, and last
        "usual_last_s",
    ),
    "writing": ("last_messages", "messages_lately", "chars_lately", "messages_per_visit"),
    "badges": (
        *BADGE_FEATURES,  # as last worn
        "visits_as_member",  # in a row
        "days_since_member",  # since the badge appeared, and since it was gone
        "days_since_no_member",
    ),
    "channel": ("days_since_stream", "people_asked"),
}
PEOPLE_COLUMNS = tuple(name for group in FEATURE_GROUPS.values() for name in group)


@dataclass(frozen=True)
class People:
    """One row per stream and person asked about, streams oldest first.

    `table`: stream_id (NEXT for the stream to come), channel (a number), author, started_at, paid and
    came (both False for NEXT), PEOPLE_COLUMNS as float32, NaN where not known. `amounts` has what a
    person paid in a stream where that is known: channel, author, amount, currency. `ranks` are all
    authors by the messages that they wrote, the first of them 1.
    """

    table: pd.DataFrame
    amounts: pd.DataFrame
    ranks: pd.Series


def load_people(db: Store, *, days: float = 60.0) -> People:
    """Ask before each dated stream, and before the next, about everybody seen in the days before.

    Each channel of the database is asked about by itself, without its owner. The next stream is taken
    to begin after the channel's usual pause (the median of the last ten). Streams at the same time
    know nothing of each other (see `order_streams`).

    Raises: NotEnoughData without dates, with one stream alone or without a donor; ParameterError
    unless `days` is above 0.
    """
    if not 0 < days < float("inf"):
        raise ParameterError(f"The days in which somebody was seen must be above 0, got {days}.")
    streams = db.load_streams()
    streams = streams[streams["n_messages"] > 0]
    dated = order_streams(streams[streams["started_at"].notna()])
    _require_streams(len(streams), len(dated))
    dated["channel"] = _number_channels(dated)
    seen = db.load_attendance()
    ranks = seen.groupby("author")["chats"].sum().sort_values(ascending=False, kind="stable")
    payments = db.load_payments().dropna(subset="author").astype({"author": "int64"})
    payments = payments.merge(dated[["stream_id", "channel", "day"]], on="stream_id")
    n_paid = payments.groupby(["stream_id", "author"]).size().rename("n_paid")
    seen = seen.merge(dated[["stream_id", "channel"]], on="stream_id").join(
        n_paid, on=["stream_id", "author"]
    )
    owners = seen.loc[seen["is_owner"] == 1, ["channel", "author"]].drop_duplicates()
    seen, payments = _leave_out(seen, owners), _leave_out(payments, owners)
    tables = [
        _ask_channel(
            part, seen[seen["channel"] == channel], payments[payments["channel"] == channel], days=days
        )
        for channel, part in dated.groupby("channel")
    ]
    table = pd.concat(tables, ignore_index=True)
    if not table["paid"].any():
        raise NotEnoughData(
            f"A forecast needs somebody who was seen before and then paid; of {len(seen):,} visits to "
            f"{len(dated)} dated streams, none is such. Add streams."
        )
    return People(table, _sum_amounts(payments), ranks.rank(method="first", ascending=False).astype(int))


def _require_streams(n_streams: int, n_dated: int) -> None:
    if n_dated == 0:
        raise NotEnoughData(
            f"A forecast needs streams with messages and a date, and none of {n_streams} has both. "
            "Give the dates in streams.csv, and import the chat again."
        )
    if n_dated == 1:
        raise NotEnoughData(
            "A forecast learns from one stream for the next, and there is one alone. Add streams."
        )


def _number_channels(streams: pd.DataFrame) -> np.ndarray:
    """Return a number per channel. Streams without a channel are of the only one of their platform."""
    channel = streams["channel_id"].fillna(streams["channel_name"])
    names = channel.groupby(streams["platform"]).transform("nunique")
    channel = channel.where(names > 1, "").fillna("")
    return (streams["platform"] + "/" + channel).factorize()[0]


def _leave_out(table: pd.DataFrame, owners: pd.DataFrame) -> pd.DataFrame:
    here = pd.MultiIndex.from_frame(table[["channel", "author"]])
    return table[~here.isin(pd.MultiIndex.from_frame(owners))]


def _sum_amounts(payments: pd.DataFrame) -> pd.DataFrame:
    known = payments[payments["amount"].notna() & payments["currency"].notna()]
    known = known.assign(amount=known["amount"].astype(float))
    keys = ["channel", "author", "currency", "stream_id"]
    return known.groupby(keys)["amount"].sum().reset_index()[["channel", "author", "amount", "currency"]]


def _ask_channel(
    streams: pd.DataFrame, seen: pd.DataFrame, payments: pd.DataFrame, *, days: float
) -> pd.DataFrame:
    """Return the rows of one channel, those of its next stream last."""
    streams = pd.concat([streams, _expect_next(streams)], ignore_index=True)
    authors, code = np.unique(seen["author"].to_numpy(np.int64), return_inverse=True)
    visits = {name: seen[name].to_numpy(float) for name in ("n_rows", "chars", "first_s", "last_s")}
    visits["paid"] = seen["n_paid"].fillna(0).to_numpy(float)
    badges = build_badges(seen["badges"].fillna("[]")).to_numpy(float)
    memory = _Memory(len(authors), code, visits, badges)
    rows_of = {stream: np.asarray(rows) for stream, rows in seen.groupby("stream_id").indices.items()}
    parts, k = [], 0
    for day in np.unique(streams["day"].to_numpy(float)).tolist():
        group = streams[streams["day"] == day]
        who = memory.find_recent(day - days)
        numbers = pd.DataFrame(memory.ask(who, day, k)).astype(np.float32)
        for stream_id, started_at in zip(group["stream_id"], group["started_at"], strict=True):
            parts.append(
                numbers.assign(stream_id=stream_id, author=authors[who], day=day, started_at=started_at)
            )
        for stream_id in group["stream_id"]:
            memory.add(rows_of.get(stream_id, np.zeros(0, np.int64)), day, k)
            k += 1
    table = pd.concat(parts, ignore_index=True)
    author, when = table["author"].to_numpy(np.int64), table.pop("day").to_numpy(float)
    notices = build_notices(payments, asked=author, when=when).astype(np.float32)
    table = table.join(notices).assign(channel=streams["channel"].iloc[0])
    labels = seen[["stream_id", "author"]].assign(came=True, paid=seen["n_paid"] > 0)
    table = table.merge(labels, on=["stream_id", "author"], how="left")
    table[["came", "paid"]] = table[["came", "paid"]].eq(True)
    return table[["stream_id", "channel", "author", "started_at", "paid", "came", *PEOPLE_COLUMNS]]


def _expect_next(streams: pd.DataFrame) -> pd.DataFrame:
    """Return the stream to come: it begins after the usual pause, a day if there was none."""
    day = streams["day"].to_numpy(float)
    pauses = np.diff(np.unique(day))[-10:]
    when = day.max() + (max(float(np.median(pauses)), 1e-3) if len(pauses) else 1.0)
    started_at = pd.Timestamp(when, unit="D").round("s").isoformat() + "+00:00"
    return pd.DataFrame(
        {"stream_id": [NEXT], "channel": streams["channel"].iloc[:1], "started_at": started_at, "day": when}
    )


class _Memory:
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

    def ask(self, who: np.ndarray, day: float, k: int) -> dict[str, np.ndarray]:
        """Return the features of these people before stream k, without those of notices."""
        of, row = {name: values[who] for name, values in self.of.items()}, self.row[who]
        missed, away = k - 1 - of["k"], day - of["day"]
        pattern = _shift(self.pattern[who], missed)
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
            **{f"visits_half_life_{n}": of[str(n)] * 0.5 ** (missed / n) for n in _HALF_LIVES},
            "visits_half_life_7_days": of["week"] * 0.5 ** (away / 7),
            "visits_half_life_30_days": of["month"] * 0.5 ** (away / 30),
            **{f"visits_of_last_{n}": _count_bits(pattern, n) for n in _RECENT},
            "visits_in_a_row": of["in_a_row"],
            "visit_share": of["visits"] / np.maximum(k - of["first_k"], 1),
            "days_since_first_visit": day - of["first_day"],
            "days_since_visit": away,
            "streams_since_visit": k - of["k"],
            "streams_since_visit_before": k - of["k_before"],
            "usual_first_s": of["first_s"],
            "usual_last_s": of["last_s"],
            "last_messages": self.visits["n_rows"][row],
            "messages_lately": of["messages_lately"] * 0.5 ** (missed / 10),
            "chars_lately": of["chars_lately"] * 0.5 ** (missed / 10),
            "messages_per_visit": of["messages"] / np.maximum(of["visits"], 1),
            **{name: self.badges[row, i] for i, name in enumerate(BADGE_FEATURES)},
            "visits_as_member": of["as_member"],
            "days_since_member": day - of["member_day"],
            "days_since_no_member": day - of["no_member_day"],
            "days_since_stream": np.full(len(who), day - self.last_day),
            "people_asked": np.full(len(who), float(len(who))),
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
