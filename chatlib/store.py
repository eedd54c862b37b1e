"""The chat database: one SQLite file, its migrations and every write to it.

Each write is one transaction, a nested one a savepoint, so a stream's chat is stored whole or not at all.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from chatlib.errors import DamagedStore, MissingSource, NewerSchema, NotADatabase, ParameterError, StoreError
from chatlib.queries import MESSAGE_COLUMNS, Import, StoreReader, connect_to_read, map_sqlite_errors
from chatlib.records import DONATION_KINDS, STATES, VIEWS, Clip, HeatStep, Message, Stream, find_twins
from chatlib.schema import APPLICATION_ID, FILL_VISITS, MIGRATIONS

__all__ = ["MESSAGE_COLUMNS", "Import", "SaveCount", "Store", "open_store"]

# A row: stream, position, author's key, then the fields of a Message that are not the author's.
_STORED = [field for field in Message._fields if field in MESSAGE_COLUMNS]
_take_stored = attrgetter(*_STORED)
_INSERT_MESSAGE = (
    f"INSERT OR IGNORE INTO messages (stream_id, position, author, {', '.join(_STORED)}) "
    f"VALUES (?, ?, ?{', ?' * len(_STORED)})"
)
_THESE = (
    "stream_id = :stream_id AND (message_id, kind) IN "
    "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:keys))"
)
# A worse state never takes the place of a better one: what is stored is still there. A capture that seemed to
# be over may go on all the same, and miss something.
_STATE_COLUMNS = ("state", "view", "reason")
_WORSE = (
    "(state = 'complete' AND excluded.state <> 'complete' "
    "AND (view, excluded.view) <> ('captured', 'captured')) OR "
    "(state = 'partial' AND excluded.state NOT IN ('complete', 'partial'))"
)

_SETTLED_NS = 2 * 10**9  # a file written later may change again without another time
_WHOLE: set[tuple[tuple[int, ...], ...]] = set()  # states of files that this process has found whole


class SaveCount(NamedTuple):
    """What one save changed: the stream's key, and how many rows were new."""

    stream_id: int
    added: int


