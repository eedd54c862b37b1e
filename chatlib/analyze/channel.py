"""A channel's streams over time, from the analytics of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.readers import load_talk
from chatlib.analyze.moments import ENOUGH_MESSAGES, Moment, ReactionWords, learn_reactions
from chatlib.analyze.timeline import Mark
from chatlib.tables import format_share
from chatlib.times import format_clock

if TYPE_CHECKING:
    from chatlib.dataset import ChatReader

__all__ = [
    "describe_streams",
    "learn_channel",
    "rank_streams",
    "summarize_stream",
    "tabulate_streams",
]

_MINUTE_S = 60
_TITLE_LENGTH = 60
_COLUMNS = (
    "started_at", "video_id", "title", "duration", "duration_s", "activity", "chats", "users",
    "chats_per_min", "best_minute", "highlights", "highlights_share", "spikes", "best_moment", "link",
)  # fmt: skip


def tabulate_streams(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return the summaries of streams, as `summarize_stream` makes them, as one table.

    It has its columns without a row, too; the platforms' totals are the last.
    """
    columns = dict.fromkeys([*_COLUMNS, *chain.from_iterable(rows)])
    return pd.DataFrame(rows, columns=list(columns))


def learn_channel(store: ChatReader) -> ReactionWords:
    """Return the words of a channel that keep company with laughter, learned over all its time.

    Streams are read in an order that skips over the channel, until there is enough to learn from.
    """
    streams = [stream for stream in store.list_streams() if stream.last_offset_s is not None]
    n_skipped = max(sum(stream.n_messages for stream in streams) // ENOUGH_MESSAGES, 1)
    order = [stream for first in range(n_skipped) for stream in streams[first::n_skipped]]
    return learn_reactions(load_talk(store, stream) for stream in order)


def rank_streams(streams: pd.DataFrame, *, top: int = 10) -> pd.DataFrame:
    """Return the streams with most chat messages a minute, in as few columns as fit a page.

    `streams` is a table of `tabulate_streams`.
    Columns: date, title, duration, chats, people, chats_per_min, best_minute, spikes, best_moment,
    link.
    """
    ranked = streams.sort_values("chats_per_min", ascending=False, kind="stable").head(top)
    table = ranked.rename(columns={"users": "people"}).assign(
        date=ranked["started_at"].str[:10],
        title=[" ".join(title.split())[:_TITLE_LENGTH] for title in ranked["title"]],
    )
    columns = ["date", "title", "duration", "chats", "people", "chats_per_min", "best_minute", "spikes"]
    return table[[*columns, "best_moment", "link"]].reset_index(drop=True)


def describe_streams(streams: pd.DataFrame, returning_share: pd.Series) -> list[str]:
    """Return which stream is the liveliest, and how many come again, in sentences; none of one stream."""
    if len(streams) < 2:
        return []
    best = rank_streams(streams, top=1).iloc[0]
    share, per_min = format_share(returning_share.mean()), best["chats_per_min"]
    return [
        f"The liveliest stream is “{best['title']}”, with {per_min:.0f} chat messages a minute.",
        f"On average {share} of the people of a stream had written in an earlier one.",
    ]


def summarize_stream(
    analytics: ChatAnalytics,
    *,
    video_id: str,
    started_at: str | None = None,
    best: Moment | Mark | None = None,
) -> dict[str, object]:
    """Return a stream in a row: how much was written, by how many, its best moment, the platform's totals.

    `best_minute` is the most chat messages within a minute of the grid, `highlights_share` is of the time.
    The video id stands in for an unknown title.
    """
    duration_s, title = analytics.duration, analytics.mediaTitle
    summary = {
        "started_at": started_at,
        "video_id": video_id,
        "title": video_id if title == ChatAnalytics.mediaTitle else title,
        "duration": analytics.duration_text,
        "duration_s": duration_s,
        "activity": analytics.totalActivity,
        "chats": analytics.totalChatMessages,
        "users": analytics.totalUniqueUsers,
        "chats_per_min": analytics.overallAvgChatMessagesPerSecond * _MINUTE_S,
        "best_minute": _find_best_minute(analytics),
        "highlights": len(analytics.highlights),
        "highlights_share": analytics.highlights_duration / duration_s if duration_s else 0.0,
        "spikes": len(analytics.spikes),
        "best_moment": format_clock(best.start_s) if best else None,
        "link": best.link if best else None,
    }
    totals = {total: getattr(analytics, total) for total in analytics.rules.totals.values()}
    return summary | totals


def _find_best_minute(analytics: ChatAnalytics) -> float:
    """Return the most chat messages in a row of samples as long as a minute (or in one longer sample)."""
    if not analytics.samples:
        return 0.0
    counts = np.array([sample.chatMessages for sample in analytics.samples])
    n = max(_MINUTE_S // analytics.interval, 1)
    sums = np.concatenate([[0], np.cumsum(counts)])
    most = (sums[n:] - sums[:-n]).max() if len(counts) >= n else sums[-1]
    return float(most) * _MINUTE_S / (n * analytics.interval)
