"""Vectors on disk: kept, found, and whole after a kill."""

import logging
import os

import numpy as np
import pytest

from chatlib.errors import ModelError
from chatlib.pretrain.vector_cache import VectorCache, text_digest

DIGESTS = [text_digest(text) for text in ("a", "b", "草")]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def cache(tmp_path):
    cache = VectorCache(tmp_path, model_key="key", dim=4)
    cache.append(DIGESTS[:2], VECTORS[:2])
    return cache


def reopen(cache, **other):
    return VectorCache(cache.path.parent, **{"model_key": "key", "dim": 4, **other})


def test_what_is_appended_is_found_also_later(cache):
    cache.append(DIGESTS[2:], VECTORS[2:])
    for reader in (cache, reopen(cache)):
        assert len(reader) == 3
        rows = reader.find([DIGESTS[2], text_digest("never"), DIGESTS[0]])
        assert rows.tolist() == [2, -1, 0]
        assert reader.load(rows[rows >= 0]).tolist() == [VECTORS[2].tolist(), VECTORS[0].tolist()]
    assert cache.load(np.array([], int)).shape == (0, 4)


@pytest.mark.parametrize("n_lost", range(1, 32))
def test_half_a_record_at_the_end_is_dropped(cache, n_lost):
    os.truncate(cache.path, cache.path.stat().st_size - n_lost)
    survivor = reopen(cache)
    assert survivor.find(DIGESTS).tolist() == [0, -1, -1]
    survivor.append(DIGESTS[1:], VECTORS[1:])
    assert reopen(cache).load(np.arange(3)).tolist() == VECTORS.tolist()


def test_half_a_header_is_written_anew(cache):
    os.truncate(cache.path, 100)
    assert len(reopen(cache)) == 0


def test_a_cache_of_another_model_is_told(cache):
    with pytest.raises(ModelError, match="belongs to one model"):
        reopen(cache, dim=5)
    cache.path.write_bytes(b"something else " * 100)
    with pytest.raises(ModelError, match="or no cache"):
        reopen(cache)


def test_a_full_disk_is_told_once_and_nothing_breaks(cache, monkeypatch, caplog):
    class FullDisk:
        def __enter__(self):
            return self

        def __exit__(self, *exc_info):
            pass

        def write(self, data):
            with cache.path.open("r+b") as file:
                file.seek(0, 2)
                file.write(data[:7])
            return 7

    real = type(cache.path).open
    monkeypatch.setattr(
        type(cache.path),
        "open",
        lambda path, mode="r", **kw: FullDisk() if mode == "ab" else real(path, mode, **kw),
    )
    with caplog.at_level(logging.WARNING):
        cache.append(DIGESTS[2:], VECTORS[2:])
        cache.append(DIGESTS[2:], VECTORS[2:])
    assert len([r for r in caplog.records if "cannot be written" in r.message]) == 1
    assert cache.find(DIGESTS).tolist() == [0, 1, -1]
    assert len(reopen(cache)) == 2
