"""A chat file's bytes as one stream's chat: which format it has, and what its content left open."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import re
import statistics
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from chatlib.collect.address import find_ids_in_name, find_video_id, guess_platform, make_video_url
from chatlib.collect.files.parsing import (
    CUT,
    PARQUET_MAGIC,
    SQLITE_MAGIC,
    Chat,
    IdMaker,
    Notes,
    decode_text,
    looks_like_data,
    parse_json,
    read_head,
    repeated_kind,
    unpack,
)
from chatlib.collect.lists import Found, age_of_row, find_chat_files, find_row, stream_of_row
from chatlib.errors import ParameterError, SourceError, UnknownFormat
from chatlib.files import JSON_OBJECTS, KINDS, read_file
from chatlib.records import CHAT_KINDS, TWITCH, TWITCH_PAID_KINDS, YOUTUBE, Message, Stream
from chatlib.text import clean_text, one_line
from chatlib.times import MAX_OFFSET_S, format_timestamp, read_date, read_timestamp_text

__all__ = [
    "FORMATS", "Chat", "Format", "ReadFile", "complete_chat", "complete_streams", "digest_content",
    "iter_old_chats", "list_formats", "log_view", "looks_like_chat", "read_chat",
    "read_chat_file", "read_chats", "read_listed_file",
]  # fmt: skip

log = logging.getLogger(__name__)

_READER_VERSION = 2  # add one when a reader reads the same bytes differently
_YOUTUBE_AUTHOR = re.compile(r"UC[\w-]{22}")
_TWITCH_KINDS = TWITCH_PAID_KINDS | CHAT_KINDS - {"text_message"} | {"raid", "bits_badge_tier", "ritual"}


class Format(NamedTuple):
    """A format of chat files: its name in reports, who writes it, what that is, and its kind of content."""

    name: str
    program: str
    what: str
    kind: str  # json, text, table; sqlite, which is read stream by stream


# README, --help and errors list the formats from here.
FORMATS = tuple(
    Format(*row)
    for row in (
        ("chat-downloader", "chat-downloader", "JSON and JSON Lines, today's nested schema and the early "
         "flat ones", "json"),
        ("chat-downloader-table", "chat-downloader", "CSV, of today and of its first versions", "table"),
        ("chat-downloader-text", "chat-downloader", "text, of today and of its first versions", "text"),
        ("youtube-chat", "youtube-chat (npm)", "its chat items, as JSON or JSON Lines", "json"),
        ("youtube", "yt-dlp", "`*.live_chat.json`", "json"),
        ("youtube", "YouTube itself", "InnerTube responses as saved from a browser", "json"),
        ("twitch-downloader", "TwitchDownloader", "JSON", "json"),
        ("twitch-downloader-text", "TwitchDownloader", "text, with relative times or in UTC", "text"),
        ("twitch-graphql", "Twitch GraphQL", "comment pages as the web player gets them, one answer or many "
         "in a file", "json"),
        ("twitch-v5", "Twitch v5", "comments JSON", "json"),
        ("irc-log", "Chatterino, Chatty, irssi", "logs of Twitch chat, and alike ones of other IRC clients; "
         "six hours of silence end a stream", "text"),
        ("plain-log", "plain logs", "lines with a time, a name and a text: `(0:01:05) name : text`", "text"),
        ("table", "tables", "CSV, TSV and Parquet with columns for the text, and its author or time, of one "
         "stream or many", "table"),
        ("first version", "the first version of this research", "an SQLite file with the table `DBdb`",
         "sqlite"),
    )
)  # fmt: skip
# module:function of the readers, tried in this order and imported when they are needed: some take long to
# load. Each returns None for content of another format. The last one's pages are of streams without chat.
_JSON_READERS = (
    "chat_downloader:find_chat", "innertube:find_items", "innertube:find_chat", "twitch:find_chat",
    "innertube:find_page",
)  # fmt: skip
_TEXT_READER, _TABLE_READER = "text_logs:find_chats", "tables:find_chats"
_COUNTED_FROM_START = {form.name for form in FORMATS if form.kind in ("text", "table")}
_TEXT_IN_BRACKETS = re.compile(rb"\[\s*-?\d{1,4}[:./-]\d\d")
_BEGINS_AS_JSON = re.compile(rb"\{\s*[\"}]|\[\s*[\[\]{\"0-9tfn-]|[\[{]\s*$")
_ARCHIVES = (b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd")
_PLAIN_BYTES = bytes({*range(256)} - {*range(32)} | {*b"\t\n\v\f\r\x1b"})


@dataclass(frozen=True)
class ReadFile:
    """A file that was read: its chats and the digest of its content, or the error why there are none."""

    content: str = ""
    chats: Sequence[Chat] = ()
    error: SourceError | None = None


def list_formats() -> str:
    """Return the formats in a line each, as --help shows them."""
    width = max(len(form.program) for form in FORMATS) + 2
    return "\n".join(f"  {form.program:<{width}}{form.what}" for form in FORMATS)


# ------------------------------------------------------------------ files


def read_chat_file(
    path: str | Path, *, columns: Mapping[str, str] | None = None, stream_id: str = ""
) -> Chat:
    """Read a chat file of any known format; no database is needed.

    A list of streams beside it says what the file does not say of its stream. `columns` names a table's
    columns by what they hold (see `options.ROLES`); `stream_id` picks one of several streams.
    Raises: MissingSource if it is not there; UnknownFormat, or SourceError if it cannot be read.
    """
    if Path(path).is_dir():
        raise SourceError(
            f"One file of chat is wanted, and {path} is a folder. Name a file in it, or import it."
        )
    (found,), _ = find_chat_files([path])
    if read_head(found.path).startswith(SQLITE_MAGIC):
        streams = [
            complete_chat(chat, file_name=found.path.name, row=row) for row, chat in iter_old_chats(found)
        ]
        return _pick_chat(streams, stream_id)
    outcome = read_listed_file(found.path, found.row, columns=columns, digested=False)
    if not outcome.chats:
        raise type(outcome.error or SourceError())(f"{found.path}: {outcome.error}")
    chat = _pick_chat(complete_streams(outcome.chats, path=found.path, rows=found.rows), stream_id)
    log_view(chat, found.path)
    return chat


def iter_old_chats(found: Found, *, limit: int = 0) -> Generator[tuple[dict[str, str], Chat], None, None]:
    """Yield each stream of a database of the first version, oldest first: its row of the list, and its chat.

    The chats are still to be completed. With `limit` only the oldest so many come.
    Raises: UnknownFormat, or SourceError for a damaged file.
    """
    from chatlib.collect.files.first_version import OldDatabase

    with OldDatabase(found.path) as old:
        rows = {url: _row_of_address(url, found) for url in old.urls}
        for url in sorted(old.urls, key=lambda url: age_of_row(rows[url]))[: limit or None]:
            messages, notes = old.read_stream(url)
            yield rows[url], Chat("first version", Stream("", ""), messages, notes)


def _row_of_address(url: object, found: Found) -> dict[str, str]:
    """Return the list's row of the stream at an old database's address, or what the address itself says."""
    address = (url if isinstance(url, str) else "").replace("NULL", "")
    video_id = find_video_id(address) or address[:200] or clean_text(found.path.stem)
    return {"url": address, "video_id": video_id} | dict(found.rows.get(video_id, {}))


def _pick_chat(chats: Sequence[Chat], stream_id: str = "") -> Chat:
    ids = [chat.stream.video_id for chat in chats]
    if stream_id in ids:
        return chats[ids.index(stream_id)]
    if stream_id:
        raise ParameterError(
            f"A stream must be one of the file's, such as {ids[0]!r}; {stream_id!r} is none."
        )
    if len(chats) > 1:
        raise SourceError(
            f"One stream is wanted, and this file holds {len(chats):,}, such as {ids[0]!r}. Name one "
            "with --stream, or import the file and use the database."
        )
    return chats[0]


def read_listed_file(
    path: Path, row: Mapping[str, str], *, columns: Mapping[str, str] | None = None, digested: bool = True
) -> ReadFile:
    """Read one file, of which the list of streams says `row`. Whatever goes wrong with it is an outcome.

    Several streams are still to be completed by `complete_streams`. Not `digested`, its digest is empty.
    """
    try:
        data = read_file(path)
        content = digest_content(data, name=path.name, row=row, columns=columns) if digested else ""
        return ReadFile(content, read_chats(data, file_name=path.name, row=row, columns=columns))
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
        log.info("%s: no offsets in the stream, only clock times; offsets count from the first message", name)


def digest_content(
    data: bytes, *, name: str, row: Mapping[str, str], columns: Mapping[str, str] | None = None
) -> str:
    """Return what identifies a file's content: its bytes, its name, its row of the list, the reader."""
    hasher = hashlib.blake2b(data, digest_size=16)
    about = [_READER_VERSION, name, dict(row), *([dict(columns)] if columns else [])]
    hasher.update(json.dumps(about, sort_keys=True).encode())
    return hasher.hexdigest()


