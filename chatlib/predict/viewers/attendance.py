"""Who was in which stream, whether they paid, and what was known of them before it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from chatlib.predict.viewers.history import build_history, rank_dates
from chatlib.predict.viewers.rhythm import build_rhythm
from chatlib.predict.viewers.tasks import Task

__all__ = ["Keys", "build_attendance", "find_ends", "find_owners", "last_badges"]

_OWNER_BADGE = r'"(?:broadcaster|owner)"'
_GIFT_KIND = "gift_purchase|subscription_gift|pay_forward"


class Keys:
    """Integer keys of messages: stream in order of date, viewer within it."""

    def __init__(self, messages: pd.DataFrame, streams: pd.DataFrame) -> None:
        self.streams = streams
        order = pd.Series(np.arange(len(streams)), index=streams["stream_id"].to_numpy())
        self.stream = order.reindex(messages["stream_id"].to_numpy()).to_numpy().astype(np.int64)
        author = messages["author"].to_numpy().astype(np.int64)
        width = int(author.max()) + 1 if len(author) else 1
        pairs, self.viewer = np.unique(self.stream * width + author, return_inverse=True)
        self.viewer_stream, self.viewer_author = pairs // width, pairs % width


def find_ends(messages: pd.DataFrame, keys: Keys, task: Task) -> np.ndarray:
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


def build_attendance(
    messages: pd.DataFrame, keys: Keys, paid: np.ndarray, ends: np.ndarray, task: Task
) -> pd.DataFrame:
    """Return one row per author and stream, payers without a word among them, with history."""
    n = len(keys.viewer_stream)
    offsets = messages["offset_s"].to_numpy(float)
    gift = paid & messages["kind"].str.contains(_GIFT_KIND).to_numpy(bool)
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
    table["last_badges"] = last_badges(messages, keys, everything, n)
    dates = rank_dates(table["started_at"])
    history = build_history(table, dates=dates, stream_dates=rank_dates(keys.streams["started_at"]))
    rhythm = build_rhythm(table["author"].to_numpy(), dates, table["n_paid"].to_numpy() > 0)
    return pd.concat([table, history, rhythm], axis=1)


def _label(
    keys: Keys, offsets: np.ndarray, paid: np.ndarray, ends: np.ndarray, task: Task, n: int
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


def last_badges(messages: pd.DataFrame, keys: Keys, mask: np.ndarray, n: int) -> np.ndarray:
    """Return each viewer's badges in the last row of the mask, "[]" for none, None for no row."""
    last = np.full(n, -1)
    rows = np.flatnonzero(mask)
    np.maximum.at(last, keys.viewer[rows], rows)
    badges = messages["badges"].to_numpy(object)
    badges = np.where(pd.isna(badges), "[]", badges)
    return np.where(last < 0, None, badges[np.maximum(last, 0)]) if len(badges) else np.full(n, None)


def find_owners(messages: pd.DataFrame) -> np.ndarray:
    """Return the authors who wear the badge of the channel's owner."""
    badges = messages["badges"]
    known = badges.dropna().unique()
    owner = [b for b in known if pd.Series([b]).str.contains(_OWNER_BADGE, case=False).item()]
    return messages.loc[badges.isin(owner), "author"].unique().astype(np.int64)
