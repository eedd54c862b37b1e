"""One row per viewer and stream: what they wrote that is no payment, and whether they paid.

A viewer is one author in one stream; a donor is a viewer who paid in it. Two tasks: in
`retrospective` the input is all their unpaid chat of the stream; in `forecast` it ends at a
landmark, who has paid by then is out, and the label is whether they paid after it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.predict.history import HISTORY_COLUMNS, build_history, rank_dates
from chatlib.predict.leak_guard import find_payments, select_inputs
from chatlib.records import DONATION_KINDS
from chatlib.splits import DateSplit
from chatlib.store import Store

__all__ = ["TASKS", "Task", "Viewers", "count_periods", "load_viewers", "require_donors"]

TASKS = ("retrospective", "forecast")
_COLUMNS = ("stream_id", "position", "message_id", "kind", "offset_s", "author", "text", "notice",
            "badges", "amount_text", "bits")  # fmt: skip
_OWNER_BADGE = r'"(?:broadcaster|owner)"'

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What is asked of a viewer. `forecast` reads until the landmark and asks what comes later.

    The landmark is a share of the stream, or minutes if `landmark_min` is given. Payments in
    the `gap_min` minutes behind it count for nothing and put the viewer out; the question ends
    `horizon_min` minutes after the gap, or with the stream.

    Raises: ParameterError for an unknown name or an impossible time.
    """

    name: str = "retrospective"
    landmark_share: float = 0.5
    landmark_min: float | None = None
    gap_min: float = 0.0
    horizon_min: float | None = None

    def __post_init__(self) -> None:
        if self.name not in TASKS:
            raise ParameterError(f"TASK must be one of {TASKS}, got {self.name!r}.")
        if not 0 < self.landmark_share < 1:
            raise ParameterError(f"LANDMARK_SHARE must be between 0 and 1, got {self.landmark_share}.")
        times = [t for t in (self.landmark_min, self.horizon_min) if t is not None]
        if self.gap_min < 0 or any(t <= 0 for t in times):
            raise ParameterError(
                "Landmark and horizon must be positive and the gap not negative, in minutes; "
                f"got {self.landmark_min}, {self.horizon_min} and {self.gap_min}."
            )


@dataclass(frozen=True)
class Viewers:
    """Viewers and their input messages.

    `table` has one row per viewer, streams oldest first: stream_id, author, started_at,
    stream_end_s (the last offset, or the landmark), input_end_s, n_messages, n_viewers (of the
    stream), paid, first_paid_s, badges (known before the stream; in `forecast`: at the landmark)
    and HISTORY_COLUMNS. Messages of row i are those from `starts[i]` to `starts[i + 1]`, by
    offset; `texts[text_codes[j]]` is what message j says. `exclusions` counts what was left out.
    """

    task: Task
    donation_kinds: frozenset[str]
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

    def with_labels(self, paid: np.ndarray) -> Viewers:
        """Return the same viewers with other labels, for audits."""
        return replace(self, table=self.table.assign(paid=np.asarray(paid, bool)))


def load_viewers(
    db: Store,
    task: Task | None = None,
    *,
    donation_kinds: Collection[str] = DONATION_KINDS,
) -> Viewers:
    """Build the viewers of all dated streams, oldest stream first, each by author.

    Left out and counted: streams without a date, the channel's owner, viewers without a message
    that may be an input, and in `forecast` those who have paid by the landmark, in the gap, or
    at a time that the source does not give.

    Raises: NotEnoughData if no viewer is left.
    """
    task = task or Task()
    kinds = frozenset(donation_kinds)
    streams = db.load_streams()
    dated = streams[streams["started_at"].notna()].reset_index(drop=True)
    messages = db.load_messages(dated["stream_id"].tolist(), columns=_COLUMNS)
    messages = messages[messages["author"].notna()].reset_index(drop=True)
    exclusions = {"streams without a date": len(streams) - len(dated)}
    paid = find_payments(messages, donation_kinds=kinds)
    keys = _Keys(messages, dated)
    ends = _find_ends(messages, keys, task)
    attendance = _build_attendance(messages, keys, paid, ends, task)
    inputs = select_inputs(messages, donation_kinds=kinds)
    inputs = inputs & (messages["offset_s"].to_numpy(float) <= ends[keys.stream])
    attendance["n_messages"] = np.bincount(keys.viewer[inputs], minlength=len(attendance))
    if task.name == "forecast":
        attendance["badges"] = _last_badges(messages, keys, inputs, len(attendance))
    keep = _exclude(attendance, _find_owners(messages), task, exclusions)
    if not keep.any():
        raise NotEnoughData(
            f"There must be a viewer with a message that is no payment; {len(dated)} dated streams with "
            f"{len(messages)} rows have none. Import chat first (notebook 01)."
        )
    return _assemble(messages, keys, attendance, keep, inputs, task, kinds, exclusions)