# ------------------------------------------------------------------ content


def looks_like_chat(head: bytes) -> bool:
    """Return whether a file in a folder, which begins so, is worth reading: no notes, no lists."""
    if looks_like_data(head) or head.startswith(PARQUET_MAGIC):
        return True
    whole_lines = decode_text(head, Notes()).rpartition("\n")[0] or decode_text(head, Notes())
    return any(_load(f"{module}:looks_like_chat")(whole_lines) for module in ("text_logs", "tables"))


def read_chat(data: bytes, *, file_name: str, row: Mapping[str, str]) -> Chat:
    """Read the one chat in a file's bytes. Raises: as `read_chats`; SourceError if it holds several."""
    return _pick_chat(read_chats(data, file_name=file_name, row=row))


def read_chats(
    data: bytes, *, file_name: str, row: Mapping[str, str], columns: Mapping[str, str] | None = None
) -> list[Chat]:
    """Read the chats in a file's bytes, at least one; `row` is what a list of streams says of the only one.

    What the content says of a stream counts most, then the list, then the file name.
    Raises: UnknownFormat, or SourceError for a file that begins well and cannot be read.
    """
    notes = Notes()
    chats = _find_chats(unpack(data, notes), file_name, notes, columns or {})
    if notes[CUT]:
        chats = [chat._replace(stream=chat.stream._replace(state="partial")) for chat in chats]
    for chat in chats:
        KINDS.require(len({message.kind for message in chat.messages}))
    return chats if len(chats) > 1 else [complete_chat(chats[0], file_name=file_name, row=row)]


