"""chat-downloader's JSON: today's nested schema and the flat ones of its first years.

Most rows of a file are plain messages, which are decoded into their few fields and never into a tree of
objects: a third of the time. Every row that deviates takes the careful path. Both give the same for what
both can read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
import orjson

from chatlib.collect.files.rows import (
    Chat,
    IdMaker,
    Notes,
    as_list,
    author_key,
    badge_json,
    name_json,
    read_count,
    repeated_kind,
)
from chatlib.collect.files.twitch import find_event
from chatlib.money import NO_MONEY, MoneyFields, read_money, read_plain_money
from chatlib.records import GIFT_RECEIVED_KINDS, Message, Stream, find_kinds
from chatlib.text import clean_text, dump_names, read_name
from chatlib.times import MAX_OFFSET_S, MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, read_offset, read_timestamp

__all__ = ["find_chat", "find_plain_chat", "read_row", "read_rows"]

# Kinds whose `message` is a fixed sentence of the platform, not somebody's words.
_NOTICE_KINDS = GIFT_RECEIVED_KINDS | find_kinds("sentence")
_NOTICE_KEYS = ("system_message", "header_message", "header_primary_text", "header_secondary_text")
_ROW_KEYS = frozenset({"message", "message_type", "message_id", "time_in_seconds", "action_type", "amount"})

_Filled = Annotated[str, msgspec.Meta(min_length=1)]
_AuthorFields = tuple[str, str, str | None]  # id, name, badges


class _Badge(msgspec.Struct, gc=False):
    title: _Filled


class _Author(msgspec.Struct, gc=False):
    id: _Filled
    name: _Filled
    badges: list[_Badge] | None = None
    display_name: msgspec.UnsetType = msgspec.UNSET  # Twitch's replays: their rows may be events


class _PlainRow(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    message_id: _Filled
    message_type: Literal["text_message", "highlighted_message", "send_message_in_subscriber_only_mode"]
    message: str | None
    time_in_seconds: Annotated[float, msgspec.Meta(ge=-MAX_OFFSET_S, le=MAX_OFFSET_S)]
    time_text: msgspec.Raw
    timestamp: Annotated[int, msgspec.Meta(ge=MIN_TIMESTAMP_US, le=MAX_TIMESTAMP_US)]
    author: _Author
    action_type: msgspec.Raw = msgspec.Raw()


_decode_row = msgspec.json.Decoder(_PlainRow).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def find_chat(content: object, notes: Notes) -> Chat | None:
    """Return the chat in parsed JSON if its rows have two of chat-downloader's keys."""
    items = [content] if type(content) is dict else content
    if type(items) is not list:
        return None
    if items and not any(type(item) is dict and len(_ROW_KEYS & item.keys()) >= 2 for item in items[:200]):
        return None
    return Chat("chat-downloader", Stream("", ""), read_rows(items, notes), notes)


def read_rows(items: Iterable[object], notes: Notes) -> list[Message]:
    """Return the messages in rows, by the careful path; what is left out is counted in `notes`."""
    ids = IdMaker()
    return [message for item in items if (message := read_row(item, notes, ids)) is not None]


