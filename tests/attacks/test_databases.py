"""A damaged database is one sentence, and nothing is written into it."""

import hashlib
import os
import random
import sqlite3

import pytest

from chatlib.__main__ import main
from chatlib.errors import ChatlibError, DamagedStore, NotADatabase, ParameterError
from chatlib.records import Message, Stream
from chatlib.store import open_store

N = 200


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a database of 2,000 messages in two streams."""
    path = tmp_path_factory.mktemp("whole") / "chat.dbs"
    with open_store(path, create=True) as db:
        for video_id in ("aaaaaaaaaaa", "bbbbbbbbbbb"):
            messages = [
                Message(f"m{i}", "text_message", i / 2, f"UC{i % 37}", f"Name {i % 37}", f"word {i % 101}")
                for i in range(1000)
            ]
            db.save_chat(Stream("youtube", video_id, started_at="2026-01-01"), messages)
    return path.read_bytes()


def damage(data, seed):
    rng = random.Random(seed)
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 5, 50])):
        start = rng.randrange(len(damaged))
        damaged[start : start + rng.choice([1, 8, 200])] = rng.randbytes(rng.choice([1, 8, 200]))
    return bytes(damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])])


def test_whatever_is_damaged_is_one_sentence_and_stays_as_it_is(whole, tmp_path, capsys):
    (tmp_path / "new.json").write_text(
        '[{"message_id": "x", "message_type": "text_message", "message": "hi", "time_in_seconds": 1}]'
    )
    path = tmp_path / "damaged.dbs"
    n_refused = 0
    for seed in range(N):
        path.write_bytes(damage(whole, seed))
        before = hashlib.blake2b(path.read_bytes()).digest()
        try:
            with open_store(path, read_only=True) as db:
                db.digest()
                db.load_messages()
        except ChatlibError as error:
            n_refused += 1
            assert str(path) in str(error)
            assert main(["import", str(tmp_path / "new.json"), "--db", str(path)]) == 1, seed
            assert main(["analyze", str(path), "-o", str(tmp_path / "out")]) in (1, 2), seed
            assert hashlib.blake2b(path.read_bytes()).digest() == before, seed
    assert n_refused > N * 0.7
    assert "Traceback" not in capsys.readouterr().err


def test_a_file_is_checked_once_until_it_changes(whole, tmp_path):
    path = tmp_path / "chat.dbs"
    for data in (whole, whole[:4096] + b"\xff" * 4096 + whole[8192:]):
        path.write_bytes(data)
        os.utime(path, (1, 1))
        open_store(path).close()
    os.utime(path, (2, 2))
    with pytest.raises(DamagedStore, match="import the chats into a new file"):
        open_store(path)


def test_an_empty_file_and_memory_are_no_database(tmp_path):
    (tmp_path / "empty.dbs").touch()
    with pytest.raises(NotADatabase, match="empty"):
        open_store(tmp_path / "empty.dbs")
    for name in (":memory:", "file:x?mode=memory"):
        with pytest.raises(ParameterError, match="must be a file"):
            open_store(name, create=True)
    assert (tmp_path / "empty.dbs").stat().st_size == 0


def test_what_sqlite_says_while_reading_is_an_error_of_ours(whole, tmp_path):
    path = tmp_path / "chat.dbs"
    path.write_bytes(whole)
    with open_store(path) as db:
        assert db.connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
        with pytest.raises(ChatlibError, match=r"chat\.dbs"):
            db.query("SELECT * FROM nothing")
        with sqlite3.connect(path) as other:
            other.execute("UPDATE authors SET name = CAST(x'ff' AS TEXT)")
        other.close()
        with pytest.raises(DamagedStore):
            db.digest()
