"""Which format a chat file has, by its content, and the one stream that is in it."""

from __future__ import annotations

import logging
import re
import statistics
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from chatlib.collect import chat_downloader_rows, innertube_rows, twitch_rows, video_pages
from chatlib.collect.containers import Parsed, parse_json, unpack
from chatlib.collect.rows import Notes
from chatlib.collect.sheets import date_of_timestamp, guess_platform, ids_in_name, stream_of_row
from chatlib.errors import UnknownFormat
from chatlib.records import CHAT_KINDS, TWITCH, TWITCH_PAID_KINDS, YOUTUBE, Stream

__all__ = ["Chat", "read_chat"]

log = logging.getLogger(__name__)

_YOUTUBE_AUTHOR = re.compile(r"UC[\w-]{22}")
_TWITCH_KINDS = TWITCH_PAID_KINDS | CHAT_KINDS - {"text_message"} | {"raid", "bits_badge_tier", "ritual"}
_OFFSET, _AUTHOR, _TIMESTAMP, _KIND = 2, 3, 12, 1


class Chat(NamedTuple):
    """One stream's chat as a reader found it. Rows are tuples in the order of `Message`."""

    format: str
    stream: Stream
    rows: list[tuple]
    skipped: Mapping[str, int]


def read_chat(data: bytes, *, file_name: str, row: Mapping[str, str]) -> Chat:
    """Read the chat in a file's bytes; `row` is what a list of streams says of it.

    What the content says of the stream counts most, then the list, then the file name.
    Raises: UnknownFormat, or SourceError for a file that begins well and cannot be read.
    """
    notes = Notes()
    parsed = parse_json(unpack(data, notes), notes)
    chat = _read_content(parsed, notes)
    if chat is None:
        raise UnknownFormat(
            "This is JSON, but of no chat that chatlib knows: chat-downloader, yt-dlp live_chat, YouTube's "
            "own responses, TwitchDownloader, Twitch v5 comments."
        )
    return _complete(chat, file_name, row)


def _read_content(parsed: Parsed, notes: Notes) -> Chat | None:
    """Return the chat if the content is of a known format; tried from the most telling to the least."""
    content = parsed.content
    actions = innertube_rows.find_actions(content)
    if actions is not None:
        channel_id, video_id = innertube_rows.find_stream_ids(actions)
        stream = Stream(YOUTUBE, video_id or "", channel_id=channel_id)
        return Chat("youtube", stream, innertube_rows.read_actions(actions, notes), notes)
    comments = twitch_rows.find_comments(content)
    if comments is not None:
        stream = twitch_rows.read_stream(content, comments)
        name = "twitch-downloader" if type(content) is dict and "streamer" in content else "twitch-v5"
        return Chat(name, stream, twitch_rows.read_comments(comments, notes), notes)
    page = video_pages.read_video_page(content)
    if page is not None:
        return Chat("video-page", page, [], notes)
    items = [content] if type(content) is dict else content
    if type(items) is list and (not items or chat_downloader_rows.looks_like_rows(items)):
        rows = chat_downloader_rows.read_rows(items, notes, plain=parsed.plain)
        return Chat("chat-downloader", Stream("", ""), rows, notes)
    return None


def _complete(chat: Chat, file_name: str, row: Mapping[str, str]) -> Chat:
    """Fill in what the content left open."""
    listed = stream_of_row(row)
    stream = Stream(*(inner or outer for inner, outer in zip(chat.stream, listed, strict=True)))
    rows = chat.rows
    if not any(r[_OFFSET] is not None for r in rows):
        rows, view = _count_from_first(rows), "live"
        if rows is not chat.rows:
            log.info("%s has no offsets: they are counted from its first message", file_name)
            stream = stream._replace(view=view)
    video_id = stream.video_id or ids_in_name(file_name)[0][:200]
    platform = stream.platform or _platform_of(rows) or guess_platform(video_id=video_id) or YOUTUBE
    started_at = stream.started_at if row.get("started_at") else _derive_start(rows) or stream.started_at
    stream = stream._replace(
        video_id=video_id,
        platform=platform,
        started_at=started_at,
        url=stream.url or _url_of(platform, video_id),
    )
    return chat._replace(stream=stream, rows=rows)


def _count_from_first(rows: list[tuple]) -> list[tuple]:
    """Return rows with offsets counted from the first chat message's timestamp, if there is any."""
    stamps = [r[_TIMESTAMP] for r in rows if r[_TIMESTAMP] is not None]
    spoken = [r[_TIMESTAMP] for r in rows if r[_TIMESTAMP] is not None and r[_KIND] in CHAT_KINDS]
    if not stamps:
        return rows
    first = min(spoken or stamps)
    return [
        r if r[_TIMESTAMP] is None else (*r[:_OFFSET], (r[_TIMESTAMP] - first) / 1e6, *r[_OFFSET + 1 :])
        for r in rows
    ]


def _derive_start(rows: list[tuple]) -> str | None:
    """Return the median of timestamp minus offset over (at most) 1,000 rows, or None."""
    starts = []
    for r in rows:
        if r[_TIMESTAMP] is not None and r[_OFFSET] is not None:
            starts.append(r[_TIMESTAMP] - r[_OFFSET] * 1e6)
            if len(starts) == 1000:
                break
    return date_of_timestamp(statistics.median(starts)) if starts else None


def _platform_of(rows: list[tuple]) -> str | None:
    votes: Counter[str] = Counter()
    for r in rows[:2000]:
        if r[_KIND] in _TWITCH_KINDS:
            votes[TWITCH] += 1
        elif r[_AUTHOR] and _YOUTUBE_AUTHOR.fullmatch(r[_AUTHOR]):
            votes[YOUTUBE] += 1
    return max(votes, key=votes.__getitem__) if votes else None


def _url_of(platform: str, video_id: str) -> str | None:
    if platform == TWITCH and re.fullmatch(r"\d+", video_id):
        return f"https://www.twitch.tv/videos/{video_id}"
    if platform == YOUTUBE and re.fullmatch(r"[\w-]{11}", video_id):
        return f"https://www.youtube.com/watch?v={video_id}"
    return None
