"""Chat files into the chat database, each whole or not at all, and a report of what became of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec
import pandas as pd

from chatlib.ahead import map_ahead
from chatlib.collect.address import find_ids_in_name, guess_platform
from chatlib.collect.files.formats import (
    Chat,
    ReadFile,
    complete_chat,
    complete_streams,
    digest_content,
    iter_old_chats,
    log_view,
    looks_like_chat,
    read_listed_file,
)
from chatlib.collect.files.parsing import SQLITE_MAGIC, read_head
from chatlib.collect.lists import Found, find_chat_files
from chatlib.errors import ParameterError, SourceError, UnknownFormat
from chatlib.files import read_file
from chatlib.records import Stream
from chatlib.store import Import, Store
from chatlib.text import clean_text, one_line, remove_controls
from chatlib.workspace import progress_bar, rare_gc

__all__ = [
    "OF_ANOTHER", "FileReport", "ImportReport", "choose_files", "format_totals", "import_chats",
    "is_named_by_file", "is_of_another", "keep_state", "shorten_lines",
]  # fmt: skip

MIN_BYTES = 2_000_000  # below this, reading is over before a process has started
_MAX_LINES = 20  # of each list in a summary
OF_ANOTHER = (
    "A stream that nothing else names has the name of its file, and a stream {!r} with none of these "
    "messages is in already. Rename the file, or list its stream in a streams.csv beside it."
)


@dataclass(frozen=True)
class FileReport:
    """What became of one file, or of one stream of a file that holds several."""

    path: Path
    state: str  # imported: read now; known: was in already; failed: could not be read, see `error`
    format: str = ""
    stream: str = ""  # platform/video id
    stream_id: int | None = None
    n_rows: int = 0  # messages in the file
    n_added: int = 0  # of them new in the database
    skipped: Mapping[str, int] = field(default_factory=dict)  # reason -> rows
    error: str = ""
    content: str = ""  # of a file for a data set: the digest that its part is named by


@dataclass(frozen=True)
class ImportReport:
    """What an import did. `totals` counts what the database holds of the streams it met:
    streams, messages, authors, paid. `ignored` are files in the folders that are no chat at all.
    """

    files: list[FileReport]
    ignored: list[Path]
    totals: Mapping[str, int]

    @property
    def n_added(self) -> int:
        """Messages that were not in the database before."""
        return sum(file.n_added for file in self.files)

    @property
    def errors(self) -> dict[Path, str]:
        """The files that could not be read, and why."""
        return {file.path: file.error for file in self.files if file.state == "failed"}

    @property
    def skipped(self) -> Mapping[str, int]:
        """What was left out of the files that were read, by reason."""
        counts: Counter[str] = Counter()
        for file in self.files:
            counts.update(file.skipped)
        return dict(counts.most_common())

    @property
    def has_failed(self) -> bool:
        """Whether anything of what was named could not be read."""
        return bool(self.errors)

    @property
    def is_usable(self) -> bool:
        """Whether anything of what was named is in the database now."""
        return any(file.state != "failed" for file in self.files)

    def require_usable(self) -> None:
        """Raise UnknownFormat if nothing of what was named is in the database now."""
        if not self.is_usable:
            first = next((f"{path.name}: {error}" for path, error in self.errors.items()), "no chat file")
            raise UnknownFormat(
                f"At least one chat must be readable, and none of {len(self.files)} was. {one_line(first)}"
            )

    def format_summary(self, db: Path) -> str:
        """Return the summary: what is in the database, what was left out, and why."""
        states = [file.state for file in self.files]
        lines = [
            f"{states.count('imported'):,} read, {states.count('known'):,} known already, "
            f"{states.count('failed'):,} failed; {self.n_added:,} new messages in {remove_controls(str(db))}",
            "",
            *format_totals(self.totals, self.skipped),
        ]
        if self.errors:
            lines += ["", "Could not be read:"]
            lines += shorten_lines([f"  {path}: {error}" for path, error in self.errors.items()])
        if self.ignored:
            lines += ["", "No chat, left alone:"]
            lines += shorten_lines([f"  {path}" for path in self.ignored])
        return "\n".join(lines) + "\n"

    def to_table(self) -> pd.DataFrame:
        """Return one row per file: what it is, its stream, rows, rows that were new, what was left out."""
        columns = ["file", "state", "format", "stream", "rows", "added", "left out", "error"]
        left_out = [", ".join(f"{n:,} × {why}" for why, n in file.skipped.items()) for file in self.files]
        rows = [
            (f.path.name, f.state, f.format, f.stream, f.n_rows, f.n_added, left, f.error)
            for f, left in zip(self.files, left_out, strict=True)
        ]
        return pd.DataFrame(rows, columns=columns)


def format_totals(totals: Mapping[str, int], skipped: Mapping[str, int]) -> list[str]:
    """Return the lines of a summary: what a database holds, and what was left out, by reason."""
    columns = [(name, f"{count:,}") for name, count in totals.items()]
    widths = [2 + max(map(len, column)) for column in columns]
    lines = ["".join(map(str.rjust, row, widths)) for row in zip(*columns, strict=True)]
    if skipped:
        lines += ["", "Left out or incomplete:"]
        lines += shorten_lines([f"{count:>9,} × {reason}" for reason, count in skipped.items()])
    return lines


def shorten_lines(lines: Sequence[str]) -> list[str]:
    """Return the first lines of a long list, safe for a terminal, and how many more there are."""
    shown = [line[: len(line) - len(line.lstrip(" "))] + one_line(line) for line in lines[:_MAX_LINES]]
    more = len(lines) - _MAX_LINES
    return shown if more <= 0 else [*shown, f"  … and {more:,} more"]


# ------------------------------------------------------------------ importing


def import_chats(
    db: Store,
    paths: Sequence[str | Path] | str | Path,
    *,
    limit: int = 0,
    columns: Mapping[str, str] | None = None,
) -> ImportReport:
    """Import chat files, or folders of them, into the database; what is in already is not read again.

    Each file is stored whole or not at all; one that cannot be read is reported, and the others
    go on. With `limit` only the oldest so many streams are imported, by the date in the list of streams.
    `columns` names the columns of tables by what they hold (`options.ROLES`).

    Raises: MissingSource for a path that is not there or a folder without a file; StoreError.
    """
    own = {db.path.resolve().with_name(db.path.name + suffix) for suffix in ("", "-wal", "-shm")}
    paths = [paths] if isinstance(paths, (str, Path)) else paths
    kept, ignored, reports = choose_files(paths, limit=limit, leave_out=own)
    with rare_gc(), closing(_iter_reports(db, kept, limit=limit, columns=columns)) as steps:
        reports.extend(progress_bar(steps, total=len(kept), desc="import", unit="file"))
    totals = db.count_content(r.stream_id for r in reports if r.stream_id is not None)
    return ImportReport(reports, ignored, totals)


def choose_files(
    paths: Iterable[str | Path], *, limit: int, leave_out: Collection[Path] = ()
) -> tuple[list[Found], list[Path], list[FileReport]]:
    """Return the files to read, those that are no chat, and lists and folders that could not be read.

    Of the files those of the first `limit` streams are kept; files of one stream count as one.
    Raises: MissingSource for a path that is not there or a folder without a file; ParameterError.
    """
    if limit < 0:
        raise ParameterError(f"`limit` must be >= 0 (0 is all), got {limit}.")
    found, errors = find_chat_files(paths)
    found = [f for f in found if not leave_out or f.path.resolve() not in leave_out]
    ignored = [f.path for f in found if not f.named and not looks_like_chat(read_head(f.path))]
    chats = [f for f in found if f.path not in set(ignored)]
    streams = dict.fromkeys(f.row.get("video_id") or f.path for f in chats)
    kept = set(islice(streams, limit or None))
    failed = [FileReport(path, "failed", error=str(error)) for path, error in errors.items()]
    return [f for f in chats if (f.row.get("video_id") or f.path) in kept], ignored, failed


def _iter_reports(
    db: Store, found: list[Found], *, limit: int, columns: Mapping[str, str] | None
) -> Generator[FileReport, None, None]:
    databases = {f.path for f in found if read_head(f.path).startswith(SQLITE_MAGIC)}
    known = _find_known(db, [f for f in found if f.path not in databases], columns)
    unknown = [f for f in found if f.path not in databases and f.path not in known]
    with closing(_read_ahead(unknown, columns)) as files:
        for f in found:
            if f.path in databases:
                yield from _import_old_database(db, f, limit=limit)
            else:
                yield from known.get(f.path) or _save_file(db, f, next(files), limit=limit)


def _find_known(
    db: Store, found: list[Found], columns: Mapping[str, str] | None
) -> dict[Path, list[FileReport]]:
    """Return the reports of each file that is in the database as it is now, one for each stream."""
    known = {}
    for f in found if db.has_imports() else ():
        with suppress(SourceError):  # reading it will report why
            content = digest_content(read_file(f.path), name=f.path.name, row=f.row, columns=columns)
            known[f.path] = _report_known(db, f.path, content)
    return {path: reports for path, reports in known.items() if reports}


def _report_known(db: Store, path: Path, content: str) -> list[FileReport]:
    return [
        FileReport(path, "known", part.format, name, stream_id, part.n_rows, 0, part.skipped)
        for part, stream_id, name in db.find_imports(content)
    ]


def _import_old_database(db: Store, found: Found, *, limit: int) -> Generator[FileReport, None, None]:
    """Import each stream of an old database, oldest first; each is stored whole or not at all."""
    path = found.path
    try:
        for row, chat in iter_old_chats(found, limit=limit):
            rows = repr(list(map(tuple, chat.messages))).encode()
            content = digest_content(rows, name=row["url"], row=row)
            if known := _report_known(db, path, content):
                yield from known
            else:
                chat = complete_chat(chat, file_name=path.name, row=row)
                yield _save_chat(db, path, chat, content=content)
    except SourceError as error:
        yield FileReport(path, "failed", error=str(error))


def _save_file(db: Store, found: Found, file: ReadFile, *, limit: int) -> list[FileReport]:
    """Store a file's chats, all of them or none; with a `limit` the oldest so many."""
    if not file.chats:
        return [FileReport(found.path, "failed", error=str(file.error))]
    chats = complete_streams(file.chats, path=found.path, rows=found.rows)
    kept = chats[: limit or None]
    content = file.content if len(kept) == len(chats) else f"{file.content}, {limit} oldest"  # not known
    stream, ids = chats[0].stream, [message.message_id for message in chats[0].messages]
    named_by_file = len(chats) == 1 and is_named_by_file(stream, found.path, found.row)
    if named_by_file and is_of_another(db, stream, ids):
        return [FileReport(found.path, "failed", error=OF_ANOTHER.format(stream.video_id))]
    with db.transaction():
        return [
            _save_chat(db, found.path, chat, content=f"{content}:{number}" if number else content)
            for number, chat in enumerate(kept)
        ]


