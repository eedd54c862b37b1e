"""chat-downloader's files: its JSON of all years is read; JSON, JSON Lines, CSV and Parquet are written.

Most rows of a file are plain messages, which are decoded into their few fields and never into a tree of
objects: a third of the time. Every row that deviates takes the careful path. Both give the same for what
both can read.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import orjson

from chatlib.collect.files.formats import read_chat_file
from chatlib.collect.files.parsing import (
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
from chatlib.errors import ParameterError
from chatlib.files import atomic_path
from chatlib.money import NO_MONEY, MoneyFields, read_money, read_plain_money
from chatlib.records import GIFT_RECEIVED_KINDS, NAME_PREFIX, Message, Stream, find_kinds
from chatlib.text import clean_text, disarm_formula, dump_names, read_name
from chatlib.times import MAX_OFFSET_S, MAX_TIMESTAMP_US, MIN_TIMESTAMP_US, read_offset, read_timestamp

__all__ = [
    "convert_chat_file", "find_chat", "find_event", "find_plain_chat", "read_row", "row_of_message",
    "save_chat_file",
]  # fmt: skip

# Kinds whose `message` is a fixed sentence of the platform, not somebody's words.
_NOTICE_KINDS = GIFT_RECEIVED_KINDS | find_kinds("sentence")
_NOTICE_KEYS = ("system_message", "header_message", "header_primary_text", "header_secondary_text")
_ROW_KEYS = frozenset({"message", "message_type", "message_id", "time_in_seconds", "action_type", "amount"})

# Since late 2022 Twitch's replays no longer say which comment is a subscription. Its fixed sentence,
# which begins with the author's own name, still does, and is cut from the author's words.
_STREAK = r"They've subscribed for \d+ months?(?:, currently on an? \d+ month streak)?! ?"
_SENTENCES = (
    ("resubscription", rf"subscribed (?:with Prime|at Tier \d)\. {_STREAK}"),
    ("subscription", r"subscribed (?:with Prime|at Tier \d)\. ?"),
    ("mystery_subscription_gift", r"is gifting \d+ Tier \d Subs? to .{1,60}'s community!.*"),
    ("subscription_gift", r"gifted (?:a|\d+ months? of) Tier \d (?:sub )?to .{1,60}!.*"),
    ("prime_paid_upgrade", r"converted from a Prime sub to a Tier \d sub!.*"),
    ("gift_paid_upgrade", r"is continuing the Gift Sub they got from .*"),
    ("community_pay_forward", r"is paying forward the Gift they got from .{1,60} to the community!.*"),
    ("standard_pay_forward", r"is paying forward the Gift they got from .*"),
)
_EVENTS = tuple((kind, re.compile(sentence, re.S)) for kind, sentence in _SENTENCES)

_Filled = Annotated[str, msgspec.Meta(min_length=1)]
_AuthorFields = tuple[str, str, str | None]  # id, name, badges
# Columns whose values are numbers; the others are text.
_NUMBERS = {"time_in_seconds": "float64", "timestamp": "int64", "bits": "int64"}


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
    ids = IdMaker()
    messages = [message for item in items if (message := read_row(item, notes, ids)) is not None]
    return Chat("chat-downloader", Stream("", ""), messages, notes)


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


def find_event(kind: str, body: str | None, name: str | None) -> tuple[str, str | None, str | None]:
    """Return kind, the author's own words, and the platform's sentence at the head of the body.

    A kind other than a text message stays. The sentence counts only if it is about the author: `name`.
    """
    if not body or not name or not body.startswith(f"{name} "):
        return kind, body, None
    rest = body[len(name) + 1 :]
    for event, sentence in _EVENTS:
        if match := sentence.match(rest):
            notice = body[: len(name) + 1 + match.end()].strip()
            return event if kind == "text_message" else kind, rest[match.end() :].strip() or None, notice
    return kind, body, None


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


# ------------------------------------------------------------------ writing


def convert_chat_file(
    source: str | Path, out: str | Path, *, columns: Mapping[str, str] | None = None, stream_id: str = ""
) -> Chat:
    """Write the chat of a file of any known format into `out`, by its suffix; return what was read.

    Raises: ParameterError for another suffix; as `read_chat_file` and `atomic_path`.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in _WRITERS:
        raise ParameterError(f"OUT must end in one of {', '.join(_WRITERS)}, got {str(out)!r}.")
    if Path(out).resolve() == Path(source).resolve():
        raise ParameterError(f"OUT must be another file than IN, got {str(out)!r} for both.")
    chat = read_chat_file(source, columns=columns, stream_id=stream_id)
    save_chat_file(out, chat.messages)
    return chat


