"""One row per viewer and stream: what they wrote that is no payment, and whether they paid.

A viewer is one author in one stream; a donor is a viewer who paid in it. Where the input ends, and which
payments are asked about, the question says (`chatlib.predict.questions`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.errors import DataError, NotEnoughData, ParameterError
from chatlib.predict.questions import ARRIVAL, NEXT_STREAM, RETROSPECTIVE, Question
from chatlib.predict.viewers.history import HISTORY_COLUMNS, RHYTHM_COLUMNS, build_history, order_streams
from chatlib.predict.viewers.notices import NOTICE_COLUMNS, build_notices
from chatlib.predict.viewers.texts import Earlier, find_earlier, select_inputs, slice_rows
from chatlib.splits import DateSplit
from chatlib.store import Store
from chatlib.workspace import without_gc

__all__ = ["Periods", "Viewers", "count_periods", "load_viewers", "require_donors"]

_COLUMNS = ("position", "message_id", "kind", "offset_s", "author", "text", "notice", "badges",
            "amount_text", "bits")  # fmt: skip
_OWNER_BADGE = re.compile(r'"(?:broadcaster|owner)"', re.I)
_GIFT_KIND = "gift_purchase|subscription_gift|pay_forward"

log = logging.getLogger(__name__)


class Periods(NamedTuple):
    """Rows of the viewers of training, validation and test, each ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def scored(self) -> np.ndarray:
        """The rows that models are evaluated on: those of validation, then those of test."""
        return np.concatenate([self.validation, self.test])


