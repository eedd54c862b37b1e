"""Databases of the first version: a message a row, or a stream a row."""

import json
import sqlite3
from contextlib import closing

import pytest

from chatlib.collect.files.first_version import COLUMNS, OldDatabase
from chatlib.collect.files.formats import read_chat_file
from chatlib.collect.files.importing import import_chats
from chatlib.collect.files.into_dataset import import_into_dataset
from chatlib.errors import SourceError, UnknownFormat
from chatlib.records import Message, Stream
from chatlib.store import open_store

A, B = "https://www.youtube.com/watch?v=aaaaaaaaaaa", "https://www.youtube.com/watch?v=bbbbbbbbbbb"


def read(path, url=A):
    with OldDatabase(path) as old:
        rows, notes = old.read_stream(url)
    return [Message._make(row)._replace(message_id="") for row in rows], dict(notes)


def test_a_message_a_row(tmp_path, make_old_database):
    path = make_old_database(tmp_path / "old.dbs")
    with OldDatabase(path) as old:
        assert old.urls == [A, B]
    assert read(path) == (
        [
            Message("", "text_message", 1.5, "name:Ann", "Ann", "hi", badges='["Member (2 months)"]'),
            Message("", "paid_message", 2.0, "name:Bob", "Bob", amount_text="JPY 5000", amount="5000",
                    currency="JPY"),
            Message("", "text_message", -4.0, None, None, "who"),
        ],
        {},
    )  # fmt: skip
    (paid,), _ = read(path, B)
    assert paid[7:11] == ('["Moderator"]', "$10.50", "10.50", "USD")


@pytest.mark.parametrize("write", [json.dumps, repr])
def test_a_stream_a_row(tmp_path, make_old_database, write):
    lists = (
        ["text_message", "paid_message"], [1.5, 2], [["Member (2 months)"], "NULL"], ["Ann", "Bob"],
        ["it's \"me\"", None], ["NULL", 5.0], ["NULL", "USD"],
    )  # fmt: skip
    path = make_old_database(tmp_path / "old.dbs", [(A, *map(write, lists))])
    assert read(path) == (
        [
            Message("", "text_message", 1.5, "name:Ann", "Ann", 'it\'s "me"', badges='["Member (2 months)"]'),
            Message(
                "", "paid_message", 2.0, "name:Bob", "Bob", amount_text="USD 5", amount="5", currency="USD"
            ),
        ],
        {},
    )


def test_a_message_that_looks_like_a_list_is_a_message(tmp_path, make_old_database):
    row = (A, "text_message", "1", "NULL", "Ann", '["NULL"]', "NULL", "NULL")
    assert read(make_old_database(tmp_path / "old.dbs", [row]))[0][0].text == '["NULL"]'


def test_numbers_in_a_column_of_text_are_words(tmp_path, make_old_database):
    row = (A, "text_message", 1, None, 77, 1234, None, None)
    (message,), _ = read(make_old_database(tmp_path / "old.dbs", [row]))
    assert (message.author_name, message.text) == ("77", "1234")


def test_what_cannot_be_used_is_counted(tmp_path, make_old_database):
    rows = [
        (A, "NULL", "5", "NULL", "NULL", "NULL", "NULL", "NULL"),
        (A, "text_message", "dawn", "NULL", "Ann", "hi", "NULL", "NULL"),
    ]
    messages, notes = read(make_old_database(tmp_path / "old.dbs", rows))
    assert [(m.text, m.offset_s) for m in messages] == [("hi", None)]
    assert notes == {"row is empty": 1, "kept without offset": 1}


def test_the_table_may_have_another_name(tmp_path, make_old_database):
    assert len(read(make_old_database(tmp_path / "old.dbs", table="Livestreams"))[0]) == 3


def test_a_database_of_something_else_is_an_unknown_format(tmp_path):
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        other.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    with pytest.raises(UnknownFormat, match="ListofMessages"):
        OldDatabase(tmp_path / "x.db")


