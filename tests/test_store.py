"""What is written once is there once, whole, and can be read back in order."""

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from chatlib.errors import MissingSource, NewerSchema, NotADatabase, ParameterError, StoreError, StoreFull
from chatlib.records import (
    DONATION_KINDS,
    GIFT_RECEIVED_KINDS,
    MEMBERSHIP_KINDS,
    TICKER_KINDS,
    Message,
    Stream,
)
from chatlib.schema import APPLICATION_ID, MIGRATIONS
from chatlib.store import Import, open_store
from tests.places import ROOT

STREAM = Stream(
    "youtube", "aaaaaaaaaaa", url="https://youtu.be/aaaaaaaaaaa", started_at="2026-01-01T10:00:00+00:00"
)
MESSAGES = [
    Message("m1", "text_message", 5.0, "UC1", "Ann", text="hi", badges='["Member (2 months)"]'),
    Message("m0", "text_message", -3.5, "UC2", "Bob", text="early"),
    Message("m2", "paid_message", 5.0, "UC1", "Ann", amount_text="$5.00", amount="5.00", currency="USD"),
    Message("m2", "ticker_paid_message_item", 5.0, "UC1", "Ann", amount_text="$5.00"),
    Message("m3", "placeholder_item", None, None, None),
]


def test_messages_come_back_by_offset_ties_in_source_order(db):
    assert db.save_chat(STREAM, MESSAGES) == (1, 5)
    table = db.load_messages(columns=["message_id", "kind", "offset_s", "name", "text"])
    assert table["message_id"].tolist() == ["m3", "m0", "m1", "m2", "m2"]
    assert table["kind"].tolist()[-2:] == ["paid_message", "ticker_paid_message_item"]
    assert table["name"].tolist()[1:] == ["Bob", "Ann", "Ann", "Ann"]


def test_a_locked_database_is_one_error_with_the_next_step(db):
    db.connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(db.path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"is locked.* no other program .* run the same command again"):
        db.save_chat(STREAM)
    other.close()


def test_the_same_chat_twice_changes_nothing(db):
    db.save_chat(STREAM, MESSAGES)
    before = list(db.connection.iterdump())
    assert db.save_chat(STREAM, MESSAGES) == (1, 0)
    assert list(db.connection.iterdump()) == before


def test_a_longer_chat_adds_only_what_is_new_and_keeps_the_order(db):
    db.save_chat(STREAM._replace(state="partial"), MESSAGES[:2])
    assert db.save_chat(STREAM, MESSAGES).added == 3
    stream = db.load_streams().iloc[0]
    assert (stream["state"], stream["n_messages"], stream["last_offset_s"]) == ("complete", 5, 5.0)
    assert db.load_messages()["message_id"].tolist()[-3:] == ["m1", "m2", "m2"]


def test_messages_of_one_moment_keep_the_order_in_which_they_came(db):
    rows = [Message(f"m{i}", "text_message", 5.0, "UC1", text="x") for i in range(4)]
    for part in (rows[:2], rows[:3], rows[3:]):
        db.save_chat(STREAM, part)
    assert db.load_messages()["message_id"].tolist() == ["m0", "m1", "m2", "m3"]


def test_what_a_stream_does_not_say_leaves_what_is_known_alone(db):
    db.save_chat(STREAM._replace(title="First"))
    db.save_chat(Stream("youtube", "aaaaaaaaaaa", duration_s=60.0))
    stream = db.load_streams().iloc[0]
    assert (stream["title"], stream["duration_s"], stream["started_at"]) == ("First", 60.0, STREAM.started_at)


def test_an_author_is_one_across_streams_and_takes_the_last_name(db):
    db.save_chat(STREAM, MESSAGES)
    db.save_chat(STREAM._replace(video_id="b" * 11), [Message("x", "text_message", 1.0, "UC1", "Ann2")])
    assert db.query("SELECT author_id, name FROM authors ORDER BY 1").values.tolist() == [
        ["UC1", "Ann2"],
        ["UC2", "Bob"],
    ]


