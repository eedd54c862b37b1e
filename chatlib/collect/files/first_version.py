"""Databases of the first version of this research: the nine columns of the table `DBdb`.

One row is one message, or in some of them one stream whose columns hold lists. Amounts and
currencies are text, absence is the text 'NULL', and authors are known by name only.
"""

from __future__ import annotations

import ast
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from chatlib.collect.address import find_video_id, guess_platform
from chatlib.collect.files.rows import Chat, IdMaker, Notes, author_key, badge_json
from chatlib.errors import SourceError, UnknownFormat
from chatlib.money import NO_MONEY, MoneyFields, read_money, read_plain_money
from chatlib.records import Message, Stream
from chatlib.schema import APPLICATION_ID
from chatlib.text import clean_text, read_name
from chatlib.times import read_offset

__all__ = ["COLUMNS", "find_chats"]


class _Row(NamedTuple):
    """A row of the old table without its address: the cells of one message, or lists of many."""

    kind: object
    time: object
    badges: object
    author: object
    text: object
    amount: object
    currency: object


_ROW_COLUMNS = (
    "TypeofMessages", "ListofTimes", "ListofBadges", "ListofAuthors", "ListofMessages", "DonationAmount",
    "DonationCurrency",
)  # fmt: skip
COLUMNS = ("URL", *_ROW_COLUMNS)
_NOTHING = (None, "", "NULL")
_NO_WAL = b"\x01\x01"  # of the header: a database in memory has no write-ahead log


def find_chats(data: bytes, file_name: str, _notes: Notes, _columns: object = None) -> list[Chat]:
    """Return the chats in an SQLite file of the first version, in the order in which they were stored.

    Raises: UnknownFormat for an SQLite file without such a table; SourceError for a damaged one.
    """
    rows: dict[object, list[_Row]] = {}
    try:
        with closing(sqlite3.connect(":memory:")) as db:
            db.deserialize(data[:18] + _NO_WAL + data[20:])
            db.text_factory = lambda text: text.decode("utf-8", "replace")
            db.execute("PRAGMA trusted_schema = OFF")
            table = _quote(_find_table(db, file_name))
            _check(db, len(data))
            for url, *cells in db.execute(f"SELECT {', '.join(COLUMNS)} FROM {table} ORDER BY rowid"):
                rows.setdefault(url, []).append(_Row._make(cells))
    except sqlite3.Error as error:
        raise SourceError(f"An old database must be whole; {file_name} is not ({error}).") from error
    return [_read_stream(url, of_stream, file_name) for url, of_stream in rows.items()]


def _read_stream(url: object, rows: Iterable[_Row], file_name: str) -> Chat:
    address = clean_text(url if isinstance(url, str) else "").replace("NULL", "")
    video_id = find_video_id(address) or address[:200] or clean_text(Path(file_name).stem)
    stream = Stream(guess_platform(url=address, video_id=video_id) or "", video_id, url=address or None)
    ids, notes = IdMaker(), Notes()
    cells = (cell for row in rows for cell in _iter_cells(row))
    messages = (_read_message(cell, notes) for cell in cells)
    found = [ids.complete(message) for message in messages if message is not None]
    return Chat("first version", stream, found, notes)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check(db: sqlite3.Connection, n_bytes: int) -> None:
    """Raise if the file was cut: SQLite would read nothing where something was."""
    (page_size,) = db.execute("PRAGMA page_size").fetchone()
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict.replace("\n", " "))
    if n_bytes % page_size:
        raise sqlite3.DatabaseError("cut short or damaged")


def _find_table(db: sqlite3.Connection, file_name: str) -> str:
    if db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        raise UnknownFormat(
            f"{file_name} is a chat database already, no file to import. Use it: `--db {file_name}`."
        )
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in sorted(tables, key=lambda name: name != "DBdb"):
        columns = {row[1].lower() for row in db.execute(f"PRAGMA table_info({_quote(table)})")}
        if {name.lower() for name in (*COLUMNS, "id")} <= columns:
            return table
    raise UnknownFormat(
        f"An old chat database has a table with the columns id, {', '.join(COLUMNS)}; {file_name} has none."
    )


def _iter_cells(row: _Row) -> Iterator[_Row]:
    """Yield a row's messages: itself, or those in its lists; a cell that is no list is for all of them."""
    if _read_list(row.time) is None:
        yield row
        return
    columns = [_read_list(cell) for cell in row]
    longest = max(len(column) for column in columns if column is not None)
    filled = [
        [cell] * longest if column is None else column for cell, column in zip(row, columns, strict=True)
    ]
    yield from map(_Row._make, zip_longest(*filled))


def _read_list(cell: object) -> list | None:
    """Return a list that was stored as JSON or as Python writes it, or None for anything else."""
    if not isinstance(cell, str) or not cell.startswith("["):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            values = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return values if isinstance(values, list) else None
    return None


def _read_message(row: _Row, notes: Notes) -> Message | None:
    name, text = _read_name(row.author), _read_words(row.text)
    money = _read_money(row.amount, row.currency)
    if name is None and text is None and money == NO_MONEY and row.kind in _NOTHING:
        notes["row is empty"] += 1
        return None
    offset_s = None if row.time in _NOTHING else read_offset(row.time)
    if offset_s is None and row.time not in _NOTHING:
        notes.count_field("offset")
    return Message(
        message_id="",
        kind=_read_name(row.kind) or ("text_message" if money == NO_MONEY else "paid_message"),
        offset_s=offset_s,
        author_id=author_key(None, name),
        author_name=name,
        text=text,
        badges=_read_badges(row.badges),
        **money._asdict(),
    )


def _read_name(cell: object) -> str | None:
    return None if cell in _NOTHING else read_name(cell)


def _read_words(cell: object) -> str | None:
    """Return a message's text; a column without a type may have made a number of it."""
    if cell == "NULL":
        return None
    return str(cell) if type(cell) in (int, float) else clean_text(cell)


def _read_badges(cell: object) -> str | None:
    if cell in _NOTHING:
        return None
    values = _read_list(cell)
    return badge_json(cell if values is None else values)


def _read_money(amount: object, currency: object) -> MoneyFields:
    """Return money from a number and a currency beside it, or from an amount as written."""
    written = _read_name(amount) if isinstance(amount, str) else amount
    code = _read_name(currency)
    if written is None:
        return NO_MONEY
    return read_plain_money(written, code) or read_money(" ".join(filter(None, (code, str(written)))))
