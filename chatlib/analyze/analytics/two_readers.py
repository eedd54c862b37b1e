"""A chat file read by two processes, the second one started before numpy is loaded.

Each takes the next run of pieces that nobody has taken, until none is left: so the first may
come late, and neither waits for the other.
"""

from __future__ import annotations

import gc
import gzip
import io
import os
import signal
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from chatlib.analyze.analytics.quick_rows import CannotReadError, Piece, PieceReader, find_layout

__all__ = ["Reading", "read_quickly", "start_reading"]

_GZIP_MAGIC = b"\x1f\x8b"
_N_RUNS = 200  # each is named by one byte
_LEAST_BYTES = 8 << 20  # below, a second process is not worth its start
_TROUBLES = (CannotReadError, msgspec.MsgspecError, OSError, EOFError, zlib.error, UnicodeDecodeError)
_PIECES = msgspec.msgpack.Decoder(dict[int, Piece])


class Reading:
    """A file that is being read; `finish` returns its pieces. `start_reading` makes one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open_file(path)
        try:
            self._layout = find_layout(self._file)
        except _TROUBLES:
            self._file.close()
            raise
        self._runs, names = os.pipe()
        os.write(names, bytes(range(min(self._layout.n_pieces, _N_RUNS))))
        os.close(names)
        self._child = self._results = -1
        if self._layout.n_pieces * self._layout.piece_bytes >= _LEAST_BYTES and _can_fork():
            self._start_child()

    def finish(self) -> list[Piece] | None:
        """Take part in the reading; return all pieces in the file's order, None if one is not plain."""
        try:
            return self._finish()
        except _TROUBLES:
            return None

    def _finish(self) -> list[Piece]:
        pieces = self._take_pieces()
        if self._child > 0:
            with os.fdopen(self._results, "rb", closefd=False) as results:
                pieces |= _PIECES.decode(results.read())
        if len(pieces) < self._layout.n_pieces:
            raise CannotReadError
        return [pieces[index] for index in range(self._layout.n_pieces)]

    def close(self) -> None:
        """End a second process, should it still read, and close what was opened."""
        self._file.close()
        os.close(self._runs)
        if self._child > 0:
            os.close(self._results)
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)

    def _take_pieces(self) -> dict[int, Piece]:
        n = self._layout.n_pieces
        n_runs = min(n, _N_RUNS)
        reader = PieceReader(self._file, self._layout)
        pieces: dict[int, Piece] = {}
        while run := os.read(self._runs, 1):  # nothing when no run is left
            for index in range(run[0] * n // n_runs, (run[0] + 1) * n // n_runs):
                pieces[index] = reader.read(index)
        return pieces

    def _start_child(self) -> None:
        self._results, results = os.pipe()
        self._child = os.fork()
        if self._child > 0:
            os.close(results)
            return
        try:  # in the second process
            gc.disable()
            if not isinstance(self._file, io.BytesIO):
                self._file = self._path.open("rb", buffering=0)  # with a place in it of its own
            found = msgspec.msgpack.encode(self._take_pieces())
            with os.fdopen(results, "wb") as file:
                file.write(found)
        finally:  # whatever happened: where pieces are missing, the first process sees it
            os._exit(0)


@contextmanager
def start_reading(path: str | Path) -> Iterator[Reading | None]:
    """Yield a reading of a file, begun in a second process where that pays; None if it cannot be quick."""
    try:
        reading = Reading(Path(path))
    except _TROUBLES:
        yield None
        return
    try:
        yield reading
    finally:
        reading.close()


def read_quickly(path: Path) -> list[Piece] | None:
    """Return a chat file's pieces, or None if it is not quite what chat-downloader writes today.

    JSON arrays and JSON Lines, gzipped or not.
    """
    with start_reading(path) as reading:
        return reading and reading.finish()


def _open_file(path: Path) -> BinaryIO:
    """Return an open file; a gzipped one unpacked, in memory."""
    file = path.open("rb", buffering=0)
    if file.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
        return file
    file.close()
    with gzip.open(path) as unpacked:
        return io.BytesIO(unpacked.read())


def _can_fork() -> bool:
    """Return whether there is a processor to spare, and no thread that a fork would leave behind."""
    tasks = Path("/proc/self/task")
    if not (hasattr(os, "fork") and tasks.is_dir()):
        return False
    return len(os.sched_getaffinity(0)) > 1 and len(list(tasks.iterdir())) == 1
