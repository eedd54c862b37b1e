"""Vectors on disk, so that a second run costs nothing: one file per model, only ever appended to.

A record is the digest of a text and its vector. A process that is killed while it appends
leaves at most half a record at the end, which the next one drops.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chatlib.errors import ModelError

__all__ = ["VectorCache", "text_digest"]

log = logging.getLogger(__name__)

_HEADER_BYTES = 256
_DIGEST_BYTES = 16


def text_digest(text: str) -> bytes:
    """Return what identifies a text in the cache: 16 bytes."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


class VectorCache:
    """The vectors of one model, by text. `model_key` identifies the model and how it is used.

    The file lies in `folder` and is named after the key. If it cannot be written to (a full
    disk), a warning says so once, and encoding goes on without new entries.

    Raises: ModelError if the file there is no cache, or of another model or width.
    """

    def __init__(self, folder: str | Path, *, model_key: str, dim: int) -> None:
        self.path = Path(folder) / f"{model_key[:32]}.vectors"
        self._record = np.dtype([("digest", f"V{_DIGEST_BYTES}"), ("vector", "<f4", (dim,))])
        self._header = json.dumps({"chatlib": "vectors", "model": model_key, "dim": dim}).encode()
        self._rows: dict[bytes, int] = {}
        self._writable = True
        self._open()

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, digests: Sequence[bytes]) -> np.ndarray:
        """Return the row of each digest, -1 where there is none: int64."""
        return np.fromiter((self._rows.get(digest, -1) for digest in digests), np.int64, len(digests))

    def load(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors of these rows: float32, shape (len(rows), dim)."""
        if not len(rows):
            return np.empty((0, self._record["vector"].shape[0]), np.float32)
        return self._map()["vector"][rows]

    def append(self, digests: Sequence[bytes], vectors: np.ndarray) -> None:
        """Add vectors under digests that are not in the cache yet."""
        if not self._writable or not len(digests):
            return
        records = np.empty(len(digests), self._record)
        records["digest"] = np.frombuffer(b"".join(digests), f"V{_DIGEST_BYTES}")
        records["vector"] = vectors
        start = self._n_records()
        try:
            with self.path.open("ab", buffering=0) as file:
                written = file.write(records.tobytes())
                if written != records.nbytes:
                    raise OSError("only a part was written")
        except OSError as error:
            self._writable = False
            log.warning("no more vectors are cached: %s cannot be written (%s)", self.path, error)
            self._cut(start)
            return
        self._rows.update((digest, start + i) for i, digest in enumerate(digests))

    def _open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self.path.exists() or self.path.stat().st_size < _HEADER_BYTES:
                self.path.write_bytes(self._header.ljust(_HEADER_BYTES))
        except OSError as error:
            self._writable = False
            log.warning("vectors are not cached: %s cannot be written (%s)", self.path, error)
            return
        with self.path.open("rb") as file:
            header = file.read(_HEADER_BYTES).rstrip()
        if header != self._header:
            raise ModelError(
                f"A cache of vectors belongs to one model, and {self.path} is of another, or no cache "
                f"({header[:80]!r}). Name another folder, or delete the file."
            )
        self._cut(self._n_records())
        if self._n_records():
            digests = self._map()["digest"].tobytes()
            self._rows = {
                digests[i : i + _DIGEST_BYTES]: i // _DIGEST_BYTES
                for i in range(0, len(digests), _DIGEST_BYTES)
            }

    def _n_records(self) -> int:
        return (self.path.stat().st_size - _HEADER_BYTES) // self._record.itemsize

    def _cut(self, n_records: int) -> None:
        size = _HEADER_BYTES + n_records * self._record.itemsize
        if self.path.stat().st_size > size:
            os.truncate(self.path, size)

    def _map(self) -> np.memmap:
        return np.memmap(self.path, self._record, mode="r", offset=_HEADER_BYTES, shape=(self._n_records(),))
