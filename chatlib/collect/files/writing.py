"""Chats as files: chat-downloader's JSON, JSON Lines and CSV, and the columns of its CSV as Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import orjson

from chatlib.collect.files.formats import Chat, read_chat_file
from chatlib.errors import ParameterError
from chatlib.files import atomic_path
from chatlib.records import NAME_PREFIX, Message
from chatlib.text import disarm_formula

__all__ = ["convert_chat_file", "row_of_message", "save_chat_file"]

# Columns whose values are numbers; the others are text.
_NUMBERS = {"time_in_seconds": "float64", "timestamp": "int64", "bits": "int64"}


def convert_chat_file(
    source: str | Path, out: str | Path, *, columns: Mapping[str, str] | None = None, stream_id: str = ""
) -> Chat:
    """Write the chat of a file of any known format into `out`, by its suffix; return what was read.

    Raises: ParameterError for another suffix; as `read_chat_file` and `atomic_path`.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in _WRITERS:
        raise ParameterError(f"OUT must end in one of {', '.join(_WRITERS)}, got {str(out)!r}.")
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