def is_named_by_file(stream: Stream, path: Path, row: Mapping[str, str]) -> bool:
    """Return whether a stream has its id of its file's name, and neither a site nor a list knows it."""
    video_id = stream.video_id
    return not row and video_id in find_ids_in_name(path.name) and not guess_platform(video_id=video_id)


def is_of_another(db: Store, stream: Stream, ids: Collection[str]) -> bool:
    """Return whether a stream is in the database, with none of the messages of these ids."""
    stored = db.find_streams(stream.platform, [stream.video_id])["stream_id"].tolist() if ids else []
    known = db.load_messages(stored, columns=["message_id"])["message_id"]
    return len(known) > 0 and not known.isin(ids).any()


def _save_chat(db: Store, path: Path, chat: Chat, *, content: str) -> FileReport:
    log_view(chat, path)
    n_rows = len(chat.messages)
    source = Import(content, clean_text(path.name), chat.format, n_rows, chat.skipped)
    stream = chat.stream if n_rows else keep_state(db, chat.stream)
    saved = db.save_chat(stream, chat.messages, source=source)
    name = f"{stream.platform}/{stream.video_id}"
    return FileReport(
        path, "imported", chat.format, name, saved.stream_id, n_rows, saved.added, dict(chat.skipped)
    )


def keep_state(db: Store, stream: Stream) -> Stream:
    """Return the stream with the state and view it has in the database: a page without chat says neither."""
    for row in db.find_streams(stream.platform, [stream.video_id]).itertuples():
        return stream._replace(state=str(row.state), view=str(row.view))
    return stream