def _find_chats(data: bytes, file_name: str, notes: Notes, columns: Mapping[str, str]) -> list[Chat]:
    if data.startswith(PARQUET_MAGIC):
        return _load(_TABLE_READER)(data, file_name, notes, columns) or _refuse("a Parquet file")
    start = data[:4096].lstrip()
    if start[:1] in (b"{", b"[") and not _TEXT_IN_BRACKETS.match(start):
        JSON_OBJECTS.require(data.count(b"{") + data.count(b"["))
        if chat := _load("chat_downloader:find_plain_chat")(data, notes):
            return [chat]
        try:
            content = parse_json(data, notes)
        except SourceError:
            if _BEGINS_AS_JSON.match(start):
                raise
        else:
            chats = (_load(reader)(content, notes) for reader in _JSON_READERS)
            return [
                next(filter(None, chats), None) or _refuse("JSON that is cut short" if notes[CUT] else "JSON")
            ]
    if not data.strip():
        raise SourceError("A chat file must have content, and this one is empty.")
    if data.startswith(_ARCHIVES):
        raise UnknownFormat(
            "A chat file must be unpacked or gzipped, and this is another archive, or a workbook: unpack it, "
            "or save the workbook's sheet as CSV, and import that."
        )
    if re.match(rb"<(?:[!?]|[A-Za-z][\w-]*[\s>/][^\n]*<)", start):
        _refuse("a web page")
    if len(start) < 50 * len(start.translate(None, _PLAIN_BYTES)):
        _refuse("no text")
    text = decode_text(data, notes)
    for reader in (_TABLE_READER,) if columns else (_TEXT_READER, _TABLE_READER):
        if found := _load(reader)(text, file_name, notes, columns):
            return found
    return _refuse("text")