def test_a_failure_in_the_middle_stores_nothing_of_the_stream(db):
    def broken():
        yield MESSAGES[0]
        raise RuntimeError("source broke")

    with pytest.raises(RuntimeError):
        db.save_chat(STREAM, broken())
    assert len(db.load_streams()) == 0
    assert db.save_chat(STREAM, MESSAGES).added == 5  # and the authors are known to be unknown again
    assert len(db.query("SELECT * FROM authors")) == 2


def test_a_nested_transaction_fails_alone(db):
    with db.transaction():
        db.save_chat(STREAM, MESSAGES[:1])
        with pytest.raises(ParameterError), db.transaction():
            db.save_chat(STREAM._replace(video_id="c" * 11), MESSAGES)
            raise ParameterError("no")
    assert db.load_streams()["video_id"].tolist() == ["aaaaaaaaaaa"]


def test_two_writers_agree_on_authors(db):
    with open_store(db.path) as other:
        db.save_chat(STREAM, MESSAGES[:1])
        other.save_chat(STREAM._replace(video_id="d" * 11), MESSAGES)
        db.save_chat(STREAM._replace(video_id="e" * 11), MESSAGES)
    names = db.load_messages(columns=["stream_id", "message_id", "author_id"]).dropna()
    assert set(names[names["message_id"] == "m0"]["author_id"]) == {"UC2"}


def test_state_and_view_are_of_the_known_ones(db):
    with pytest.raises(ParameterError, match="'done'"):
        db.save_chat(STREAM._replace(state="done"))


def test_an_imported_file_is_remembered(db):
    source = Import("abc", "a.json", "chat-downloader", 5, {"no id": 2})
    saved = db.save_chat(STREAM, MESSAGES, source=source)
    second = source._replace(content="abc:1")
    db.save_chat(STREAM, source=second)
    name = f"{STREAM.platform}/{STREAM.video_id}"
    assert db.find_imports("abc") == [(source, saved.stream_id, name), (second, saved.stream_id, name)]
    assert db.find_imports("ab") == db.find_imports("abd") == []


def test_the_first_versions_view_has_its_nine_columns(db):
    db.save_chat(STREAM, MESSAGES)
    table = db.query("SELECT * FROM DBdb")
    assert list(table) == [
        "id", "URL", "TypeofMessages", "ListofTimes", "ListofBadges", "ListofAuthors",
        "ListofMessages", "DonationAmount", "DonationCurrency",
    ]  # fmt: skip
    row = db.connection.execute("SELECT * FROM DBdb WHERE id = 4").fetchone()
    assert row == (4, STREAM.url, "paid_message", 5.0, None, "Ann", None, "5.00", "USD")


def test_digest_is_of_content_not_of_keys_and_dates(db, tmp_path):
    other_stream = STREAM._replace(video_id="b" * 11)
    db.save_chat(STREAM, MESSAGES)
    db.save_chat(other_stream, MESSAGES[:1])
    with open_store(tmp_path / "other.dbs", create=True) as other:
        other.save_chat(other_stream, MESSAGES[:1])
        other.save_chat(STREAM, MESSAGES)
        assert other.digest() == db.digest()
        other.save_chat(other_stream, MESSAGES[1:2])
        assert other.digest() != db.digest()


def test_chat_text_is_data_not_sql(db):
    text = "'); DROP TABLE messages; --"
    db.save_chat(STREAM._replace(title=text), [Message("x", "text_message", 0.0, text, text, text=text)])
    assert db.load_messages(columns=["text"])["text"].tolist() == [text]


def test_a_full_disk_is_told_and_leaves_the_database_whole(db):
    db.save_chat(STREAM, MESSAGES)
    (pages,) = db.connection.execute("PRAGMA page_count").fetchone()
    db.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    big = (Message(f"x{i}", "text_message", float(i), text="y" * 500) for i in range(1000))
    with pytest.raises(StoreFull, match="free some space"):
        db.save_chat(STREAM._replace(video_id="f" * 11), big)
    assert db.load_streams()["video_id"].tolist() == ["aaaaaaaaaaa"]
    assert db.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_no_database_is_told(tmp_path):
    for read_only in (False, True):
        with pytest.raises(MissingSource, match="notebook 01"):
            open_store(tmp_path / "none.dbs", read_only=read_only)
    assert not (tmp_path / "none.dbs").exists()