@dataclass(frozen=True)
class Viewers:
    """Viewers and their input messages.

    `table` has one row per viewer, streams oldest first: stream_id, author, started_at,
    input_end_s (where the input ends: the last offset, the landmark or the first message), n_messages,
    n_viewers (so far), paid, badges (known before the stream; but in `retrospective` at the input's end) and
    HISTORY_COLUMNS, RHYTHM_COLUMNS and NOTICE_COLUMNS. Messages of row i are those from `starts[i]` to
    `starts[i + 1]`, by offset; `texts[text_codes[j]]` is the text of message j. `earlier` is what
    they wrote in earlier streams. `exclusions` counts what was left out.
    """

    question: Question
    table: pd.DataFrame
    starts: np.ndarray
    positions: np.ndarray
    offsets_s: np.ndarray
    text_codes: np.ndarray
    texts: list[str]
    earlier: Earlier
    exclusions: dict[str, int]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def paid(self) -> np.ndarray:
        """The labels, bool, one per viewer."""
        return self.table["paid"].to_numpy(bool)

    def message_viewers(self) -> np.ndarray:
        """Return the row of `table` that each message belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def find_rows(self, stream_ids: Iterable[int]) -> np.ndarray:
        """Return the rows of the viewers of these streams, ascending."""
        return np.flatnonzero(self.table["stream_id"].isin(list(stream_ids)).to_numpy())

    def find_periods(self, split: DateSplit) -> Periods:
        """Return the rows of the viewers of each period."""
        return Periods(*(self.find_rows(ids) for ids in split))

    def take(self, rows: np.ndarray) -> Viewers:
        """Return these viewers alone, in this order, with their messages."""
        starts, messages = slice_rows(self.starts, rows)
        return replace(
            self,
            table=self.table.iloc[rows].reset_index(drop=True),
            starts=starts,
            positions=self.positions[messages],
            offsets_s=self.offsets_s[messages],
            text_codes=self.text_codes[messages],
            earlier=self.earlier.take(rows),
        )


def load_viewers(
    db: Store,
    question: Question | None = None,
    *,
    only: Collection[int] | None = None,
    select: Callable[[pd.DataFrame, np.ndarray], np.ndarray] = select_inputs,
) -> Viewers:
    """Build the viewers of all dated streams, oldest stream first, sorted by author within a stream.

    Left out and counted: streams without a date, or that end before the landmark, the channel's owner,
    viewers without a message that may be an input, and those who have paid by the moment asked at, or
    at a time that the source does not give. The default question is `retrospective`.

    `only` builds the viewers of these streams alone, with the same history.
    `select` marks the rows of a stream that may be inputs, given all rows and a mask of
    payments; another one than `select_inputs` is for showing what a leak does.

    Raises: NotEnoughData if no viewer is left; DataError if `only` names a stream that is not
    there or has no date; ParameterError for the question `next_stream`, of which `load_people` knows.
    """
    question = question or Question(RETROSPECTIVE)
    if question.name == NEXT_STREAM:
        raise ParameterError("Viewers are asked about in a stream; of the next one, ask `load_people`.")
    streams = db.load_streams()
    dated = order_streams(streams[streams["started_at"].notna() & (streams["n_messages"] > 0)])
    if only is not None and (missing := sorted(set(map(int, only)) - set(dated["stream_id"]))):
        raise DataError(
            f"A stream must be in the database, with messages and a date; stream {missing[0]} is not. "
            "Import it, and give its date in streams.csv."
        )
    if dated.empty:
        raise NotEnoughData("Viewers need streams with messages and a date. Import chat first (notebook 01).")
    payments = db.load_payments()
    with without_gc():
        attendance, chat = _read_streams(db, dated, payments, question, only, select)
    attendance = attendance.join(build_history(attendance, stream_dates=dated["day"].to_numpy(float)))
    payments = payments.merge(dated[["stream_id", "day"]], on="stream_id").dropna(subset="author")
    who, day = attendance["author"].to_numpy(np.int64), attendance["day"].to_numpy(float)
    attendance = attendance.join(build_notices(payments, asked=who, when=day))
    if question.name != RETROSPECTIVE:
        attendance["badges"] = attendance.pop("input_badges")
    exclusions = {"streams without a date": int(streams["started_at"].isna().sum())}
    keep = _exclude(attendance, only, exclusions)
    if not keep.any():
        raise NotEnoughData(
            f"There must be a viewer with a message that is no payment; {len(only or dated)} dated streams "
            f"with {attendance['n_rows'].sum()} rows have none. Import chat first (notebook 01)."
        )
    return _assemble(attendance, chat, keep, question, exclusions)


class _Chat(NamedTuple):
    """Usable messages, streams oldest first, each by offset; `viewer` is a row of the attendance."""

    viewer: np.ndarray
    position: np.ndarray
    offset_s: np.ndarray
    code: np.ndarray
    is_input: np.ndarray
    texts: list[str]


def _read_streams(
    db: Store,
    streams: pd.DataFrame,
    payments: pd.DataFrame,
    question: Question,
    only: Collection[int] | None,
    select: Callable[[pd.DataFrame, np.ndarray], np.ndarray],
) -> tuple[pd.DataFrame, _Chat]:
    """Return one row per author and stream (see `_attend`), and the usable messages; one stream at a time.

    With `only`, of other streams nothing but the rows of those who were in these.
    """
    authors = None if only is None else db.find_authors(only)
    paid_positions = {key: part["position"] for key, part in payments.groupby("stream_id")}
    codes: dict[str, int] = {}
    columns = ("stream_id", "started_at", "day", "duration_s")
    tables, parts, n_rows = [], [], 0
    for stream_id, started_at, day, duration_s in zip(*(streams[c] for c in columns), strict=True):
        everybody = only is None or stream_id in only
        rows = db.load_messages([stream_id], columns=_COLUMNS, authors=None if everybody else authors)
        rows = rows[rows["author"].notna()]
        paid = rows["position"].isin(paid_positions.get(stream_id, ())).to_numpy(bool)
        usable = select(rows, paid)
        table, viewer, is_input = _attend(rows, usable, paid, question, duration_s)
        tables.append(table.assign(stream_id=stream_id, started_at=started_at, day=day))
        texts = rows["text"].fillna("").to_numpy(object)[usable].tolist()
        code = np.array([codes.setdefault(text, len(codes)) for text in texts], np.int64)
        position, offset_s = rows["position"].to_numpy(np.int64), rows["offset_s"].to_numpy(float)
        parts.append((viewer[usable] + n_rows, position[usable], offset_s[usable], code, is_input[usable]))
        n_rows += len(table)
    attendance = pd.concat(tables, ignore_index=True)
    viewer, position, offset_s, code, is_input = (np.concatenate(part) for part in zip(*parts, strict=True))
    return attendance, _Chat(viewer, position, offset_s, code, is_input, list(codes))


def _attend(
    rows: pd.DataFrame, usable: np.ndarray, is_paid: np.ndarray, question: Question, duration_s: float | None
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return one row per author of a stream, payers without a word among them.

    Returned with it are each message's row in it, and which messages are inputs.
    """
    authors, viewer = np.unique(rows["author"].to_numpy(np.int64), return_inverse=True)
    n, offsets = len(authors), rows["offset_s"].to_numpy(float)
    length = max(np.nanmax(offsets, initial=0.0), duration_s if pd.notna(duration_s) else 0.0)
    first, at = np.full(n, len(rows)), np.flatnonzero(usable)
    np.minimum.at(first, viewer[at], at)
    end = question.find_ends(np.append(offsets, np.nan)[first], length_s=np.nanmax(offsets, initial=0.0))
    paid = np.flatnonzero(is_paid)
    gift = paid[rows["kind"].iloc[paid].str.contains(_GIFT_KIND).to_numpy(bool)]
    asked, known = (paid[mask] for mask in question.split_payments(offsets[paid], end[viewer[paid]]))
    is_input = usable & (offsets <= end[viewer])
    if question.name == ARRIVAL:  # of several in the same second, the first
        is_input &= np.arange(len(rows)) == first[viewer]
    badges = rows["badges"].fillna("[]").to_numpy(object)
    owner = [text for text in set(badges) if _OWNER_BADGE.search(text)]

    def count(messages: np.ndarray) -> np.ndarray:
        return np.bincount(viewer[messages], minlength=n)

    def last_badges(messages: np.ndarray) -> np.ndarray:
        last = np.full(n, None, object)
        last[viewer[messages]] = badges[messages]  # of several, the last one stays
        return last

    table = {
        "author": authors,
        "input_end_s": end,
        "is_short": not question.reaches(length),
        "n_rows": count(np.arange(len(rows))),
        "n_messages": count(is_input),
        "n_paid": count(paid),
        "n_gifts": count(gift),
        "paid": count(asked) > 0,
        "is_out": count(known) > 0,
        "is_owner": count(np.isin(badges, owner)) > 0,
        "last_badges": last_badges(np.arange(len(rows))),
        "input_badges": last_badges(np.flatnonzero(is_input)),
    }
    return pd.DataFrame(table), viewer, is_input


