"""From bytes to objects: packed, marked, cut short; single fields: cleaned, absent, or made up."""

import gzip
import json

import pytest

from chatlib.collect.files.parsing import (
    CUT,
    IdMaker,
    Notes,
    badge_json,
    looks_like_data,
    name_json,
    parse_json,
    read_count,
    read_head,
    unpack,
)
from chatlib.errors import SourceError, UnknownFormat
from chatlib.money import read_plain_money
from chatlib.records import Message
from chatlib.text import clean_text, read_name
from chatlib.times import read_offset, read_timestamp, read_timestamp_text

ROWS = [{"n": 1, "t": "é"}, {"n": 2}, {"n": 3}]
LINES = "\n".join(map(json.dumps, ROWS)).encode()
ARRAY = json.dumps(ROWS, ensure_ascii=False).encode()


def load(data):
    notes = Notes()
    return parse_json(unpack(data, notes), notes), dict(notes)


@pytest.mark.parametrize(
    "data",
    [
        ARRAY,
        json.dumps(ROWS, indent=2).encode(),
        LINES,
        LINES.replace(b"\n", b"\r\n") + b"\r\n\r\n",
        gzip.compress(ARRAY, mtime=0),
        gzip.compress(ARRAY[:10], mtime=0) + gzip.compress(ARRAY[10:], mtime=0),
        b"\xef\xbb\xbf" + ARRAY,
        b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\n\xef\xbb\xbf"),
        json.dumps(ROWS[:1]).encode() + b"\n" + json.dumps(ROWS[1:]).encode(),  # files put together
        json.dumps(ROWS[:1], indent=1).encode() + b"\n" + json.dumps(ROWS[1:], indent=1).encode(),
        "\n".join(json.dumps(row, indent=1) for row in ROWS).encode(),
        gzip.compress(b"\xef\xbb\xbf" + ARRAY, mtime=0),
        ARRAY.decode().encode("utf-16"),
        b"\n  " + ARRAY,
    ],
)
def test_the_same_rows_however_they_are_packed(data):
    assert load(data) == (ROWS, {})


def test_one_object_is_no_json_lines_and_parquet_stays_as_it_is():
    assert unpack(b"PAR1\n\xef\xbb\xbf\0", Notes()) == b"PAR1\n\xef\xbb\xbf\0"
    assert load(b'{\n "a": [\n{\n"b": 1}]\n}\n') == ({"a": [{"b": 1}]}, {})
    assert load(b'{"a": 1}\n') == ({"a": 1}, {})


def test_a_bad_line_is_counted_and_the_others_stay():
    assert load(LINES + b'\n{"n": 4\n{"n": 5}') == ([*ROWS, {"n": 5}], {"line is no JSON": 1})
    assert load(b'{"cut\n' + LINES)[0] == ROWS
    assert load(b'{"a": 1} x') == ({"a": 1}, {CUT: 1})


def test_lone_surrogates_nan_and_control_characters_are_read():
    content, notes = load(b'[{"t": "a\\ud800b", "x": NaN, "y": "a\tb"}]')
    assert content[0]["t"] == "a\ud800b" and content[0]["y"] == "a\tb"
    assert not notes


@pytest.mark.parametrize(
    "cut", [ARRAY[:-1], ARRAY[:-9], LINES[:-3], LINES + b"\0\0", gzip.compress(ARRAY, mtime=0)[:-9]]
)
def test_of_a_file_cut_short_the_whole_rows_are_kept(cut):
    rows, notes = load(cut)
    assert rows in (ROWS, ROWS[:2])
    assert notes[CUT]


def test_behind_a_damaged_row_the_others_are_read():
    rows = [{"n": i, "badges": [{"title": "x"}]} for i in range(6)]
    for odd in ('{"n": 2, "t": "a"b"}', '{"n": 2, ]', '{"n": 2 "badges": [{"title": "x"}]}'):
        written = [json.dumps(row) for row in rows]
        written[2] = odd
        whole = f"[{', '.join(written)}]".encode()
        kept = [*rows[:2], *rows[3:]]
        assert load(whole) == (kept, {"row is no JSON": 1})
        assert load(b'{"a": 1, "comments": %s}' % whole) == (
            {"a": 1, "comments": kept},
            {"row is no JSON": 1},
        )
        assert load(whole[:-5]) == ([*rows[:2], *rows[3:5]], {"row is no JSON": 1, CUT: 1})


ITEM = '{"id": %d, "m": {"f": [{"t": "a]}\\" [{"}, {"t": "b"}]}}'
AROUND = (
    '{"streamer": {"n": "x{"}, "video": {"chapters": [{"a": 1}]}, "comments": [%s], "z": {"q": []}}',
    '{"data": {"video": {"id": "1", "comments": {"edges": [%s]}}}}',
    '[{"data": {"video": {"id": "1", "comments": {"edges": [%s]}}}}]',
    '{"r": {"p": [{"s": "[{"}]}, "c": {"c": {"continuations": [], "actions": [%s]}}}',
)


@pytest.mark.parametrize("around", AROUND)
def test_of_an_object_cut_short_the_whole_rows_are_kept(around):
    items = [ITEM % i for i in range(9)]
    text = around % ", ".join(items)
    for end in range(text.index(items[1]) + 1, len(text.rstrip("]}")), 7):
        n_whole = sum(text.index(item) + len(item) <= end for item in items)
        wanted = json.loads((around % ", ".join(items[:n_whole])).replace(', "z": {"q": []}', ""))
        assert load(text[:end].encode()) == (wanted, {CUT: 1})