def test_another_file_is_told(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("not a database, and long enough to have a header of sixteen bytes" * 10)
    with pytest.raises(NotADatabase):
        open_store(path, create=True)
    other = tmp_path / "other.dbs"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE DBdb (id)")
    connection.close()
    with pytest.raises(NotADatabase, match="first version"):
        open_store(other)


def test_a_newer_schema_is_refused_untouched(tmp_path):
    path = tmp_path / "new.dbs"
    with open_store(path, create=True) as store:
        store.connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(NewerSchema, match="99"):
        open_store(path)
    assert path.read_bytes() == before


def test_unknown_columns_are_told(db):
    with pytest.raises(ParameterError, match="colour"):
        db.load_messages(columns=["colour"])


@pytest.mark.parametrize(
    ("known", "told", "kept"),
    [
        ("complete", "partial", "complete"),
        ("complete", "blocked", "complete"),
        ("partial", "failed", "partial"),
        ("partial", "complete", "complete"),
        ("failed", "blocked", "blocked"),
        ("no_replay", "partial", "partial"),
    ],
)
def test_a_state_never_takes_the_place_of_a_better_one(db, known, told, kept):
    db.save_chat(STREAM._replace(state=known, view="live", reason=f"was {known}"))
    db.save_chat(STREAM._replace(state=told, view="top", reason=f"is {told}"))
    stream = db.load_streams().iloc[0]
    taken = kept == told
    assert (stream["state"], stream["view"]) == (kept, "top" if taken else "live")
    assert stream["reason"] == (f"is {told}" if taken else f"was {known}")


def test_a_reason_goes_with_its_state(db):
    db.save_chat(STREAM._replace(state="blocked", reason="a bot check"))
    db.save_chat(STREAM)
    assert db.load_streams().iloc[0]["reason"] is None


def test_the_digest_is_the_same_whether_a_chat_came_at_once_or_in_pieces(tmp_path):
    with open_store(tmp_path / "once.dbs", create=True) as once:
        once.save_chat(STREAM, MESSAGES)
        digest = once.digest()
    with open_store(tmp_path / "pieces.dbs", create=True) as pieces:
        pieces.save_chat(STREAM, MESSAGES[:3])
        pieces.save_chat(STREAM, MESSAGES[1:])  # offers two again, which leaves a gap in the positions
        assert pieces.digest() == digest
        pieces.save_chat(STREAM, [Message("m4", "text_message", 6.0)])
        assert pieces.digest() != digest


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_an_older_schema_is_brought_up_to_date_and_can_be_read_as_it_is(db, tmp_path, version):
    db.save_chat(STREAM._replace(video_id="v1"), MESSAGES)
    path = tmp_path / "old" / "chat.dbs"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript("".join(MIGRATIONS[:version]))
        old.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}")
        old.execute("ATTACH ? AS new", (str(db.path),))
        for table in ("streams", "authors", "messages"):
            columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")
    before = path.read_bytes()
    for read_only in (True, False):
        with open_store(path, read_only=read_only) as store:
            assert store.digest() == db.digest()
            assert store.load_attendance().equals(db.load_attendance())
            assert store.count_by_stream().equals(db.count_by_stream())
        if read_only:
            assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_payments_are_the_kinds_that_pay_and_messages_with_bits(db):
    kinds = sorted(DONATION_KINDS | MEMBERSHIP_KINDS | GIFT_RECEIVED_KINDS | TICKER_KINDS | {"raid"})
    messages = [Message(f"m{i}", kind, 1.0, "UC1") for i, kind in enumerate(kinds)]
    messages += [
        Message("b0", "text_message", 2.0, "UC2", bits=100),
        Message("b1", "text_message", 2.0, "UC2"),
    ]
    saved = db.save_chat(STREAM, messages)
    paid = db.query("SELECT kind, bits FROM payments")
    assert set(paid["kind"]) == DONATION_KINDS | {"text_message"}
    assert len(paid) == len(DONATION_KINDS) + 1
    assert db.count_content([saved.stream_id]) == {
        "streams": 1, "messages": len(messages), "authors": 2, "paid": len(paid),
    }  # fmt: skip
    assert db.count_by_stream().values.tolist() == [[saved.stream_id, 1, 2, len(paid)]]
    assert db.count_people(()) == {"authors": 2, "chatters": 1, "members": 0, "donors": 2}


