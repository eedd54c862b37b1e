"""Reading the chat database: tables, streams, messages, and a hash of all content."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from chatlib.columns import ChatColumns
from chatlib.errors import DamagedStore, NotADatabase, ParameterError, StoreError, StoreFull, StoreLocked
from chatlib.records import CHAT_KINDS, MEMBER_NOTICES, Message, Stream, is_member

__all__ = [
    "MESSAGE_COLUMNS", "Import", "StoreReader", "StoredStream", "connect_to_read",
    "map_sqlite_errors",
]  # fmt: skip

MESSAGE_COLUMNS = (
    "stream_id", "position", "message_id", "kind", "offset_s", "author", "text", "notice", "badges",
    "amount_text", "amount", "currency", "bits", "timestamp_us", "emotes", "target_id",
)  # fmt: skip
_BATCH = 65_536  # rows
_CANNOT_GROW = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_SCHEMA}
_CHAT_KINDS = json.dumps(sorted(CHAT_KINDS))
_OLDEST_FIRST = "ORDER BY started_at IS NULL, started_at, video_id"


class Import(NamedTuple):
    """A chat file that is in the database. `content` identifies its bytes and its reader."""

    content: str
    file_name: str
    format: str
    n_rows: int
    skipped: Mapping[str, int]


class StoredStream(NamedTuple):
    """A stream of the database: its key, what is known of it, and how much chat it has."""

    stream_id: int
    platform: str
    video_id: str
    url: str | None
    title: str | None
    started_at: str | None
    duration_s: float | None
    simulated: bool
    n_messages: int
    last_offset_s: float | None


class StoreReader:
    """The reading half of `chatlib.store.Store`. `connection` is the database's."""

    connection: sqlite3.Connection
    path: Path

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Whatever is read inside is of one moment, also while others write."""
        with map_sqlite_errors(self.path):
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                self.connection.execute("ROLLBACK")

    def query(self, sql: str, parameters: Sequence | Mapping = ()) -> pd.DataFrame:
        """Return the rows of one SELECT as a table."""
        with map_sqlite_errors(self.path):
            cursor = self.connection.execute(sql, parameters)
            columns = [column[0] for column in cursor.description]
            return _join_batches(iter(lambda: cursor.fetchmany(_BATCH), []), columns)

    def _rows(self, sql: str, parameters: Sequence | Mapping = ()) -> list[tuple]:
        with map_sqlite_errors(self.path):
            return self.connection.execute(sql, parameters).fetchall()

    def load_streams(self) -> pd.DataFrame:
        """Return one row per stream with the columns of the table `streams`, oldest first.

        Streams without a date come last.
        """
        return self.query(f"SELECT * FROM streams {_OLDEST_FIRST}")

    def list_streams(self) -> list[StoredStream]:
        """Return the streams as records, in the order of `load_streams`."""
        rows = self._rows(f"SELECT {', '.join(StoredStream._fields)} FROM streams {_OLDEST_FIRST}")
        return [stream._replace(simulated=bool(stream.simulated)) for stream in map(StoredStream._make, rows)]

    def load_stream_records(self) -> dict[int, Stream]:
        """Return what is known of each stream, by stream_id, in the order of `load_streams`."""
        rows = self._rows(f"SELECT stream_id, {', '.join(Stream._fields)} FROM streams {_OLDEST_FIRST}")
        streams = {stream_id: Stream._make(fields) for stream_id, *fields in rows}
        return {key: stream._replace(simulated=bool(stream.simulated)) for key, stream in streams.items()}

    def find_streams(self, platform: str, video_ids: Sequence[str]) -> pd.DataFrame:
        """Return the streams of a platform with these ids, as `load_streams` does; absence is None."""
        table = self.query(
            "SELECT * FROM streams WHERE platform = ? AND video_id IN (SELECT value FROM json_each(?))",
            (platform, json.dumps(list(video_ids))),
        )
        return table.astype(object).where(table.notna(), None)

    def load_channels(self) -> list[tuple[str, str]]:
        """Return the address of each collected channel and the path of its list of streams."""
        return self._rows("SELECT url, spreadsheet FROM channels ORDER BY rowid")

    def load_clips(self) -> pd.DataFrame:
        """Return one row per clip, with the columns of the table `clips`, in the order of their streams."""
        return self.query("SELECT * FROM clips ORDER BY stream_id, offset_s, clip_id")

    def count_sides(self) -> pd.DataFrame:
        """Return how many messages capture and replay had, by kind, of streams that have both.

        Columns: stream_id, kind, pays (whether it is a payment), both, live (only the capture),
        replay (only the replay).
        """
        table = self.query(
            "SELECT stream_id, s.kind, p.stream_id IS NOT NULL AS pays, "
            "sum(live AND replay) AS both, sum(live AND NOT replay) AS live, "
            "sum(replay AND NOT live) AS replay FROM sightings s "
            "LEFT JOIN payments p USING (stream_id, message_id, kind) "
            "WHERE stream_id IN (SELECT stream_id FROM sightings GROUP BY stream_id "
            "HAVING max(live) AND max(replay)) GROUP BY stream_id, s.kind, pays"
        )
        return table.astype({"pays": bool})

    def load_heatmaps(self) -> pd.DataFrame:
        """Return one row per step of a most-replayed curve: stream_id, start_s, end_s, value (0 to 1)."""
        return self.query("SELECT stream_id, start_s, end_s, value FROM heatmaps ORDER BY stream_id, start_s")

    def load_messages(
        self, stream_ids: Iterable[int] | None = None, *, columns: Sequence[str] = MESSAGE_COLUMNS
    ) -> pd.DataFrame:
        """Return messages, streams in the order asked for, each by offset, ties in source order.

        Messages without an offset come first in their stream. `columns` are of `MESSAGE_COLUMNS`,
        or `name` and `author_id` of the author. All streams by default, oldest first.
        """
        known = {"name": "a.name", "author_id": "a.author_id"} | {c: f"m.{c}" for c in MESSAGE_COLUMNS}
        if unknown := set(columns) - set(known):
            raise ParameterError(f"Columns are of {tuple(known)}, got {sorted(unknown)}.")
        join = " LEFT JOIN authors a ON a.author = m.author" * ({"name", "author_id"} & set(columns) != set())
        sql = (
            f"SELECT {', '.join(known[c] for c in columns)} FROM messages m{join} "
            "WHERE m.stream_id = ? ORDER BY m.offset_s, m.position"
        )
        if stream_ids is None:
            stream_ids = self.load_streams()["stream_id"].tolist()
        batches = (batch for key in stream_ids for batch in self._iter_batches(sql, (int(key),)))
        return _join_batches(batches, list(columns))

    def load_chat_columns(
        self, stream_id: int, *, id_kinds: Sequence[str] = (), in_order: bool = False
    ) -> ChatColumns:
        """Return a stream's messages as columns, `in_order` of their source; ids are of `id_kinds` only."""
        order = " ORDER BY position" if in_order else ""
        return ChatColumns.from_batches(
            self._iter_batches(
                "SELECT offset_s, kind, coalesce(author, -1), "
                "CASE WHEN kind IN (SELECT value FROM json_each(?)) THEN message_id END "
                f"FROM messages WHERE stream_id = ?{order}",
                (json.dumps(list(id_kinds)), stream_id),
            )
        )

    def iter_message_columns(self, stream_id: int) -> Iterator[dict[str, tuple]]:
        """Yield a stream's messages a batch at a time, by offset: column name -> values.

        Columns: `position`, the fields of a `Message`, and `in_live` and `in_replay`, None where it is not
        known who had it.
        """
        columns = {"author_id": "a.author_id", "author_name": "a.name"}
        columns |= {"in_live": "seen.live", "in_replay": "seen.replay"}
        names = ("position", *Message._fields, "in_live", "in_replay")
        sql = (
            f"SELECT {', '.join(columns.get(name, f'm.{name}') for name in names)} FROM messages m "
            "LEFT JOIN authors a ON a.author = m.author LEFT JOIN sightings seen "
            "USING (stream_id, message_id, kind) WHERE m.stream_id = ? ORDER BY m.offset_s, m.position"
        )
        for rows in self._iter_batches(sql, (stream_id,)):
            yield dict(zip(names, zip(*rows, strict=True), strict=True))

    def _iter_batches(self, sql: str, parameters: Sequence) -> Iterator[list[tuple]]:
        """Yield the rows of a SELECT, `_BATCH` at a time."""
        with map_sqlite_errors(self.path):
            cursor = self.connection.execute(sql, parameters)
            while rows := cursor.fetchmany(_BATCH):
                yield rows

    def load_sources(self) -> dict[int, list[str]]:
        """Return the digests of the chat files that each stream was imported from, by stream_id."""
        found: dict[int, list[str]] = {}
        for stream_id, content in self._rows("SELECT stream_id, content FROM imports ORDER BY rowid"):
            found.setdefault(stream_id, []).append(content)
        return found

    def load_chatters(self) -> pd.DataFrame:
        """Return one row per person and stream with at least one chat message, streams oldest first.

        Columns: stream_id, author, name, chats, first_s (the first message's offset), member
        (whether any message had a member's badge).
        """
        self.connection.create_function("is_member", 1, is_member, deterministic=True)
        sql = (
            "SELECT stream_id, m.author, a.name, count(*) chats, min(offset_s) first_s, "
            "max(is_member(badges)) member FROM messages m JOIN authors a ON a.author = m.author "
            "WHERE stream_id = ? AND kind IN (SELECT value FROM json_each(?)) "
            "GROUP BY m.author ORDER BY first_s, m.author"
        )
        rows = [
            row for stream in self.list_streams() for row in self._rows(sql, (stream.stream_id, _CHAT_KINDS))
        ]
        columns = ["stream_id", "author", "name", "chats", "first_s", "member"]
        return pd.DataFrame(rows, columns=columns).astype({"member": bool})

    def load_events(self, kinds: Iterable[str]) -> list[tuple]:
        """Return payments and the messages of some other kinds, in time order, oldest stream first.

        Each is (stream_id, offset_s, kind, author, amount, currency, bits, timestamp_us, and its
        stream's started_at).
        """
        columns = "stream_id, offset_s, kind, author, amount, currency, bits, timestamp_us"
        return self._rows(
            f"SELECT {columns}, started_at FROM ("
            f"SELECT {columns}, position FROM payments UNION SELECT {columns}, position FROM messages "
            "WHERE kind IN (SELECT value FROM json_each(?))) JOIN streams USING (stream_id) "
            "ORDER BY started_at IS NULL, started_at, video_id, offset_s, position",
            (json.dumps(sorted(kinds)),),
        )

    def count_by_stream(self) -> pd.DataFrame:
        """Return one row per stream: stream_id, chatters (wrote a chat message), donors, payments."""
        return self.query(
            "SELECT stream_id, chatters, coalesce(donors, 0) AS donors, coalesce(payments, 0) AS payments "
            "FROM (SELECT stream_id, count(DISTINCT author) FILTER "
            "(WHERE kind IN (SELECT value FROM json_each(?))) AS chatters FROM messages GROUP BY stream_id) "
            "LEFT JOIN (SELECT stream_id, count(DISTINCT author) AS donors, count(*) AS payments "
            "FROM payments GROUP BY stream_id) USING (stream_id)",
            (_CHAT_KINDS,),
        )

    def count_kinds(self) -> pd.DataFrame:
        """Return one row per kind of message, the most frequent first: kind, messages."""
        return self.query("SELECT kind, count(*) AS messages FROM messages GROUP BY kind ORDER BY 2 DESC, 1")

    def count_people(self, joining: Iterable[str]) -> dict[str, int]:
        """Return how many people there are over all streams: authors, chatters, members, donors.

        Members are who ever had a member's badge, or a message of the kinds of `joining`.
        """
        self.connection.create_function("is_member", 1, is_member, deterministic=True)
        among = "count(DISTINCT author) FILTER (WHERE kind IN (SELECT value FROM json_each(?))"
        counts = self._rows(
            f"SELECT count(DISTINCT author), {among}), {among} OR is_member(badges)), "
            "(SELECT count(DISTINCT author) FROM payments) FROM messages",
            (_CHAT_KINDS, json.dumps(sorted(joining))),
        )[0]
        return dict(zip(("authors", "chatters", "members", "donors"), counts, strict=True))

    def count_content(self, stream_ids: Iterable[int]) -> dict[str, int]:
        """Return how much some streams hold: streams, messages, authors, paid (messages that pay)."""
        ids = json.dumps(sorted({int(key) for key in stream_ids}))
        within = "WHERE stream_id IN (SELECT value FROM json_each(:ids))"
        counts = self._rows(
            f"SELECT json_array_length(:ids), count(*), count(DISTINCT author), "
            f"(SELECT count(*) FROM payments {within}) FROM messages {within}",
            {"ids": ids},
        )[0]
        return dict(zip(("streams", "messages", "authors", "paid"), counts, strict=True))

    def load_authors(self) -> pd.DataFrame:
        """Return one row per author, with the columns of the table `authors`."""
        return self.query("SELECT * FROM authors")

    def find_paid_rows(self, donation_kinds: Iterable[str]) -> pd.DataFrame:
        """Return stream_id and position of the rows that pay or repeat a payment, for audits.

        It reads the messages themselves, so that an audit finds a mistake in the view `payments`.
        """
        return self.query(
            "SELECT stream_id, position FROM messages WHERE kind IN (SELECT value FROM json_each(?)) "
            "OR coalesce(bits, 0) > 0 OR amount_text IS NOT NULL OR kind LIKE 'ticker%'",
            (json.dumps(sorted(donation_kinds)),),
        )

    def has_imports(self) -> bool:
        """Return whether any chat file was imported."""
        return bool(self._rows("SELECT 1 FROM imports LIMIT 1"))

    def find_imports(self, content: str) -> list[tuple[Import, int, str]]:
        """Return the streams of an imported chat file, none if it is not in.

        Each is the record of its import, the stream's key and `platform/video_id`. Of a file with several
        the contents of all but the first are numbered: `CONTENT:1`.
        """
        rows = self._rows(
            "SELECT content, file_name, format, n_rows, skipped, stream_id, platform || '/' || video_id "
            "FROM imports JOIN streams USING (stream_id) "
            "WHERE content = :it OR (content > :it || ':' AND content < :it || ';') ORDER BY imports.rowid",
            {"it": content},
        )
        return [(Import._make((*row[:4], json.loads(row[4]))), *row[5:]) for row in rows]

    def load_notices(self) -> pd.DataFrame:
        """Return payments, and memberships that were announced or received; `pays` is 1 for the former.

        Other columns: stream_id, position, kind, author, offset_s, bits, notice, amount (a decimal as text),
        currency.
        """
        columns = "stream_id, m.position, kind, m.author, m.offset_s, m.bits, notice, m.amount, m.currency"
        return self.query(
            f"SELECT {columns}, 1 AS pays FROM payments JOIN messages m USING (stream_id, message_id, kind) "
            f"UNION ALL SELECT {columns}, 0 FROM messages m "
            "WHERE kind IN (SELECT value FROM json_each(?)) AND NOT coalesce(bits, 0) > 0",
            (json.dumps(sorted(MEMBER_NOTICES)),),
        )

    def load_attendance(self) -> pd.DataFrame:
        """Return one row per stream and author, by both.

        Columns: n_rows, chats (chat messages), chars, first_s and last_s (offsets), is_owner (1 where
        a badge is the channel owner's), badges (of the last message in source order).
        """
        return self.query("SELECT * FROM visits ORDER BY stream_id, author")

    def find_owners(self) -> list[int]:
        """Return the keys of the authors who had the channel owner's badge."""
        return [author for (author,) in self._rows("SELECT DISTINCT author FROM visits WHERE is_owner = 1")]

    def digest(self) -> str:
        """Return a hash of all content in its order, free of internal keys and of dates of saving.

        Two databases with the same streams, authors and messages have the same digest.
        """
        hasher = hashlib.blake2b(digest_size=16)
        stream_columns = [*Stream._fields, "n_messages", "last_offset_s"]
        streams = f"SELECT {', '.join(stream_columns)} FROM streams ORDER BY platform, video_id"
        unhashed = ("stream_id", "author", "position")  # positions may have gaps; their order counts
        columns = ", ".join(f"m.{c}" for c in MESSAGE_COLUMNS if c not in unhashed)
        messages = (
            f"SELECT s.platform, s.video_id, a.author_id, {columns} FROM messages m "
            "JOIN streams s USING (stream_id) LEFT JOIN authors a ON a.author = m.author "
            "ORDER BY s.platform, s.video_id, m.offset_s, m.position"
        )
        authors = "SELECT platform, author_id, name FROM authors ORDER BY platform, author_id"
        with map_sqlite_errors(self.path):
            for sql in (streams, authors, messages):
                for row in self.connection.execute(sql):
                    hasher.update(repr(row).encode())
        return hasher.hexdigest()


