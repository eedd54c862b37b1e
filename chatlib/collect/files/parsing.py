"""What every reader of a chat format needs: bytes as text and JSON, notes on what was left out, made ids.

Readers test for JSON's own types with `type(x) is dict` and the like: parsed JSON has no subclasses,
True must not pass for 1, and it is twice as fast as isinstance in code that runs for every field.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from chatlib.errors import SourceError, UnknownFormat
from chatlib.files import GZIP_MAGIC, JSON_OBJECTS, LINE_MB, unpack_gzip
from chatlib.records import NAME_PREFIX, Message, Stream, find_kind_names
from chatlib.text import clean_text, dump_names, read_number

__all__ = [
    "CUT", "PARQUET_MAGIC", "SQLITE_MAGIC", "Chat", "IdMaker", "Notes", "as_list", "as_object", "author_key",
    "badge_json", "decode_text", "looks_like_data", "name_json", "parse_json", "read_count", "read_head",
    "read_whole_number", "repeated_kind", "unpack", "walk",
]  # fmt: skip

SQLITE_MAGIC, PARQUET_MAGIC = b"SQLite format 3\x00", b"PAR1"
_SPACE = b" \t\r\n"
CUT = "file is cut short"
_BAD_ROW, _MAX_BAD_ROWS = "row is no JSON", 1000
_OPENING = re.compile(r'\s*(\{\s*"[^"]{1,60}"\s*:)')
_BETWEEN = re.compile(r"(?:[\s,]|\]\s*\[)*")  # items, or arrays that were put together
_ROWS = re.compile(r'(?<!\\)"(?:actions|comments|edges)"\s*:\s*\[(?=\s*\{)')  # in an object around them
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_KANA = "のにはをたがでてとしれさいるんなかまアイスルンーラトリ"
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


# ------------------------------------------------------------------ from bytes to objects


def unpack(data: bytes, notes: Notes) -> bytes:
    """Return the bytes as they were before gzip and without a byte-order mark, as UTF-8.

    A file that is cut short or damaged gives what could be read; `notes` says so.
    """
    if data.startswith(GZIP_MAGIC):
        data, whole = unpack_gzip(data)
        if not whole:
            notes[CUT] += 1
    if data.startswith(PARQUET_MAGIC):
        return data
    data = data.removeprefix(codecs.BOM_UTF8)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    if data.endswith(b"\0"):  # as a disk fills up what was not written
        notes[CUT] += 1
    return data.rstrip(b"\0").replace(b"\n" + codecs.BOM_UTF8, b"\n")  # of files that were put together


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked if it is gzip; b"" if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        return zlib.decompressobj(wbits=31).decompress(head, 4096) if head.startswith(GZIP_MAGIC) else head
    except OSError:
        return b""
    except zlib.error:
        return GZIP_MAGIC


def looks_like_data(head: bytes) -> bool:
    """Return whether a file that starts so may be a chat: JSON, SQLite, a saved page, or cut short."""
    if not head or head.startswith((GZIP_MAGIC, SQLITE_MAGIC, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    return head.removeprefix(codecs.BOM_UTF8).lstrip(_SPACE)[:1] in (b"{", b"[", b"<")


def decode_text(data: bytes, notes: Notes) -> str:
    """Return text in UTF-8, or else in the encoding that it seems to have; `notes` says which.

    What is UTF-8 for the most part is damaged UTF-8. Otherwise Japanese in Shift-JIS shows in its kana, and
    Western text is in Windows-1252, which has a character for nearly every byte.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    n_high = len(data) - len(data.translate(None, bytes(range(128, 256))))
    if text.count("\ufffd") * 3 < n_high:
        notes["text is not whole UTF-8"] += 1
        return text
    japanese = data.decode("cp932", "replace")
    n_kana = sum(japanese.count(kana) for kana in _KANA)
    if n_kana * 20 > n_high and japanese.count("\ufffd") * 20 < n_kana:
        notes["text is in Shift-JIS, not UTF-8"] += 1
        return japanese
    notes["text is in Windows-1252, not UTF-8"] += 1
    return data.decode("cp1252", "replace")


