"""Reading the chat database: tables, streams, messages, and a hash of all content."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from chatlib.errors import ParameterError
from chatlib.records import CHAT_KINDS, Stream, is_member

__all__ = ["MESSAGE_COLUMNS", "Import", "StoreReader", "StoredStream"]

MESSAGE_COLUMNS = (
    "stream_id", "position", "message_id", "kind", "offset_s", "author", "text", "notice", "badges",
    "amount_text", "amount", "currency", "bits", "timestamp_us", "emotes", "target_id",
)  # fmt: skip


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

    def query(self, sql: str, parameters: Sequence | Mapping = ()) -> pd.DataFrame:
        """Return the rows of one SELECT as a table."""
        cursor = self.connection.execute(sql, parameters)
        return pd.DataFrame(cursor.fetchall(), columns=[c[0] for c in cursor.description])

    def load_streams(self) -> pd.DataFrame:
        """Return one row per stream with the columns of the table `streams`, oldest first.

        Streams without a date come last.
        """
        return self.query("SELECT * FROM streams ORDER BY started_at IS NULL, started_at, video_id")

    def list_streams(self) -> list[StoredStream]:
        """Return the streams as records, in the order of `load_streams`."""
        sql = f"SELECT {', '.join(StoredStream._fields)} FROM streams "
        rows = self.connection.execute(sql + "ORDER BY started_at IS NULL, started_at, video_id")
        return [StoredStream(*row[:7], bool(row[7]), *row[8:]) for row in rows]

    def find_streams(self, platform: str, video_ids: Sequence[str]) -> pd.DataFrame:
        """Return the streams of a platform with these ids, as `load_streams` does; absence is None."""
        table = self.query(
            "SELECT * FROM streams WHERE platform = ? AND video_id IN (SELECT value FROM json_each(?))",
            (platform, json.dumps(list(video_ids))),
        )
        return table.astype(object).where(table.notna(), None)

    def load_channels(self) -> list[tuple[str, str]]:
        """Return the address of each collected channel and the path of its list of streams."""
        return list(self.connection.execute("SELECT url, spreadsheet FROM channels ORDER BY rowid"))

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
        rows: list[tuple] = []
        for stream_id in stream_ids:
            rows.extend(self.connection.execute(sql, (int(stream_id),)))
        return pd.DataFrame(rows, columns=list(columns))

    def load_chat_rows(
        self, stream_id: int, *, id_kinds: Sequence[str] = (), in_order: bool = False
    ) -> list[tuple]:
        """Return a stream's messages as (offset_s, kind, author, message_id), `in_order` of their source.

        The author is -1 where there is none; the id is None but for messages of `id_kinds`.
        """
        order = " ORDER BY position" if in_order else ""
        return self.connection.execute(
            "SELECT offset_s, kind, coalesce(author, -1), "
            "CASE WHEN kind IN (SELECT value FROM json_each(?)) THEN message_id END "
            f"FROM messages WHERE stream_id = ?{order}",
            (json.dumps(list(id_kinds)), stream_id),
        ).fetchall()

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
        kinds = json.dumps(sorted(CHAT_KINDS))
        rows = [
            row
            for stream in self.list_streams()
            for row in self.connection.execute(sql, (stream.stream_id, kinds))
        ]
        columns = ["stream_id", "author", "name", "chats", "first_s", "member"]
        return pd.DataFrame(rows, columns=columns).astype({"member": bool})

    def load_events(self, kinds: Iterable[str]) -> list[tuple]:
        """Return the messages of some kinds or with bits, in time order within each stream, oldest first.

        Each is (stream_id, offset_s, kind, author, amount, currency, bits, timestamp_us, and its
        stream's started_at).
        """
        return self.connection.execute(
            "SELECT stream_id, offset_s, kind, m.author, amount, currency, bits, timestamp_us, started_at "
            "FROM messages m JOIN streams USING (stream_id) "
            "WHERE kind IN (SELECT value FROM json_each(?)) OR bits > 0 "
            "ORDER BY started_at IS NULL, started_at, video_id, offset_s, position",
            (json.dumps(sorted(kinds)),),
        ).fetchall()

    def find_import(self, content: str) -> Import | None:
        """Return the record of a chat file that was imported whole, or None."""
        row = self.connection.execute(
            "SELECT content, file_name, format, n_rows, skipped FROM imports WHERE content = ?", (content,)
        ).fetchone()
        return row and Import(*row[:4], json.loads(row[4]))

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
        for sql in (streams, authors, messages):
            for row in self.connection.execute(sql):
                hasher.update(repr(row).encode())
        return hasher.hexdigest()