def _load(reader: str) -> Callable:
    module, _, function = reader.partition(":")
    return getattr(importlib.import_module(f"chatlib.collect.files.{module}"), function)


def _refuse(what: str) -> NoReturn:
    programs = ", ".join(dict.fromkeys(form.program for form in FORMATS))
    raise UnknownFormat(
        f"A chat file must be of a format that chatlib knows, and this is {what}, of none of them: "
        f"{programs}. `chatlib import --help` says more; a table's columns can be named with --columns."
    )


# ------------------------------------------------------------------ completing


def complete_chat(chat: Chat, *, file_name: str, row: Mapping[str, str]) -> Chat:
    """Fill in what the content left open, from the list's row, the messages, and the file's name."""
    messages = _separate_shared_ids(chat.messages)
    known = {name: value for name, value in chat.stream._asdict().items() if value}
    stream = stream_of_row(row)._replace(**known)
    has_offsets = any(message.offset_s is not None for message in messages)
    if not has_offsets and any(message.timestamp_us is not None for message in messages):
        written = row.get("started_at", "")
        is_moment = ":" in written and chat.format in _COUNTED_FROM_START  # not the day alone
        start = read_timestamp_text(written) if is_moment else None
        messages = _count_from(start, messages)
        stream = stream if start else stream._replace(view="live")
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


def complete_streams(
    chats: Sequence[Chat], *, path: Path, rows: Mapping[str, Mapping[str, str]]
) -> Sequence[Chat]:
    """Complete a file's chats where its name does not say which of the list's `rows` is theirs.

    Of several the oldest come first, by the list.
    """
    if len(chats) == 1 and (find_row(rows, path.name) or chats[0].stream.video_id not in rows):
        return chats
    listed = [(chat, rows.get(chat.stream.video_id, {})) for chat in chats]
    listed.sort(key=lambda pair: age_of_row(pair[1]))
    return [complete_chat(chat, file_name=path.name, row=row) for chat, row in listed]


def _separate_shared_ids(messages: list[Message]) -> list[Message]:
    """Return messages in which an id that different messages share is replaced by one made of their content.

    A message that comes twice keeps its id, and is stored once. Different are another author, text,
    amount or moment; the moment is the timestamp, or where there is none the offset.
    """
    if len({message.message_id for message in messages}) == len(messages):
        return messages
    seen: dict[tuple[str, str], set[tuple]] = {}
    for m in messages:
        moment = m.offset_s if m.timestamp_us is None else m.timestamp_us
        content = m.author_id, m.text, m.amount_text, moment
        seen.setdefault((m.message_id, m.kind), set()).add(content)
    shared = {message_id for (message_id, _), contents in seen.items() if len(contents) > 1}
    ids = IdMaker()
    return [
        ids.replace_id(message, kind=repeated_kind(message.kind)) if message.message_id in shared else message
        for message in messages
    ]


def _count_from(start: int | None, messages: list[Message]) -> list[Message]:
    """Return messages with offsets counted from a timestamp, or else from that of the first chat message.

    Pinned messages and tickers may be much older than the capture; they get negative offsets.
    """
    stamps = [(m.timestamp_us, m.kind in CHAT_KINDS) for m in messages if m.timestamp_us is not None]
    first = start or min([stamp for stamp, is_chat in stamps if is_chat] or [stamp for stamp, _ in stamps])
    longest = MAX_OFFSET_S * 1e6
    return [
        m
        if m.timestamp_us is None or abs(m.timestamp_us - first) > longest
        else m._replace(offset_s=(m.timestamp_us - first) / 1e6)
        for m in messages
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