def parse_json(data: bytes, notes: Notes) -> object:
    """Return what is in a JSON or JSON Lines file; the latter as a list, bad lines counted.

    Raises: UnknownFormat if it is no JSON; SourceError if it begins as JSON and cannot be read.
    """
    start = data.lstrip(_SPACE)
    if not start:
        raise SourceError("A chat file must have content, and this one is empty.")
    if start[:1] not in (b"{", b"["):
        raise UnknownFormat("JSON begins with a bracket, and this does not.")
    JSON_OBJECTS.require(start.count(b"{") + start.count(b"["))
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        lines = [line for each in start.splitlines() if (line := each.strip(_SPACE))]
    firsts = lines[: 2 if start.startswith(b"{") else 1]  # the very first may be damaged
    if len(lines) > 1 and any(map(_parse_line, firsts, repeat(Notes()))):
        return _parse_lines(lines, notes)
    return _parse_leniently(start, notes)


def _parse_line(line: bytes, notes: Notes) -> tuple[object] | None:
    """Return the one value of a line, None if it is no JSON; `notes` counts what is not UTF-8."""
    try:
        return (orjson.loads(line),)
    except orjson.JSONDecodeError:
        pass
    try:
        return (json.loads(decode_text(line, notes), strict=False),)
    except (ValueError, RecursionError):
        return None


def _parse_lines(lines: list[bytes], notes: Notes) -> list[object]:
    items: list[object] = []
    for line in lines:
        LINE_MB.require(len(line) / 1e6)
        parsed = _parse_line(line, notes)
        if parsed is None:
            notes[CUT if line is lines[-1] else "line is no JSON"] += 1
        else:
            items += parsed[0] if type(parsed[0]) is list else parsed
    return items


def _parse_leniently(start: bytes, notes: Notes) -> object:
    """Return what the standard library can read, or the whole rows of what is cut, damaged or put together.

    Rows are values one after another, the items of the outer array, or those of the list of rows inside.
    """
    text = decode_text(start, notes)
    decoder = json.JSONDecoder(strict=False)
    try:
        return decoder.decode(text.rstrip())
    except RecursionError:
        raise SourceError("A chat file must not be nested a thousand deep, and this one is.") from None
    except ValueError as error:
        reason = error
    inside = _ROWS.search(text)
    for first in (int(text.startswith("[")), *([inside.end()] if inside else [])):
        found = Notes()
        if items := list(_iter_items(text, first, decoder, found)):
            notes.update(found)
            if first > 1:
                return _enter_items(items, text[:first], decoder)
            return items[0] if first == 0 and len(items) == 1 else items
    raise SourceError(f"A chat file must be whole JSON, and of this one not one row can be read: {reason}.")


def _iter_items(text: str, first: int, decoder: json.JSONDecoder, notes: Notes) -> Iterator[object]:
    """Yield the items that can be read; after one that cannot go on with what begins as the first did.

    `first` is the first item's place in an array; at 0 the items are values one after another.
    """
    opening = _OPENING.match(text, first)
    position = first
    while True:
        position = _BETWEEN.match(text, position).end()  # type: ignore[union-attr]
        try:
            item, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            following = text.find(opening[1], position + 1) if opening else -1
            if following < 0 or notes[_BAD_ROW] >= _MAX_BAD_ROWS:
                break
            notes[_BAD_ROW] += 1
            position = following
        else:
            yield item
    rest = text[position : position + 9].strip()
    is_whole = notes[_BAD_ROW] and rest.startswith("]") if first > 1 else rest == "]"[:first]
    if not is_whole:
        notes[CUT] += 1


def _enter_items(items: list[object], head: str, decoder: json.JSONDecoder) -> object:
    """Return the content that begins with `head`, whose last bracket opens an array, with its items."""
    opened = re.sub(r"[^][{}]", "", _STRING.sub("", head))
    while (shorter := opened.replace("{}", "").replace("[]", "")) != opened:
        opened = shorter
    ends = opened[::-1].translate({ord("{"): "}", ord("["): "]"})
    try:
        return decoder.decode(f"{head}{json.dumps(items)[1:-1]}{ends}")
    except ValueError as error:
        raise SourceError(f"A chat file must be whole JSON, and this one is not: {error}.") from error
