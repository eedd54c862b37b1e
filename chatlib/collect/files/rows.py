"""One chat row, whatever its source: fields cleaned, absence made None, ids made up where missing.

A reader turns each row of its format into `Fields`; `build_message` makes the message. What is
of the wrong type becomes None and is counted in `Notes`, so nothing is lost in silence.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from chatlib.money import parse_money
from chatlib.records import NAME_PREFIX, Message
from chatlib.text import clean_text, read_number

__all__ = [
    "IdMaker",
    "Notes",
    "author_key",
    "badge_json",
    "money_fields",
    "money_of_number",
    "name_json",
    "read_count",
    "repeated_kind",
]

MAX_COUNT = 2**63 - 1

_REPEATED = {
    "ticker_paid_message_item": "paid_message",
    "ticker_paid_sticker_item": "paid_sticker",
    "ticker_sponsor_item": "membership_item",
}
_REMOVALS = ("ban_user", "deleted_message", "remove_banner")
_PLAIN_AMOUNT = re.compile(r"\d{1,15}(\.\d{1,6})?")


class Notes(Counter):
    """Why rows were left out, and which fields were left out of rows that were kept."""

    def field(self, name: str) -> None:
        """Count a field whose value could not be used; its row is kept."""
        self[f"kept without {name}"] += 1

    def unread(self, reason: str, name: str) -> None:
        """Count something by its name in the file; past forty reasons, or if it is odd, without."""
        named = f"{reason}: {name}"
        plain = re.fullmatch(r"\w{1,60}", name) and (named in self or len(self) < 40)
        self[named if plain else reason] += 1


def read_count(value: object) -> int | None:
    """Return a whole number above zero, as Twitch counts bits, or None."""
    number = read_number(value)
    return int(number) if number is not None and 0 < number <= MAX_COUNT / 2 else None


def name_json(names: Iterable[object]) -> str | None:
    """Return a JSON array of the names that are text, or None if none is."""
    cleaned = tuple(name for name in map(clean_text, names) if name)
    return dump_names(cleaned) if cleaned else None


@lru_cache(maxsize=65536)
def dump_names(names: tuple[str, ...]) -> str:
    """Return names as a JSON array; the same names always as the same text."""
    return json.dumps(names, ensure_ascii=False)


def badge_json(badges: object) -> str | None:
    """Return a JSON array of titles of badges: objects with title or name, texts, or a comma list."""
    if type(badges) is str:
        badges = [part.strip() for part in badges.split(",")]
    if type(badges) is not list:
        return None
    return name_json(
        (badge.get("title") or badge.get("name")) if type(badge) is dict else badge for badge in badges
    )


def money_fields(text: str | None) -> tuple[str | None, str | None, str | None]:
    """Return the amount as written, as a decimal and its ISO 4217 code; None for what is unknown."""
    if not text or not text.strip():
        return None, None, None
    money = parse_money(text)
    return text, None if money.amount is None else format(money.amount, "f"), money.currency


def money_of_number(amount: object, currency: str | None) -> tuple[str, str, str | None] | None:
    """Return money from a plain number with a currency's code or symbol; None if it is no number.

    Such a number has a decimal point whatever the currency: 5000.0 yen are 5000.
    """
    if type(amount) not in (int, float, str) or not _PLAIN_AMOUNT.fullmatch(str(amount)):
        return None
    written = str(amount).removesuffix(".0")
    if currency is None:
        return written, written, None
    return f"{currency} {written}", written, parse_money(f"{currency} 1").currency


def author_key(author_id: str | None, name: str | None) -> str | None:
    """Return the author's identity: the id, or the prefixed name where there is none."""
    if author_id is not None:
        return author_id
    return None if name is None else NAME_PREFIX + name


def repeated_kind(kind: str) -> str:
    """Return the kind that a ticker repeats, or the kind itself."""
    return _REPEATED.get(kind, kind)


class IdMaker:
    """Makes ids for rows that have none: the same row gets the same id, wherever it stands.

    Equal rows are told apart by counting them, but for removals: what is removed twice at one
    moment was told twice. A ticker shares the id of what it repeats.
    """

    def __init__(self) -> None:
        self._seen: Counter[tuple] = Counter()

    def make_id(self, row: Message, *, kind: str) -> str:
        """Return an id from the row's content; `kind` is what the row repeats, or its own kind."""
        content = (
            row.offset_s, row.author_id, kind, row.text, row.notice, row.amount_text, row.target_id,
            row.timestamp_us if row.offset_s is None else None,
        )  # fmt: skip
        if (row.target_id is None and row.kind not in _REMOVALS) or not self._seen[content, row.kind]:
            self._seen[content, row.kind] += 1
        text = repr((content, self._seen[content, row.kind]))
        return "made:" + hashlib.blake2b(text.encode("utf-8"), digest_size=12).hexdigest()