def test_a_database_opened_to_be_read_is_not_written(tmp_path):
    path = tmp_path / "chat.db"
    with open_store(path, create=True) as db:
        db.save_chat(Stream("twitch", "1"), [Message("1", "text_message", 1.0)])
    before = path.read_bytes()
    with open_store(path, read_only=True) as db:
        assert db.load_streams()["n_messages"].tolist() == [1]
        with pytest.raises(StoreError):
            db.save_chat(Stream("twitch", "2"))
        with open_store(path) as writer:  # somebody else may write meanwhile
            writer.save_chat(Stream("twitch", "2"))
        assert len(db.load_streams()) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["chat.db"]
    assert path.read_bytes()[:16] == before[:16]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs the right to become nobody")
def test_a_database_in_a_folder_that_cannot_be_written_is_read():
    code = "import os, sys; from chatlib.store import open_store; os.setuid(65534); "
    code += "print(len(open_store(sys.argv[1], read_only=True).load_streams()))"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chat.db"
        with open_store(path, create=True) as db:
            db.save_chat(Stream("twitch", "1"))
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", code, path]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert (done.stdout, list(Path(folder).iterdir())) == ("1\n", [path]), done.stderr


def test_a_table_read_in_batches_is_that_of_all_rows_at_once(db, monkeypatch):
    db.save_chat(STREAM, [*MESSAGES, Message("m9", "text_message", 9.0, "UC2", "Bob", "x", bits=5)])
    db.save_chat(STREAM._replace(video_id="g" * 11), MESSAGES[::-1])
    sql = "SELECT * FROM messages ORDER BY stream_id, position"
    whole = db.load_messages(), db.query(sql), db.query(f"{sql} LIMIT 0")
    for n_rows in (1, 2, 3):
        monkeypatch.setattr("chatlib.queries._BATCH", n_rows)
        pieces = db.load_messages(), db.query(sql), db.query(f"{sql} LIMIT 0")
        for own, other in zip(whole, pieces, strict=True):
            pd.testing.assert_frame_equal(own, other)


def test_visits_say_what_the_messages_hold(tmp_path):
    rows = [
        Message("1", "text_message", 5.0, "a", "Ann", text="hello", badges='["Owner"]'),
        Message("2", "paid_message", 9.0, "a", "Ann", text="take", badges='["Member (1 year)"]'),
        Message("3", "text_message", 7.0, "b", "Bob", text=None),
    ]
    columns = ["author", "n_rows", "chats", "chars", "first_s", "last_s", "is_owner", "badges"]
    expected = [[1, 2, 1, 9, 5.0, 9.0, 1, '["Member (1 year)"]'], [2, 1, 1, 0, 7.0, 7.0, 0, None]]
    pieces = [rows[:1], rows[:2], rows[1:], rows[1:2]]
    for name, view, parts in (("whole", "live", [rows]), ("a", "live", pieces), ("b", "captured", pieces)):
        with open_store(tmp_path / name, create=True) as db:
            for part in parts:
                db.save_chat(Stream("youtube", "v", view=view), part)
            assert db.load_streams()["n_messages"].item() == 3
            visits = db.load_attendance()
            assert (
                visits[columns].astype(object).where(visits[columns].notna(), None).to_numpy().tolist()
                == expected
            )
            assert db.find_owners() == [1]
