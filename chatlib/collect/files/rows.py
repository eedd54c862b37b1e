"""What every reader of a chat format needs: notes on what was left out, lists as JSON, ids where none are.

Readers test for JSON's own types with `type(x) is dict` and the like: parsed JSON has no subclasses,
True must not pass for 1, and it is twice as fast as isinstance in code that runs for every field.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chatlib.records import NAME_PREFIX, Message, Stream, find_kind_names
from chatlib.text import clean_text, dump_names, read_number

__all__ = [
    "Chat", "IdMaker", "Notes", "as_list", "as_object", "author_key", "badge_json", "name_json",
    "read_count", "read_whole_number", "repeated_kind", "walk",
]  # fmt: skip

_MAX_COUNT = 2**62
_MAX_REASONS = 40
_REPEATED = find_kind_names("repeats:")
_REMOVALS = ("ban_user", "deleted_message", "remove_banner")


class Notes(Counter[str]):
    """Why rows were left out, and which fields were left out of rows that were kept."""

    def count_field(self, name: str) -> None:
        """Count a field whose value could not be used; its row is kept."""
        self[f"kept without {name}"] += 1

    def count_name(self, reason: str, name: object) -> None:
        """Count something by its name in the file; past forty reasons, or if it is odd, without the name."""
        named = f"{reason}: {name}"
        is_plain = isinstance(name, str) and re.fullmatch(r"\w{1,60}", name)
        self[named if is_plain and (named in self or len(self) < _MAX_REASONS) else reason] += 1


class Chat(NamedTuple):
    """One stream's chat: its messages in source order, and what was left out, by reason."""

    format: str
    stream: Stream
    messages: list[Message]
    skipped: Mapping[str, int]


def walk(node: object, *keys: str) -> Any:
    """Return what lies at the end of a path of keys through objects, or None."""
    for key in keys:
        if type(node) is not dict:
            return None
        node = node.get(key)
    return node


def as_list(value: object) -> list:
    """Return the value if it is a list, else an empty one."""
    return value if type(value) is list else []


def as_object(value: object) -> dict:
    """Return the value if it is an object of JSON, else an empty one."""
    return value if type(value) is dict else {}


def read_count(value: object) -> int | None:
    """Return a whole number above zero, as Twitch counts bits, or None."""
    number = read_number(value)
    return int(number) if number is not None and 0 < number <= _MAX_COUNT else None


def read_whole_number(value: object) -> int | None:
    """Return a number without its fraction, or None for what is no number."""
    number = read_number(value)
    return None if number is None else int(number)


def name_json(names: Iterable[object]) -> str | None:
    """Return a JSON array of the names that are text, or None if none is."""
    cleaned = tuple(name for name in map(clean_text, names) if name)
    return dump_names(cleaned) if cleaned else None


def badge_json(badges: object) -> str | None:
    """Return a JSON array of titles of badges: objects with title or name, texts, or a comma list."""
    if type(badges) is str:
        badges = [title.strip() for title in badges.split(",")]
    if type(badges) is not list:
        return None
    return name_json(
        (badge.get("title") or badge.get("name")) if type(badge) is dict else badge for badge in badges
    )


def author_key(author_id: str | None, name: str | None) -> str | None:
    """Return the author's identity: the id, or the prefixed name where there is none."""
    if author_id is not None:
        return author_id
    return None if name is None else NAME_PREFIX + name


def repeated_kind(kind: str) -> str:
    """Return the kind that a ticker repeats, or the kind itself."""
    return _REPEATED.get(kind, kind)


class IdMaker:
    """Makes ids for messages of one file that have none: the same row gets the same id, wherever it stands.

    Equal rows are distinguished by counting them, except removals: what is removed twice at one
    moment was reported twice.
    """

    def __init__(self) -> None:
        self._seen: Counter[tuple] = Counter()

    def complete(self, message: Message, *, kind: str | None = None) -> Message:
        """Return the message with an id: its own, or one made of its content.

        `kind` is what the row repeats, so that a ticker shares the id of what it repeats.
        """
        return message if message.message_id else self.replace_id(message, kind=kind)

    def replace_id(self, message: Message, *, kind: str | None = None) -> Message:
        """Return the message with an id made of its content instead of its own."""
        content = (
            message.offset_s, message.author_id, kind or message.kind, message.text, message.notice,
            message.amount_text, message.target_id,
            message.timestamp_us if message.offset_s is None else None,
        )  # fmt: skip
        counted = self._seen[content, message.kind]
        if not counted or (message.target_id is None and message.kind not in _REMOVALS):
            counted = self._seen[content, message.kind] = counted + 1
        text = repr((content, counted))
        digest = hashlib.blake2b(text.encode("utf-8"), digest_size=12).hexdigest()
        return message._replace(message_id=f"made:{digest}")
