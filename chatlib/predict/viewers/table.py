"""One row per viewer and stream: what they wrote that is no payment, and whether they paid.

A viewer is one author in one stream; a donor is a viewer who paid in it. Where the input ends, and which
payments are asked about, the question says (`chatlib.predict.Question`). What models of texts read is
here; numbers about the same viewers are in `people.py`.

The first version of this research fed a donor's paid messages to the model that had to find the donors. Here
what may be read is one function, `select_inputs`; `chatlib.predict.audits` checks what came of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.predict import ARRIVAL, NEXT_STREAM, RETROSPECTIVE, Question
from chatlib.predict.viewers.history import order_streams
from chatlib.records import CHAT_KINDS
from chatlib.store import Store
from chatlib.times import DateSplit
from chatlib.workspace import rare_gc

__all__ = [
    "Periods",
    "Viewers",
    "choose_messages",
    "count_periods",
    "load_viewers",
    "require_donors",
    "select_inputs",
]

_COLUMNS = ("position", "message_id", "kind", "offset_s", "author", "text", "notice", "amount_text")

_ALL = 2**31  # more messages than a viewer has

log = logging.getLogger(__name__)


def select_inputs(messages: pd.DataFrame, paid: np.ndarray) -> np.ndarray:
    """Return a mask of the rows of a stream that a model may read: a viewer's own words, and no payment.

    `paid` marks the payments. Only the kinds of plain chat pass. Out are payments and whatever
    shares a payment's message
    id, rows with money or bits on them whatever their kind, the platform's fixed sentences, and
    rows without an author or a time.
    """
    chat = messages["kind"].isin(list(CHAT_KINDS)).to_numpy(bool)
    echo = messages["message_id"].isin(messages["message_id"].to_numpy(object)[paid]).to_numpy(bool)
    money = messages["amount_text"].notna().to_numpy(bool)
    sentence = messages["notice"].notna().to_numpy(bool)
    written = messages["author"].notna().to_numpy(bool) & messages["offset_s"].notna().to_numpy(bool)
    return chat & written & ~(paid | echo | money | sentence)


def choose_messages(starts: np.ndarray, *, max_messages: int) -> np.ndarray:
    """Return the messages that are read, ascending: at most `max_messages` of each viewer.

    Of a longer list evenly spread ones are taken, with the first and the last among them.
    """
    n = np.diff(starts)
    kept = np.minimum(n, max_messages)
    place = expand(np.zeros(len(n), np.int64), kept)
    n, first, kept = np.repeat(n, kept), np.repeat(starts[:-1], kept), np.repeat(kept, kept)
    return first + np.where(n > kept, place * (n - 1) // np.maximum(kept - 1, 1), place)


def slice_rows(starts: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each of these rows starts once they are put together, and what they hold."""
    n = np.diff(starts)[rows]
    return np.concatenate([[0], np.cumsum(n)]), expand(starts[rows], n)