def _exclude(
    attendance: pd.DataFrame, only: Collection[int] | None, exclusions: dict[str, int]
) -> np.ndarray:
    """Return a mask of the viewers that stay; count the others by the first reason."""
    keep = np.ones(len(attendance), bool)
    if only is not None:
        keep = attendance["stream_id"].isin(list(only)).to_numpy(bool)
    n_asked = keep.sum()
    owners = attendance["author"][attendance["is_owner"]]
    silent = (attendance["n_messages"] == 0).to_numpy()
    reasons = {
        "in a stream that ends before the landmark": attendance["is_short"].to_numpy(bool),
        "the channel's owner": attendance["author"].isin(owners).to_numpy(),
        "paid by then": attendance["is_out"].to_numpy(bool),
        "paid, but no other message": silent & attendance["paid"].to_numpy(bool),
        "no message of their own": silent,
    }
    for reason, out in reasons.items():
        exclusions[reason] = int((keep & out).sum())
        keep = keep & ~out
    log.info("left out of %d viewers: %s", n_asked, exclusions)
    return keep


def _assemble(
    attendance: pd.DataFrame, chat: _Chat, keep: np.ndarray, question: Question, exclusions: dict[str, int]
) -> Viewers:
    """Return the viewers that are kept, with their messages and texts."""
    inputs = np.flatnonzero(chat.is_input & keep[chat.viewer])
    inputs = inputs[np.argsort(chat.viewer[inputs], kind="stable")]
    row = (np.cumsum(keep) - 1)[chat.viewer[inputs]]
    table = attendance[keep].reset_index(drop=True)
    by_stream = table.groupby("stream_id")["input_end_s"]
    counts = by_stream.rank(method="min") if question.name == ARRIVAL else by_stream.transform("size")
    table["n_viewers"] = counts.astype(int)
    who, day = attendance["author"].to_numpy(), attendance["day"].to_numpy()
    starts, past = find_earlier(who[chat.viewer], day[chat.viewer], asked=who[keep], when=day[keep])
    used, place = np.unique(np.concatenate([inputs, past]), return_inverse=True)
    codes, distinct = pd.factorize(chat.code[used])  # texts by first use
    codes = codes.astype(np.int64)[place]
    columns = ["stream_id", "author", "started_at", "input_end_s", "n_messages", "n_viewers", "paid",
               "badges", *HISTORY_COLUMNS, *RHYTHM_COLUMNS, *NOTICE_COLUMNS]  # fmt: skip
    return Viewers(
        question=question,
        table=table[columns],
        starts=np.searchsorted(row, np.arange(len(table) + 1)),
        positions=chat.position[inputs],
        offsets_s=chat.offset_s[inputs],
        text_codes=codes[: len(inputs)],
        texts=[chat.texts[code] for code in distinct],
        earlier=Earlier(
            starts=starts,
            stream_ids=attendance["stream_id"].to_numpy()[chat.viewer[past]],
            positions=chat.position[past],
            text_codes=codes[len(inputs) :],
        ),
        exclusions=exclusions,
    )


def count_periods(viewers: Viewers, split: DateSplit) -> pd.DataFrame:
    """Return one row per period: streams, dates, viewers, donors, prevalence, messages."""
    rows = []
    for name, ids in split._asdict().items():
        part = viewers.table.iloc[viewers.find_rows(ids)]
        rows.append(
            {
                "period": name,
                "streams": len(ids),
                "from": part["started_at"].min()[:10] if len(part) else None,
                "to": part["started_at"].max()[:10] if len(part) else None,
                "viewers": len(part),
                "donors": int(part["paid"].sum()),
                "prevalence": part["paid"].mean() if len(part) else 0.0,
                "messages": int(part["n_messages"].sum()),
            }
        )
    return pd.DataFrame(rows).set_index("period")


def require_donors(viewers: Viewers, split: DateSplit) -> None:
    """Raise NotEnoughData unless every period has a donor and a viewer who is none."""
    counts = {name: viewers.paid[viewers.find_rows(ids)] for name, ids in split._asdict().items()}
    donors = {name: int(paid.sum()) for name, paid in counts.items()}
    if min(donors.values()) == 0 or any(paid.all() for paid in counts.values()):
        raise NotEnoughData(
            "Training, validation and test must each have donors and others; donors: "
            + ", ".join(f"{name} {n} of {len(counts[name])} viewers" for name, n in donors.items())
            + ". Nothing was trained: add streams, or choose another channel."
        )
