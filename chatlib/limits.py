"""How large an input may be. Beyond a limit a file is refused with one error, and the others go on.

Each limit has an environment variable of its own that raises it, for those whose files are larger.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

from chatlib.errors import MissingSource, ParameterError, SourceError

__all__ = [
    "FILE_MB",
    "GZIP_MAGIC",
    "GZIP_RATIO",
    "JSON_OBJECTS",
    "KINDS",
    "LINE_MB",
    "SHEET_CELLS",
    "SHEET_MB",
    "TABLE_COLUMNS",
    "TABLE_ROWS",
    "Limit",
    "read_file",
    "require_regular",
    "unpack_gzip",
]

GZIP_MAGIC = b"\x1f\x8b"
_STEP = 2**13  # of which the last is lost where a file is damaged
_ALWAYS_UNPACKED = 64 * 2**20  # whatever its ratio


@dataclass(frozen=True)
class Limit:
    """The largest count of something in one input; the environment's `variable` overrides `default`."""

    variable: str
    default: int
    what: str  # with its unit, as in "a file may have at most 1,000 MB"

    @property
    def value(self) -> int:
        """The limit that holds now. Raises: ParameterError if the variable is no whole number above 0."""
        text = os.environ.get(self.variable, "")
        if text and not (text.isdecimal() and int(text) > 0):
            raise ParameterError(f"{self.variable} must be a whole number above 0, got {text!r}.")
        return int(text) if text else self.default

    def require(self, count: float) -> None:
        """Raise SourceError if a count is beyond the limit."""
        if count > self.value:
            raise SourceError(
                f"An input may have at most {self.value:,} {self.what}, and this one has more. If it is "
                f"what you expect, raise the limit: {self.variable}=N in the environment."
            )


FILE_MB = Limit("CHATLIB_MAX_FILE_MB", 1_000, "MB, unpacked")
GZIP_RATIO = Limit("CHATLIB_MAX_GZIP_RATIO", 200, "times its size as gzip when unpacked")
JSON_OBJECTS = Limit("CHATLIB_MAX_JSON_OBJECTS", 30_000_000, "objects and arrays of JSON")
LINE_MB = Limit("CHATLIB_MAX_LINE_MB", 100, "MB in a line")
KINDS = Limit("CHATLIB_MAX_KINDS", 1_000, "kinds of messages")
TABLE_COLUMNS = Limit("CHATLIB_MAX_TABLE_COLUMNS", 10_000, "columns in a table")
TABLE_ROWS = Limit("CHATLIB_MAX_TABLE_ROWS", 30_000_000, "rows in a table")
SHEET_MB = Limit("CHATLIB_MAX_SHEET_MB", 100, "MB in a sheet, unpacked")
SHEET_CELLS = Limit("CHATLIB_MAX_SHEET_CELLS", 5_000_000, "cells in a sheet, repeated ones included")


def require_regular(path: Path) -> os.stat_result:
    """Return a file's status.

    Raises: MissingSource; SourceError for what is no regular file, such as a pipe or a folder.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MissingSource(f"An input must be there to be read, and there is none at {path}.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"An input must be a regular file, and {path} is none. Save it as a file first.")
    return status


def read_file(path: Path, limit: Limit = FILE_MB) -> bytes:
    """Return a regular file's bytes.

    Raises: MissingSource; SourceError if it cannot be read or is too large.
    """
    limit.require(require_regular(path).st_size / 1e6)
    try:
        return path.read_bytes()
    except (OSError, MemoryError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> SourceError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SourceError(f"An input must be readable, and {path} is not ({reason}). Check its rights.")


def unpack_gzip(data: bytes) -> tuple[bytes, bool]:
    """Return what is in gzip data, and whether it is whole; of a cut or damaged file, what can be read.

    Raises: SourceError if it becomes larger than the limits allow.
    """
    parts: list[bytes] = []
    size = 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while piece := file.read1(_STEP):
                parts.append(piece)
                size += len(piece)
                if size > _ALWAYS_UNPACKED:
                    FILE_MB.require(size / 1e6)
                    GZIP_RATIO.require(size / len(data))
    except (EOFError, OSError, zlib.error):
        return b"".join(parts), False
    return b"".join(parts), True
