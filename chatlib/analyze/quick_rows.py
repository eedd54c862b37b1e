"""A quick reader of chat-downloader's files: only what analytics need, a few megabytes at a time.

It reads rows whose every needed field is there and of the right type, and gives up on the
file otherwise: then the careful reader of `chatlib.collect` takes it. Where both read a file
they agree (held by a test).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np

from chatlib.analyze.columns import NOBODY, ChatColumns
from chatlib.analyze.words import TWITCH_WORDS, YOUTUBE_WORDS

__all__ = ["QuickChat", "read_quickly"]

_BLOCK = 4 << 20  # bytes
_GZIP_MAGIC = b"\x1f\x8b"
_MAX_OFFSET_S = 1e8  # beyond, the careful reader sees no offset
_N_FIRST = 2000
_ARRAY_START = re.compile(rb'\s*\[\s*(\{\s*"[^"\\]{1,40}")')
_ONCE_KINDS = frozenset(
    kind
    for words in (YOUTUBE_WORDS, TWITCH_WORDS)
    for kind, counter in words.events.items()
    if counter in words.once_per_id
)


class QuickChat(NamedTuple):
    """A chat's columns, and its first rows as JSON, by which its platform can be told."""

    columns: ChatColumns
    first_rows: bytes


class _Author(msgspec.Struct, gc=False, omit_defaults=True):
    id: str


class _Row(msgspec.Struct, gc=False, omit_defaults=True):
    message_type: str
    message_id: str
    time_in_seconds: float
    author: _Author | None = None
    # Of older schemas; where one is there, the careful reader has to decide.
    author_id: None = None
    author_name: None = None
    video_offset_time_msec: None = None


_ARRAY = msgspec.json.Decoder(list[_Row])
_LINE = msgspec.json.Decoder(_Row)


class _CannotReadError(Exception):
    """The file is not of the plain kind; used inside this module only."""


def read_quickly(path: Path) -> QuickChat | None:
    """Return a chat file's columns, or None if it is not quite what chat-downloader writes today.

    JSON arrays and JSON Lines, gzipped or not.
    """
    builder = _Builder()
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            for rows in _iter_rows(gzip.GzipFile(fileobj=file) if zipped else file):
                builder.add(rows)
    except (_CannotReadError, msgspec.MsgspecError, OSError, EOFError, UnicodeDecodeError):
        return None
    return builder.build()


class _Builder:
    """Columns that grow piece by piece."""

    def __init__(self) -> None:
        self._offsets: list[np.ndarray] = []
        self._authors: list[np.ndarray] = []
        self._kinds: list[str] = []
        self._ids: list[str | None] = []
        self._codes: dict[str | None, int] = {None: NOBODY}
        self._kind_names: dict[str, str] = {}
        self._first_rows = b"[]"

    def add(self, rows: list[_Row]) -> None:
        """Take in some more rows."""
        offset = np.array([row.time_in_seconds for row in rows])
        authors = [None if row.author is None else row.author.id for row in rows]
        kinds = [row.message_type for row in rows]
        if "" in kinds or "" in authors or (np.abs(offset) > _MAX_OFFSET_S).any():
            raise _CannotReadError
        if not all(row.message_id for row in rows):
            raise _CannotReadError
        codes, names = self._codes, self._kind_names
        self._authors.append(np.array([codes.setdefault(a, len(codes)) for a in authors], dtype=np.int64))
        self._offsets.append(offset)
        self._kinds += [names.setdefault(kind, kind) for kind in kinds]  # one text object per kind
        self._ids += [row.message_id if row.message_type in _ONCE_KINDS else None for row in rows]
        if len(self._offsets) == 1:
            self._first_rows = msgspec.json.encode(rows[:_N_FIRST])

    def build(self) -> QuickChat | None:
        """Return what was taken in; None if it was nothing, or if ids do not tell messages apart."""
        once = [key for key in zip(self._ids, self._kinds, strict=True) if key[0] is not None]
        if not self._kinds or len(set(once)) < len(once):
            return None
        columns = ChatColumns(
            np.concatenate(self._offsets), self._kinds, np.concatenate(self._authors), self._ids
        )
        return QuickChat(columns, self._first_rows)


def _iter_rows(file: BinaryIO) -> Iterator[list[_Row]]:
    """Yield the rows of a file, some thousands at a time."""
    buffer = file.read(_BLOCK).removeprefix(b"\xef\xbb\xbf")
    if start := _ARRAY_START.match(buffer):
        decode, pieces = _ARRAY.decode, _iter_arrays(file, buffer[start.start(1) :], start[1])
    elif buffer.lstrip()[:1] == b"{":
        decode, pieces = _LINE.decode_lines, _iter_lines(file, buffer)
    else:
        raise _CannotReadError
    for piece in pieces:
        if b"\\u0000" in piece:  # the careful reader drops NUL from names
            raise _CannotReadError
        yield decode(piece)


def _iter_arrays(file: BinaryIO, buffer: bytes, row_start: bytes) -> Iterator[bytes]:
    """Yield JSON arrays, cut before rows that begin as the first one does.

    What separates rows is what separates the first two. A cut inside a row would leave a
    bracket or a quote open, which the decoder refuses.
    """
    found = re.search(rb"\}(\s*,\s*)" + re.escape(row_start), buffer)
    while block := file.read(_BLOCK):
        if found and (cut := buffer.rfind(found[0])) >= 0:
            yield b"[" + buffer[: cut + 1] + b"]"
            buffer = buffer[cut + 1 + len(found[1]) :]
        buffer += block
    yield b"[" + buffer


def _iter_lines(file: BinaryIO, buffer: bytes) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        whole, _, rest = buffer.rpartition(b"\n")
        yield whole
        buffer = rest + block
    yield buffer