@pytest.mark.parametrize(
    ("error", "match", "data"),
    [(SourceError, "empty", data) for data in (b"", b" \n", gzip.compress(b"", mtime=0))]
    + [(UnknownFormat, "bracket", data) for data in (b"<html><body>", b"a,b\n1,2\n", b"\x89PNG\r\n")]
    + [(SourceError, "must", d) for d in (b'{"a": [1, 2', b"[", b"[{", b"[" * 100_000, b'{"a":' * 100_000)],
)
def test_what_cannot_be_read_is_an_error(error, match, data):
    with pytest.raises(error, match=match):
        load(data)


def test_the_head_tells_what_may_be_a_chat(tmp_path):
    for name, data, expected in (
        ("a", ARRAY, True),
        ("b", gzip.compress(LINES, mtime=0), True),
        ("c", b"\xef\xbb\xbf{", True),
        ("d", b"SQLite format 3\x00...", True),
        ("e", b"<!DOCTYPE html>", True),
        ("f", b"", True),
        ("g", gzip.compress(ARRAY, mtime=0)[:15], True),
        ("h", b"video_id,title\n", False),
        ("i", gzip.compress(b"video_id,title\n", mtime=0), False),
        ("j", b"# Notes", False),
    ):
        (tmp_path / name).write_bytes(data)
        assert looks_like_data(read_head(tmp_path / name)) is expected, name
    assert read_head(tmp_path / "missing") == b""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("hi", "hi"),
        ("", ""),
        ("a\x00b", "ab"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "😀"),
        (None, None),
        (5, None),
        (["hi"], None),
    ],
)
def test_text_is_what_sqlite_and_utf8_can_hold(value, text):
    assert clean_text(value) == text


def test_an_id_may_come_as_a_number_but_not_as_true():
    assert [read_name(v) for v in (7, "7", "", True, 7.0, None, 10**40)] == ["7", "7"] + [None] * 5


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3, 3.0), (3.25, 3.25), (-7, -7.0), ("12.5", 12.5), ("1:02:03", 3723.0), ("-0:05", -5.0),
        ("2:03.5", 123.5), (True, None), (float("nan"), None), (float("inf"), None), (2**70, None),
        (10**400, None), ("soon", None), ("1e3", None), (None, None), ([], None), ("1:23 PM", None),
    ],
)  # fmt: skip
def test_offsets_are_finite_seconds(value, seconds):
    assert read_offset(value) == seconds


def test_milliseconds_are_scaled_and_clocks_are_not_and_minus_zero_is_zero():
    assert str(read_offset(-0.0)) == "0.0"
    assert read_offset("100120", scale=1000.0) == 100.12
    assert read_offset("1:40", scale=1000.0) == 100.0


def test_moments_are_microseconds_whatever_they_came_as():
    whole = [
        1600000000000000,
        "1600000000000000",
        1600000000000000999,
        "1600000000000000000",
        1600000000000,
        1600000000,
        1600000000.0,
    ]
    assert {read_timestamp(value) for value in whole} == {1600000000000000}
    none = [0, -5, 2**63, 2**200, True, float("nan"), float("inf"), "yesterday", None, {}]
    assert {read_timestamp(value) for value in none} == {None}


def test_nanoseconds_of_twitch_are_read():
    assert read_timestamp_text("2021-07-15T02:01:48.74506207Z") == 1626314508745062
    assert read_timestamp_text("2021-07-15T02:01:48Z") == 1626314508000000
    assert read_timestamp_text("the other day") is None


def test_counts_are_whole_and_above_zero():
    assert [read_count(v) for v in (100, "5", 0, -1, True, 2**80, None)] == [100, 5] + [None] * 5


def test_badges_are_titles_and_names_where_there_is_no_title():
    assert json.loads(badge_json([{"title": "Moderator"}, {"name": "vip"}, "Owner", {}, 5])) == [
        "Moderator", "vip", "Owner",
    ]  # fmt: skip
    assert json.loads(badge_json("Verified, Moderator")) == ["Verified", "Moderator"]
    assert badge_json([]) is badge_json(None) is badge_json({"title": "x"}) is None
    assert name_json(["ゑ"]) == '["ゑ"]'


def test_a_bare_number_has_a_decimal_point_in_every_currency():
    assert read_plain_money(5000.0, "JPY") == ("JPY 5000", "5000", "JPY")
    assert read_plain_money("10.50", "$") == ("$ 10.50", "10.50", "USD")
    assert read_plain_money("3", None) == ("3", "3", None)
    assert read_plain_money("$3", "USD") is None
    assert read_plain_money(float("nan"), "USD") is None


ROW = Message("", "text_message", 5.0, "name:Ann", "Ann", "same words")


def test_made_ids_depend_on_content_and_not_on_place():
    first, second = IdMaker(), IdMaker()
    other = ROW._replace(text="other words")
    one = [first.complete(message).message_id for message in (ROW, other, ROW)]
    two = [second.complete(message).message_id for message in (other, ROW, ROW)]
    assert len(set(one)) == 3
    assert one == [two[1], two[0], two[2]]
