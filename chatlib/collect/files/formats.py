"""Which format a chat file has, by its content, and the one stream that is in it."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from chatlib.collect.address import find_ids_in_name, guess_platform, make_video_url
from chatlib.collect.files import chat_downloader as chat_downloader_rows
from chatlib.collect.files import innertube as innertube_rows
from chatlib.collect.files import twitch as twitch_rows
from chatlib.collect.files import twitch_graphql as graphql_rows
from chatlib.collect.files import video_pages
from chatlib.collect.files.containers import CUT, Parsed, parse_json, unpack
from chatlib.collect.files.rows import IdMaker, Notes, repeated_kind
from chatlib.collect.sheets.streams import stream_of_row
from chatlib.errors import UnknownFormat
from chatlib.records import CHAT_KINDS, TWITCH, TWITCH_PAID_KINDS, YOUTUBE, Message, Stream
from chatlib.text import clean_text
from chatlib.times import format_timestamp, read_date

__all__ = ["Chat", "complete_chat", "read_chat", "tell_apart"]

_YOUTUBE_AUTHOR = re.compile(r"UC[\w-]{22}")
_TWITCH_KINDS = TWITCH_PAID_KINDS | CHAT_KINDS - {"text_message"} | {"raid", "bits_badge_tier", "ritual"}
_KIND, _OFFSET, _AUTHOR, _TEXT, _AMOUNT_TEXT, _TIMESTAMP = 1, 2, 3, 5, 8, 12


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
            "own responses, TwitchDownloader, Twitch v5 comments, Twitch GraphQL comment pages."
        )
    if notes[CUT]:
        chat = chat._replace(stream=chat.stream._replace(state="partial"))
    return complete_chat(chat, file_name=file_name, row=row)


def _read_content(parsed: Parsed, notes: Notes) -> Chat | None:
    """Return the chat if the content is of a known format."""
    content = parsed.content
    items = [content] if type(content) is dict else content
    if type(items) is list and (not items or chat_downloader_rows.looks_like_rows(items)):
        rows = chat_downloader_rows.read_rows(items, notes, plain=parsed.plain)
        return Chat("chat-downloader", Stream("", ""), rows, notes)
    actions = innertube_rows.find_actions(content)
    if actions is not None:
        channel_id, video_id = innertube_rows.find_stream_ids(actions)
        stream = Stream(YOUTUBE, video_id or "", channel_id=channel_id)
        return Chat("youtube", stream, innertube_rows.read_actions(actions, notes), notes)
    nodes = graphql_rows.find_nodes(content)
    if nodes is not None:
        stream = graphql_rows.read_stream(content)
        return Chat("twitch-graphql", stream, graphql_rows.read_nodes(nodes, notes), notes)
    comments = twitch_rows.find_comments(content)
    if comments is not None:
        stream = twitch_rows.read_stream(content, comments)
        name = "twitch-downloader" if type(content) is dict and "streamer" in content else "twitch-v5"
        return Chat(name, stream, twitch_rows.read_comments(comments, notes), notes)
    page = video_pages.read_video_page(content)
    if page is not None:
        notes["page of a video, without its chat"] += 1
        return Chat("video-page", page._replace(state="partial"), [], notes)
    return None


def complete_chat(chat: Chat, *, file_name: str, row: Mapping[str, str]) -> Chat:
    """Fill in what the content left open, from the list's row, the rows, and the file's name."""
    rows = tell_apart(chat.rows)
    stream = Stream(*(inner or outer for inner, outer in zip(chat.stream, stream_of_row(row), strict=True)))
    if not any(r[_OFFSET] is not None for r in rows) and any(r[_TIMESTAMP] is not None for r in rows):
        rows = _count_from_first(rows)
        stream = stream._replace(view="live")
    video_id = stream.video_id or clean_text(find_ids_in_name(file_name)[0])[:200] or "unnamed"
    platform = stream.platform or _platform_of(rows) or guess_platform(video_id=video_id) or YOUTUBE
    started_at = read_date(row.get("started_at")) or chat.stream.started_at or _derive_start(rows)
    stream = stream._replace(
        video_id=video_id,
        platform=platform,
        started_at=started_at or stream.started_at,
        url=stream.url or make_video_url(platform, video_id),
    )
    return chat._replace(stream=stream, rows=rows)


def tell_apart(rows: list[tuple]) -> list[tuple]:
    """Return rows in which an id that different messages share is replaced by one made of their content.

    A row that comes twice keeps its id, and is stored once. Different are another author, text,
    amount or moment; the moment is the timestamp, or where there is none the offset.
    """
    if len({r[0] for r in rows}) == len(rows):
        return rows
    seen: dict[tuple, set[tuple]] = {}
    for r in rows:
        seen.setdefault(r[:2], set()).add(_content_of(r))
    shared = {key[0] for key, contents in seen.items() if len(contents) > 1}
    ids = IdMaker()
    return [
        (ids.make_id(Message._make(r), kind=repeated_kind(r[_KIND])), *r[1:]) if r[0] in shared else r
        for r in rows
    ]


def _content_of(row: tuple) -> tuple:
    moment = row[_OFFSET] if row[_TIMESTAMP] is None else row[_TIMESTAMP]
    return row[_AUTHOR], row[_TEXT], row[_AMOUNT_TEXT], moment


def _count_from_first(rows: list[tuple]) -> list[tuple]:
    """Return rows with offsets counted from the timestamp of the first chat message.

    Pinned messages and tickers may be much older than the capture; they get negative offsets.
    """
    stamps = [r[_TIMESTAMP] for r in rows if r[_TIMESTAMP] is not None]
    spoken = [r[_TIMESTAMP] for r in rows if r[_TIMESTAMP] is not None and r[_KIND] in CHAT_KINDS]
    first = min(spoken or stamps)
    return [
        r if r[_TIMESTAMP] is None else (*r[:_OFFSET], (r[_TIMESTAMP] - first) / 1e6, *r[_OFFSET + 1 :])
        for r in rows
    ]


def _derive_start(rows: list[tuple]) -> str | None:
    """Return the median of timestamp minus offset over the first 1,000 rows that have both, or None.

    YouTube sets offsets before the start to 0, so rows after the start count first.
    """
    both = [r for r in rows[:5000] if r[_TIMESTAMP] is not None and r[_OFFSET] is not None]
    after = [r for r in both if r[_OFFSET] > 0]
    starts = [r[_TIMESTAMP] - r[_OFFSET] * 1e6 for r in (after or both)[:1000]]
    return format_timestamp(statistics.median_low(starts)) if starts else None


def _platform_of(rows: list[tuple]) -> str | None:
    votes: Counter[str] = Counter()
    for r in rows[:2000]:
        if r[_KIND] in _TWITCH_KINDS:
            votes[TWITCH] += 1
        elif r[_AUTHOR] and _YOUTUBE_AUTHOR.fullmatch(r[_AUTHOR]):
            votes[YOUTUBE] += 1
    return max(votes, key=votes.__getitem__) if votes else None