def find_plain_chat(data: bytes, notes: Notes) -> Chat | None:
    """Return the chat in the bytes of a JSON array or JSON Lines; None if none of its first rows is plain.

    None, too, where a text holds a NUL or a lone surrogate, or a row is no JSON.
    """
    authors: dict[tuple, _AuthorFields] = {}
    messages: list[Message | None] = []
    found, ids = Notes(), IdMaker()
    try:
        raws = _decode_array(data) if data.lstrip()[:1] == b"[" else data.splitlines()
        if b"\\u0000" in data or not any(map(_is_plain, raws[:200])):
            return None
        for raw in filter(None, raws):
            try:
                messages.append(_make_message(_decode_row(raw), authors))
            except msgspec.ValidationError:
                messages.append(read_row(orjson.loads(memoryview(raw)), found, ids))
    except (msgspec.MsgspecError, orjson.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return None
    notes.update(found)
    return Chat("chat-downloader", Stream("", ""), [m for m in messages if m is not None], notes)


def _is_plain(raw: bytes | msgspec.Raw) -> bool:
    try:
        return bool(_decode_row(raw))
    except msgspec.ValidationError:
        return False


def _make_message(row: _PlainRow, authors: dict[tuple, _AuthorFields]) -> Message:
    """Return a plain row's message; `authors` keeps their texts, which all rows share."""
    author = row.author
    titles = tuple([badge.title for badge in author.badges]) if author.badges else ()
    key = (author.id, author.name, titles)
    known = authors.get(key)
    if known is None:
        authors[key] = known = (author.id, author.name, dump_names(titles) if titles else None)
    author_id, name, badges = known
    return Message(  # by position: it is made for nearly every row
        row.message_id, row.message_type, row.time_in_seconds + 0.0, author_id, name, row.message, None,
        badges, None, None, None, None, row.timestamp,
    )  # fmt: skip


def read_row(item: object, notes: Notes, ids: IdMaker) -> Message | None:
    """Return the message in a row of any of its schemas; None for one that says nothing, which is counted."""
    if type(item) is not dict:
        notes["row is no object"] += 1
        return None
    author = item.get("author")
    author_id, author_name, badges = _read_author(item)
    money = _read_money(item)
    kind = _read_kind(item, paid=money.amount_text is not None)
    text, notice = _read_texts(item, kind)
    if type(author) is dict and "display_name" in author and notice is None:  # Twitch's replays
        kind, text, notice = find_event(kind, text, author_name)
    names = _read_emotes(item.get("emotes"))
    if not text and names:
        text = " ".join(names)
    target_id = read_name(item.get("target_message_id")) or read_name(item.get("target_id"))
    content = (clean_text(item.get("message_type")), text, notice, money.amount_text, author_id, target_id)
    if not any(content) and not names:
        notes["row is empty"] += 1
        return None
    message = Message(
        message_id=read_name(item.get("message_id")) or read_name(item.get("id")) or "",
        kind=kind,
        offset_s=_read_time(item, notes),
        author_id=author_id,
        author_name=author_name,
        text=text,
        notice=notice,
        badges=badges,
        **money._asdict(),
        bits=read_count(item.get("bits")),
        timestamp_us=_read_timestamp(item, notes),
        emotes=name_json(names),
        target_id=target_id,
    )
    return ids.complete(message, kind=repeated_kind(kind))


def _read_kind(item: dict, *, paid: bool) -> str:
    kind = clean_text(item.get("message_type"))
    if kind:
        return kind
    if "ticker_duration" in item:
        return "ticker_paid_message_item" if paid else "ticker_sponsor_item"
    return "paid_message" if paid else "text_message"


def _read_author(item: dict) -> tuple[str | None, str | None, str | None]:
    """Return the author's key, name and badges."""
    author = item.get("author")
    badges = badge_json(item.get("author_badges")) or badge_json(item.get("badges"))
    author_id, name = read_name(item.get("author_id")), read_name(item.get("author_name"))
    if type(author) is dict:
        author_id = author_id or read_name(author.get("id"))
        name = name or read_name(author.get("display_name")) or read_name(author.get("name"))
        badges = badge_json(author.get("badges")) or badges
    else:
        name = name or read_name(author)
    return author_key(author_id, name), name, badges


def _read_texts(item: dict, kind: str) -> tuple[str | None, str | None]:
    """Return the author's own words and the platform's sentence."""
    text = clean_text(item.get("message"))
    sentences = [sentence for key in _NOTICE_KEYS if (sentence := clean_text(item.get(key)))]
    fixed = kind in _NOTICE_KINDS or (kind == "ticker_sponsor_item" and not sentences)
    if fixed and text:
        sentences, text = [*sentences, text], None
    return text, " · ".join(sentences) or None


def _read_money(item: dict) -> MoneyFields:
    """Return the amount as written, not as chat-downloader understood it, which knew English only."""
    money = item.get("money")
    if type(money) is not dict:
        return read_money(clean_text(item.get("amount")))
    text = clean_text(money.get("text"))
    if text:
        return read_money(text)
    return read_plain_money(money.get("amount"), read_name(money.get("currency"))) or NO_MONEY


def _read_time(item: dict, notes: Notes) -> float | None:
    unusable = False
    for key, scale in (("video_offset_time_msec", 1000.0), ("time_in_seconds", 1.0), ("time_text", 1.0)):
        if item.get(key) is not None:
            offset_s = read_offset(item[key], scale=scale)
            if offset_s is not None:
                return offset_s
            unusable = True
    if unusable:
        notes.count_field("offset")
    return None


def _read_timestamp(item: dict, notes: Notes) -> int | None:
    value = item.get("timestamp")
    timestamp = read_timestamp(value)
    if timestamp is None and value not in (None, 0):
        notes.count_field("timestamp")
    return timestamp


def _read_emotes(emotes: object) -> list[str]:
    """Return the emotes' names: of each its name, its first shortcut, or the text that it is."""
    names = []
    for emote in as_list(emotes):
        if type(emote) is dict:
            emote = clean_text(emote.get("name")) or next(iter(as_list(emote.get("shortcuts"))), None)
        if name := clean_text(emote):
            names.append(name)
    return names
