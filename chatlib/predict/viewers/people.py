"""People asked about in each stream, and what was known of them at that moment, for all four questions.

One pass over a channel's streams, oldest first. For `next_stream` everybody seen in the last days is
asked about before a stream, whether they come or not: no number knows anything of the stream but when it
begins. The other questions ask about a stream's viewers, and know what they did in it until then as
well. Then what happened in the stream is added to what is known of everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from chatlib.errors import DataError, NotEnoughData
from chatlib.predict import FORECAST, NEXT_STREAM, Question
from chatlib.predict.viewers.history import Clock, order_streams
from chatlib.predict.viewers.past import (
    HABIT_COLUMNS,
    MEMORY_GROUPS,
    NOTICE_COLUMNS,
    SUBSCRIPTIONS,
    Memory,
    build_badges,
    build_habits,
    build_notices,
    parse_notices,
)
from chatlib.predict.viewers.present import PRESENT_COLUMNS, ask_viewers
from chatlib.workspace import release_memory

__all__ = ["FEATURE_GROUPS", "NEXT", "PEOPLE_COLUMNS", "PRESENT_SOURCES", "People", "ask_people",
           "list_groups", "load_people", "number_channels"]  # fmt: skip

NEXT = -1  # the stream_id of the stream to come
_MOMENT = 1e-3  # days
_KEYS = ("stream_id", "channel", "author", "started_at", "moment_s", "paid", "came")
_GIFTS = tuple(name for name in NOTICE_COLUMNS if name.startswith(("gift_", "tip_")))
PRESENT_SOURCES = ("position", "message_id", "kind", "offset_s", "author", "text", "notice", "badges",
                    "amount_text", "bits")  # fmt: skip
_TOLD = {
    "renewal": (
        *(name for name in NOTICE_COLUMNS if name not in _GIFTS),
        *(name for name in HABIT_COLUMNS if name.endswith("_due")),
    ),
    "payments": (*_GIFTS, *(name for name in HABIT_COLUMNS if not name.endswith("_due"))),
    "channel": ("people_asked",),
}
FEATURE_GROUPS = {group: names + _TOLD.get(group, ()) for group, names in MEMORY_GROUPS.items()}
PEOPLE_COLUMNS = tuple(name for group in FEATURE_GROUPS.values() for name in group)


@dataclass(frozen=True)
class People:
    """One row per stream and person asked about, streams oldest first.

    `table`: stream_id (NEXT for the stream to come), channel (a number), author, started_at, moment_s
    (the offset until which the stream is known; NaN where nothing of it is, infinite where all is),
    paid and came (both False for NEXT), and `columns` as float32, NaN where not known. `amounts` has what a
    person paid in a stream where that is known: channel, author, amount, currency. `ranks` are all
    authors by the messages that they wrote, the first of them 1. `recent` is how many were seen lately
    before a stream: (channel, stream_id) -> people.
    """

    question: Question
    table: pd.DataFrame
    amounts: pd.DataFrame
    ranks: pd.Series
    recent: Mapping[tuple[int, int], int] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """The features, all groups' one behind another."""
        return tuple(name for group in self.groups.values() for name in group)

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The features by what they are about, as `list_groups`."""
        return list_groups(self.question)

    def require_payers(self) -> None:
        """Raise NotEnoughData unless somebody paid."""
        if not self.table["paid"].any():
            raise NotEnoughData(
                f"A forecast needs somebody who was seen before and then paid; of {len(self.table):,} times "
                "that one was asked about, none is such. Add streams, of chat whose messages have times"
                f"{', or lower the landmark' if self.question.name == FORECAST else ''}."
            )


def list_groups(question: Question) -> dict[str, tuple[str, ...]]:
    """Return the features of a question by what they are about; "stream" is what was done in it so far."""
    present = PRESENT_COLUMNS.get(question.name)
    return FEATURE_GROUPS | ({"stream": present} if present else {})


def load_people(
    db: Any,
    question: Question | None = None,
    *,
    only: Collection[int] | None = None,
    present: Callable[[int, Question], pd.DataFrame] | None = None,
) -> People:
    """Ask one question, by default that of the next stream, about the people of each dated stream.

    Who is asked about, and when, the question says. The next stream is taken to begin after the channel's
    usual pause (the median of the last ten). Each channel of the database is asked about by itself,
    without its owner. Streams at the same time know nothing of each other (see `order_streams`). `only`
    asks in these streams alone, with the same past. Where `db` knows a part of the people, `present` gives
    what those of them did in a stream, as `ask_viewers` of everybody in it; a part may be without a donor.

    Raises: NotEnoughData without dates, with one stream alone or without a donor; DataError if `only`
    names a stream that is not there or has no date.
    """
    (people,) = ask_people(db, [question or Question()], only=only, present=present)
    if only is None and present is None:
        people.require_payers()
    return people


def ask_people(
    db: Any,
    questions: Sequence[Question],
    *,
    only: Collection[int] | None = None,
    present: Callable[[int, Question], pd.DataFrame] | None = None,
) -> list[People]:
    """Ask several questions in one pass, each as `load_people` does, but that nobody may have paid."""
    streams = _find_streams(db.load_streams(), only)
    of_stream = streams[["stream_id", "channel"]]
    seen = db.load_attendance()
    ranks = seen.groupby("author")["chats"].sum().sort_values(ascending=False, kind="stable")
    seen = seen.merge(of_stream, on="stream_id")
    events = db.load_notices().dropna(subset="author").astype({"author": "int64", "pays": bool})
    events = events.merge(of_stream, on="stream_id")
    owners = seen.loc[seen["is_owner"] == 1, ["channel", "author"]].drop_duplicates()
    seen, events = _leave_out(seen, owners), _leave_out(events, owners)
    payments = events[events["pays"]]
    n_paid = payments.groupby(["stream_id", "author"]).size().rename("n_paid")
    seen = seen.join(n_paid, on=["stream_id", "author"])
    asker = _Asker(db, questions, only, present, {question: {} for question in questions})
    tables = [
        asker.ask_channel(part, seen[seen["channel"] == channel], events[events["channel"] == channel])
        for channel, part in streams.groupby("channel")
    ]
    ranks = ranks.rank(method="first", ascending=False).astype(int)
    release_memory()  # of tables by stream
    return [
        People(
            question,
            pd.concat(parts, ignore_index=True),
            _sum_amounts(payments),
            ranks,
            asker.recent[question],
        )
        for question, parts in zip(questions, zip(*tables, strict=True), strict=True)
    ]


def _find_streams(streams: pd.DataFrame, only: Collection[int] | None) -> pd.DataFrame:
    """Return the dated streams with messages in their order, with a number of their channel."""
    streams = streams[streams["n_messages"] > 0]
    dated = order_streams(streams[streams["started_at"].notna()])
    if only is not None and (missing := sorted(set(map(int, only)) - {NEXT, *dated["stream_id"]})):
        raise DataError(
            f"A stream must be in the database, with messages and a date; stream {missing[0]} is not. "
            "Import it, and give its date in streams.csv."
        )
    if dated.empty:
        raise NotEnoughData(
            f"A forecast needs streams with messages and a date, and none of {len(streams)} has both. "
            "Give the dates in streams.csv, and import the chat again."
        )
    if len(dated) == 1 and only is None:
        raise NotEnoughData(
            "A forecast learns from one stream for the next, and there is one alone. Add streams."
        )
    return dated.assign(channel=number_channels(dated))


def number_channels(streams: pd.DataFrame) -> np.ndarray:
    """Return each stream's channel as a number. Without a channel it is of the only one of its platform."""
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


