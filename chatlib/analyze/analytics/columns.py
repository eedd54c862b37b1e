"""The engine: a whole chat as columns becomes a ChatAnalytics.

Equal to feeding the specification's classes the same messages one by one (a property test holds
it), at a few hundred nanoseconds a message. The readers beside it produce the columns.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import NamedTuple

import numpy as np

import chatlib
from chatlib.analyze.analytics.chat_analytics import (
    ChatAnalytics,
    TwitchChatAnalytics,
    YoutubeChatAnalytics,
    count_samples,
    find_class,
)
from chatlib.analyze.analytics.format import PLATFORM_VALUES, PlatformRules, ProcessSettings
from chatlib.analyze.analytics.sections import Sample
from chatlib.columns import ChatColumns
from chatlib.errors import DataError
from chatlib.records import NOBODY
from chatlib.workspace import rare_gc

__all__ = ["analyze_columns", "make_analytics"]

_MOST_SAMPLES = 5_000_000  # one a second for eight weeks


class _Counts(NamedTuple):
    per_sample: dict[str, np.ndarray]
    totals: dict[str, int]
    n_users: int
    n_outside: int


def make_analytics(
    platform: str, *, duration_s: float, settings: ProcessSettings
) -> YoutubeChatAnalytics | TwitchChatAnalytics:
    """Return empty analytics of a platform's class.

    The platform may be named as the database names it ('youtube') or as the format does.
    """
    return find_class(platform)(
        duration=duration_s,
        interval=settings.interval_s,
        description=settings.description,
        program_version=chatlib.__version__,
        platform=PLATFORM_VALUES.get(platform, platform),
    )


@rare_gc()
def analyze_columns(chat: ChatColumns, analytics: ChatAnalytics, settings: ProcessSettings) -> ChatAnalytics:
    """Fill empty analytics from a chat, complete them, and return them.

    Raises: DataError for a stream so long that its samples would not fit into memory.
    """
    if count_samples(analytics.duration, analytics.interval) > _MOST_SAMPLES:
        raise DataError(
            f"A stream may have {_MOST_SAMPLES:,} samples; {analytics.duration_text} in samples of "
            f"{analytics.interval} s are more. Check its times, or choose a longer interval."
        )
    if settings.msg_break >= 0:
        first = slice(settings.msg_break)
        chat = chat._replace(offset_s=chat.offset_s[first], kind=chat.kind[first], author=chat.author[first])
    counts = _count(chat, analytics.rules, duration_s=analytics.duration, interval_s=analytics.interval)
    for name, total in counts.totals.items():
        setattr(analytics, name, total)
    analytics.samples = _make_samples(analytics, counts.per_sample)
    analytics.compute_averages(n_users=counts.n_users, n_outside=counts.n_outside)
    analytics.chatlog_post_process(settings)
    return analytics


def _count(chat: ChatColumns, rules: PlatformRules, *, duration_s: float, interval_s: int) -> _Counts:
    n_outside = len(chat.offset_s)
    chat = _keep_inside(chat, duration_s)
    n_outside -= len(chat.offset_s)
    n_samples = count_samples(duration_s, interval_s)
    sample = (chat.offset_s // interval_s).astype(np.int64)
    np.minimum(sample, max(n_samples - 1, 0), out=sample)
    chats = _is_of(chat, rules.chat_kinds)
    by_user = chats & (chat.author != NOBODY)
    user_sample, is_first = _pair_users(chat.author[by_user], sample[by_user])

    def per_sample(samples: np.ndarray) -> np.ndarray:
        return np.bincount(samples, minlength=n_samples)[:n_samples]

    found = {
        "activity": per_sample(sample),
        "chatMessages": per_sample(sample[chats]),
        "firstTimeChatters": per_sample(user_sample[is_first]),
        "uniqueUsers": per_sample(user_sample),
    }
    totals = {"totalActivity": len(sample), "totalChatMessages": int(chats.sum())}
    for counter, total in rules.totals.items():
        kinds = {kind for kind, counted_as in rules.events.items() if counted_as == counter}
        rows = np.flatnonzero(_is_of(chat, kinds))
        if counter in rules.once_per_id:
            rows = _keep_first_of_id(rows, chat.offset_s, chat.message_ids)
        found[counter] = per_sample(sample[rows])
        totals[total] = len(rows)
    return _Counts(found, totals, int(is_first.sum()), n_outside)


def _keep_inside(chat: ChatColumns, duration_s: float) -> ChatColumns:
    """Return the chat within [0, duration]; the same one, not copied, where that is all of it."""
    inside = (chat.offset_s >= 0) & (chat.offset_s <= duration_s)  # False for NaN
    if inside.all():
        return chat
    place = (np.cumsum(inside) - 1).tolist()
    ids = {place[row]: key for row, key in chat.message_ids.items() if row < len(inside) and inside[row]}
    return ChatColumns(chat.offset_s[inside], chat.kind[inside], chat.kinds, chat.author[inside], ids)


def _pair_users(author: np.ndarray, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of each user, each once, and whether a sample is its user's first."""
    order = np.argsort(sample, kind="stable")  # next to nothing where a chat is in time order
    order = order[np.argsort(author[order], kind="stable")]
    user_sample, is_first = sample[order], _is_new(author[order])
    is_kept = is_first | _is_new(user_sample)
    return user_sample[is_kept], is_first[is_kept]


def _is_new(ordered: np.ndarray) -> np.ndarray:
    """Return where a value differs from the one before it; the first one does."""
    new = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return new


def _is_of(chat: ChatColumns, kinds: Container[str]) -> np.ndarray:
    return np.array([kind in kinds for kind in chat.kinds], dtype=bool)[chat.kind]


def _keep_first_of_id(rows: np.ndarray, offset_s: np.ndarray, message_ids: Mapping[int, str]) -> np.ndarray:
    """Keep, of the rows with one message id, the earliest; all rows without an id."""
    in_time = rows[np.argsort(offset_s[rows], kind="stable")]
    first: dict[object, int] = {}
    for row in in_time.tolist():
        first.setdefault(message_ids.get(row, row), row)
    return np.fromiter(first.values(), dtype=np.int64, count=len(first))


def _make_samples(analytics: ChatAnalytics, counts: dict[str, np.ndarray]) -> list[Sample]:
    """Return the samples with these counts."""
    interval, duration = analytics.interval, analytics.duration
    starts = range(0, len(counts["activity"]) * interval, interval)
    samples = [analytics.sample_class(start, min(start + interval, duration)) for start in starts]
    for name, column in counts.items():
        for sample, n in zip(samples, column.tolist(), strict=True):
            setattr(sample, name, n)
    for sample in samples:
        sample.sample_post_process()
    return samples