class Store(StoreReader):
    """An open chat database. Get it from `open_store`; close it, or use it in a `with`.

    `connection` is for reading. Values of `author` are keys of the table `authors`.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path
        self._known_as_of: int | None = None  # SQLite's data_version when the next three were read
        self._authors: dict[str, dict[str, tuple[int, str | None]]] = {}
        self._next_author = 1
        self._next_positions: dict[int, int] = {}
        self._offered = 0

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; SQLite folds the write-ahead log into the one file."""
        self.connection.close()

    # ------------------------------------------------------------------ writing

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything written inside happens, or nothing does. Calls may be nested.

        Raises: StoreFull when the disk takes no more; StoreError for what else SQLite says.
        """
        db = self.connection
        nested = db.in_transaction
        with map_sqlite_errors(self.path):
            db.execute("SAVEPOINT nested" if nested else "BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("RELEASE nested" if nested else "COMMIT")
            except BaseException:
                self._known_as_of = None
                if db.in_transaction:  # after a full disk SQLite may have rolled back by itself
                    db.execute("ROLLBACK TO nested" if nested else "ROLLBACK")
                if nested and db.in_transaction:
                    db.execute("RELEASE nested")
                raise

    def save_chat(
        self,
        stream: Stream,
        messages: Iterable[Message] = (),
        *,
        source: Import | None = None,
        sightings: Sequence[tuple[str, str, bool, bool]] | None = None,
    ) -> SaveCount:
        """Store a stream and its messages, in source order; what is there already stays.

        A message is there if its stream has one with the same id and kind. What is None in
        the stream leaves what is known alone, and a state never takes the place of a better
        one. Of a stream that was captured live, messages of its replay that the capture has are
        the same messages (see `find_twins`), and who had which is noted; or `sightings` tell who
        had which: message id, kind, whether the capture had it, whether the replay had it.

        Raises: ParameterError for a state or view that `chatlib.records` does not name.
        """
        if stream.state not in STATES or stream.view not in VIEWS:
            raise ParameterError(
                f"A stream's state is one of {STATES} and its view one of {VIEWS}, "
                f"got {stream.state!r} and {stream.view!r}."
            )
        with self.transaction() as db:
            stream_id = self._save_stream(stream)
            is_capture = stream.view == "captured" and sightings is None
            if sightings is not None:
                self._note_sightings("live", stream_id, (s[:2] for s in sightings if s[2]))
                self._note_sightings("replay", stream_id, (s[:2] for s in sightings if s[3]))
            elif is_capture:
                messages = list(messages)
                self._note_capture(stream_id, messages)
            elif self._was_captured(stream_id):
                messages = self._leave_out_twins(stream_id, list(messages))
            start = self._find_next_position(stream_id)
            changed: dict[str, tuple[int, str | None]] = {}
            added = db.executemany(
                _INSERT_MESSAGE, self._iter_rows(stream.platform, stream_id, start, messages, changed)
            ).rowcount
            offered = self._offered
            db.executemany(
                "INSERT INTO authors (author, platform, author_id, name) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (author) DO UPDATE SET name = excluded.name",
                ((key, stream.platform, author_id, name) for author_id, (key, name) in changed.items()),
            )
            self._next_positions[stream_id] = start + offered
            if added and is_capture and added == offered:  # every second: what is there is not counted again
                self._add_counts(stream_id, added, messages)
                keys = json.dumps([(m.message_id, m.kind) for m in messages])
                db.execute(FILL_VISITS.format(where=_THESE), {"stream_id": stream_id, "keys": keys})
            elif added:
                self._count_again(stream_id)
            if source:
                self._save_import(source, stream_id)
        return SaveCount(stream_id, added)

    def adopt_capture(self, stream: Stream) -> None:
        """Give a capture that has no id of a recording yet the id of its recording.

        The recording is of the same channel and began within 5 minutes; Twitch publishes some late.
        """
        with self.transaction() as db:
            db.execute(
                "UPDATE streams SET video_id = :video_id, url = coalesce(:url, url) "
                "WHERE platform = :platform AND video_id LIKE 'live-%' AND channel_id = :channel_id "
                "AND abs(strftime('%s', started_at) - strftime('%s', :started_at)) <= 300 "
                "AND NOT EXISTS (SELECT 1 FROM streams WHERE platform = :platform AND video_id = :video_id)",
                stream._asdict(),
            )

    def save_channel(
        self, url: str, *, spreadsheet: str, channel_id: str | None, name: str | None, n_listed: int
    ) -> None:
        """Remember a collected channel, in the place of its old address; None leaves what is known alone."""
        with self.transaction() as db:
            db.execute("DELETE FROM channels WHERE channel_id = ? AND url <> ?", (channel_id, url))
            db.execute(
                "INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (url) DO UPDATE SET "
                "channel_id = coalesce(excluded.channel_id, channel_id), "
                "name = coalesce(excluded.name, name), spreadsheet = excluded.spreadsheet, "
                "n_listed = excluded.n_listed, listed_at = excluded.listed_at",
                (url, channel_id, name, spreadsheet, n_listed, _now()),
            )

    def save_clips(self, stream_id: int, clips: Iterable[Clip]) -> None:
        """Store clips of a stream; of one that is there, what is None leaves what is known alone."""
        columns = ("stream_id", *Clip._fields)
        kept = ", ".join(f"{c} = coalesce(excluded.{c}, {c})" for c in Clip._fields[1:])
        with self.transaction() as db:
            db.executemany(
                f"INSERT INTO clips ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
                f"ON CONFLICT (stream_id, clip_id) DO UPDATE SET {kept}",
                ((stream_id, *clip) for clip in clips),
            )

    def move_offsets(self, platform: str, video_id: str, *, by_s: float) -> None:
        """Add seconds to all offsets of a stream whose start was corrected."""
        sql = "SELECT stream_id FROM streams WHERE platform = ? AND video_id = ?"
        with self.transaction() as db:
            for (stream_id,) in db.execute(sql, (platform, video_id)).fetchall():
                moved = (by_s, stream_id)
                db.execute("UPDATE messages SET offset_s = offset_s + ? WHERE stream_id = ?", moved)
                self._count_again(stream_id)

    def move_rest(self, old: Stream, new: Stream, *, from_s: float) -> tuple[int, int]:
        """Move what was captured of a stream, from an offset on, to the stream that began then.

        Returns: how many messages, and how many payments among them.
        """
        with self.transaction() as db:
            sql = "SELECT stream_id FROM streams WHERE platform = ? AND video_id = ?"
            (old_id,), (new_id,) = (db.execute(sql, key).fetchone() for key in (old[:2], new[:2]))
            sql = "UPDATE OR IGNORE messages SET stream_id = :new, offset_s = offset_s - :from_s "
            sql += "WHERE stream_id = :old AND offset_s >= :from_s RETURNING message_id, kind, bits"
            moved = db.execute(sql, {"old": old_id, "new": new_id, "from_s": from_s}).fetchall()
            sql = "UPDATE sightings SET stream_id = ? WHERE stream_id = ? AND message_id = ? AND kind = ?"
            db.executemany(sql, ((new_id, old_id, *key) for *key, _ in moved))
            for stream_id in (old_id, new_id):
                self._count_again(stream_id)
            self._next_positions.clear()
        return len(moved), sum(kind in DONATION_KINDS or bool(bits) for _, kind, bits in moved)

    def save_heatmap(self, stream_id: int, steps: Iterable[HeatStep]) -> None:
        """Store a stream's most-replayed curve in the place of an earlier one."""
        with self.transaction() as db:
            db.execute("DELETE FROM heatmaps WHERE stream_id = ?", (stream_id,))
            db.executemany(
                "INSERT OR REPLACE INTO heatmaps VALUES (?, ?, ?, ?)", ((stream_id, *step) for step in steps)
            )

    def _was_captured(self, stream_id: int) -> bool:
        sql = "SELECT 1 FROM sightings WHERE stream_id = ? LIMIT 1"
        return self.connection.execute(sql, (stream_id,)).fetchone() is not None

    def _note_capture(self, stream_id: int, messages: Iterable[Message]) -> None:
        if not self._was_captured(stream_id):  # what is there came in a replay
            sql = "INSERT INTO sightings SELECT stream_id, message_id, kind, 0, 1 FROM messages "
            self.connection.execute(sql + "WHERE stream_id = ?", (stream_id,))
        self._note_sightings("live", stream_id, ((m.message_id, m.kind) for m in messages))

    def _note_sightings(self, side: str, stream_id: int, keys: Iterable[tuple[str, str]]) -> None:
        self.connection.executemany(
            f"INSERT INTO sightings (stream_id, message_id, kind, {side}) VALUES (?, ?, ?, 1) "
            f"ON CONFLICT (stream_id, message_id, kind) DO UPDATE SET {side} = 1",
            ((stream_id, *key) for key in keys),
        )

    def _leave_out_twins(self, stream_id: int, messages: list[Message]) -> list[Message]:
        """Return a replay's messages that its capture lacks, and note all that the replay has."""
        columns = ", ".join("name" if field == "author_name" else field for field in Message._fields)
        rows = self.connection.execute(
            f"SELECT {columns} FROM sightings JOIN messages USING (stream_id, message_id, kind) "
            "LEFT JOIN authors USING (author) WHERE stream_id = ? AND live",
            (stream_id,),
        )
        twins = find_twins(list(map(Message._make, rows)), messages)
        keys = ((m.message_id, m.kind) for m in (twins.get(i, m) for i, m in enumerate(messages)))
        self._note_sightings("replay", stream_id, keys)
        return [m for i, m in enumerate(messages) if i not in twins]

    def _forget_if_outdated(self) -> None:
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        if self._known_as_of != version:  # first use, after a rollback, or another process wrote
            self._authors, self._next_positions = {}, {}
            sql = "SELECT coalesce(max(author) + 1, 1) FROM authors"
            (self._next_author,) = self.connection.execute(sql).fetchone()
            self._known_as_of = version

    def _find_next_position(self, stream_id: int) -> int:
        self._forget_if_outdated()
        if stream_id not in self._next_positions:
            sql = "SELECT coalesce(max(position) + 1, 0) FROM messages WHERE stream_id = ?"
            (self._next_positions[stream_id],) = self.connection.execute(sql, (stream_id,)).fetchone()
        return self._next_positions[stream_id]

    def _iter_rows(
        self,
        platform: str,
        stream_id: int,
        start: int,
        messages: Iterable[Message],
        changed: dict[str, tuple[int, str | None]],
    ) -> Iterator[tuple]:
        """Yield rows of the table `messages`; authors that are new or renamed go to `changed`."""
        known = self._load_authors(platform)
        next_key = self._next_author
        position = start
        for position, m in enumerate(messages, start + 1):
            author_id = m.author_id
            key = None
            if author_id is not None:
                name = m.author_name
                entry = known.get(author_id)
                if entry is None:
                    entry = known[author_id] = changed[author_id] = (next_key, name)
                    next_key += 1
                elif entry[1] != name and name is not None:
                    entry = known[author_id] = changed[author_id] = (entry[0], name)
                key = entry[0]
            yield (stream_id, position - 1, key, *_take_stored(m))
        self._next_author = next_key
        self._offered = position - start

    def _load_authors(self, platform: str) -> dict[str, tuple[int, str | None]]:
        self._forget_if_outdated()
        if platform not in self._authors:
            sql = "SELECT author_id, author, name FROM authors WHERE platform = ?"
            rows = self.connection.execute(sql, (platform,))
            self._authors[platform] = {author_id: (key, name) for author_id, key, name in rows}
        return self._authors[platform]

    def _save_stream(self, stream: Stream) -> int:
        columns = [*Stream._fields, "updated_at"]
        values = {c: f"coalesce(excluded.{c}, {c})" for c in Stream._fields[2:]}
        values |= {c: f"CASE WHEN {_WORSE} THEN {c} ELSE excluded.{c} END" for c in _STATE_COLUMNS}
        kept = ", ".join(f"{column} = {value}" for column, value in values.items())
        # An unchanged stream keeps its date: loading the same chat twice changes nothing.
        differs = " OR ".join(f"({value}) IS NOT {column}" for column, value in values.items())
        self.connection.execute(
            f"INSERT INTO streams ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT (platform, video_id) DO UPDATE SET {kept}, updated_at = excluded.updated_at "
            f"WHERE {differs}",
            [*stream, _now()],
        )
        sql = "SELECT stream_id FROM streams WHERE platform = ? AND video_id = ?"
        return self.connection.execute(sql, stream[:2]).fetchone()[0]

    def _add_counts(self, stream_id: int, added: int, messages: Iterable[Message]) -> None:
        last_s = max((m.offset_s for m in messages if m.offset_s is not None), default=None)
        self.connection.execute(
            "UPDATE streams SET updated_at = :now, n_messages = n_messages + :added, "
            "last_offset_s = max(coalesce(last_offset_s, :last_s), coalesce(:last_s, last_offset_s)) "
            "WHERE stream_id = :stream_id",
            {"now": _now(), "added": added, "last_s": last_s, "stream_id": stream_id},
        )

    def _count_again(self, stream_id: int) -> None:
        self.connection.execute(
            "UPDATE streams SET updated_at = ?, (n_messages, last_offset_s) = "
            "(SELECT count(*), max(offset_s) FROM messages WHERE stream_id = ?) WHERE stream_id = ?",
            (_now(), stream_id, stream_id),
        )
        self.connection.execute("DELETE FROM visits WHERE stream_id = ?", (stream_id,))
        self.connection.execute(FILL_VISITS.format(where="stream_id = :stream_id"), {"stream_id": stream_id})

    def _save_import(self, source: Import, stream_id: int) -> None:
        self.connection.execute(
            "INSERT OR REPLACE INTO imports VALUES (?, ?, ?, ?, ?, ?, ?)",
            (source.content, stream_id, source.file_name, source.format, source.n_rows,
             json.dumps(dict(source.skipped)), _now()),
        )  # fmt: skip