def test_a_chat_database_is_no_file_to_import(tmp_path):
    open_store(tmp_path / "chat.dbs", create=True).close()
    with pytest.raises(UnknownFormat, match="--db"):
        OldDatabase(tmp_path / "chat.dbs")


def test_a_damaged_database_is_a_source_error(tmp_path, make_old_database):
    path = make_old_database(tmp_path / "old.dbs")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError, match="whole"):
        OldDatabase(path)


def test_the_nine_columns_of_the_view_come_back_as_they_were(tmp_path, make_old_database):
    messages = [
        Message("1", "text_message", 1.0, "UC1", "Ann", "hi", badges='["New member"]'),
        Message("2", "text_message", 1.0, "UC1", "Ann", "hi"),
        Message("3", "text_message", 1.0, "UC1", "Ann", "hi"),
        Message(
            "4", "paid_message", 2.5, "UC2", "Bob", None, amount_text="¥5,000", amount="5000", currency="JPY"
        ),
        Message("5", "paid_sticker", 3.0, "UC3", "Cid", amount_text="10,00 kr", amount="10.00"),
        Message("6", "text_message", -7.25, None, None, ""),
    ]
    view = f"SELECT id, {', '.join(COLUMNS)} FROM DBdb ORDER BY id"
    with open_store(tmp_path / "first.dbs", create=True) as db:
        db.save_chat(Stream("youtube", "a" * 11, url=A, started_at="2026-01-01"), messages)
        db.save_chat(Stream("youtube", "b" * 11, url=B, started_at="2026-01-02"), messages[:2])
        before = db.connection.execute(view).fetchall()
    old = make_old_database(tmp_path / "old.dbs", [row[1:] for row in before])
    (tmp_path / "streams.csv").write_text(
        "video_id,date\n" + "a" * 11 + ",2026-01-01\n" + "b" * 11 + ",2026-01-02\n"
    )
    with open_store(tmp_path / "second.dbs", create=True) as db:
        report = import_chats(db, [old])
        assert db.connection.execute(view).fetchall() == before
        assert (report.n_added, report.errors) == (8, {})
        again = import_chats(db, [old])
        assert (again.n_added, [f.state for f in again.files]) == (0, ["known", "known"])


def test_the_oldest_streams_by_the_list_beside_it(tmp_path, make_old_database):
    old = make_old_database(tmp_path / "old.dbs")
    (tmp_path / "streams.csv").write_text(f"url,date,title\n{A},2026-02-01,Late\n{B},2026-01-01,Early\n")
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        import_chats(db, [old], limit=1)
        assert db.load_streams()[["video_id", "title", "started_at"]].values.tolist() == [
            ["b" * 11, "Early", "2026-01-01"]
        ]
        assert [f.state for f in import_chats(db, [old]).files] == ["known", "imported"]


def test_rows_in_the_log_beside_it_come_in_and_the_list_tells_of_its_only_stream(tmp_path, make_old_database):
    old = make_old_database(tmp_path / "old.dbs", [(A, "text_message", "1", "NULL", "Ann", "hi", "", "")])
    (tmp_path / "streams.csv").write_text(f"url,title\n{A},Alone\n")
    with closing(sqlite3.connect(old, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute(
            f"INSERT INTO DBdb ({', '.join(COLUMNS)}) VALUES (?, 'text_message', 2, '', 'Bo', 'ho', '', '')",
            (A,),
        )
        chat = read_chat_file(old)
    assert (chat.stream.title, [m.text for m in chat.messages]) == ("Alone", ["hi", "ho"])


def test_it_goes_into_a_data_set_through_a_chat_database(tmp_path, make_old_database):
    old = make_old_database(tmp_path / "old.dbs")
    report = import_into_dataset([old], tmp_path / "dataset")
    assert "import it into a chat database" in report.errors[old]
