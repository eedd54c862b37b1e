"""Files: read within limits, written whole or not at all, in cells that a spreadsheet only shows.

Beyond a limit a file is refused with one error, and the others go on. Each limit has an environment
variable of its own that raises it, for those whose files are larger.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import shutil
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatlib.errors import MissingSource, ParameterError, SourceError, StoreFull, UnwritableFile
from chatlib.text import disarm_cell

if TYPE_CHECKING:
    import pandas as pd

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
    "atomic_folder",
    "atomic_path",
    "atomic_write",
    "format_table",
    "looks_like_dataset",
    "make_safe_name",
    "map_write_errors",
    "read_file",
    "require_regular",
    "save_table",
    "unpack_gzip",
]

GZIP_MAGIC = b"\x1f\x8b"
_STEP = 2**13  # of which the last is lost where a file is damaged
_ALWAYS_UNPACKED = 64 * 2**20  # whatever its ratio
_SAFE_LENGTH = 80
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
    except (EOFError, OSError, zlib.error) as error:
        return b"".join(parts), "Not a gzipped" in str(error)  # but something else behind its end
    return b"".join(parts), True


# ------------------------------------------------------------------ writing


def atomic_write(path: str | Path, content: str | bytes) -> Path:
    """Write text (as UTF-8) or bytes to a file, whole or not at all; return the path.

    Raises: as `atomic_path`.
    """
    with atomic_path(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
    return Path(path)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path, with the same suffix, whose file replaces `path` when the block ends well.

    If the block fails or is interrupted, the temporary file is removed and `path` is as it was.
    Missing folders are made, an existing file's mode is kept, a link stays a link. What is no
    regular file (a device, a pipe) is written directly.
    Raises: StoreFull if the disk is full; UnwritableFile for any other refusal of the system.
    """
    target = Path(os.path.realpath(path))
    with map_write_errors(Path(path)):
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():
            yield target
            return
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
        part = target.with_name(f".{target.stem[:40]}.{os.urandom(4).hex()}.part{target.suffix[:40]}")
        try:
            yield part
            _sync(part)
            if target.exists():
                shutil.copymode(target, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: str | Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `folder`, with all that is in it, when the block ends well.

    If the block fails or is interrupted, the new folder is removed and `folder` is as it was.
    Raises: as `atomic_path`.
    """
    target = Path(os.path.realpath(folder))
    mark = f".{target.name[:40]}.{os.urandom(4).hex()}"
    part, before = target.with_name(f"{mark}.part"), target.with_name(f"{mark}.old")
    with map_write_errors(target):
        part.mkdir(parents=True)
        try:
            yield part
            for path in part.rglob("*"):
                if path.is_file():
                    _sync(path)
            if target.exists():
                target.rename(before)
            part.rename(target)
            shutil.rmtree(before, ignore_errors=True)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _sync(path: Path) -> None:
    """Wait until the file's bytes are on the disk, so that a rename never comes before them."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def map_write_errors(path: Path) -> Iterator[None]:
    """Raise StoreFull or UnwritableFile, with the next step, for what the system says of a file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(path, error) from error
        raise UnwritableFile(
            f"An output must be a file that can be written, and {path} is not ({error.strerror or error}). "
            "Close it where it is open, or name another one."
        ) from error
    except Exception as error:
        if f"os error {errno.ENOSPC}" in str(error):  # as safetensors reports it
            raise _full(path, error) from error
        raise


def _full(path: Path, error: Exception) -> StoreFull:
    reason = getattr(error, "strerror", None) or error
    return StoreFull(
        f"The disk must have room for {path}, and it could not be written ({reason}). "
        "What was there is whole: free some space and run the same command again."
    )


def looks_like_dataset(folder: str | Path) -> bool:
    """Return whether a folder holds a Parquet data set of `chatlib.dataset`, finished or not."""
    return any(Path(folder).glob("messages/platform=*")) or (
        (Path(folder) / "manifest.json").is_file() and (Path(folder) / "streams.parquet").is_file()
    )


def make_safe_name(text: str) -> str:
    """Return a file name without suffix for any text: letters, digits, `_` and `-`.

    A text that had to be changed or cut gets a hash of itself at the end, so that names stay distinct.
    """
    import hashlib  # loads a whole cryptographic library

    safe = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:_SAFE_LENGTH]
    if safe == text and safe:
        return safe
    return f"{safe}_{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"


def save_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as CSV (`format_table`), and return the path. Raises: as `atomic_path`."""
    return atomic_write(path, format_table(table))


def format_table(table: pd.DataFrame) -> str:
    """Return a table as CSV. Lists are joined by ` | `.

    Text that a spreadsheet would take for a formula gets an apostrophe in front: chat text is
    hostile input.
    """
    return table.map(_disarm).to_csv(index=False, lineterminator="\n")


def _disarm(value: object) -> object:
    if isinstance(value, list):
        value = " | ".join(map(str, value))
    return disarm_cell(value) if isinstance(value, str) else value