def _join_batches(batches: Iterable[list[tuple]], columns: list[str]) -> pd.DataFrame:
    """Return batches of rows as one table, as if made of all rows at once, in a fraction of the memory."""
    frames = [pd.DataFrame(rows, columns=columns) for rows in batches]
    if len(frames) < 2:
        return frames[0] if frames else pd.DataFrame(columns=columns)
    for column in columns:  # a batch without a value in it does not know the type
        empty = [frame for frame in frames if frame[column].isna().all()]
        typed = [frame[column].dtype for frame in frames if frame[column].notna().any()]
        for frame in empty if typed else []:
            kind = np.dtype(float) if is_numeric_dtype(typed[0]) else typed[0]
            frame[column] = frame[column].astype(kind)
    return pd.concat(frames, ignore_index=True)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that creates no database, and works where nothing can be written.

    While a database is open, SQLite needs two files of its own beside it. Where it cannot make them,
    nobody else can write either, so it can do without.
    """
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=rw", uri=True, isolation_level=None, timeout=60)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master")
    except Exception as error:
        connection.close()
        cannot_write = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if getattr(error, "sqlite_errorcode", -1) & 0xFF not in cannot_write:
            raise
        connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return connection


@contextmanager
def map_sqlite_errors(path: Path) -> Iterator[None]:
    """Raise a StoreError, of the kind that fits, for what SQLite says of a file."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF == sqlite3.SQLITE_FULL or code in _CANNOT_GROW:
            raise StoreFull(
                f"The disk must have room, and {path}, or a temporary file of its (TMPDIR), could not grow "
                f"({error}). What was stored before is whole: free some space and run the same command again."
            ) from error
        if code & 0xFF == sqlite3.SQLITE_NOTADB:
            raise NotADatabase(
                f"A chat database is an SQLite file, and {path} is none. Name another file."
            ) from error
        if code & 0xFF in _DAMAGED or "decode to UTF-8" in str(error) or "no such" in str(error):
            raise DamagedStore.of(path, error) from error
        raise (StoreLocked if code & 0xFF == sqlite3.SQLITE_BUSY else StoreError)(
            f"The chat database {path} could not be used ({error}). See that it can be written and no other "
            "program keeps it locked, and run the same command again."
        ) from error
    except UnicodeDecodeError as error:  # SQLite quotes a damaged name in its message
        raise DamagedStore.of(path, error) from error
