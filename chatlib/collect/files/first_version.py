"""Databases of the first version of this research: the nine columns of the table `DBdb`.

One row is one message, or in some of them one stream whose columns hold lists. Amounts and
currencies are text, absence is the text 'NULL', and authors are known by name only.
"""

from __future__ import annotations

import ast
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from chatlib.collect.files.parsing import IdMaker, Notes, author_key, badge_json
from chatlib.errors import SourceError, UnknownFormat
from chatlib.money import NO_MONEY, MoneyFields, read_money, read_plain_money
from chatlib.queries import connect_to_read
from chatlib.records import Message
from chatlib.schema import APPLICATION_ID
from chatlib.text import clean_text, read_name
from chatlib.times import read_offset

__all__ = ["COLUMNS", "OldDatabase"]


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


class OldDatabase:
    """An open database of the first version. `urls` are its streams, in the order they were stored."""

    def __init__(self, path: Path) -> None:
        """Open for reading only.

        Raises: UnknownFormat for an SQLite file without such a table; SourceError for a damaged one.
        """
        self._name = path.name
        with self._map_errors(), ExitStack() as on_failure:
            self._db = connect_to_read(path)
            on_failure.callback(self._db.close)
            self._db.text_factory = lambda data: data.decode("utf-8", "replace")
            self._db.execute("PRAGMA trusted_schema = OFF")
            self._table = _quote(_find_table(self._db, path))
            _check(self._db, path)
            # An indexed copy of the addresses, so that each stream is read without a walk through all rows.
            self._db.execute(f"CREATE TEMP TABLE places AS SELECT URL, rowid AS place FROM {self._table}")
            self._db.execute("CREATE INDEX places_of ON places (URL, place)")
            urls = self._db.execute("SELECT URL FROM places GROUP BY URL ORDER BY min(place)")
            self.urls: list[object] = [url for (url,) in urls]
            on_failure.pop_all()

    def __enter__(self) -> OldDatabase:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._db.close()

    def read_stream(self, url: object) -> tuple[list[Message], Notes]:
        """Return a stream's messages, and what was left out."""
        notes = Notes()
        with self._map_errors():
            names = ", ".join(f"t.{_quote(name)}" for name in _ROW_COLUMNS)
            rows = self._db.execute(
                f"SELECT {names} FROM places p JOIN {self._table} t ON t.rowid = p.place "
                "WHERE p.URL IS ? ORDER BY p.place",
                (url,),
            )
            return _read_rows(map(_Row._make, rows), notes), notes

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SourceError(f"An old database must be whole; {self._name} is not ({error}).") from error


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check(db: sqlite3.Connection, path: Path) -> None:
    """Raise if the file was cut: SQLite would read nothing where something was."""
    (page_size,) = db.execute("PRAGMA page_size").fetchone()
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict.replace("\n", " "))
    if path.stat().st_size % page_size:
        raise sqlite3.DatabaseError("cut short or damaged")


def _find_table(db: sqlite3.Connection, path: Path) -> str:
    if db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        raise UnknownFormat(
            f"{path.name} is a chat database already, no file to import. Use it: `--db {path.name}`."
        )
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in sorted(tables, key=lambda name: name != "DBdb"):
        columns = {row[1].lower() for row in db.execute(f"PRAGMA table_info({_quote(table)})")}
        if {name.lower() for name in (*COLUMNS, "id")} <= columns:
            return table
    raise UnknownFormat(
        f"An old chat database has a table with the columns id, {', '.join(COLUMNS)}; {path.name} has none."
    )


def _read_rows(rows: Iterable[_Row], notes: Notes) -> list[Message]:
    ids = IdMaker()
    messages = (_read_message(cell, notes) for row in rows for cell in _iter_cells(row))
    return [ids.complete(message) for message in messages if message is not None]


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