@dataclass(frozen=True)
class _Asker:
    """Asks questions in the streams of a channel."""

    db: Any
    questions: Sequence[Question]
    only: Collection[int] | None
    present: Callable[[int, Question], pd.DataFrame] | None
    recent: Mapping[Question, dict[tuple[int, int], int]]

    def ask_channel(
        self, streams: pd.DataFrame, seen: pd.DataFrame, events: pd.DataFrame
    ) -> list[pd.DataFrame]:
        """Return the rows of one channel for each question, those of its next stream last."""
        streams = pd.concat([streams, _expect_next(streams)], ignore_index=True)
        authors, code = np.unique(seen["author"].to_numpy(np.int64), return_inverse=True)
        visits = {name: seen[name].to_numpy(float) for name in ("n_rows", "chars", "first_s", "last_s")}
        visits["paid"] = seen["n_paid"].fillna(0).to_numpy(float)
        badges = build_badges(seen["badges"].fillna("[]")).to_numpy(float)
        memory = Memory(len(authors), code, visits, badges)
        payers = _Payers(streams, seen, events)
        rows_of = {stream: np.asarray(rows) for stream, rows in seen.groupby("stream_id").indices.items()}
        payments = events[events["pays"]].groupby("stream_id")["position"]
        paid_at = {stream: part.to_numpy() for stream, part in payments}
        parts: dict[Question, list[pd.DataFrame]] = {question: [] for question in self.questions}
        k = 0
        for day in np.unique(streams["day"].to_numpy(float)).tolist():
            group = streams[streams["day"] == day]
            for stream_id, started_at in zip(group["stream_id"], group["started_at"], strict=True):
                if self.only is not None and stream_id not in self.only:
                    continue
                seen_by = {q: authors[memory.find_recent(day - q.days)] for q in self.questions}
                asked_by = self._ask_stream(int(stream_id), authors, seen_by, paid_at.get(stream_id))
                who = np.unique(np.concatenate([authors[:0], *(a["author"] for a in asked_by.values())]))
                groups = memory.ask(np.searchsorted(authors, who), day, k).values()
                numbers = pd.DataFrame({name: x for columns in groups for name, x in columns.items()})
                numbers = numbers.join(payers.ask(who, k)).astype(np.float32)
                for question, asked in asked_by.items():
                    known = numbers.iloc[np.searchsorted(who, asked["author"])].reset_index(drop=True)
                    n = len(seen_by[question])
                    self.recent[question][int(streams["channel"].iloc[0]), int(stream_id)] = n
                    asked = _compare_with_before(asked.join(known.assign(people_asked=np.float32(n))))
                    parts[question].append(asked.assign(stream_id=stream_id, started_at=started_at))
            for stream_id in group["stream_id"]:
                memory.add(rows_of.get(stream_id, np.zeros(0, np.int64)), day, k)
                k += 1
        labels = seen[["stream_id", "author"]].assign(came=True, paid=seen["n_paid"] > 0)
        tables = [pd.concat([pd.DataFrame(), *rows], ignore_index=True) for rows in parts.values()]
        for i, question in enumerate(parts):
            if not parts[question]:
                continue
            if question.name == NEXT_STREAM:
                tables[i] = tables[i].merge(labels, on=["stream_id", "author"], how="left")
                tables[i][["came", "paid"]] = tables[i][["came", "paid"]].eq(True)
            columns = [*_KEYS, *PEOPLE_COLUMNS, *PRESENT_COLUMNS.get(question.name, ())]
            tables[i] = tables[i].assign(channel=streams["channel"].iloc[0])[columns]
        return tables

    def _ask_stream(
        self, stream_id: int, authors: np.ndarray, seen_by: Mapping[Question, np.ndarray],
        paid_at: np.ndarray | None,
    ) -> dict[Question, pd.DataFrame]:  # fmt: skip
        """Return, for each question, one row per person asked, with what they did in the stream so far."""
        asked_by = {
            question: pd.DataFrame({"author": who, "moment_s": np.nan})
            for question, who in seen_by.items()
            if question.name == NEXT_STREAM
        }
        during = [question for question in seen_by if question not in asked_by and stream_id != NEXT]
        if during and not self.present:
            rows = self.db.load_messages([stream_id], columns=PRESENT_SOURCES)
            rows = rows[rows["author"].isin(authors)].reset_index(drop=True)
            paid = rows["position"].isin([] if paid_at is None else paid_at).to_numpy(bool)
        for question in during:
            table = self.present(stream_id, question) if self.present else ask_viewers(rows, paid, question)
            floats = table.columns.difference(["author", "moment_s", "paid"])
            asked_by[question] = table.astype(dict.fromkeys(floats, np.float32)).assign(came=True)
        return asked_by