def expand(first: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Return `first[i], first[i] + 1, ...`, `n[i]` of them for each i, one behind another."""
    return np.repeat(first - (np.cumsum(n) - n), n) + np.arange(n.sum())


class Periods(NamedTuple):
    """Rows of the viewers of training, validation and test, each ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def scored(self) -> np.ndarray:
        """The rows that models are evaluated on: those of validation, then those of test."""
        return np.concatenate([self.validation, self.test])

    @property
    def settled(self) -> np.ndarray:
        """The rows that models are fitted on once their settings are chosen: training and validation."""
        return np.concatenate([self.train, self.validation])


@dataclass(frozen=True)
class Viewers:
    """Viewers and their input messages.

    `table` has one row per viewer, streams oldest first: stream_id, author, started_at,
    input_end_s (where the input ends: the last offset, the landmark or the first message), n_messages
    (all that may be an input) and paid. Messages of row i are those from `starts[i]` to `starts[i + 1]`, by
    offset; `texts[text_codes[j]]` is the text of message j. `exclusions` counts what was left out.
    """

    question: Question
    table: pd.DataFrame
    starts: np.ndarray
    positions: np.ndarray
    offsets_s: np.ndarray
    text_codes: np.ndarray
    texts: list[str]
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
        )

    def align(self, people: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of `People.table`, asked the same question, that these viewers are."""
        keys = ["stream_id", "author"]
        table = self.table[keys].merge(people, on=keys, how="left", validate="one_to_one")
        if (table["paid"] != self.table["paid"]).any():
            raise ParameterError("Numbers and texts must be of the same question and database.")
        return table


def load_viewers(
    db: Store,
    question: Question | None = None,
    *,
    max_messages: int = _ALL,
    select: Callable[[pd.DataFrame, np.ndarray], np.ndarray] = select_inputs,
) -> Viewers:
    """Build the viewers of all dated streams, oldest stream first, sorted by author within a stream.

    Left out and counted: streams without a date, or that end before the landmark, the channel's owner,
    viewers without a message that may be an input, and those who have paid by the moment asked at, or
    at a time that the source does not give. The default question is `retrospective`. Of each viewer's
    messages at most `max_messages` are kept for models to read (`choose_messages`); by default all.
    `select` marks the rows of a stream that may be inputs, given all rows and a mask of payments;
    another one than `select_inputs` is for showing what a leak does.

    Raises: NotEnoughData if no viewer is left; ParameterError for `max_messages` below 1, and for the
    question `next_stream`, which `load_people` answers.
    """
    question = question or Question(RETROSPECTIVE)
    if max_messages < 1:
        raise ParameterError(f"MAX_MESSAGES of a viewer must be 1 or more, got {max_messages}.")
    if question.name == NEXT_STREAM:
        raise ParameterError("Viewers are asked about in a stream; of the next one, ask `load_people`.")
    streams = db.load_streams()
    dated = order_streams(streams[streams["started_at"].notna() & (streams["n_messages"] > 0)])
    if dated.empty:
        raise NotEnoughData("Viewers need streams with messages and a date. Import chat first (notebook 01).")
    payments = db.load_notices().query("pays == 1")
    paid_positions = {key: part["position"] for key, part in payments.groupby("stream_id")}
    owners = set(db.find_owners())
    exclusions = {"streams without a date": int(streams["started_at"].isna().sum())}
    codes: dict[str, int] = {}
    tables, parts = [], []
    with rare_gc():
        for stream_id, started_at in zip(dated["stream_id"], dated["started_at"], strict=True):
            rows = db.load_messages([stream_id], columns=_COLUMNS)
            rows = rows[rows["author"].notna()]
            paid = rows["position"].isin(paid_positions.get(stream_id, ())).to_numpy(bool)
            usable = select(rows, paid)
            table, inputs = _read_stream(rows, usable, paid, question, owners, exclusions)
            tables.append(table.assign(stream_id=stream_id, started_at=started_at))
            starts = np.concatenate([[0], np.cumsum(table["n_messages"])])
            inputs = inputs.iloc[choose_messages(starts, max_messages=max_messages)]
            text = [codes.setdefault(text, len(codes)) for text in inputs["text"].fillna("")]
            parts.append(inputs[["position", "offset_s"]].assign(code=np.array(text, np.int32)))
    table, read = pd.concat(tables, ignore_index=True), pd.concat(parts, ignore_index=True)
    log.info("left out: %s", exclusions)
    if table.empty:
        raise NotEnoughData(
            f"There must be a viewer with a message that is no payment; {len(dated)} dated streams "
            "have none. Import chat first (notebook 01)."
        )
    return Viewers(
        question=question,
        table=table[["stream_id", "author", "started_at", "input_end_s", "n_messages", "paid"]],
        starts=np.concatenate([[0], np.cumsum(np.minimum(table["n_messages"], max_messages))]),
        positions=read["position"].to_numpy(np.int32),
        offsets_s=read["offset_s"].to_numpy(float),
        text_codes=read["code"].to_numpy(),
        texts=list(codes),
        exclusions=exclusions,
    )


def _read_stream(
    rows: pd.DataFrame,
    usable: np.ndarray,
    is_paid: np.ndarray,
    question: Question,
    owners: set[int],
    exclusions: dict[str, int],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the viewers of a stream, and the rows that are their inputs; count who is left out."""
    authors, viewer = np.unique(rows["author"].to_numpy(np.int64), return_inverse=True)
    n, offsets = len(authors), rows["offset_s"].to_numpy(float)
    length = float(np.nanmax(offsets, initial=0.0))
    first, at = np.full(n, len(rows)), np.flatnonzero(usable)
    np.minimum.at(first, viewer[at], at)
    end = question.find_ends(np.append(offsets, np.nan)[first], length_s=length)
    paid = np.flatnonzero(is_paid)
    asked, known = (paid[mask] for mask in question.split_payments(offsets[paid], end[viewer[paid]]))
    is_input = usable & (offsets <= end[viewer])
    if question.name == ARRIVAL:  # of several in the same second, the first
        is_input &= np.arange(len(rows)) == first[viewer]
    n_inputs, pays, is_out = (np.bincount(viewer[at], minlength=n) for at in (is_input, asked, known))
    silent = n_inputs == 0
    keep = np.ones(n, bool)
    for reason, out in {
        "in a stream that ends before the landmark": np.full(n, not question.reaches(length)),
        "the channel's owner": np.isin(authors, list(owners)),
        "paid by then": is_out > 0,
        "paid, but no other message": silent & (pays > 0),
        "no message of their own": silent,
    }.items():
        exclusions[reason] = exclusions.get(reason, 0) + int((keep & out).sum())
        keep &= ~out
    table = {"author": authors, "input_end_s": end, "n_messages": n_inputs, "paid": pays > 0}
    inputs = np.flatnonzero(is_input & keep[viewer])
    inputs = inputs[np.argsort(viewer[inputs], kind="stable")]
    return pd.DataFrame(table)[keep], rows.iloc[inputs]


def count_periods(viewers: Viewers, split: DateSplit) -> pd.DataFrame:
    """Return one row per period: streams, dates, viewers, donors, prevalence, messages."""
    rows = {}
    for name, ids in split._asdict().items():
        part = viewers.table.iloc[viewers.find_rows(ids)]
        rows[name] = {
            "streams": len(ids),
            "from": part["started_at"].min()[:10] if len(part) else None,
            "to": part["started_at"].max()[:10] if len(part) else None,
            "viewers": len(part),
            "donors": int(part["paid"].sum()),
            "prevalence": part["paid"].mean() if len(part) else 0.0,
            "messages": int(part["n_messages"].sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("period")


def require_donors(viewers: Viewers, split: DateSplit) -> None:
    """Raise NotEnoughData unless every period has a donor and a viewer who is none."""
    counts = count_periods(viewers, split)
    if counts["donors"].min() == 0 or (counts["donors"] == counts["viewers"]).any():
        donors = (f"{row.Index} {row.donors} of {row.viewers} viewers" for row in counts.itertuples())
        raise NotEnoughData(
            f"Training, validation and test must each have donors and others; donors: {', '.join(donors)}"
            ". Nothing was trained: add streams, or choose another channel."
        )