def open_store(path: str | Path, *, create: bool = False, read_only: bool = False) -> Store:
    """Open a chat database, and bring its schema up to date.

    With `read_only` nothing is written: an older schema is brought up to date in a temporary copy.
    Raises: MissingSource if there is none and `create` is false; NotADatabase for a file that
    is something else; NewerSchema if a newer chatlib made it; DamagedStore, before anything is
    written, if it is not whole; ParameterError for what is no file's name.
    """
    if str(path).startswith((":memory:", "file:")):
        raise ParameterError(f"A chat database must be a file, got {path}. Name one.")
    path = Path(path)
    if not create and not path.is_file():
        raise MissingSource(
            f"A chat database must exist to be read, and there is none at {path}. Make one: "
            "run notebook 01, or `python -m chatlib import CHATS --db FILE`."
        )
    with map_sqlite_errors(path):
        try:
            if read_only:
                connection = connect_to_read(path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                # `watch` writes from a thread for each stream, one at a time.
                connection = sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise StoreError(
                f"The chat database {path} cannot be opened ({error}). Check path and rights."
            ) from error
    store = Store(connection, path)
    try:
        with map_sqlite_errors(path):
            version = _check_schema(store, may_be_empty=create)
            if read_only and version < len(MIGRATIONS):
                store.connection = sqlite3.connect("", isolation_level=None)  # gone when closed
                with closing(connection):
                    connection.backup(store.connection)
            _prepare(store, version)
            if read_only:
                store.connection.execute("PRAGMA query_only = ON")
    except BaseException:
        store.close()
        raise
    return store


def _check_schema(store: Store, *, may_be_empty: bool) -> int:
    """Return the version of a database's schema, once the database is known to be whole.

    Raises: NotADatabase; NewerSchema; DamagedStore.
    """
    db = store.connection
    db.execute("PRAGMA trusted_schema = OFF")  # nothing in the file's own views and triggers is called
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (n_objects,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not n_objects and not may_be_empty:
        raise NotADatabase(f"A chat database has tables, and {store.path} is empty. Name another file.")
    if n_objects and application != APPLICATION_ID:
        raise NotADatabase(
            f"{store.path} is an SQLite file, but no chat database of this project. If it comes from "
            "the first version, bring it in with `python -m chatlib import OLD_FILE --db NEW_FILE`."
        )
    if version > len(MIGRATIONS):
        raise NewerSchema(
            f"This chatlib reads schemas up to {len(MIGRATIONS)}; {store.path} has schema {version}. "
            "Update chatlib, or use another database file."
        )
    state = _read_state(store.path)
    if state not in _WHOLE:
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()  # reads 700 MB a second
        if verdict != "ok":
            raise DamagedStore.of(store.path, verdict)
        if all(time.time_ns() - changed_ns > _SETTLED_NS for *_, changed_ns in state):
            _WHOLE.add(state)
    return int(version)


def _read_state(path: Path) -> tuple[tuple[int, ...], ...]:
    """Return what changes with a database's files: of each device, number, size, and time of change."""
    found = [file.stat() for file in (path, Path(f"{path}-wal")) if file.exists()]
    return tuple((file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns) for file in found if file.st_size)


def _prepare(store: Store, version: int) -> None:
    db = store.connection
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA cache_size = -65536")  # KiB
    if version < len(MIGRATIONS):
        db.execute("PRAGMA journal_mode = WAL")
    for number in range(version + 1, len(MIGRATIONS) + 1):
        with store.transaction():
            (done,) = db.execute("PRAGMA user_version").fetchone()
            if done >= number:  # another process was faster
                continue
            for statement in _split_statements(MIGRATIONS[number - 1]):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {number}")


def _split_statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
