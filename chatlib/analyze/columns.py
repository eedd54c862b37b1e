"""The fast way to a ChatAnalytics: a whole chat at once, as columns.

Equal to feeding the same messages one by one (held by a property test), at a few hundred
nanoseconds a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

import chatlib
from chatlib.analyze.analytics import (
    ChatAnalytics,
    TwitchChatAnalytics,
    YoutubeChatAnalytics,
    count_samples,
)
from chatlib.analyze.samples import Sample
from chatlib.analyze.settings import ProcessSettings
from chatlib.analyze.words import PLATFORM_VALUES, PlatformWords, find_words, format_time
from chatlib.errors import DataError

__all__ = ["NOBODY", "ChatColumns", "analyze_columns", "make_analytics"]

NOBODY = -1
_MOST_SAMPLES = 5_000_000  # one a second for eight weeks


class ChatColumns(NamedTuple):
    """A chat as columns of equal length, rows in source order.

    offset_s: float, NaN where unknown. kind: names of kinds. author: whole numbers, one per
    author, -1 for nobody. message_id: looked at only for kinds whose id counts once; None there
    counts the row by itself. May be None as a whole where the platform has no such kinds.
    """

    offset_s: np.ndarray
    kind: Sequence[str | None]
    author: np.ndarray
    message_id: Sequence[str | None] | None = None


class _Counts(NamedTuple):
    per_sample: dict[str, np.ndarray]
    totals: dict[str, int]
    n_users: int
    n_outside: int


def make_analytics(
    platform: str, *, duration_s: float, interval_s: int, description: str = ""
) -> YoutubeChatAnalytics | TwitchChatAnalytics:
    """Return empty analytics of the class that a platform needs.

    The platform may be named as the database names it ('youtube') or as the format does.
    """
    words = find_words(platform)
    made = YoutubeChatAnalytics if words is YoutubeChatAnalytics.words else TwitchChatAnalytics
    return made(
        duration=duration_s,
        interval=interval_s,
        description=description,
        program_version=chatlib.__version__,
        platform=PLATFORM_VALUES.get(platform, platform),
    )


def analyze_columns(
    chat: ChatColumns, analytics: ChatAnalytics, *, settings: ProcessSettings | None = None
) -> ChatAnalytics:
    """Fill empty analytics from a chat, settle them, and return them.

    Raises: DataError for a stream so long that its samples would not fit into memory.
    """
    settings = settings or ProcessSettings()
    if count_samples(analytics.duration, analytics.interval) > _MOST_SAMPLES:
        raise DataError(
            f"A stream may have {_MOST_SAMPLES:,} samples; {analytics.duration_text} in samples of "
            f"{analytics.interval} s are more. Check its times, or choose a longer interval."
        )
    if settings.msg_break >= 0:
        chat = _take_first(chat, settings.msg_break)
    counts = _count(chat, analytics.words, duration_s=analytics.duration, interval_s=analytics.interval)
    for name, total in counts.totals.items():
        setattr(analytics, name, total)
    analytics.samples = _make_samples(analytics, counts.per_sample)
    analytics.settle(n_users=counts.n_users, n_outside=counts.n_outside)
    analytics.chatlog_post_process(settings)
    return analytics


def _count(chat: ChatColumns, words: PlatformWords, *, duration_s: float, interval_s: int) -> _Counts:
    offset = np.asarray(chat.offset_s, dtype=float)
    inside = (offset >= 0) & (offset <= duration_s)  # False for NaN
    n_samples = count_samples(duration_s, interval_s)
    sample = np.minimum(np.where(inside, offset, 0) // interval_s, max(n_samples - 1, 0)).astype(np.int64)
    code, names = _factorize(chat.kind)
    chats = inside & np.isin(code, [names[kind] for kind in words.chat_kinds if kind in names])

    def per_sample(rows: np.ndarray) -> np.ndarray:
        return np.bincount(sample[rows], minlength=n_samples)[:n_samples]

    author = np.asarray(chat.author, dtype=np.int64)
    by_user = chats & (author != NOBODY)
    # Each user once in each sample, users one after another, samples in time order.
    pairs = np.unique(author[by_user] * max(n_samples, 1) + sample[by_user])
    user, user_sample = np.divmod(pairs, max(n_samples, 1))
    is_first = np.concatenate([[True], user[1:] != user[:-1]]) if len(user) else np.zeros(0, dtype=bool)
    found = {
        "activity": per_sample(inside),
        "chatMessages": per_sample(chats),
        "firstTimeChatters": np.bincount(user_sample[is_first], minlength=n_samples)[:n_samples],
        "uniqueUsers": np.bincount(user_sample, minlength=n_samples)[:n_samples],
    }
    totals = {"totalActivity": int(inside.sum()), "totalChatMessages": int(chats.sum())}
    for counter, total in words.totals.items():
        kinds = [names[kind] for kind, c in words.events.items() if c == counter and kind in names]
        rows = np.flatnonzero(inside & np.isin(code, kinds))
        if counter in words.once_per_id:
            rows = _keep_first_of_id(rows, offset, chat.message_id)
        found[counter] = per_sample(rows)
        totals[total] = len(rows)
    return _Counts(found, totals, int(is_first.sum()), len(offset) - totals["totalActivity"])


def _take_first(chat: ChatColumns, n_rows: int) -> ChatColumns:
    return ChatColumns(*(None if column is None else column[:n_rows] for column in chat))


def _factorize(kinds: Sequence[str | None]) -> tuple[np.ndarray, dict[str | None, int]]:
    names: dict[str | None, int] = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return np.fromiter(map(names.__getitem__, kinds), dtype=np.int32, count=len(kinds)), names


def _keep_first_of_id(
    rows: np.ndarray, offset_s: np.ndarray, message_id: Sequence[str | None] | None
) -> np.ndarray:
    """Keep, of the rows with one message id, the earliest; all rows without an id."""
    if message_id is None:
        return rows
    in_time = rows[np.argsort(offset_s[rows], kind="stable")]
    first: dict[object, int] = {}
    for row in in_time.tolist():
        key = message_id[row]
        first.setdefault(row if key is None else key, row)
    return np.fromiter(first.values(), dtype=np.int64, count=len(first))


def _make_samples(analytics: ChatAnalytics, counts: dict[str, np.ndarray]) -> list[Sample]:
    """Return the samples with these counts; positional, because there can be a million of them."""
    n = len(counts["activity"])
    if not n:
        return []
    interval = analytics.interval
    start = list(range(0, n * interval, interval))
    end = [*start[1:], min(n * interval, analytics.duration)]
    text = [format_time(seconds) for seconds in start]
    length = [*repeat(interval, n - 1), end[-1] - start[-1]]
    lengths = np.array(length, dtype=float)
    averages = [(counts[name] / lengths).tolist() for name in ("activity", "chatMessages", "uniqueUsers")]
    common = [
        counts[name].tolist() for name in ("activity", "chatMessages", "firstTimeChatters", "uniqueUsers")
    ]
    special = [counts[name].tolist() for name in analytics.words.totals]
    none_pending = [{} for _ in range(n)]
    return list(
        map(
            analytics.sample_class,
            start,
            end,
            length,
            text,
            [*text[1:], format_time(end[-1])],
            *common,
            *averages,
            none_pending,
            *special,
        )
    )