def save_chat_file(path: str | Path, messages: Iterable[Message]) -> None:
    """Write messages in the format of the path's suffix, as a JSON array for any other; whole or not at all.

    Raises: UnwritableFile; StoreFull.
    """
    write = _WRITERS.get(Path(path).suffix.lower(), _write_json)
    with atomic_path(path) as part:
        write(part, map(row_of_message, messages))


def _write_json(path: Path, rows: Iterator[dict[str, object]]) -> None:
    with path.open("wb") as file:
        for number, row in enumerate(rows):
            file.write((b",\n" if number else b"[\n") + orjson.dumps(row))
        file.write(b"\n]\n" if file.tell() else b"[]\n")


def _write_lines(path: Path, rows: Iterator[dict[str, object]]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row) + b"\n")


def _write_csv(path: Path, rows: Iterator[dict[str, object]]) -> None:
    columns = _tabulate(rows)
    cells = ([disarm_formula(c) if isinstance(c, str) else c for c in column] for column in columns.values())
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *zip(*cells, strict=True)])


def _write_parquet(path: Path, rows: Iterator[dict[str, object]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {}
    for name, values in _tabulate(rows).items():
        kind = _NUMBERS.get(name, "string")
        written = [v if v is None or kind != "string" else str(v) for v in values]
        columns[name] = pa.array(written, pa.type_for_alias(kind))
    parquet.write_table(pa.table(columns), path)


def _tabulate(rows: Iterable[dict[str, object]]) -> dict[str, list[object]]:
    """Return rows as chat-downloader's columns: one for each place in any row's object, by name."""
    flat = [dict(_flatten(row)) for row in rows]
    names = set(chain.from_iterable(flat)) | {"message", "message_id", "time_in_seconds"}
    return {name: [row.get(name) for row in flat] for name in sorted(names)}


def _flatten(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield an object's values with the path to each, as chat-downloader names its columns."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flatten(inner, f"{name}.{number}")
    else:
        yield name, value


_WRITERS: dict[str, Callable[[Path, Iterator[dict[str, object]]], None]] = {
    ".json": _write_json,
    ".jsonl": _write_lines,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}


def row_of_message(message: Message) -> dict[str, object]:
    """Return a message as chat-downloader would write it; what is absent is left out.

    Reading it gives the message back, but for amounts whose text no longer says what they are.
    """
    row: dict[str, object] = {
        "message_id": message.message_id,
        "message_type": message.kind,
        "message": message.text,
        "time_in_seconds": message.offset_s,
        "timestamp": message.timestamp_us,
        "author": _author_of_message(message),
        "system_message": message.notice,
        "bits": message.bits,
        "target_message_id": message.target_id,
    }
    if message.amount_text is not None:
        amount = None if message.amount is None else float(message.amount)
        row["money"] = {"text": message.amount_text, "amount": amount, "currency": message.currency}
    if message.emotes is not None:
        row["emotes"] = [{"name": name} for name in json.loads(message.emotes)]
    return {key: value for key, value in row.items() if value is not None or key == "message"}


def _author_of_message(message: Message) -> dict[str, object] | None:
    if message.author_id is None:
        return None
    author: dict[str, object] = {"name": message.author_name}
    if not message.author_id.startswith(NAME_PREFIX):
        author["id"] = message.author_id
    if message.badges is not None:
        author["badges"] = [{"title": title} for title in json.loads(message.badges)]
    return author
