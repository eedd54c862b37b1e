"""Tables become chats: whose columns hold what, how times are written, several streams, what is damaged."""

import datetime as dt
import io
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from chatlib.__main__ import main
from chatlib.collect.files.formats import looks_like_chat, read_chat, read_chats
from chatlib.collect.files.importing import import_chats
from chatlib.errors import ParameterError, SourceError, UnknownFormat
from chatlib.options import read_columns_option
from chatlib.store import open_store


def read(text, **columns):
    (chat,) = read_chats(text.encode(), file_name="x.csv", row={}, columns=columns)
    return chat


def offsets(text, **columns):
    return [m.offset_s for m in read(text, **columns).messages]


def as_parquet(table):
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "heading",
    [
        "time,author,message", "Timestamp,User,Text", "offset_s,author_name,body",
        "Sekunden,Benutzer,Nachricht",
        "tiempo,usuario,mensaje", "temps,pseudo,commentaire", "время,автор,сообщение", "時間,名前,コメント",
        "时间,昵称,弹幕", "시간,닉네임,채팅",
    ],
)  # fmt: skip
def test_columns_are_known_by_name_in_many_languages(heading):
    said = [m[2:6] for m in read(f"{heading}\n5,Ann,hi\n7.5,Bob,yo\n").messages]
    assert said == [(5.0, "name:Ann", "Ann", "hi"), (7.5, "name:Bob", "Bob", "yo")]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("5", "7.5", [5.0, 7.5]),
        ("0:05", "1:00:07", [5.0, 3607.0]),
        ("2021-07-15T20:00:05Z", "2021-07-15 22:00:07+02:00", [0.0, 2.0]),
        ("2021-07-15 20:00:05 UTC", "2021-07-15 20:00:07.5 UTC", [0.0, 2.5]),
        ("1626379205", "1626379207", [0.0, 2.0]),
        ("1626379205000", "1626379207500", [0.0, 2.5]),
        ("1626379205000000000", "1626379207500000000", [0.0, 2.5]),
        ("15/07/2021 20:00:05", "16/07/2021 20:00:05", [0.0, 86400.0]),
        ("7/8/2021 11:59:05 AM", "7/8/2021 1:00:07 PM", [0.0, 3662.0]),
        ("12/31/2021 11:59:05 p.\xa0m.", "1/1/2022 12:00:07 a.m.", [0.0, 62.0]),
        ("2021/7/15 上午11:59:05", "2021/7/15 下午 1:00:07", [0.0, 3662.0]),
        ("15/07/2021 at 20:00", "15/07/2021 at 21:00", [0.0, 3600.0]),
        ("15.07.2021 20:00", "15.07.2021 20:01", [0.0, 60.0]),
        ("0 days 00:00:05.500000", "1 days 00:00:01", [5.5, 86401.0]),
        ('"1 day, 0:00:01"', '"-1 day, 23:59:55"', [86401.0, -5.0]),
        ("2021年7月15日 20:00:05", "2021年7月15日 20:00:07", [0.0, 2.0]),
        ("Jul 15 2021 8:00 PM", "Jul 15 2021 8:01 PM", [0.0, 60.0]),
    ],
)
def test_times_in_many_forms(first, second, expected):
    assert offsets(f"time,author,message\n{first},Ann,hi\n{second},Bob,yo\n") == expected


@pytest.mark.parametrize(
    "written",
    [
        "7/15/2021 1:00:05 PM PDT", "15.07.2021 22:00:05 cest", "2021-07-15 16:00:05 EDT",
        "15/07/2021 22:00:05 +0200", "2021-07-15 22:00:05 GMT+2", "Jul 15 2021 10:00:05 PM CEST",
        "2021-07-15T20:00:05Z", "Thu Jul 15 2021 22:00:05 GMT+0200 (Central European Summer Time)",
        "15.07.2021 20:00:05 XYT", "15/07/2021 17:30:05 -0230",
    ],
)  # fmt: skip
def test_zones_of_times_are_read_or_named(written):
    chat = read(f'time,author,message\n"{written}",Ann,hi\n')
    unknown = {"a zone that is not known is read as UTC: XYT": 1} if "XYT" in written else {}
    assert ([m.timestamp_us for m in chat.messages], chat.skipped) == ([1_626_379_205_000_000], unknown)


def test_a_day_and_a_time_of_day_are_one_moment():
    for first, second in (("20:00:05", "00:00:05"), ("8:00:05 PM", "12:00:05 AM")):
        table = f"date,time,user,text\n2021-07-15,{first},Ann,hi\n2021-07-16,{second},Bob,yo\n"
        assert offsets(table) == [0.0, 14400.0]