# ---------------------------------------------------------- reading ahead


def _read_ahead(found: list[Found], columns: Mapping[str, str] | None) -> Generator[ReadFile, None, None]:
    """Yield the files as read, in order; in a process of its own where that pays."""
    pays = (
        len(found) > 1
        and sum(f.path.stat().st_size for f in found) >= MIN_BYTES
        and (os.cpu_count() or 1) > 1
    )
    if not pays:
        for f in found:
            yield read_listed_file(f.path, f.row, columns=columns)
        return
    tasks = [(str(f.path), dict(f.row), columns) for f in found]
    with closing(map_ahead(_read_packed, tasks, processes=True, on_lost=_report_lost)) as packed:
        yield from map(_unpack_file, packed)


_Task = tuple[str, dict[str, str], Mapping[str, str] | None]
_pack = msgspec.msgpack.Encoder().encode  # several times as fast as pickle
_unpack = msgspec.msgpack.Decoder(tuple[str, list[Chat], str]).decode


def _read_packed(task: _Task) -> bytes:
    """Read a file in another process; return its content's digest, its chats and the error."""
    path, row, columns = task
    with rare_gc():
        file = read_listed_file(Path(path), row, columns=columns)
    return _pack((file.content, file.chats, str(file.error or "")))


def _unpack_file(packed: bytes) -> ReadFile:
    content, chats, error = _unpack(packed)
    return ReadFile(content, chats, SourceError(error) if error else None)


def _report_lost(_task: _Task) -> bytes:
    return _pack(("", [], "The reader's process ended on this file; is it far too large?"))
