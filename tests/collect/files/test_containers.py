"""From bytes to objects: packed, marked, cut short, one line bad."""

import gzip
import json

import pytest

from chatlib.collect.files.containers import CUT, looks_like_data, parse_json, read_head, unpack
from chatlib.collect.files.rows import Notes
from chatlib.errors import SourceError, UnknownFormat

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
        b"\xef\xbb\xbf" + LINES,
        gzip.compress(b"\xef\xbb\xbf" + ARRAY, mtime=0),
        ARRAY.decode().encode("utf-16"),
        b"\n  " + ARRAY,
    ],
)
def test_the_same_rows_however_they_are_packed(data):
    assert load(data) == (ROWS, {})


def test_one_object_is_no_json_lines():
    assert load(b'{\n "a": [\n{\n"b": 1}]\n}\n') == ({"a": [{"b": 1}]}, {})
    assert load(b'{"a": 1}\n') == ({"a": 1}, {})


def test_a_bad_line_is_counted_and_the_others_stay():
    assert load(LINES + b'\n{"n": 4\n{"n": 5}') == ([*ROWS, {"n": 5}], {"line is no JSON": 1})
    assert load(b'{"cut\n' + LINES)[0] == ROWS


def test_lone_surrogates_nan_and_control_characters_are_read():
    content, notes = load(b'[{"t": "a\\ud800b", "x": NaN, "y": "a\tb"}]')
    assert content[0]["t"] == "a\ud800b" and content[0]["y"] == "a\tb"
    assert not notes


@pytest.mark.parametrize("cut", [ARRAY[:-1], ARRAY[:-9], gzip.compress(ARRAY, mtime=0)[:-9]])
def test_of_a_file_cut_short_the_whole_rows_are_kept(cut):
    rows, notes = load(cut)
    assert rows in (ROWS, ROWS[:2])
    assert notes[CUT]


@pytest.mark.parametrize("data", [b"", b" \n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_an_error(data):
    with pytest.raises(SourceError, match="empty"):
        load(data)


@pytest.mark.parametrize("data", [b"<html><body>", b"a,b\n1,2\n", b"\x89PNG\r\n"])
def test_what_is_no_json_is_an_unknown_format(data):
    with pytest.raises(UnknownFormat):
        load(data)


@pytest.mark.parametrize("data", [b'{"a": [1, 2', b"[", b"[{", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_begins_as_json_and_cannot_be_read_is_a_source_error(data):
    with pytest.raises(SourceError):
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