def count_periods(viewers: Viewers, split: DateSplit) -> pd.DataFrame:
    """Return one row per period: streams, dates, viewers, donors, prevalence, messages."""
    rows = []
    for name, ids in split._asdict().items():
        part = viewers.table.iloc[viewers.find_rows(ids)]
        rows.append(
            {
                "period": name,
                "streams": len(ids),
                "from": part["started_at"].min() if len(part) else None,
                "to": part["started_at"].max() if len(part) else None,
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


class _Keys:
    """Integer keys of messages: stream in order of date, viewer within it."""

    def __init__(self, messages: pd.DataFrame, streams: pd.DataFrame) -> None:
        self.streams = streams
        order = pd.Series(np.arange(len(streams)), index=streams["stream_id"].to_numpy())
        self.stream = order.reindex(messages["stream_id"].to_numpy()).to_numpy().astype(np.int64)
        author = messages["author"].to_numpy().astype(np.int64)
        width = int(author.max()) + 1 if len(author) else 1
        pairs, self.viewer = np.unique(self.stream * width + author, return_inverse=True)
        self.viewer_stream, self.viewer_author = pairs // width, pairs % width


def _find_ends(messages: pd.DataFrame, keys: _Keys, task: Task) -> np.ndarray:
    """Return, per stream, the offset at which the input ends."""
    last = np.zeros(len(keys.streams))
    offsets = messages["offset_s"].to_numpy(float)
    known = ~np.isnan(offsets)
    np.maximum.at(last, keys.stream[known], offsets[known])
    if task.name == "retrospective":
        return last
    if task.landmark_min is not None:
        return np.full(len(last), task.landmark_min * 60.0)
    return last * task.landmark_share


def _build_attendance(
    messages: pd.DataFrame, keys: _Keys, paid: np.ndarray, ends: np.ndarray, task: Task
) -> pd.DataFrame:
    """Return one row per author and stream, payers without a word among them, with history."""
    n = len(keys.viewer_stream)
    offsets = messages["offset_s"].to_numpy(float)
    gift = paid & messages["kind"].str.contains("gift_purchase|subscription_gift|pay_forward").to_numpy(bool)
    table = pd.DataFrame({"order": keys.viewer_stream, "author": keys.viewer_author})
    for column in ("stream_id", "started_at"):
        table[column] = keys.streams[column].to_numpy()[keys.viewer_stream]
    table["stream_end_s"] = table["input_end_s"] = ends[keys.viewer_stream]
    table["n_rows"] = np.bincount(keys.viewer, minlength=n)
    table["n_paid"] = np.bincount(keys.viewer[paid], minlength=n)
    table["n_gifts"] = np.bincount(keys.viewer[gift], minlength=n)
    table["first_paid_s"] = _first_offset(keys.viewer, offsets, paid, n)
    label, out = _label(keys, offsets, paid, ends, task, n)
    table["paid"], table["is_out"] = label, out
    everything = np.ones(len(messages), bool)
    table["last_badges"] = _last_badges(messages, keys, everything, n)
    history = build_history(table, dates=rank_dates(table["started_at"]))
    return pd.concat([table, history], axis=1)


def _label(
    keys: _Keys, offsets: np.ndarray, paid: np.ndarray, ends: np.ndarray, task: Task, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return who is a donor, and who is out because the answer is known or cannot be known."""
    if task.name == "retrospective":
        return np.bincount(keys.viewer[paid], minlength=n) > 0, np.zeros(n, bool)
    start = ends[keys.stream] + task.gap_min * 60.0
    stop = np.inf if task.horizon_min is None else start + task.horizon_min * 60.0
    label = paid & (offsets > start) & (offsets <= stop)
    early = paid & ~(offsets > start)  # a payment without a time counts as early
    return (
        np.bincount(keys.viewer[label], minlength=n) > 0,
        np.bincount(keys.viewer[early], minlength=n) > 0,
    )


def _first_offset(viewer: np.ndarray, offsets: np.ndarray, mask: np.ndarray, n: int) -> np.ndarray:
    first = np.full(n, np.inf)
    mask = mask & ~np.isnan(offsets)
    np.minimum.at(first, viewer[mask], offsets[mask])
    return np.where(np.isinf(first), np.nan, first)


def _last_badges(messages: pd.DataFrame, keys: _Keys, mask: np.ndarray, n: int) -> np.ndarray:
    """Return each viewer's badges in the last row of the mask, "[]" for none, None for no row."""
    last = np.full(n, -1)
    rows = np.flatnonzero(mask)
    np.maximum.at(last, keys.viewer[rows], rows)
    badges = messages["badges"].to_numpy(object)
    badges = np.where(pd.isna(badges), "[]", badges)
    return np.where(last < 0, None, badges[np.maximum(last, 0)]) if len(badges) else np.full(n, None)


def _find_owners(messages: pd.DataFrame) -> np.ndarray:
    """Return the authors who wear the badge of the channel's owner."""
    badges = messages["badges"]
    known = badges.dropna().unique()
    owner = [b for b in known if pd.Series([b]).str.contains(_OWNER_BADGE, case=False).item()]
    return messages.loc[badges.isin(owner), "author"].unique().astype(np.int64)


def _exclude(
    attendance: pd.DataFrame, owners: np.ndarray, task: Task, exclusions: dict[str, int]
) -> np.ndarray:
    """Return a mask of the viewers that stay; count the others by the first reason."""
    keep = np.ones(len(attendance), bool)
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
    log.info("left out of %d viewers: %s", len(attendance), exclusions)
    return keep


def _assemble(
    messages: pd.DataFrame,
    keys: _Keys,
    attendance: pd.DataFrame,
    keep: np.ndarray,
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
               "n_viewers", "paid", "first_paid_s", "badges", *HISTORY_COLUMNS]  # fmt: skip
    codes, texts = pd.factorize(messages["text"].fillna("").to_numpy(object)[rows])
    return Viewers(
        task=task,
        donation_kinds=kinds,
        table=table[columns],
        starts=np.searchsorted(viewer, np.arange(len(table) + 1)),
        positions=messages["position"].to_numpy()[rows],
        offsets_s=messages["offset_s"].to_numpy(float)[rows],
        text_codes=codes.astype(np.int64),
        texts=texts.tolist(),
        exclusions=exclusions,
    )