@pytest.mark.parametrize("written", ["1m5s", "8:15 PM", "1.234,5", "soon"])
def test_times_that_cannot_be_read_are_counted(written):
    chat = read(f'time,author,message\n"{written}",Ann,hi\n"{written}",Bob,yo\n')
    assert ([m.offset_s for m in chat.messages], chat.skipped) == ([None, None], {"kept without offset": 2})
    assert offsets(f'date,time,author,message\n2021-07-15,"{written} x",Ann,hi\n') == [None]


def test_milliseconds_decimal_commas_and_amounts():
    assert offsets("offset_ms,author,message\n5500,Ann,hi\n") == [5.5]
    for name, offset_s in (("timeMs", 5.5), ("milliseconds", 5.5), ("items_time", 5500.0)):
        table = f"{name},author,message\n5500,Ann,hi\n"
        assert offsets(table, time=name) == [offset_s]
        assert list(read(table).skipped) == ["no column is known as the time: --columns time=NAME"]
    chat = read("Sekunden;Autor;Text;Betrag;Währung\n5,5;Ann;hi;0;EUR\n6,5;Bob;yo;5,00;EUR\n7;Cid;x;$2;\n")
    assert [(m.kind, m.offset_s, m.amount_text, m.amount, m.currency) for m in chat.messages] == [
        ("text_message", 5.5, None, None, None),
        ("paid_message", 6.5, "EUR 5,00", "5.00", "EUR"),
        ("paid_message", 7.0, "$2", "2", "USD"),
    ]


def test_columns_that_are_said():
    text = "a,b,c,d\n5,Ann,hi,s1\n7,Bob,yo,s2\n"
    columns = read_columns_option("time=a,author=b,text=3,stream=d")
    chats = read_chats(text.encode(), file_name="x.csv", row={}, columns=columns)
    assert [(c.stream.video_id, c.messages[0].text) for c in chats] == [("s1", "hi"), ("s2", "yo")]
    for wrong in ("time", "when=a", "text=", "="):
        with pytest.raises(ParameterError, match="by what they hold"):
            read_columns_option(wrong)
    with pytest.raises(UnknownFormat, match="one of the table's"):
        read_chats(text.encode(), file_name="x.csv", row={}, columns={"text": "nowhere"})


@pytest.mark.parametrize(
    ("heading", "match"),
    [("a,b,c,d", "column for the text"), ("message,x,y,z", "author or time")]
    + [(h, "one column for the text") for h in ("time,author,message,Text", "time,author,text,text")]
    + [("time,name,nick,text", "one column for the author, and this one has")],
)
def test_a_table_whose_columns_are_not_plain(heading, match):
    with pytest.raises(UnknownFormat, match=match):
        read(f"{heading}\n1,a,b,c\n")


@pytest.mark.parametrize(
    "written",
    [
        "sep=;\r\ntime;author;message\r\n1;Ann;a\r\n2;Bob;b\r\n",
        '"sep=,"\ntime,author,message\n1,Ann,a\n2,Bob,b\n',
        "time,author,message\r1,Ann,a\r2,Bob,b\r",
        "time,author,message\n1,Ann,a\ntime,author,message\n2,Bob,b\n",
        "time, author, message\n1, Ann,a\n2, Bob,b\n",
        "\ufeff# a remark\ntime,author,message\n1,Ann,a\n2,Bob,b\n",
        "\ufefftime,author,message\n1,Ann,a\n\ufefftime,author,message\n2,Bob,b\n",
    ],
)
def test_tables_as_other_hands_leave_them(written):
    chat = read(written)
    assert [m[2:6] for m in chat.messages] == [(1.0, "name:Ann", "Ann", "a"), (2.0, "name:Bob", "Bob", "b")]
    assert chat.skipped == {}


def test_ids_that_became_numbers_with_a_fraction_are_the_same_ids():
    chat = read("time,author_id,author,message,message_id,stream\n1,12.0,Ann,a,7.0,3.0\n")
    assert (chat.stream.video_id, chat.messages[0][0], chat.messages[0][3]) == ("3", "7", "12")


def test_a_table_without_a_heading():
    for rows in (
        "2021-07-15 20:00:05\tAnn\thi there\n2021-07-15 20:00:07\tBob\tyo, well\n"
        "2021-07-15 20:00:09\tAnn\tok then\n",
        "0:05;hi there;Ann\n0:07;yo, well;Bob\n0:09;ok then;Ann\n",
    ):
        chat = read(rows)
        assert [(m.author_name, m.text) for m in chat.messages][:2] == [
            ("Ann", "hi there"),
            ("Bob", "yo, well"),
        ]
        assert [m.offset_s - chat.messages[0].offset_s for m in chat.messages] == [0.0, 2.0, 4.0]
    with pytest.raises(UnknownFormat, match="without a heading"):
        read("1,2\n3,4\n")


