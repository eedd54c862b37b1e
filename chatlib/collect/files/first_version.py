"""Databases of the first version of this research: the nine columns of the table `DBdb`.

One row is one message, or in some of them one stream whose columns hold lists. Amounts and
currencies are text, absence is the text 'NULL', and authors are known by name only.
"""

from __future__ import annotations

import ast
import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from pathlib import Path
from urllib.parse import quote

from chatlib.collect.files.rows import IdMaker, Notes, author_key, badge_json, money_fields, money_of_number
from chatlib.errors import SourceError, UnknownFormat
from chatlib.records import Message
from chatlib.schema import APPLICATION_ID
from chatlib.text import clean_text, read_name
from chatlib.times import read_offset

__all__ = ["COLUMNS", "OldDatabase"]

COLUMNS = (
    "URL", "TypeofMessages", "ListofTimes", "ListofBadges", "ListofAuthors", "ListofMessages",
    "DonationAmount", "DonationCurrency",
)  # fmt: skip
_NOTHING = (None, "", "NULL")


class OldDatabase:
    """An open database of the first version. `urls` are its streams, in the order they were stored."""

    def __init__(self, path: Path) -> None:
        """Open for reading only.

        Raises: UnknownFormat for an SQLite file without such a table; SourceError for a damaged one.
        """
        self._name = path.name
        with self._told(), ExitStack() as on_failure:
            self._db = _open(path)
            on_failure.callback(self._db.close)
            self._db.text_factory = lambda data: data.decode("utf-8", "replace")
            self._table = _quote(_find_table(self._db, path))
            _check(self._db, path)
            # A copy of the addresses, indexed, so that each stream is read without a walk through all.
            self._db.execute(f"CREATE TEMP TABLE places AS SELECT URL, rowid AS place FROM {self._table}")
            self._db.execute("CREATE INDEX places_of ON places (URL, place)")
            urls = self._db.execute("SELECT URL FROM places GROUP BY URL ORDER BY min(place)")
            self.urls: list[object] = [url for (url,) in urls]
            on_failure.pop_all()

    def __enter__(self) -> OldDatabase:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._db.close()

    def read_stream(self, url: object) -> tuple[list[tuple], Notes]:
        """Return a stream's messages as tuples in the order of `Message`, and what was left out."""
        notes = Notes()
        with self._told():
            names = ", ".join(f"t.{_quote(name)}" for name in COLUMNS)
            rows = self._db.execute(
                f"SELECT {names} FROM places p JOIN {self._table} t ON t.rowid = p.place "
                "WHERE p.URL IS ? ORDER BY p.place",
                (url,),
            )
            return _read_rows(rows, notes), notes

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SourceError(f"An old database must be whole; {self._name} is not ({error}).") from error


def _open(path: Path) -> sqlite3.Connection:
    """Open for reading only, also where nothing can be written beside the file."""
    address = f"file:{quote(str(path.resolve()))}"
    db = sqlite3.connect(f"{address}?mode=ro", uri=True)
    try:
        db.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError:
        db.close()
        db = sqlite3.connect(f"{address}?immutable=1", uri=True)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check(db: sqlite3.Connection, path: Path) -> None:
    """Raise if the file was cut: SQLite would read nothing where something was."""
    (page_size,) = db.execute("PRAGMA page_size").fetchone()
    (told,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if told != "ok" or path.stat().st_size % page_size:
        raise sqlite3.DatabaseError("cut short or damaged" if told == "ok" else told.replace("\n", " "))


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


def _read_text(value: object) -> str | None:
    return None if value in _NOTHING else read_name(value)


def _read_rows(rows: Iterator[tuple], notes: Notes) -> list[tuple]:
    ids = IdMaker()
    messages = []
    for row in rows:
        times = _read_list(row[2])
        cells = [row[1:]] if times is None else _iter_cells(row, times)
        for cell in cells:
            message = _read_message(cell, notes, ids)
            if message is not None:
                messages.append(message)
    return messages


def _iter_cells(row: tuple, times: list) -> Iterator[tuple]:
    """Yield the messages of a row whose columns hold lists; a column that is none is for all of them."""
    columns = [
        times if name == "ListofTimes" else _read_list(cell) for name, cell in zip(COLUMNS, row, strict=True)
    ]
    longest = max(len(column) for column in columns if column is not None)
    filled = [[row[i]] * longest if column is None else column for i, column in enumerate(columns)]
    return zip_longest(*filled[1:])


def _read_list(cell: object) -> list | None:
    """Return a list that was stored as JSON or as Python writes it, or None for anything else."""
    if type(cell) is not str or not cell.startswith("["):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            values = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return values if type(values) is list else None
    return None


def _read_message(cell: tuple, notes: Notes, ids: IdMaker) -> tuple | None:
    kind, time, badges, name, text, amount, currency = cell
    name, text = _read_text(name), _read_words(text)
    money = _read_money(amount, currency)
    kind = _read_text(kind) or ("paid_message" if money[0] else "text_message")
    if name is None and text is None and money[0] is None and cell[0] in _NOTHING:
        notes["row is empty"] += 1
        return None
    offset_s = None if time in _NOTHING else read_offset(time)
    if offset_s is None and time not in _NOTHING:
        notes.field("offset")
    row = Message("", kind, offset_s, author_key(None, name), name, text, None, _read_badges(badges), *money)
    return tuple(row._replace(message_id=ids.make_id(row, kind=kind)))


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


def _read_money(amount: object, currency: object) -> tuple[str | None, str | None, str | None]:
    """Return money from a number and a currency beside it, or from an amount as written."""
    written = _read_text(amount) if type(amount) in (str, type(None)) else amount
    code = _read_text(currency)
    if written is None:
        return None, None, None
    return money_of_number(written, code) or money_fields(" ".join(filter(None, (code, str(written)))))
