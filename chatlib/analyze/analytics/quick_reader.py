"""The quick reader of chat-downloader's files: only what analytics need, by two processes, without numpy.

It gives up on a file in which a needed field is missing or of another type; the importers of
`chatlib.collect` read that. Where both read a file they agree (a test holds it).

The second process starts before numpy is loaded. Each process takes the next run of pieces that nobody
has taken, until none is left: the first may come late, and neither waits.
"""

from __future__ import annotations

import gc
import gzip
import io
import os
import re
import signal
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import compress
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from chatlib.analyze.analytics.format import TWITCH_RULES, YOUTUBE_RULES
from chatlib.records import NOBODY

__all__ = ["Piece", "Reading", "start_reading"]

_PIECE_BYTES = 1 << 18  # with what is made of it, it fits into a core's cache
_OVERLAP_BYTES = 1 << 14  # in which the row that a piece ends in mostly ends
_LONGEST_BYTES = 1 << 20  # of what is searched for the row's end
_MOST_UNPACKED = 1 << 28  # of a gzipped file, held in memory
_N_FIRST = 2000
_N_RUNS = 200  # each is named by one byte
_LEAST_BYTES = 8 << 20  # below, a second process is not worth its start
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ARRAY_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*\[\s*(\{\s*"[^"\\]{1,40}")')
_ONCE_KINDS = frozenset(
    kind
    for rules in (YOUTUBE_RULES, TWITCH_RULES)
    for kind, counter in rules.events.items()
    if counter in rules.once_per_id
)


class _NotPlainError(Exception):
    """The file is not of the plain kind."""


_FAILURES = (_NotPlainError, msgspec.MsgspecError, OSError, EOFError, zlib.error, UnicodeDecodeError)


class _Layout(NamedTuple):
    """How a file separates its rows, and the size of the pieces it is read in.

    `separator` consists of the `n_end` last bytes of a row, what is between, and the `n_begin` first bytes
    of the next row. A file of one row has none, and is one piece.
    """

    is_array: bool
    start: int  # of the first row
    separator: bytes
    n_end: int
    n_begin: int
    piece_bytes: int
    n_pieces: int


class Piece(NamedTuple):
    """Some rows as columns of machine numbers, which can be passed between processes."""

    n_rows: int
    offset_s: bytes  # float64
    author: bytes  # int64: a hash, or NOBODY
    kind: bytes  # uint8, into kinds
    kinds: list[str]
    once: list[tuple[int, str]]  # row and id, where an id counts once
    first_rows: bytes  # as JSON, of the first piece


_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Author(msgspec.Struct, gc=False, omit_defaults=True):
    id: _Text


class _Row(msgspec.Struct, gc=False, omit_defaults=True):
    message_type: _Text
    message_id: _Text
    time_in_seconds: float
    author: _Author | None = None
    # Of older schemas: the importers read such a row.
    author_id: None = None
    author_name: None = None
    video_offset_time_msec: None = None


_ARRAY = msgspec.json.Decoder(list[_Row])
_LINE = msgspec.json.Decoder(_Row)
_PIECES = msgspec.msgpack.Decoder(dict[int, Piece])


class Reading:
    """A file that is being read; `finish` returns its pieces. `start_reading` makes one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open_file(path)
        try:
            self._layout = _find_layout(self._file)
        except _FAILURES:
            self._file.close()
            raise
        self._buffer = bytearray(self._layout.piece_bytes + _OVERLAP_BYTES + _LONGEST_BYTES)
        self._view = memoryview(self._buffer)  # all pieces in one place: new memory would cost more
        self._runs, names = os.pipe()
        os.write(names, bytes(range(min(self._layout.n_pieces, _N_RUNS))))
        os.close(names)
        self._child = self._results = -1
        if self._layout.n_pieces * self._layout.piece_bytes >= _LEAST_BYTES and _can_fork():
            self._start_child()

    def finish(self) -> list[Piece] | None:
        """Help with the reading; return all pieces in the file's order, None if one is not plain."""
        try:
            pieces = self._take_pieces()
            if self._child > 0:
                with os.fdopen(self._results, "rb", closefd=False) as results:
                    pieces |= _PIECES.decode(results.read())
        except _FAILURES:
            return None
        n = self._layout.n_pieces
        return [pieces[index] for index in range(n)] if len(pieces) == n else None

    def close(self) -> None:
        """Kill the second process if it still reads, and close what was opened."""
        self._file.close()
        os.close(self._runs)
        if self._child > 0:
            os.close(self._results)
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)

    def _take_pieces(self) -> dict[int, Piece]:
        n = self._layout.n_pieces
        n_runs = min(n, _N_RUNS)
        pieces: dict[int, Piece] = {}
        while run := os.read(self._runs, 1):  # nothing when no run is left
            for index in range(run[0] * n // n_runs, (run[0] + 1) * n // n_runs):
                pieces[index] = _make_piece(self._decode(index), is_first=index == 0)
        return pieces

    def read_ids(self, index: int) -> list[str]:
        """Return the ids of the messages in a piece that was read before, in their order."""
        return [row.message_id for row in self._decode(index)]

    def _decode(self, index: int) -> list[_Row]:
        """Return the rows that begin in a piece. Raises: one of `_FAILURES`.

        A cut inside a row would leave a bracket or a quote open, which the decoder refuses.
        """
        data = self._cut(index)
        if not data:
            return []
        return _ARRAY.decode(data) if self._layout.is_array else _LINE.decode_lines(data)

    def _cut(self, index: int) -> memoryview | None:
        """Return the rows that begin in a piece as a JSON array or as lines; None if none does.

        An array's brackets overwrite a comma or a space, or are there already.
        """
        is_array, start, separator, n_end, n_begin, *_ = self._layout
        n, end = self._fill(index)
        first = self._buffer.find(separator, 0, n) if index else start
        if index and first == end:  # the next row begins in a later piece, or there is none
            return None
        first += len(separator) - n_begin if index else 0
        last = n if end < 0 else end + n_end
        if is_array:
            first -= 1
            self._buffer[first] = ord("[")
            if end >= 0:
                self._buffer[last] = ord("]")
                last += 1
        return self._view[first:last]

    def _fill(self, index: int) -> tuple[int, int]:
        """Read a piece to the end of its last row; return the number of bytes read, and where that end is.

        The end is -1 for the last piece of the file.
        """
        n_bytes, separator = self._layout.piece_bytes, self._layout.separator
        self._file.seek(index * n_bytes)
        n = end = 0
        for wanted in (n_bytes + _OVERLAP_BYTES, len(self._buffer)):
            got = self._file.readinto(self._view[n:wanted])
            end = self._buffer.find(separator, n_bytes, n + got) if separator else -1
            n += got
            if end >= 0 or n < wanted:
                return n, end
        raise _NotPlainError

    def _start_child(self) -> None:
        self._results, results = os.pipe()
        self._child = os.fork()
        if self._child > 0:
            os.close(results)
            return
        try:  # in the second process
            gc.disable()
            if not isinstance(self._file, io.BytesIO):
                self._file = io.FileIO(self._path)  # with a place in it of its own
            found = msgspec.msgpack.encode(self._take_pieces())
            with os.fdopen(results, "wb") as file:
                file.write(found)
        finally:  # whatever happened: the first process sees that pieces are missing
            os._exit(0)


@contextmanager
def start_reading(path: str | Path) -> Iterator[Reading | None]:
    """Yield a reading of a file, begun in a second process where that pays.

    None unless it begins as what chat-downloader writes today: a JSON array or JSON Lines, gzipped or not.
    """
    try:
        reading = Reading(Path(path))
    except _FAILURES:
        yield None
        return
    try:
        yield reading
    finally:
        reading.close()


def _find_layout(file: io.FileIO | io.BytesIO) -> _Layout:
    """Return how a file is laid out, told by its first two rows.

    Raises: _NotPlainError for what is neither an array of objects nor lines of them.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_PIECE_BYTES)
    n_pieces = -(-size // _PIECE_BYTES)
    if start := _ARRAY_START.match(head):
        found = re.search(rb"\}\s*,\s*" + re.escape(start[1]), head)
        if found is None:
            return _Layout(True, start.start(1), b"", 0, 0, size, 1)
        return _Layout(True, start.start(1), found[0], 1, len(start[1]), _PIECE_BYTES, n_pieces)
    lines = head.removeprefix(_BYTE_ORDER_MARK)
    if lines.lstrip()[:1] != b"{":
        raise _NotPlainError
    return _Layout(False, len(head) - len(lines), b"\n", 0, 0, _PIECE_BYTES, n_pieces)


def _make_piece(rows: list[_Row], *, is_first: bool) -> Piece:
    kinds = [row.message_type for row in rows]
    names = sorted(set(kinds))
    if len(names) > 255:
        raise _NotPlainError
    code_of = {name: code for code, name in enumerate(names)}
    codes = bytes(map(code_of.__getitem__, kinds))
    counts_once = bytes(name in _ONCE_KINDS for name in names).ljust(256, b"\0")
    once = [(i, rows[i].message_id) for i in compress(range(len(rows)), codes.translate(counts_once))]
    if "\x00" in "".join([*names, *(message_id for _, message_id in once)]):  # the importers drop it
        raise _NotPlainError
    return Piece(
        n_rows=len(rows),
        offset_s=struct.pack(f"{len(rows)}d", *[row.time_in_seconds for row in rows]),
        author=struct.pack(f"{len(rows)}q", *_hash_authors(rows)),
        kind=codes,
        kinds=names,
        once=once,
        first_rows=msgspec.json.encode(rows[:_N_FIRST]) if is_first else b"",
    )


def _hash_authors(rows: list[_Row]) -> list[int]:
    """Return a hash of 64 bits for each author; none is -1, which is nobody.

    A table of all authors would take most of the time. Among a million, two share a hash once in
    ten million files. Hashes agree between a process and those forked from it, and only there.
    """
    ids = [row.author.id if row.author else "" for row in rows]
    if "\x00" in "".join(ids):
        raise _NotPlainError
    return [hash(author_id) if author_id else NOBODY for author_id in ids]


def _open_file(path: Path) -> io.FileIO | io.BytesIO:
    """Return an open file; a gzipped one unpacked, in memory. Raises: _NotPlainError for what is no file."""
    if not path.is_file():  # a pipe would be waited for
        raise _NotPlainError
    file = io.FileIO(path)
    if file.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
        return file
    file.close()
    with gzip.open(path) as packed:
        content = packed.read(_MOST_UNPACKED + 1)
    if len(content) > _MOST_UNPACKED:
        raise _NotPlainError
    return io.BytesIO(content)


def _can_fork() -> bool:
    """Return whether there is a processor to spare, and no thread that a fork would leave behind."""
    tasks = Path("/proc/self/task")
    if not (hasattr(os, "fork") and tasks.is_dir()):
        return False
    return len(os.sched_getaffinity(0)) > 1 and len(list(tasks.iterdir())) == 1