def test_rows_that_are_cut_short_or_torn_are_counted():
    chat = read('time,author,message\n5,Ann\n6,Bob,hi\n\n7,Cid,"two\nlines"\nx,y,z,1\nlater,Dan,so\n8,Ev')
    assert [(m.offset_s, m.text) for m in chat.messages] == [(6.0, "hi"), (7.0, "two\nlines"), (None, "so")]
    assert chat.skipped == {"row has more or fewer columns than the table": 3, "kept without offset": 1}


def test_hostile_cells_are_text():
    cells = [
        "=HYPERLINK(1)",
        "'; DROP TABLE messages",
        "<script>",
        "\x1b[31m",
        "../../etc",
        "$x^$",
        "\u202eabc",
    ]
    chat = read("time,author,message\n" + "".join(f'{i},{cell},"{cell}"\n' for i, cell in enumerate(cells)))
    assert [m.text for m in chat.messages] == cells == [m.author_name for m in chat.messages]


def test_a_huge_cell_and_too_many_columns(monkeypatch):
    rows = "".join(f"{i},a,{'x' * 3_000_000}\n" for i in range(9))
    assert len(read(f"time,author,message\n{rows}").messages) == 9
    with pytest.raises(SourceError, match="8 MB"):
        read(f"time,author,message\n1,a,{'x' * 20_000_000}\n2,b,c\n")
    monkeypatch.setenv("CHATLIB_MAX_LINE_MB", "2")
    with pytest.raises(SourceError, match="CHATLIB_MAX_LINE_MB"):
        read(f"time,author,message\n{rows}")
    monkeypatch.setenv("CHATLIB_MAX_TABLE_COLUMNS", "10")
    with pytest.raises(SourceError, match="CHATLIB_MAX_TABLE_COLUMNS"):
        read("time,author,message" + ",x" * 20 + "\n1,a,b" + "," * 20 + "\n")


def test_a_small_parquet_file_does_not_become_a_large_one(monkeypatch):
    monkeypatch.setenv("CHATLIB_MAX_FILE_MB", "50")
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["x" * 100_000]))
    data = as_parquet(pa.table({"time": list(range(1000)), "author": ["a"] * 1000, "text": text}))
    assert len(data) < 200_000
    with pytest.raises(SourceError, match="CHATLIB_MAX_FILE_MB"):
        read_chat(data, file_name="x.parquet", row={})
    monkeypatch.setenv("CHATLIB_MAX_TABLE_ROWS", "999")
    with pytest.raises(SourceError, match="CHATLIB_MAX_TABLE_ROWS"):
        read_chat(data, file_name="x.parquet", row={})


def test_parquet_with_objects_lists_and_odd_types():
    table = pa.table(
        {
            "time_in_seconds": pa.array([1, None, 3], pa.int32()),
            "message": pa.array(["a", "b\x00", None]),
            "author": [{"id": "UC1", "name": "Ann", "badges": [{"title": "Mod"}]}, {"name": "Bob"}, None],
            "emotes": [[{"name": "Kappa"}], None, []],
            "money": [None, {"text": "$5.00"}, {"text": "$1.00"}],
            "message_type": ["text_message", "paid_message", "paid_sticker"],
            "blob": [b"\xff", b"", None],
        }
    )
    chat = read_chat(as_parquet(table), file_name="x.parquet", row={})
    assert (chat.messages[0].badges, chat.messages[0].emotes) == ('["Mod"]', '["Kappa"]')
    assert [(m.kind, m.offset_s, m.author_id, m.text, m.amount) for m in chat.messages] == [
        ("text_message", 1.0, "UC1", "a", None),
        ("paid_message", None, "name:Bob", "b", "5.00"),
        ("paid_sticker", 3.0, None, None, "1.00"),
    ]


MOMENTS = [dt.datetime(2021, 7, 15, 20), dt.datetime(2021, 7, 15, 20, 0, 2)]


@pytest.mark.parametrize(
    "times",
    [
        {"date": [t.date() for t in MOMENTS], "time": [t.time() for t in MOMENTS]},
        {"created_at": pa.array(MOMENTS, pa.timestamp("ns", "America/New_York"))},
        {"time": pa.array([0, 2], pa.duration("s"))},
    ],
)
def test_parquet_columns_of_the_types_that_other_programs_write(times):
    views = pa.large_string() if pa.__version__ < "21" else pa.string_view()  # which older ones do not write
    said = {"author": pa.array([" Ann", "Bob "], views), "message": ["a", "b"]}
    table = pa.table({**times, **said, "author_id": [5.0, 6.0]})
    chat = read_chat(as_parquet(table), file_name="x.parquet", row={})
    assert [m[2:6] for m in chat.messages] == [(0.0, "5", "Ann", "a"), (2.0, "6", "Bob", "b")]
    named = pa.array([{"name": "Ann"}], pa.struct({"name": pa.large_string()}.items()))
    for n_rows in (1, 0):
        nested = pa.table({"time": [1], "message": ["a"], "author": named})[:n_rows]
        chat = read_chat(as_parquet(nested), file_name="x.parquet", row={})
        assert [m.author_name for m in chat.messages] == ["Ann"][:n_rows]