def _compare_with_before(asked: pd.DataFrame) -> pd.DataFrame:
    """Add what of this stream differs from before, where something of it is known."""
    if "first_s" in asked:
        asked["later_than_usual_s"] = asked["first_s"] - asked["usual_first_s"]
    if "now_member" in asked:
        asked["member_change"] = asked["now_member"] - asked["member"]
    return asked


class _Payers:
    """What is known of a channel's payers before each stream, by dates as the clock then has them."""

    def __init__(self, streams: pd.DataFrame, seen: pd.DataFrame, events: pd.DataFrame) -> None:
        place = pd.Series(np.arange(len(streams)), index=streams["stream_id"])
        visits = seen[["stream_id", "author", "first_s"]]
        events = events.merge(visits, on=["stream_id", "author"], how="left")
        events = events.assign(
            k=events["stream_id"].map(place), after_s=events["offset_s"] - events["first_s"]
        )
        visits = visits[visits["author"].isin(events["author"])]
        self._events = parse_notices(events.sort_values(["k", "position"], ignore_index=True))
        self._visits = visits.assign(k=visits["stream_id"].map(place)).sort_values("k", ignore_index=True)
        told = self._events[self._events["kind"].isin(SUBSCRIPTIONS) & self._events["months"].notna()]
        self._clock = Clock(
            streams["day"].to_numpy(float),
            stream=told["k"].to_numpy(np.int64),
            person=told["author"].to_numpy(np.int64),
            months=told["months"].to_numpy(float),
        )

    def ask(self, who: np.ndarray, k: int) -> pd.DataFrame:
        """Return the features of notices and habits of these people before stream k."""
        days = self._clock.read(k)
        days[:k] = np.minimum(days[:k], days[k] - _MOMENT)  # known is known, whatever the clock says
        events, visits = (
            table.iloc[: np.searchsorted(table["k"].to_numpy(), k)] for table in (self._events, self._visits)
        )
        events, visits = (table.assign(day=days[table["k"].to_numpy()]) for table in (events, visits))
        notices = build_notices(events, asked=who, when=np.full(len(who), days[k]))
        return notices.join(build_habits(events[events["pays"]], visits, notices, asked=who, day=days[k]))


def _expect_next(streams: pd.DataFrame) -> pd.DataFrame:
    """Return the stream to come: it begins after the usual pause, a day if there was none."""
    day = streams["day"].to_numpy(float)
    pauses = np.diff(np.unique(day))[-10:]
    when = day.max() + (max(float(np.median(pauses)), 1e-3) if len(pauses) else 1.0)
    started_at = pd.Timestamp(when, unit="D").round("s").isoformat() + "+00:00"
    return pd.DataFrame(
        {"stream_id": [NEXT], "channel": streams["channel"].iloc[:1], "started_at": started_at, "day": when}
    )
