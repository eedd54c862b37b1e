"""A chat file's bytes as one stream's chat: which format it has, and what its content left open."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from chatlib.collect.address import find_ids_in_name, guess_platform, make_video_url
from chatlib.collect.files import chat_downloader, innertube, renderers, twitch
from chatlib.collect.files.containers import CUT, SQLITE_MAGIC, Parsed, parse_json, read_head, unpack
from chatlib.collect.files.rows import IdMaker, Notes, repeated_kind
from chatlib.collect.sheets.streams import find_chat_files, stream_of_row
from chatlib.errors import SourceError, UnknownFormat
from chatlib.limits import KINDS, read_file
from chatlib.records import CHAT_KINDS, TWITCH, TWITCH_PAID_KINDS, YOUTUBE, Message, Stream
from chatlib.text import clean_text, one_line
from chatlib.times import format_timestamp, read_date

__all__ = [
    "Chat", "ReadFile", "complete_chat", "digest_content", "log_view", "read_chat", "read_chat_file",
    "read_listed_file",
]  # fmt: skip

log = logging.getLogger(__name__)

_READER_VERSION = 2  # add one when a reader reads the same bytes differently
_YOUTUBE_AUTHOR = re.compile(r"UC[\w-]{22}")
_TWITCH_KINDS = TWITCH_PAID_KINDS | CHAT_KINDS - {"text_message"} | {"raid", "bits_badge_tier", "ritual"}


class Chat(NamedTuple):
    """One stream's chat: its messages in source order, and what was left out, by reason."""

    format: str
    stream: Stream
    messages: list[Message]
    skipped: Mapping[str, int]


@dataclass(frozen=True)
class ReadFile:
    """A file that was read: its chat and the digest of its content, or the error why there is none."""

    content: str = ""
    chat: Chat | None = None
    error: SourceError | None = None


# ------------------------------------------------------------------ files


def read_chat_file(path: str | Path) -> Chat:
    """Read a chat file of any known format that holds one stream; no database is needed.

    A list of streams beside it says what the file does not say of its stream.
    Raises: MissingSource if it is not there; UnknownFormat, or SourceError if it cannot be read.
    """
    (found,), _ = find_chat_files([path])
    if read_head(found.path).startswith(SQLITE_MAGIC):
        raise SourceError(
            f"{found.path.name} is a database of many streams: import it, and read the database."
        )
    outcome = read_listed_file(found.path, found.row)
    if outcome.chat is None:
        raise type(outcome.error or SourceError())(f"{found.path}: {outcome.error}")
    log_view(outcome.chat, found.path)
    return outcome.chat


def read_listed_file(path: Path, row: Mapping[str, str]) -> ReadFile:
    """Read one file, of which the list of streams says `row`. Whatever goes wrong with it is an outcome."""
    try:
        data = read_file(path)
        content = digest_content(data, name=path.name, row=row)
        return ReadFile(content, read_chat(data, file_name=path.name, row=row))
    except SourceError as error:
        return ReadFile(error=error)
    except Exception as error:
        return ReadFile(error=SourceError(_explain_failure(error)))


