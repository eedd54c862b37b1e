"""Chat files into the chat database: one after the other, each whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from chatlib.collect.address import find_video_id
from chatlib.collect.files.containers import SQLITE_MAGIC, looks_like_data, read_head
from chatlib.collect.files.first_version import OldDatabase
from chatlib.collect.files.formats import Chat, complete_chat
from chatlib.collect.files.reading import Outcome, Task, digest_content, iter_outcomes, read_task
from chatlib.collect.files.report import FileReport, ImportReport
from chatlib.collect.sheets.streams import Found, age_of_row, find_chat_files
from chatlib.errors import ParameterError, SourceError
from chatlib.records import Message, Stream
from chatlib.store import Import, Store
from chatlib.text import clean_text
from chatlib.workspace import progress_bar, without_gc

__all__ = ["ChatFile", "import_chats", "read_chat_file"]

log = logging.getLogger(__name__)


class ChatFile(NamedTuple):
    """One chat file as read: its stream, its messages in source order, what was left out by reason."""

    stream: Stream
    messages: list[Message]
    skipped: dict[str, int]


def read_chat_file(path: str | Path) -> ChatFile:
    """Read a chat file of any known format that holds one stream; no database is needed.

    A list of streams beside it is heeded.
    Raises: MissingSource if it is not there; UnknownFormat, or SourceError if it cannot be read.
    """
    (found,), _ = find_chat_files([path])
    if read_head(found.path).startswith(SQLITE_MAGIC):
        raise SourceError(
            f"{found.path.name} is a database of many streams: import it, and read the database."
        )
    outcome = read_task(Task(str(found.path), found.row))
    if outcome.chat is None:
        raise outcome.as_error(found.path)
    _tell_view(outcome.chat, found.path)
    messages = [Message._make(row) for row in outcome.chat.rows]
    return ChatFile(outcome.chat.stream, messages, dict(outcome.chat.skipped))


def import_chats(
    db: Store, paths: Iterable[str | Path], *, limit: int = 0, progress: bool = True
) -> ImportReport:
    """Bring chat files, or folders of them, into the database; what is in already is not read again.

    Each file is stored whole or not at all; one that cannot be read is reported, and the others
    go on. With `limit` only the oldest so many streams come in, by the date in the list of streams.

    Raises: MissingSource for a path that is not there or a folder without a file; StoreError.
    """
    if limit < 0:
        raise ParameterError(f"`limit` must be >= 0 (0 is all), got {limit}.")
    found, list_errors = find_chat_files([paths] if isinstance(paths, (str, Path)) else paths)
    own = {db.path.resolve().with_name(db.path.name + suffix) for suffix in ("", "-wal", "-shm")}
    found = [f for f in found if f.path.resolve() not in own]
    reports = [FileReport(path, "failed", error=str(error)) for path, error in list_errors.items()]
    ignored = [f.path for f in found if not f.named and not looks_like_data(read_head(f.path))]
    kept = _take_oldest([f for f in found if f.path not in set(ignored)], limit=limit)
    with without_gc(), closing(_iter_reports(db, kept, limit=limit)) as steps:
        shown = {} if progress else {"disable": True}
        reports.extend(progress_bar(steps, total=len(kept), desc="import", unit="file", **shown))
    totals = db.count_content(r.stream_id for r in reports if r.stream_id is not None)
    return ImportReport(reports, ignored, totals)


def _take_oldest(found: list[Found], *, limit: int) -> list[Found]:
    """Return the files of the first `limit` streams; files of one stream count as one."""
    if not limit:
        return found
    streams = dict.fromkeys(f.row.get("video_id") or f.path for f in found)
    kept = set(islice(streams, limit))
    return [f for f in found if (f.row.get("video_id") or f.path) in kept]


def _iter_reports(db: Store, found: list[Found], *, limit: int) -> Iterator[FileReport]:
    databases = {f.path for f in found if read_head(f.path).startswith(SQLITE_MAGIC)}
    known = _find_known(db, [f for f in found if f.path not in databases])
    tasks = [Task(str(f.path), f.row) for f in found if f.path not in databases and f.path not in known]
    with closing(iter_outcomes(tasks)) as outcomes:
        for f in found:
            if f.path in databases:
                yield from _import_old_database(db, f, limit=limit)
            elif f.path in known:
                yield known[f.path]
            else:
                yield _save_outcome(db, f.path, next(outcomes))


def _find_known(db: Store, found: list[Found]) -> dict[Path, FileReport]:
    """Return a report for each file that is in the database as it is now."""
    if not db.has_imports():
        return {}
    known = {}
    for f in found:
        try:
            content = digest_content(f.path.read_bytes(), name=f.path.name, row=f.row)
        except OSError:
            continue  # reading it will tell
        report = _report_known(db, f.path, content)
        if report is not None:
            known[f.path] = report
    return known


def _report_known(db: Store, path: Path, content: str) -> FileReport | None:
    found = db.find_import(content)
    if found is None:
        return None
    known, stream_id, name = found
    return FileReport(path, "known", known.format, name, stream_id, known.n_rows, 0, known.skipped)


def _save_outcome(db: Store, path: Path, outcome: Outcome) -> FileReport:
    if outcome.chat is None:
        return FileReport(path, "failed", error=outcome.error)
    return _save_chat(db, path, outcome.chat, content=outcome.content)


def _save_chat(db: Store, path: Path, chat: Chat, *, content: str) -> FileReport:
    _tell_view(chat, path)
    source = Import(content, clean_text(path.name), chat.format, len(chat.rows), chat.skipped)
    stream = chat.stream if chat.rows else _keep_state(db, chat.stream)
    saved = db.save_chat(stream, chat.rows, source=source)
    name = f"{stream.platform}/{stream.video_id}"
    return FileReport(
        path, "imported", chat.format, name, saved.stream_id, len(chat.rows), saved.added, dict(chat.skipped)
    )


def _keep_state(db: Store, stream: Stream) -> Stream:
    """Return the stream with the state and view it has in the database: a page without chat says neither."""
    for row in db.find_streams(stream.platform, [stream.video_id]).itertuples():
        return stream._replace(state=str(row.state), view=str(row.view))
    return stream


def _tell_view(chat: Chat, path: Path) -> None:
    if chat.stream.view == "live":
        log.info("%s: no offsets, only times of day; offsets count from the first message", path.name)


def _import_old_database(db: Store, found: Found, *, limit: int) -> Iterator[FileReport]:
    """Import each stream of an old database, oldest first; each is stored whole or not at all."""
    path = found.path
    try:
        with OldDatabase(path) as old:
            listed = {url: _row_of_address(url, found) for url in old.urls}
            for url in sorted(old.urls, key=lambda url: age_of_row(listed[url]))[: limit or None]:
                rows, notes = old.read_stream(url)
                chat = Chat("first version", Stream("", ""), rows, notes)
                chat = complete_chat(chat, file_name=path.name, row=listed[url])
                content = digest_content(repr(rows).encode(), name=str(url), row=listed[url])
                yield _report_known(db, path, content) or _save_chat(db, path, chat, content=content)
    except SourceError as error:
        yield FileReport(path, "failed", error=str(error))


def _row_of_address(url: object, found: Found) -> dict[str, str]:
    """Return the list's row of the stream at an old database's address, or what the address itself tells."""
    address = (url if isinstance(url, str) else "").replace("NULL", "")
    video_id = find_video_id(address) or address[:200] or clean_text(found.path.stem)
    return {"url": address, "video_id": video_id} | dict(found.sheet.rows.get(video_id, {}))
