"""Chat items of the npm package youtube-chat 2.2.0, saved as JSON or JSON Lines.

An item is what its parser makes of a message, a Super Chat, a sticker or a membership; no field says which.
See `ChatItem` in the package's `dist/types/data.d.ts`.
"""

from __future__ import annotations

from chatlib.collect.files.innertube import read_link
from chatlib.collect.files.parsing import Chat, IdMaker, Notes, as_list, as_object, author_key, name_json
from chatlib.money import read_money
from chatlib.records import YOUTUBE, Message, Stream
from chatlib.text import clean_text, read_name
from chatlib.times import read_timestamp, read_timestamp_text

__all__ = ["find_chat"]

_ROLES = {"isOwner": "Owner", "isVerified": "Verified", "isModerator": "Moderator"}


def find_chat(content: object, notes: Notes) -> Chat | None:
    """Return the chat in parsed JSON if it holds youtube-chat's items."""
    items = [content] if type(content) is dict else content
    if type(items) is not list or not any(map(_is_item, items[:200])):
        return None
    ids = IdMaker()
    messages = [message for item in items if (message := _read_item(item, notes, ids)) is not None]
    return Chat("youtube-chat", Stream(YOUTUBE, ""), messages, notes)


def _is_item(item: object) -> bool:
    if type(item) is not dict or type(item.get("message")) is not list:
        return False
    return type(item.get("author")) is dict and "channelId" in item["author"]


def _read_item(item: object, notes: Notes, ids: IdMaker) -> Message | None:
    if type(item) is not dict:
        notes["row is no object"] += 1
        return None
    author, chat = as_object(item.get("author")), as_object(item.get("superchat"))
    name = read_name(author.get("name"))
    key = author_key(read_name(author.get("channelId")), name)
    words, emotes = _read_words(item.get("message"))
    money = read_money(clean_text(chat.get("amount")))
    if not (words or key or money.amount_text):
        notes["row is empty"] += 1
        return None
    timestamp = read_timestamp_text(item.get("timestamp")) or read_timestamp(item.get("timestamp"))
    if timestamp is None:
        notes.count_field("timestamp")
    text = "".join(words) or None
    kind = "text_message"
    if money.amount_text is not None:
        kind = "paid_sticker" if type(chat.get("sticker")) is dict else "paid_message"
    elif (  # YouTube's sentence about a new member: a person's words are one part
        item.get("isMembership") is True
        and len(words) >= 3
        and words[0] == "Welcome to "
        and words[-1].endswith("!")
    ):
        kind = "membership_item"
    return ids.complete(
        Message(
            message_id=read_name(item.get("id")) or "",
            kind=kind,
            author_id=key,
            author_name=name,
            text=None if kind == "membership_item" else text,
            notice=text if kind == "membership_item" else None,
            badges=_read_badges(item, author),
            **money._asdict(),
            timestamp_us=timestamp,
            emotes=name_json(dict.fromkeys(emotes)),
        )
    )


def _read_words(parts: object) -> tuple[list[str], list[str]]:
    """Return a message's parts as text, and the names of the emoji among them."""
    words, emotes = [], []
    for part in map(as_object, as_list(parts)):
        emoji = clean_text(part.get("alt")) or clean_text(part.get("emojiText"))
        if emoji:
            emotes.append(emoji)
        words.append(emoji or read_link(part) or "")
    return [word for word in words if word], emotes


def _read_badges(item: dict, author: dict) -> str | None:
    roles = [title for flag, title in _ROLES.items() if item.get(flag) is True]
    return name_json([*roles, as_object(author.get("badge")).get("label")])
