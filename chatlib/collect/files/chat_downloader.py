"""Rows as chat-downloader writes them: today's nested schema and the flat ones of its first years.

Most rows of a file are plain messages, which a short path reads; every row that deviates takes
the careful path. Both give the same for what both can read.
"""

from __future__ import annotations

from collections.abc import Iterable

from chatlib.collect.files.rows import (
    IdMaker,
    Notes,
    author_key,
    badge_json,
    dump_names,
    money_fields,
    money_of_number,
    name_json,
    read_count,
    repeated_kind,
)
from chatlib.collect.files.twitch_events import tell_event
from chatlib.records import CHAT_KINDS, GIFT_RECEIVED_KINDS, Message
from chatlib.text import clean_text, read_name
from chatlib.times import MAX_OFFSET_S, MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, read_offset, read_timestamp

__all__ = ["looks_like_rows", "read_rows"]

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


def looks_like_rows(items: list) -> bool:
    """Return whether these are chat-downloader's rows: objects with at least two of its keys."""
    return any(type(item) is dict and len(_ROW_KEYS & item.keys()) >= 2 for item in items[:200])


def read_rows(items: Iterable[object], notes: Notes, *, plain: bool = True) -> list[tuple]:
    """Return the rows as tuples in the order of `Message`; what is left out is counted in `notes`.

    `plain` says that no text among them holds a NUL or a lone surrogate: only then the short
    path is taken.
    """
    rows: list[tuple] = []
    authors: dict[tuple, tuple] = {}
    ids = IdMaker()
    for item in items:
        row = _read_plain(item, authors) if plain else None
        if row is None:
            row = _read_carefully(item, notes, ids)
        if row is not None:
            rows.append(row)
    return rows


def _read_plain(item: dict, authors: dict[tuple, tuple]) -> tuple | None:
    """Return the row of a plain message, or None for whatever is not quite one.

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
        known = authors.get(key) or _know_author(key, authors)
        plain = (
            known is not None
            and kind is not None
            and type(message_id) is str
            and message_id
            and (text is None or type(text) is str)
            and (type(offset_s) is int or type(offset_s) is float)
            and -MAX_OFFSET_S <= offset_s <= MAX_OFFSET_S
            and type(timestamp) is int
            and MIN_TIMESTAMP_US <= timestamp <= MAX_TIMESTAMP_US
            and "display_name" not in author
        )
    except (KeyError, TypeError, AttributeError):
        return None
    if not plain:
        return None
    author_id, name, badges = known
    return (
        message_id, kind, offset_s + 0.0, author_id, name, text, None, badges,
        None, None, None, None, timestamp, None, None,
    )  # fmt: skip


def _know_author(key: tuple, authors: dict[tuple, tuple]) -> tuple | None:
    """Return id, name and badges of an author seen for the first time, or None if one is no text."""
    if not all(type(part) is str and part for part in key):
        return None
    author_id, name, *titles = key
    authors[key] = known = (author_id, name, dump_names(tuple(titles)) if titles else None)
    return known


def _read_carefully(item: object, notes: Notes, ids: IdMaker) -> tuple | None:
    if type(item) is not dict:
        notes["row is no object"] += 1
        return None
    author = item.get("author")
    author_id, author_name, badges = _read_author(item)
    money = _read_money(item)
    kind = _read_kind(item, paid=money[0] is not None)
    text, notice = _read_texts(item, kind)
    if type(author) is dict and "display_name" in author and notice is None:  # Twitch's replays
        kind, text, notice = tell_event(kind, text, author_name)
    emotes = _read_emotes(item)
    if not text and emotes is not None:
        text = " ".join(_emote_names(item["emotes"]))
    target_id = read_name(item.get("target_message_id")) or read_name(item.get("target_id"))
    told = (clean_text(item.get("message_type")), text, notice, money[0], author_id, target_id, emotes)
    if not any(told):
        notes["row is empty"] += 1
        return None
    row = Message(
        read_name(item.get("message_id")) or read_name(item.get("id")) or "",
        kind,
        _read_time(item, notes),
        author_id,
        author_name,
        text,
        notice,
        badges,
        *money,
        read_count(item.get("bits")),
        _read_timestamp(item, notes),
        emotes,
        target_id,
    )
    if not row.message_id:
        row = row._replace(message_id=ids.make_id(row, kind=repeated_kind(kind)))
    return tuple(row)


def _read_kind(item: dict, *, paid: bool) -> str:
    kind = clean_text(item.get("message_type"))
    if kind:
        return kind
    if "ticker_duration" in item:
        return "ticker_paid_message_item" if paid else "ticker_sponsor_item"
    return "paid_message" if paid else "text_message"


def _read_author(item: dict) -> tuple[str | None, str | None, str | None]:
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
    parts = [part for key in _NOTICE_KEYS if (part := clean_text(item.get(key)))]
    fixed = kind in _NOTICE_KINDS or (kind == "ticker_sponsor_item" and not parts)
    if fixed and text:
        parts, text = [*parts, text], None
    return text, " · ".join(parts) or None


def _read_money(item: dict) -> tuple[str | None, str | None, str | None]:
    """Return the amount as written, not as chat-downloader understood it, which knew English only."""
    money = item.get("money")
    if type(money) is not dict:
        return money_fields(clean_text(item.get("amount")))
    text = clean_text(money.get("text"))
    number = money_of_number(money.get("amount"), read_name(money.get("currency")))
    return money_fields(text) if text else number or (None, None, None)


def _read_time(item: dict, notes: Notes) -> float | None:
    tried = False
    for key, scale in (("video_offset_time_msec", 1000.0), ("time_in_seconds", 1.0), ("time_text", 1.0)):
        if item.get(key) is not None:
            tried = True
            offset_s = read_offset(item[key], scale=scale)
            if offset_s is not None:
                return offset_s
    if tried:
        notes.field("offset")
    return None


def _read_timestamp(item: dict, notes: Notes) -> int | None:
    value = item.get("timestamp")
    timestamp = read_timestamp(value)
    if timestamp is None and value not in (None, 0):
        notes.field("timestamp")
    return timestamp


def _emote_names(emotes: object) -> list[str]:
    names = []
    for emote in emotes if type(emotes) is list else ():
        if type(emote) is dict:
            shortcuts = emote.get("shortcuts")
            first = shortcuts[0] if type(shortcuts) is list and shortcuts else None
            emote = clean_text(emote.get("name")) or first
        if name := clean_text(emote):
            names.append(name)
    return names


def _read_emotes(item: dict) -> str | None:
    return name_json(_emote_names(item.get("emotes")))
