"""Chat files into the chat database: one file after the other, each whole or not at all."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from tqdm.auto import tqdm

from chatlib.collect.formats import Chat, read_chat
from chatlib.collect.sheets import Found, find_chat_files
from chatlib.errors import SourceError
from chatlib.records import DONATION_KINDS, Message, Stream
from chatlib.store import Import, Store

__all__ = ["ChatFile", "FileReport", "ImportReport", "import_chats", "read_chat_file"]

log = logging.getLogger(__name__)

READER_VERSION = 1  # add one when a reader reads the same bytes differently


class ChatFile(NamedTuple):
    """One chat file as read: its stream, its messages in source order, rows left out by reason."""

    stream: Stream
    messages: list[Message]
    skipped: dict[str, int]


@dataclass(frozen=True)
class FileReport:
    """What became of one file. `state`: imported, known (was in already), failed."""

    path: Path
    state: str
    format: str = ""
    stream: str = ""
    n_rows: int = 0
    n_added: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    error: str = ""
    stream_id: int | None = None


@dataclass(frozen=True)
class ImportReport:
    """What an import did, by file, and what is in the database of those streams now."""

    files: list[FileReport]
    totals: dict[str, int]

    def to_table(self) -> pd.DataFrame:
        """Return one row per file: what it is, its stream, rows, rows that were new, what was skipped."""
        return pd.DataFrame(
            [
                {
                    "file": f.path.name,
                    "state": f.state,
                    "format": f.format,
                    "stream": f.stream,
                    "rows": f.n_rows,
                    "added": f.n_added,
                    "skipped": "; ".join(f"{n} {reason}" for reason, n in f.skipped.items()),
                    "error": f.error,
                }
                for f in self.files
            ]
        )

    @property
    def usable(self) -> bool:
        """Whether at least one file is in the database now."""
        return any(f.state != "failed" for f in self.files)


def read_chat_file(path: str | Path) -> ChatFile:
    """Read one chat file of any known format, with the list of streams beside it if there is one.

    Raises: MissingSource, UnknownFormat, or SourceError for a file that cannot be read.
    """
    found, _ = find_chat_files([path])
    chat = read_chat(found[0].path.read_bytes(), file_name=found[0].path.name, row=found[0].row)
    return ChatFile(chat.stream, [Message._make(row) for row in chat.rows], dict(chat.skipped))


def import_chats(
    db: Store, paths: Iterable[str | Path], *, limit: int = 0, progress: bool = True
) -> ImportReport:
    """Bring chat files, or folders of them, into the database; what is in already is not read again.

    A file that cannot be read is reported, and the others go on. With `limit` only the
    oldest so many streams come in, by the date in the list of streams.
    Raises: MissingSource for a path that is not there or an empty folder; StoreError.
    """
    found, sheet_errors = find_chat_files(paths)
    reports = [FileReport(path, "failed", error=str(error)) for path, error in sheet_errors.items()]
    if limit:
        found = found[:limit]
    with _without_gc():
        for item in tqdm(found, disable=None if progress else True, unit="file"):
            reports.append(_import_file(db, item))
    return ImportReport(reports, _count_totals(db, {r.stream_id for r in reports if r.stream_id}))


def _import_file(db: Store, found: Found) -> FileReport:
    data = found.path.read_bytes()
    content = digest_content(data, found)
    known = db.find_import(content)
    if known:
        row = db.connection.execute("SELECT stream_id FROM imports WHERE content = ?", (content,)).fetchone()
        return FileReport(
            found.path, "known", known.format, "", known.n_rows, 0, dict(known.skipped), stream_id=row[0]
        )
    try:
        chat = read_chat(data, file_name=found.path.name, row=found.row)
    except SourceError as error:
        return FileReport(found.path, "failed", error=str(error))
    return _save(db, found.path, content, chat)


def _save(db: Store, path: Path, content: str, chat: Chat) -> FileReport:
    source = Import(content, path.name, chat.format, len(chat.rows), chat.skipped)
    count = db.save_chat(chat.stream, chat.rows, source=source)
    name = f"{chat.stream.platform}/{chat.stream.video_id}"
    return FileReport(
        path, "imported", chat.format, name, len(chat.rows), count.added, dict(chat.skipped),
        stream_id=count.stream_id,
    )  # fmt: skip


def digest_content(data: bytes, found: Found) -> str:
    """Return what identifies a file's content: its bytes, its name, what the list says, the reader."""
    hasher = hashlib.blake2b(data, digest_size=16)
    hasher.update(json.dumps([READER_VERSION, found.path.name, dict(found.row)], sort_keys=True).encode())
    return hasher.hexdigest()


def _count_totals(db: Store, stream_ids: set[int]) -> dict[str, int]:
    paid = ", ".join(f"'{kind}'" for kind in sorted(DONATION_KINDS))
    totals = {"streams": len(stream_ids), "messages": 0, "authors": 0, "paid": 0}
    row = db.connection.execute(
        "SELECT count(*), count(DISTINCT author), "
        f"coalesce(sum(kind IN ({paid}) OR bits > 0), 0) FROM messages "
        "WHERE stream_id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(stream_ids)),),
    ).fetchone()
    return totals | dict(zip(("messages", "authors", "paid"), row, strict=True))


@contextmanager
def _without_gc() -> Iterator[None]:
    """Spare the collector a million rows that it would look through again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
