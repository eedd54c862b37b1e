"""An input beyond a limit is one clear error, and a person can raise the limit."""

import gzip
import os
import zlib

import pytest

from chatlib.errors import MissingSource, ParameterError, SourceError
from chatlib.limits import FILE_MB, JSON_OBJECTS, Limit, read_file, unpack_gzip


def test_a_limit_says_how_to_raise_it(monkeypatch):
    limit = Limit("CHATLIB_MAX_PEARS", 3, "pears")
    limit.require(3)
    with pytest.raises(SourceError, match=r"at most 3 pears.*CHATLIB_MAX_PEARS=N"):
        limit.require(4)
    monkeypatch.setenv("CHATLIB_MAX_PEARS", "4")
    limit.require(4)
    for wrong in ("many", "0", "-1", "1.5"):
        monkeypatch.setenv("CHATLIB_MAX_PEARS", wrong)
        with pytest.raises(ParameterError, match="whole number above 0"):
            limit.require(1)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked():
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(2**20)
    bomb = b"".join(packer.compress(zeros) for _ in range(100)) + packer.flush()
    with pytest.raises(SourceError, match="CHATLIB_MAX_GZIP_RATIO"):
        unpack_gzip(bomb)


def test_gzip_gives_what_it_holds_or_what_can_be_read():
    text = os.urandom(200_000).hex().encode()
    packed = gzip.compress(text)
    assert unpack_gzip(packed) == (text, True)
    assert unpack_gzip(gzip.compress(text[:7]) + gzip.compress(text[7:]) + b"\x00" * 9) == (text, True)
    for damaged in (
        packed[:-9],
        packed[: len(packed) // 2],
        packed[:150_000] + b"\xff" * 99 + packed[150_099:],
    ):
        part, whole = unpack_gzip(damaged)
        assert not whole
        assert text.startswith(part[:100_000]) and len(part) > 150_000


def test_what_is_no_regular_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "loop", tmp_path / "a\x00b"):
        with pytest.raises(SourceError, match="must be"):
            read_file(path)
    with pytest.raises(MissingSource):
        read_file(tmp_path / "missing")


def test_a_file_beyond_its_limit_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(bytes(1_000_001))
    assert len(read_file(tmp_path / "x")) == 1_000_001
    monkeypatch.setenv(FILE_MB.variable, "1")
    with pytest.raises(SourceError, match="at most 1 MB"):
        read_file(tmp_path / "x")


def test_json_is_not_parsed_beyond_its_limit(monkeypatch):
    from chatlib.collect.files.formats import read_chat

    monkeypatch.setenv(JSON_OBJECTS.variable, "1000")
    with pytest.raises(SourceError, match=JSON_OBJECTS.variable):
        read_chat(b"[" + b"{}," * 1000 + b"{}]", file_name="x.json", row={})
