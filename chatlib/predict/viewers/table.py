"""One row per viewer and stream: what they wrote that is no payment, and whether they paid.

A viewer is one author in one stream; a donor is a viewer who paid in it. Two tasks: in
`retrospective` the input is all their unpaid chat of the stream; in `forecast` it ends at a
landmark, who has paid by then is out, and the label is whether they paid after it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from chatlib.errors import DataError, NotEnoughData
from chatlib.predict.viewers.attendance import Keys, build_attendance, find_ends, find_owners, last_badges
from chatlib.predict.viewers.earlier import Earlier, find_earlier, slice_rows
from chatlib.predict.viewers.history import HISTORY_COLUMNS
from chatlib.predict.viewers.leak_guard import find_payments, select_inputs
from chatlib.predict.viewers.rhythm import RHYTHM_COLUMNS
from chatlib.predict.viewers.tasks import Task
from chatlib.records import DONATION_KINDS
from chatlib.splits import DateSplit
from chatlib.store import Store
from chatlib.workspace import without_gc

__all__ = ["Viewers", "count_periods", "load_viewers", "require_donors"]

_COLUMNS = ("stream_id", "position", "message_id", "kind", "offset_s", "author", "text", "notice",
            "badges", "amount_text", "bits")  # fmt: skip

_TYPES = {"unread": bool, "kind": "category", "badges": "category"}  # few values, compared often

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Viewers:
    """Viewers and their input messages.

    `table` has one row per viewer, streams oldest first: stream_id, author, started_at,
    stream_end_s (the last offset, or the landmark), input_end_s, n_messages, n_viewers (of the
    stream), paid, first_paid_s, badges (known before the stream; in `forecast`: at the landmark)
    and HISTORY_COLUMNS and RHYTHM_COLUMNS. Messages of row i are those from `starts[i]` to
    `starts[i + 1]`, by offset; `texts[text_codes[j]]` is what message j says. `earlier` is what
    they wrote in earlier streams. `exclusions` counts what was left out.
    """

    task: Task
    donation_kinds: frozenset[str]
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

    def with_labels(self, paid: np.ndarray) -> Viewers:
        """Return the same viewers with other labels, for audits."""
        return replace(self, table=self.table.assign(paid=np.asarray(paid, bool)))


def load_viewers(
    db: Store,
    task: Task | None = None,
    *,
    donation_kinds: Collection[str] = DONATION_KINDS,
    only: Collection[int] | None = None,
    select: Callable[..., np.ndarray] = select_inputs,
) -> Viewers:
    """Build the viewers of all dated streams, oldest stream first, each by author.

    Left out and counted: streams without a date, the channel's owner, viewers without a message
    that may be an input, and in `forecast` those who have paid by the landmark, in the gap, or
    at a time that the source does not give. `only` builds the viewers of these streams alone,
    with the same history. `select` says which rows are inputs; another one than the leak guard's
    is for showing what a leak does.

    Raises: NotEnoughData if no viewer is left; DataError if `only` names a stream that is not
    there or has no date.
    """
    task = task or Task()
    kinds = frozenset(donation_kinds)
    streams = db.load_streams()
    dated = streams[streams["started_at"].notna() & (streams["n_messages"] > 0)].reset_index(drop=True)
    with without_gc():
        messages = _load_rows(db, dated, only)
    exclusions = {"streams without a date": int(streams["started_at"].isna().sum())}
    paid = find_payments(messages, donation_kinds=kinds)
    keys = Keys(messages, dated)
    ends = find_ends(messages, keys, task)
    attendance = build_attendance(messages, keys, paid, ends, task)
    usable = select(messages, donation_kinds=kinds)
    inputs = usable & (messages["offset_s"].to_numpy(float) <= ends[keys.stream])
    attendance["n_messages"] = np.bincount(keys.viewer[inputs], minlength=len(attendance))
    if task.name == "forecast":
        attendance["badges"] = last_badges(messages, keys, inputs, len(attendance))
    asked = np.ones(len(attendance), bool) if only is None else attendance["stream_id"].isin(list(only))
    keep = _exclude(attendance, np.asarray(asked), find_owners(messages), exclusions)
    if not keep.any():
        raise NotEnoughData(
            f"There must be a viewer with a message that is no payment; {len(only or dated)} dated streams "
            f"with {len(messages)} rows have none. Import chat first (notebook 01)."
        )
    viewers = _assemble(messages, keys, attendance, keep, usable, inputs, task, kinds, exclusions)
    return _add_texts(viewers, db, messages)


def _load_rows(db: Store, streams: pd.DataFrame, only: Collection[int] | None) -> pd.DataFrame:
    """Return what somebody wrote, streams in order, each by offset; with `only`, what its viewers did.

    There the texts of other streams are left unread.
    """
    if only is None:
        messages = db.load_messages(streams["stream_id"].tolist(), columns=_COLUMNS)
        messages = messages[messages["author"].notna()].reset_index(drop=True).assign(unread=False)
        return messages.astype(_TYPES)
    ids = [int(stream_id) for stream_id in only]
    if missing := sorted(set(ids) - set(streams["stream_id"])):
        raise DataError(
            f"A stream must be in the database, with messages and a date; stream {missing[0]} is not. "
            "Import it, and give its date in streams.csv."
        )
    marks = ", ".join("?" * len(ids))
    here = f"stream_id IN ({marks})"
    columns = ", ".join(f"CASE WHEN {here} THEN text END AS text" if c == "text" else c for c in _COLUMNS)
    messages = db.query(
        f"SELECT {columns}, NOT {here} AS unread FROM messages "
        f"WHERE author IN (SELECT author FROM messages WHERE {here})",
        [*ids, *ids, *ids],
    )
    place = pd.Series(np.arange(len(streams)), index=streams["stream_id"].to_numpy())
    order = place.reindex(messages["stream_id"]).to_numpy()
    keys = (messages["position"].to_numpy(), messages["offset_s"].fillna(-np.inf).to_numpy(float), order)
    by_time = np.lexsort(keys)
    return messages.iloc[by_time[~np.isnan(order[by_time])]].reset_index(drop=True).astype(_TYPES)


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


def _exclude(
    attendance: pd.DataFrame, asked: np.ndarray, owners: np.ndarray, exclusions: dict[str, int]
) -> np.ndarray:
    """Return a mask of the viewers that stay; count the others by the first reason."""
    keep = asked.copy()
    silent = (attendance["n_messages"] == 0).to_numpy()
    reasons = {
        "the channel's owner": attendance["author"].isin(owners).to_numpy(),
        "paid by the landmark": attendance["is_out"].to_numpy(bool),
        "paid, but no other message": silent & attendance["paid"].to_numpy(bool),
        "no message of their own": silent,
    }
    for reason, out in reasons.items():
        exclusions[reason] = int((keep & out).sum())
        keep &= ~out
    log.info("left out of %d viewers: %s", asked.sum(), exclusions)
    return keep


def _assemble(
    messages: pd.DataFrame,
    keys: Keys,
    attendance: pd.DataFrame,
    keep: np.ndarray,
    usable: np.ndarray,
    inputs: np.ndarray,
    task: Task,
    kinds: frozenset[str],
    exclusions: dict[str, int],
) -> Viewers:
    rows = np.flatnonzero(inputs & keep[keys.viewer])
    viewer = (np.cumsum(keep) - 1)[keys.viewer[rows]]
    order = np.argsort(viewer, kind="stable")  # messages came by offset within their stream
    rows, viewer = rows[order], viewer[order]
    table = attendance[keep].reset_index(drop=True)
    table["n_viewers"] = table.groupby("stream_id")["author"].transform("size")
    columns = ["stream_id", "author", "started_at", "stream_end_s", "input_end_s", "n_messages",
               "n_viewers", "paid", "first_paid_s", "badges", *HISTORY_COLUMNS, *RHYTHM_COLUMNS]  # fmt: skip
    return Viewers(
        task=task,
        donation_kinds=kinds,
        table=table[columns],
        starts=np.searchsorted(viewer, np.arange(len(table) + 1)),
        positions=messages["position"].to_numpy()[rows],
        offsets_s=messages["offset_s"].to_numpy(float)[rows],
        text_codes=rows,
        texts=[],
        earlier=find_earlier(messages, keys, usable, table),
        exclusions=exclusions,
    )


def _add_texts(viewers: Viewers, db: Store, messages: pd.DataFrame) -> Viewers:
    """Put codes of texts in the place of rows of `messages`; a text not yet read is read here."""
    rows = np.concatenate([viewers.text_codes, viewers.earlier.text_codes])
    used, place = np.unique(rows, return_inverse=True)
    texts = messages["text"].to_numpy(object)[used]
    if (unread := np.flatnonzero(messages["unread"].to_numpy()[used])).size:
        keys = messages.iloc[used[unread]][["stream_id", "message_id", "kind"]]
        texts[unread] = _read_texts(db, keys)
    codes, texts = pd.factorize(pd.Series(texts, dtype=object).fillna("").to_numpy(object))
    codes = codes.astype(np.int64)[place]
    n = len(viewers.text_codes)
    earlier = replace(viewers.earlier, text_codes=codes[n:])
    return replace(viewers, text_codes=codes[:n], texts=texts.tolist(), earlier=earlier)


def _read_texts(db: Store, keys: pd.DataFrame) -> np.ndarray:
    """Return the texts of these rows, in their order."""
    asked = json.dumps(keys.astype({"stream_id": int}).to_numpy(object).tolist())
    texts = db.query(
        "SELECT m.text FROM json_each(?) AS k JOIN messages AS m ON m.stream_id = k.value ->> 0 "
        "AND m.message_id = k.value ->> 1 AND m.kind = k.value ->> 2 ORDER BY k.key",
        [asked],
    )
    return texts["text"].to_numpy(object)
