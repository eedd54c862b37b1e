"""A quick reader of chat-downloader's files: only what analytics need, and no numpy.

It reads rows whose every needed field is there and of the right type, and gives up on the
file otherwise: then the careful reader of `chatlib.collect` takes it. Where both read a file
they agree (held by a test).
"""

from __future__ import annotations

import os
import re
import struct
from itertools import compress
from typing import Annotated, BinaryIO, NamedTuple

import msgspec

from chatlib.analyze.analytics.words import NOBODY, TWITCH_WORDS, YOUTUBE_WORDS

__all__ = ["CannotReadError", "Layout", "Piece", "PieceReader", "find_layout"]

_PIECE_BYTES = 1 << 18  # with what is made of it, it fits into a core's cache
_OVERLAP_BYTES = 1 << 14  # in which the row that a piece ends in mostly ends
_LONGEST_BYTES = 1 << 20  # of what is looked through for its end
_N_FIRST = 2000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ARRAY_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*\[\s*(\{\s*"[^"\\]{1,40}")')
_ONCE_KINDS = frozenset(
    kind
    for words in (YOUTUBE_WORDS, TWITCH_WORDS)
    for kind, counter in words.events.items()
    if counter in words.once_per_id
)


class CannotReadError(Exception):
    """The file is not of the plain kind; used between the quick reader's modules only."""


class Layout(NamedTuple):
    """How a file separates its rows, and the size of the pieces it is read in.

    `separator` begins with the `n_end` bytes that end a row and ends with the `n_begin` bytes
    that begin the next one; it is empty where none can be told, and the file is one piece.
    """

    is_array: bool
    start: int  # of the first row
    separator: bytes
    n_end: int
    n_begin: int
    piece_bytes: int
    n_pieces: int


class Piece(NamedTuple):
    """Some rows as columns of machine numbers, which another process can be handed."""

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
    # Of older schemas; where one is there, the careful reader has to decide.
    author_id: None = None
    author_name: None = None
    video_offset_time_msec: None = None


_ARRAY = msgspec.json.Decoder(list[_Row])
_LINE = msgspec.json.Decoder(_Row)


def find_layout(file: BinaryIO) -> Layout:
    """Return how a file is laid out, from its beginning.

    Rows of an array begin as the first one does, and what separates them is what separates the
    first two. Raises: CannotReadError for what is neither an array of objects nor lines of them.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_PIECE_BYTES)
    n_pieces = -(-size // _PIECE_BYTES)
    if start := _ARRAY_START.match(head):
        found = re.search(rb"\}\s*,\s*" + re.escape(start[1]), head)
        if found is None:
            return Layout(True, start.start(1), b"", 0, 0, size, 1)
        return Layout(True, start.start(1), found[0], 1, len(start[1]), _PIECE_BYTES, n_pieces)
    lines = head.removeprefix(_BYTE_ORDER_MARK)
    if lines.lstrip()[:1] != b"{":
        raise CannotReadError
    return Layout(False, len(head) - len(lines), b"\n", 0, 0, _PIECE_BYTES, n_pieces)


class PieceReader:
    """Reads the pieces of a file in any order, all in one place of memory: new ones would cost more."""

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file, self._layout = file, layout
        self._bytes = bytearray(layout.piece_bytes + _OVERLAP_BYTES + _LONGEST_BYTES)
        self._view = memoryview(self._bytes)

    def read(self, index: int) -> Piece:
        """Return the rows that begin in a piece, decoded.

        A cut inside a row would leave a bracket or a quote open, which the decoder refuses.
        Raises: CannotReadError, or a msgspec error, for a row that is not of the plain kind.
        """
        data = self._cut(index)
        if not data:
            return _make_piece([], is_first=False)
        rows = _ARRAY.decode(data) if self._layout.is_array else _LINE.decode_lines(data)
        return _make_piece(rows, is_first=index == 0)

    def _cut(self, index: int) -> memoryview | None:
        """Return the rows that begin in a piece as a JSON array or as lines; None if none does.

        An array's brackets are put where a comma or a space stood, or stand there already.
        """
        is_array, start, separator, n_end, n_begin, *_ = self._layout
        n, end = self._fill(index)
        first = self._bytes.find(separator, 0, n) if index else start
        if index and first == end:  # the next row begins in a later piece, or there is none
            return None
        first += len(separator) - n_begin if index else 0
        last = n if end < 0 else end + n_end
        if is_array:
            first -= 1
            self._bytes[first] = ord("[")
            if end >= 0:
                self._bytes[last] = ord("]")
                last += 1
        return self._view[first:last]

    def _fill(self, index: int) -> tuple[int, int]:
        """Read a piece and what follows up to its end; return the number of bytes, and the end's place.

        The end is where the first row ends that ends behind the piece; -1 at the end of the file.
        """
        n_bytes, separator = self._layout.piece_bytes, self._layout.separator
        self._file.seek(index * n_bytes)
        n = end = 0
        for wanted in (n_bytes + _OVERLAP_BYTES, len(self._bytes)):
            got = self._file.readinto(self._view[n:wanted])
            end = self._bytes.find(separator, n_bytes, n + got) if separator else -1
            n += got
            if end >= 0 or n < wanted:
                return n, end
        raise CannotReadError


def _make_piece(rows: list[_Row], *, is_first: bool) -> Piece:
    kinds = [row.message_type for row in rows]
    names = sorted(set(kinds))
    if len(names) > 255:
        raise CannotReadError
    code_of = {name: code for code, name in enumerate(names)}
    codes = bytes(map(code_of.__getitem__, kinds))
    counts_once = bytes(name in _ONCE_KINDS for name in names).ljust(256, b"\0")
    once = [(i, rows[i].message_id) for i in compress(range(len(rows)), codes.translate(counts_once))]
    if _has_nul("".join(names)) or any(_has_nul(message_id) for _, message_id in once):
        raise CannotReadError
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
    """Return 64 bits for each author; Python never hashes to -1, which is nobody.

    A table of all authors would take most of the time; two of a million share a hash once in
    ten million files. Hashes are alike in a process and those forked from it, and only there.
    """
    try:
        ids = [row.author.id for row in rows]
    except AttributeError:  # somewhere there is none
        ids = [row.author and row.author.id for row in rows]
        if _has_nul("".join(filter(None, ids))):
            raise CannotReadError from None
        return [NOBODY if author_id is None else hash(author_id) for author_id in ids]
    if _has_nul("".join(ids)):
        raise CannotReadError
    return list(map(hash, ids))


def _has_nul(text: str) -> bool:
    return "\x00" in text  # the careful reader drops it