@pytest.mark.parametrize("cut", [5, 50, -20, -4])
def test_a_parquet_file_that_is_cut_is_one_error(cut):
    data = as_parquet(pa.table({"time": [1], "author": ["a"], "text": ["b"]}))
    with pytest.raises(SourceError, match="Parquet"):
        read_chat(data[:cut], file_name="x.parquet", row={})


STREAMS = (
    "video,time,user,comment\nhttps://www.youtube.com/watch?v=abcdefghijk,1,Ann,hi\nv2,1,Bob,yo\n"
    "https://www.youtube.com/watch?v=abcdefghijk,2,Bob,hi\n,3,Cid,lost\n"
)


def test_a_column_for_the_stream_splits_a_table(tmp_path):
    (tmp_path / "all.csv").write_text(STREAMS)
    (tmp_path / "streams.csv").write_text("video_id,title,date\nabcdefghijk,First,2021-07-15\n")
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        report = import_chats(db, [tmp_path])
        assert [(f.stream, f.n_rows) for f in report.files] == [("youtube/abcdefghijk", 2), ("youtube/v2", 1)]
        assert report.skipped == {"row names no stream": 1}
        streams = db.load_streams().set_index("video_id")
        assert streams.loc["abcdefghijk", ["title", "started_at", "n_messages"]].to_list() == [
            "First", "2021-07-15", 2,
        ]  # fmt: skip
        digest = db.digest()
        again = import_chats(db, [tmp_path])
        assert [f.state for f in again.files] == ["known", "known"]
        assert (again.totals, db.digest()) == (report.totals, digest)


def test_one_of_several_streams_is_converted(tmp_path, capsys):
    (tmp_path / "all.csv").write_text(STREAMS)
    source, out = str(tmp_path / "all.csv"), tmp_path / "one.jsonl"
    assert main(["convert", source, str(out)]) == 1
    assert "holds 2" in capsys.readouterr().err
    assert main(["convert", source, str(out), "--stream", "v2"]) == 0
    assert "1 message, read as table" in capsys.readouterr().out
    assert [json.loads(line)["message"] for line in out.read_text().splitlines()] == ["yo"]
    assert main(["convert", str(tmp_path), str(out)]) == 1
    assert "is a folder" in capsys.readouterr().err
    for wrong in ("x.xlsx", "x"):
        assert main(["convert", source, str(tmp_path / wrong)]) == 2
        assert ".parquet" in capsys.readouterr().err


def test_in_a_folder_a_table_needs_a_heading_that_names_all_three():
    assert looks_like_chat(b"time,author,message\n1,a,b\n")
    assert looks_like_chat(as_parquet(pa.table({"a": [1]}))[:4096])
    for text in (
        b"id,title,comment\n1,a,b\n",
        b"1,a,b\n2,c,d\n",
        b"name;value\nx;1\n",
        b"time,author\n1,a\n",
    ):
        assert not looks_like_chat(text)


def test_a_quote_that_is_not_closed_swallows_no_rows():
    chat = read('time,author,message\n1,Ann,"oops\n2,Bob,hi\n3,Cid,yo\n')
    assert [m.text for m in chat.messages] == ['"oops', "hi", "yo"]
    assert chat.skipped == {"quote is not closed": 1}
    chat = read('time,author,message\n1,Ann,"a, b"\n2,Bob,"c, d"\n3,Cid,"cut sh')
    assert [m.text for m in chat.messages] == ["a, b", "c, d", "cut sh"]


def test_a_login_beside_a_name_is_no_second_author():
    chat = read("created_at,user_name,user_login,user_id,message\n2021-07-15T20:00:05Z,Ann A,ann,12,hi\n")
    assert [(m.author_id, m.author_name) for m in chat.messages] == [("12", "Ann A")]


def test_a_long_cell_among_the_first_rows_and_a_heading_that_is_shorter_cost_no_row():
    assert offsets("time,author,message\n1,Ann,hi,\n2,Bob,yo,\n") == [1.0, 2.0]
    assert read('\n\ntime,author,message\n1,Ann,"a\n\nb"\n').messages[0].text == "a\n\nb"
    assert offsets(f"time,author,message\n1,Ann,{'x' * 200_000}\n2,Bob,yo\n") == [1.0, 2.0]
