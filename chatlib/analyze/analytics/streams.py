"""A stream of the chat database, and its analytics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.columns import ChatColumns, Codes, analyze_columns, make_analytics
from chatlib.analyze.analytics.settings import ProcessSettings
from chatlib.analyze.analytics.words import find_words
from chatlib.analyze.people.audience import is_named
from chatlib.analyze.people.speech import hide_mentions
from chatlib.errors import NotEnoughData, ParameterError
from chatlib.records import CHAT_KINDS
from chatlib.store import Store
from chatlib.workspace import without_gc

__all__ = ["analyze_stream", "load_columns", "load_spoken", "pick_stream", "text_or_nothing"]


def pick_stream(streams: pd.DataFrame, video_id: str = "") -> NamedTuple:
    """Return one row of `load_streams`: the stream with this id, or the one with most messages.

    Raises: ParameterError for an id that is not there; NotEnoughData if no stream has messages
    with a time.
    """
    if video_id:
        found = streams[streams["video_id"] == video_id]
        if found.empty:
            some = ", ".join(streams["video_id"].head(3))
            raise ParameterError(
                f"STREAM must be the video id of a stream in the database, got {video_id!r}. "
                f"There are {len(streams)}, among them {some or 'none'}; leave it empty for the largest."
            )
        return next(found.itertuples())
    timed = streams[streams["last_offset_s"].notna()]
    if timed.empty:
        raise NotEnoughData(
            f"Analytics need a stream with messages that have a time in it; none of {len(streams)} "
            "streams has any. Collect or import chat replays first (notebook 01)."
        )
    return next(timed.nlargest(1, "n_messages").itertuples())


@without_gc()
def analyze_stream(
    store: Store,
    stream: NamedTuple,
    *,
    interval_s: int = 5,
    settings: ProcessSettings | None = None,
    description: str = "",
) -> ChatAnalytics:
    """Return the analytics of one stream (a row of `load_streams`).

    Its duration is the stream's own, and the largest offset where that is unknown.
    Raises: NotEnoughData if no message has an offset.
    """
    settings = settings or ProcessSettings()
    chat = load_columns(store, stream, in_order=settings.msg_break >= 0 or settings.shows_progress)
    if not np.isfinite(chat.offset_s).any():
        raise NotEnoughData(
            f"Analytics need messages with a time in the stream; {stream.platform} {stream.video_id} "
            f"has {len(chat.kind)} messages, none with a time. Leave this stream out."
        )
    known = stream.duration_s is not None and np.isfinite(stream.duration_s) and stream.duration_s > 0
    duration_s = float(stream.duration_s if known else max(np.nanmax(chat.offset_s), 0.0))
    analytics = make_analytics(
        stream.platform, duration_s=duration_s, interval_s=interval_s, description=description
    )
    analytics.mediaTitle = text_or_nothing(stream.title) or analytics.mediaTitle
    analytics.mediaSource = text_or_nothing(stream.url) or f"{stream.platform}:{stream.video_id}"
    return analyze_columns(chat, analytics, settings=settings)


def text_or_nothing(value: object) -> str:
    """Return a text of a table, or an empty one where there is none: None and NaN both mean that."""
    return value if isinstance(value, str) else ""


def load_spoken(
    store: Store, stream: NamedTuple, *, hide_names: bool = False, leave_out: Iterable[str] = ()
) -> pd.DataFrame:
    """Return the chat messages of a stream that have text, in time order.

    Columns: offset_s, author, text, emotes. With `hide_names`, every @name in a text is `@…`.
    People are left out by name, capitals aside.
    """
    columns = ("offset_s", "kind", "author", "name", "text", "emotes")
    messages = store.load_messages([stream.stream_id], columns=columns)
    kept = messages["kind"].isin(CHAT_KINDS) & messages["text"].notna()
    spoken = messages[kept & ~is_named(messages["name"], leave_out)]
    spoken = spoken.drop(columns=["kind", "name"]).reset_index(drop=True)
    return spoken.assign(text=hide_mentions(spoken["text"])) if hide_names else spoken


def load_columns(store: Store, stream: NamedTuple, *, in_order: bool = False) -> ChatColumns:
    """Return the chat of a stream (a row of `load_streams`) as columns, `in_order` of its source."""
    words = find_words(stream.platform)
    needs_id = [kind for kind, counter in words.events.items() if counter in words.once_per_id]
    once = f"CASE WHEN kind IN ({', '.join('?' * len(needs_id))}) THEN message_id END" if needs_id else "NULL"
    rows = store.connection.execute(
        f"SELECT offset_s, kind, coalesce(author, -1), {once} FROM messages WHERE stream_id = ?"
        f"{' ORDER BY position' * in_order}",
        (*needs_id, int(stream.stream_id)),
    ).fetchall()
    offset, kind, author, message_id = zip(*rows, strict=True) if rows else ((), (), (), ())
    kinds = Codes()
    return ChatColumns(
        offset_s=np.array(offset, dtype=float),
        kind=kinds.encode(kind),
        kinds=list(kinds),
        author=np.array(author, dtype=np.int64),
        message_ids={row: key for row, key in enumerate(message_id) if key is not None} if needs_id else {},
    )
