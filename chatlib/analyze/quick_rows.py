"""A quick reader of chat-downloader's files: only what analytics need, a few megabytes at a time.

It reads rows whose every needed field is there and of the right type, and gives up on the
file otherwise: then the careful reader of `chatlib.collect` takes it. Where both read a file
they agree (held by a test).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import msgspec
import numpy as np

from chatlib.analyze.columns import NOBODY, ChatColumns, Codes
from chatlib.analyze.words import TWITCH_WORDS, YOUTUBE_WORDS

__all__ = ["QuickChat", "read_quickly"]

_BLOCK = 1 << 18  # bytes; with what is made of it, it fits into a core's cache
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


_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Author(msgspec.Struct, gc=False, omit_defaults=True):
    id: _Text


class _Row(msgspec.Struct, gc=False, omit_defaults=True):
    message_type: _Text
    message_id: _Text
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
    except (_CannotReadError, msgspec.MsgspecError, OSError, EOFError, zlib.error, UnicodeDecodeError):
        return None
    return builder.build()


class _Builder:
    """Columns that grow piece by piece."""

    def __init__(self) -> None:
        self._offsets: list[np.ndarray] = []
        self._authors: list[np.ndarray] = []
        self._kinds: list[np.ndarray] = []
        self._kind_codes = Codes()
        self._once: list[tuple[int, str, str]] = []  # row, id and kind where an id counts once
        self._n_rows = 0
        self._first_rows = b"[]"

    def add(self, rows: list[_Row]) -> None:
        """Take in some more rows."""
        if not self._n_rows:
            self._first_rows = msgspec.json.encode(rows[:_N_FIRST])
        self._offsets.append(np.array([row.time_in_seconds for row in rows]))
        self._authors.append(_hash_authors([row.author for row in rows]))
        kinds = self._kind_codes.encode([row.message_type for row in rows])
        self._kinds.append(kinds)
        counts_once = np.array([kind in _ONCE_KINDS for kind in self._kind_codes])
        for i in np.flatnonzero(counts_once[kinds]).tolist():
            self._once.append((self._n_rows + i, rows[i].message_id, rows[i].message_type))
        self._n_rows += len(rows)

    def build(self) -> QuickChat | None:
        """Return what was taken in; None for nothing, and where only the careful reader can judge."""
        offset = np.concatenate([*self._offsets, np.zeros(0)])
        odd = any(map(_has_nul, self._kind_codes))
        odd |= any(_has_nul(message_id) for _, message_id, _ in self._once)
        odd |= len({(message_id, kind) for _, message_id, kind in self._once}) < len(self._once)
        if odd or not self._n_rows or (np.abs(offset) > _MAX_OFFSET_S).any():
            return None
        columns = ChatColumns(
            offset_s=offset,
            kind=np.concatenate(self._kinds),
            kinds=list(self._kind_codes),
            author=np.concatenate(self._authors),
            message_ids={row: message_id for row, message_id, _ in self._once},
        )
        return QuickChat(columns, self._first_rows)


def _hash_authors(authors: list[_Author | None]) -> np.ndarray:
    """Return 64 bits for each author; Python never hashes to -1, which is nobody.

    A table of all authors would take most of the time; two of a million share a hash once in
    ten million files.
    """
    try:
        ids = [author.id for author in authors]
    except AttributeError:  # somewhere there is none
        ids = [None if author is None else author.id for author in authors]
    if _has_nul("".join(filter(None, ids))):
        raise _CannotReadError
    return np.array([NOBODY if author_id is None else hash(author_id) for author_id in ids])


def _has_nul(text: str) -> bool:
    return "\x00" in text  # the careful reader drops it


def _iter_rows(file: BinaryIO) -> Iterator[list[_Row]]:
    """Yield the rows of a file, some thousands at a time."""
    head = file.read(_BLOCK).removeprefix(b"\xef\xbb\xbf")
    if start := _ARRAY_START.match(head):
        yield from _iter_array(file, head[start.start(1) :], start[1])
    elif head.lstrip()[:1] == b"{":
        yield from _iter_lines(file, head)
    else:
        raise _CannotReadError


def _iter_array(file: BinaryIO, head: bytes, row_start: bytes) -> Iterator[list[_Row]]:
    """Decode a JSON array in pieces, cut before rows that begin as the first one does.

    What separates rows is what separates the first two. A cut inside a row would leave a
    bracket or a quote open, which the decoder refuses. The buffer always begins with the
    bracket of an array; where it is cut, the comma gives way to the closing bracket.
    """
    separator = re.search(rb"\}(\s*,\s*)" + re.escape(row_start), head)
    buffer = bytearray(b"[" + head)
    while block := file.read(_BLOCK):
        cut = buffer.rfind(separator[0]) if separator else -1
        if cut >= 0:
            buffer[cut + 1] = ord("]")
            yield _ARRAY.decode(memoryview(buffer)[: cut + 2])
            buffer = bytearray(b"[") + buffer[cut + 1 + len(separator[1]) :]
        buffer += block
    yield _ARRAY.decode(buffer)


def _iter_lines(file: BinaryIO, buffer: bytes) -> Iterator[list[_Row]]:
    while block := file.read(_BLOCK):
        whole, _, rest = buffer.rpartition(b"\n")
        yield _LINE.decode_lines(whole)
        buffer = rest + block
    yield _LINE.decode_lines(buffer)
