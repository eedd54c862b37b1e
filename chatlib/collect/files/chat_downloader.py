"""chat-downloader's JSON: today's nested schema and the flat ones of its first years.

Most rows of a file are plain messages, which a fast path reads; every row that deviates takes
the careful path. Both give the same for what both can read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chatlib.collect.files.containers import Parsed
from chatlib.collect.files.rows import (
    Chat,
    IdMaker,
    Notes,
    author_key,
    badge_json,
    dump_names,
    name_json,
    read_count,
    repeated_kind,
)
from chatlib.collect.files.twitch import find_event
from chatlib.money import NO_MONEY, MoneyFields, read_money, read_plain_money
from chatlib.records import CHAT_KINDS, GIFT_RECEIVED_KINDS, Message, Stream
from chatlib.text import clean_text, read_name
from chatlib.times import MAX_OFFSET_S, MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, read_offset, read_timestamp

__all__ = ["find_chat", "read_row", "read_rows"]

# Kinds whose `message` is a fixed sentence of the platform, not somebody's words.
_NOTICE_KINDS = GIFT_RECEIVED_KINDS | {
    "ban_user",
    "deleted_message",
    "deleted_state_message",
    "donation_announcement",
    "mark_chat_item_as_deleted_action",
    "mark_chat_items_by_author_as_deleted_action",
    "mode_change_message",
    "purchased_product_message",
    "sponsorships_gift_purchase_announcement",
    "viewer_engagement_message",
}
_NOTICE_KEYS = ("system_message", "header_message", "header_primary_text", "header_secondary_text")
_ROW_KEYS = frozenset({"message", "message_type", "message_id", "time_in_seconds", "action_type", "amount"})
_PLAIN_KINDS = {kind: kind for kind in CHAT_KINDS}  # one object each, however many rows

_AuthorFields = tuple[str, str, str | None]  # id, name, badges


def find_chat(parsed: Parsed, notes: Notes) -> Chat | None:
    """Return the chat in parsed JSON if its rows have two of chat-downloader's keys."""
    items = [parsed.content] if type(parsed.content) is dict else parsed.content
    if type(items) is not list:
        return None
    if items and not any(type(item) is dict and len(_ROW_KEYS & item.keys()) >= 2 for item in items[:200]):
        return None
    return Chat("chat-downloader", Stream("", ""), read_rows(items, notes, plain=parsed.plain), notes)


def read_rows(items: Iterable[object], notes: Notes, *, plain: bool = True) -> list[Message]:
    """Return the messages in rows; what is left out is counted in `notes`.

    `plain` says that no text among them holds a NUL or a lone surrogate: only then the fast
    path is taken.
    """
    messages: list[Message] = []
    authors: dict[tuple, _AuthorFields] = {}
    ids = IdMaker()
    for item in items:
        message = _read_plain(item, authors) if plain else None
        if message is None:
            message = read_row(item, notes, ids)
        if message is not None:
            messages.append(message)
    return messages


def _read_plain(item: Any, authors: dict[tuple, _AuthorFields]) -> Message | None:
    """Return a plain message, or None for whatever is not quite one.

    `authors` keeps what is known of the file's authors, so that their texts are shared by all rows.
    """
    try:
        if not (len(item) == 7 or (len(item) == 8 and "action_type" in item)) or "time_text" not in item:
            return None
        message_id, text = item["message_id"], item["message"]
        offset_s, timestamp = item["time_in_seconds"], item["timestamp"]
        kind = _PLAIN_KINDS.get(item["message_type"])
        author = item["author"]
        key = (author["id"], author["name"], *[badge["title"] for badge in author.get("badges") or ()])
        known = authors.get(key) or _add_author(key, authors)
        if (
            known is None
            or kind is None
            or type(message_id) is not str
            or not message_id
            or not (text is None or type(text) is str)
            or not (type(offset_s) is int or type(offset_s) is float)
            or not -MAX_OFFSET_S <= offset_s <= MAX_OFFSET_S
            or type(timestamp) is not int
            or not MIN_TIMESTAMP_US <= timestamp <= MAX_TIMESTAMP_US
            or "display_name" in author
        ):
            return None
    except (KeyError, TypeError, AttributeError):
        return None
    author_id, name, badges = known
    return Message(  # by position: it is made for nearly every row
        message_id, kind, offset_s + 0.0, author_id, name, text, None, badges,
        None, None, None, None, timestamp,
    )  # fmt: skip


def _add_author(key: tuple, authors: dict[tuple, _AuthorFields]) -> _AuthorFields | None:
    """Return id, name and badges of an author seen for the first time, or None if one is no text."""
    if not all(type(value) is str and value for value in key):
        return None
    author_id, name, *titles = key
    authors[key] = known = (author_id, name, dump_names(tuple(titles)) if titles else None)
    return known


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
        amount_text=money.amount_text,
        amount=money.amount,
        currency=money.currency,
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
    for emote in emotes if type(emotes) is list else ():
        if type(emote) is dict:
            shortcuts = emote.get("shortcuts")
            first = shortcuts[0] if type(shortcuts) is list and shortcuts else None
            emote = clean_text(emote.get("name")) or first
        if name := clean_text(emote):
            names.append(name)
    return names
