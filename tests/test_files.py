"""A file that is written appears whole or not at all; one beyond a limit, which one can raise, is refused."""

import gzip
import os
import signal
import threading
import zlib
from contextlib import contextmanager

import pandas as pd
import pytest

from chatlib.errors import MissingSource, ParameterError, SourceError, StoreFull, UnwritableFile
from chatlib.files import (
    FILE_MB,
    JSON_OBJECTS,
    Limit,
    atomic_folder,
    atomic_path,
    atomic_write,
    read_file,
    save_table,
    unpack_gzip,
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def file_size_limit(n_bytes):
    """Let no file grow past a size, as a full disk does."""
    resource = pytest.importorskip("resource", reason="not on Windows")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_text_and_bytes_are_written_and_folders_made(tmp_path):
    assert atomic_write(tmp_path / "a" / "b" / "x.txt", "né\n").read_bytes() == "né\n".encode()
    assert atomic_write(str(tmp_path / "y"), b"\x00").read_bytes() == b"\x00"


def test_the_file_there_is_whole_until_the_new_one_is(tmp_path):
    path = atomic_write(tmp_path / "x.json", "old")
    with atomic_path(path) as part:
        assert part.parent == path.parent and part.suffix == ".json"
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names_in(tmp_path) == ["x.json"]


def test_the_bytes_are_on_the_disk_before_the_name_is_theirs(tmp_path, monkeypatch):
    path, seen = atomic_write(tmp_path / "x", "old"), []
    monkeypatch.setattr(os, "fsync", lambda number: seen.append(path.read_text()))
    atomic_write(path, "new")
    assert seen == ["old"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_write_leaves_what_was_there(tmp_path, error):
    path = atomic_write(tmp_path / "x", "old")
    with pytest.raises(error), atomic_path(path) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["x"]


def test_a_full_disk_leaves_what_was_there(tmp_path):
    path = atomic_write(tmp_path / "x", "old")
    with file_size_limit(4096), pytest.raises(StoreFull, match="free some space"):
        atomic_write(path, b"x" * 10_000)
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["x"]


def test_a_full_disk_that_a_foreign_library_reports_is_a_full_disk(tmp_path):
    with pytest.raises(StoreFull), atomic_path(tmp_path / "x"):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


def test_the_mode_and_a_link_stay(tmp_path):
    path = atomic_write(tmp_path / "x", "old")
    path.chmod(0o640)
    (tmp_path / "link").symlink_to(path)
    atomic_write(tmp_path / "link", "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)
    assert (tmp_path / "link").is_symlink()


def test_what_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for name in ("file/x", "folder", "x" * 300):
        with pytest.raises(UnwritableFile, match="name another one") as raised:
            atomic_write(tmp_path / name, "x")
        assert isinstance(raised.value, ParameterError)
    assert names_in(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_as_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    atomic_write(tmp_path / "pipe", "x")
    reader.join()
    assert read == ["x"]


def test_a_table_of_chat_is_inert_in_a_spreadsheet(tmp_path):
    table = pd.DataFrame(
        {"text": ["=1+1", "-x", "fine", "\t@x"], "n": [1, -2, 3, 4], "words": [["a", "b"]] * 4}
    )
    lines = save_table(table, tmp_path / "t.csv").read_text().splitlines()
    assert lines == ["text,n,words", "'=1+1,1,a | b", "'-x,-2,a | b", "fine,3,a | b", "' @x,4,a | b"]


def test_a_folder_is_replaced_as_a_whole_or_stays_as_it_was(tmp_path):
    folder = tmp_path / "model"
    for number in ("1", "2"):
        with atomic_folder(folder) as part:
            (part / number).mkdir()
            (part / number / "x").write_text(number)
            assert folder.exists() is (number == "2")
        assert [path.name for path in folder.iterdir()] == [number]
    with pytest.raises(KeyboardInterrupt), atomic_folder(folder) as part:
        (part / "y").write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in folder.iterdir()] == ["2"]
    assert list(tmp_path.iterdir()) == [folder]


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
    assert unpack_gzip(packed) == unpack_gzip(packed + b"another file") == (text, True)
    assert unpack_gzip(gzip.compress(text[:7]) + gzip.compress(text[7:]) + b"\x00" * 9) == (text, True)
    for damaged in (
        packed[:-9],
        packed[: len(packed) // 2],
        packed[:150_000] + b"\xff" * 99 + packed[150_099:],
    ):
        part, whole = unpack_gzip(damaged)
        assert not whole
        assert text.startswith(part[:100_000]) and len(part) > 150_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
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