def _explain_failure(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "A chat file may be nested a few hundred deep, and this one is deeper."
    if isinstance(error, MemoryError):
        return "A chat file must fit into memory, and this one does not."
    return f"The reader failed on this file ({type(error).__name__}: {error})."


def log_view(chat: Chat, path: Path) -> None:
    """Log that a chat's offsets were counted from its first message, where they were."""
    if chat.stream.view == "live":
        name = one_line(path.name)
        log.info("%s: no offsets, only times of day; offsets count from the first message", name)


def digest_content(data: bytes, *, name: str, row: Mapping[str, str]) -> str:
    """Return what identifies a file's content: its bytes, its name, its row of the list, the reader."""
    hasher = hashlib.blake2b(data, digest_size=16)
    hasher.update(json.dumps([_READER_VERSION, name, dict(row)], sort_keys=True).encode())
    return hasher.hexdigest()


# ------------------------------------------------------------------ formats


def read_chat(data: bytes, *, file_name: str, row: Mapping[str, str]) -> Chat:
    """Read the chat in a file's bytes; `row` is what a list of streams says of it.

    What the content says of the stream counts most, then the list, then the file name.
    Raises: UnknownFormat, or SourceError for a file that begins well and cannot be read.
    """
    notes = Notes()
    chat = _read_content(parse_json(unpack(data, notes), notes), notes)
    if chat is None:
        raise UnknownFormat(
            "This is JSON, but of no chat that chatlib knows: chat-downloader, yt-dlp live_chat, YouTube's "
            "own responses, TwitchDownloader, Twitch v5 comments, Twitch GraphQL comment pages."
        )
    KINDS.require(len({message.kind for message in chat.messages}))
    if notes[CUT]:
        chat = chat._replace(stream=chat.stream._replace(state="partial"))
    return complete_chat(chat, file_name=file_name, row=row)


def _read_content(parsed: Parsed, notes: Notes) -> Chat | None:
    """Return the chat if the content is of a known format."""
    content = parsed.content
    items = [content] if type(content) is dict else content
    if type(items) is list and (not items or chat_downloader.looks_like_rows(items)):
        messages = chat_downloader.read_rows(items, notes, plain=parsed.plain)
        return Chat("chat-downloader", Stream("", ""), messages, notes)
    actions = innertube.find_actions(content)
    if actions is not None:
        channel_id, video_id = innertube.find_stream_ids(actions)
        stream = Stream(YOUTUBE, video_id or "", channel_id=channel_id)
        return Chat("youtube", stream, innertube.read_actions(actions, notes), notes)
    nodes = twitch.find_nodes(content)
    if nodes is not None:
        stream = twitch.read_nodes_stream(content)
        return Chat("twitch-graphql", stream, twitch.read_nodes(nodes, notes), notes)
    comments = twitch.find_comments(content)
    if comments is not None:
        stream = twitch.read_stream(content, comments)
        name = "twitch-downloader" if type(content) is dict and "streamer" in content else "twitch-v5"
        return Chat(name, stream, twitch.read_comments(comments, notes), notes)
    page = renderers.read_video_page(content)
    if page is not None:
        notes["page of a video, without its chat"] += 1
        return Chat("video-page", page._replace(state="partial"), [], notes)
    return None


# ------------------------------------------------------------------ completing


def complete_chat(chat: Chat, *, file_name: str, row: Mapping[str, str]) -> Chat:
    """Fill in what the content left open, from the list's row, the messages, and the file's name."""
    messages = _separate_shared_ids(chat.messages)
    stream = _fill_stream(chat.stream, stream_of_row(row))
    has_offsets = any(message.offset_s is not None for message in messages)
    if not has_offsets and any(message.timestamp_us is not None for message in messages):
        messages = _count_from_first(messages)
        stream = stream._replace(view="live")
    video_id = stream.video_id or clean_text(find_ids_in_name(file_name)[0])[:200] or "unnamed"
    platform = stream.platform or _guess_platform(messages) or guess_platform(video_id=video_id) or YOUTUBE
    started_at = read_date(row.get("started_at")) or chat.stream.started_at or _derive_start(messages)
    stream = stream._replace(
        video_id=video_id,
        platform=platform,
        started_at=started_at or stream.started_at,
        url=stream.url or make_video_url(platform, video_id),
    )
    return chat._replace(stream=stream, messages=messages)


def _fill_stream(stream: Stream, listed: Stream) -> Stream:
    """Return the stream with the listed values of what it leaves open."""
    own = {name: value for name, value in stream._asdict().items() if value}
    return listed._replace(**own)


def _separate_shared_ids(messages: list[Message]) -> list[Message]:
    """Return messages in which an id that different messages share is replaced by one made of their content.

    A message that comes twice keeps its id, and is stored once. Different are another author, text,
    amount or moment; the moment is the timestamp, or where there is none the offset.
    """
    if len({message.message_id for message in messages}) == len(messages):
        return messages
    seen: dict[tuple[str, str], set[tuple]] = {}
    for message in messages:
        seen.setdefault((message.message_id, message.kind), set()).add(_content_of(message))
    shared = {message_id for (message_id, _), contents in seen.items() if len(contents) > 1}
    ids = IdMaker()
    return [
        ids.replace_id(message, kind=repeated_kind(message.kind)) if message.message_id in shared else message
        for message in messages
    ]


def _content_of(message: Message) -> tuple:
    moment = message.offset_s if message.timestamp_us is None else message.timestamp_us
    return message.author_id, message.text, message.amount_text, moment


def _count_from_first(messages: list[Message]) -> list[Message]:
    """Return messages with offsets counted from the timestamp of the first chat message.

    Pinned messages and tickers may be much older than the capture; they get negative offsets.
    """
    stamps = [(m.timestamp_us, m.kind in CHAT_KINDS) for m in messages if m.timestamp_us is not None]
    first = min([stamp for stamp, is_chat in stamps if is_chat] or [stamp for stamp, _ in stamps])
    return [
        m if m.timestamp_us is None else m._replace(offset_s=(m.timestamp_us - first) / 1e6) for m in messages
    ]


def _derive_start(messages: list[Message]) -> str | None:
    """Return the median of timestamp minus offset over the first 1,000 messages that have both, or None.

    YouTube sets offsets before the start to 0, so messages after the start are preferred.
    """
    both = [
        (m.offset_s, m.timestamp_us)
        for m in messages[:5000]
        if m.timestamp_us is not None and m.offset_s is not None
    ]
    after = [(offset_s, timestamp_us) for offset_s, timestamp_us in both if offset_s > 0]
    starts = [timestamp_us - offset_s * 1e6 for offset_s, timestamp_us in (after or both)[:1000]]
    return format_timestamp(statistics.median_low(starts)) if starts else None


def _guess_platform(messages: list[Message]) -> str | None:
    votes: Counter[str] = Counter()
    for message in messages[:2000]:
        if message.kind in _TWITCH_KINDS:
            votes[TWITCH] += 1
        elif message.author_id and _YOUTUBE_AUTHOR.fullmatch(message.author_id):
            votes[YOUTUBE] += 1
    return max(votes, key=votes.__getitem__) if votes else None
