"""The list of channels, and the lists of their streams: read, merged, written whole or not at all."""

import datetime as dt
import os
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chatlib.collect.lists import (
    STREAM_COLUMNS,
    Channel,
    load_channels,
    load_stream_list,
    merge_stream_list,
    save_stream_list,
)
from chatlib.collect.sheets import clean_cell, load_tables
from chatlib.errors import MissingSource, ParameterError, SourceError, UnwritableFile

ANN, BOB = "https://www.youtube.com/@ann", "https://www.youtube.com/@bob"


def write(path, rows, *, header=None, sheet="Sheet1"):
    """Write rows by other means than ours: pandas and odfpy, or plain CSV."""
    frame = pd.DataFrame(rows, dtype=object)
    if path.suffix == ".csv":
        frame.to_csv(path, header=header or False, index=False)
    else:
        frame.to_excel(path, engine="odf", sheet_name=sheet, header=header or False, index=False)
    return path


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def make_row(video_id, **known):
    url = f"https://www.youtube.com/watch?v={video_id}"
    return dict.fromkeys(STREAM_COLUMNS) | {"video_id": video_id, "url": url} | known


# Channels


@pytest.mark.parametrize("ending", ["ods", "csv"])
@pytest.mark.parametrize("header", [None, ["channel_url", "spreadsheet", "db"], ["", "x", ""]])
def test_the_first_two_columns_whatever_their_names(tmp_path, ending, header):
    path = write(
        tmp_path / f"channels.{ending}",
        [[ANN, "ann", "Db_file.dbs"], [BOB, "lists/bob.ods", ""]],
        header=header,
    )
    assert load_channels(path) == [
        Channel(ANN, tmp_path / "ann.ods"),
        Channel(BOB, tmp_path / "lists" / "bob.ods"),
    ]


def test_names_start_at_the_sheet(tmp_path, monkeypatch):
    (tmp_path / "sheets").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    rows = [[ANN, "../ann"], [BOB, "/elsewhere/Dr. Bob"], ["@cat", "~/cat.ODS"]]
    path = write(tmp_path / "sheets" / "c.ods", rows)
    names = [tmp_path / "ann.ods", Path("/elsewhere/Dr. Bob.ods"), tmp_path / "home" / "cat.ODS"]
    assert [channel.spreadsheet for channel in load_channels("sheets/c.ods")] == names
    assert [channel.spreadsheet for channel in load_channels(path)] == names


@pytest.mark.parametrize("ending", ["ods", "csv"])
def test_blank_rows_do_not_count_but_are_counted(tmp_path, ending):
    rows = [["", ""], ["address", "list"], ["", " "], [ANN, "ann"], ["", ""], ["", ""], ["no address", "x"]]
    with pytest.raises(SourceError, match=r"row 7 of channels\.\w+: .*'no address'"):
        load_channels(write(tmp_path / f"channels.{ending}", rows))
    assert load_channels(write(tmp_path / f"channels.{ending}", rows[:6])) == [
        Channel(ANN, tmp_path / "ann.ods")
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["https://yotube.com/@ann", "ann"]], "row 1 of c.ods: .*yotube"),  # no header, but a slip
        ([["yotube.com/@ann", "ann"]], "row 1 of c.ods"),
        ([["https://www.youtube.com/watch?v=aaaaaaaaaaa", "ann"]], "row 1"),
        ([["x", "y"], ["", "ann"]], "row 2"),
        ([["x", "y"], [ANN, ""]], "row 2 of c.ods has none"),
        ([["x"], [ANN]], "row 2 of c.ods has none"),
        ([[ANN, "a"], [BOB, "b"], ["@ann", "c"]], "rows 1 and 3 .* share https://www.youtube.com/@ann"),
        ([["x", "y"], [ANN, "A"], [BOB, "a.ods"]], "rows 2 and 3 .* share .*a.ods"),
        ([[ANN, "lists/../a"], [BOB, "a"]], "rows 1 and 2"),
        ([["x", "y"], [ANN, "c"]], "row 2 of c.ods names the list of channels itself"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, rows, words):
    with pytest.raises(SourceError, match=words):
        load_channels(write(tmp_path / "c.ods", rows))


@pytest.mark.parametrize("rows", [[], [[""]], [["channel_url", "spreadsheet"]]])
def test_no_channel_in_it(tmp_path, rows):
    with pytest.raises(MissingSource, match="row per channel"):
        load_channels(write(tmp_path / "c.ods", rows))


def test_no_sheet(tmp_path):
    with pytest.raises(MissingSource, match=r"none at .*c\.ods"):
        load_channels(tmp_path / "c.ods")
    with pytest.raises(SourceError, match="regular file"):
        load_stream_list(tmp_path)
    (tmp_path / "c.xlsx").write_bytes(b"PK")
    with pytest.raises(SourceError, match="Save it as ODS"):
        load_channels(tmp_path / "c.xlsx")
    for load in (load_channels, load_stream_list):
        with pytest.raises(SourceError, match="must be readable"):
            load(tmp_path / f"{'x' * 300}.ods")
    (tmp_path / "c.ods").touch()
    with pytest.raises(MissingSource, match="row per channel"):
        load_channels(tmp_path / "c.ods")


@pytest.mark.parametrize("data", [b"\n", b"no sheet", b"PK\x03\x04 half a"])
def test_a_damaged_sheet(tmp_path, data):
    (tmp_path / "c.ods").write_bytes(data)
    with pytest.raises(SourceError, match="must be a CSV or ODS sheet"):
        load_channels(tmp_path / "c.ods")


AS_LIBREOFFICE_WRITES = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"
 office:version="1.3"><office:body><office:spreadsheet><table:table table:name="Sheet1">
<table:table-column table:number-columns-repeated="16384"/>
<table:table-row><table:table-cell office:value-type="string"><text:p><text:a
 xlink:href="https://www.youtube.com/@ann" xlink:type="simple">https://www.youtube.com/@ann</text:a></text:p>
</table:table-cell><table:table-cell office:value-type="string"><office:annotation><dc:date>2026</dc:date>
<text:p>my favourite</text:p></office:annotation><text:p>ann</text:p></table:table-cell>
<table:table-cell table:number-columns-repeated="16382"/></table:table-row>
<table:table-row table:number-rows-repeated="3"><table:table-cell table:number-columns-repeated="16384"/>
</table:table-row>
<table:table-row><table:table-cell table:formula="of:=&quot;@&quot;&amp;&quot;bob&quot;"
 office:value-type="string" office:string-value="@bob"><text:p>@bob</text:p></table:table-cell>
<table:table-cell office:value-type="float" office:value="2"><text:p>2</text:p></table:table-cell>
<table:table-cell table:number-columns-repeated="16382"/></table:table-row>
<table:table-row table:number-rows-repeated="1048571"><table:table-cell
 table:number-columns-repeated="16384"/></table:table-row>
</table:table></office:spreadsheet></office:body></office:document-content>"""


def test_a_sheet_as_libreoffice_writes_it(tmp_path):
    """Links inside cells, a comment, a formula, and blank rows and columns to the sheet's end."""
    save_stream_list(tmp_path / "any.ods", [])
    with zipfile.ZipFile(tmp_path / "any.ods") as source, zipfile.ZipFile(tmp_path / "c.ods", "w") as target:
        for name in ("mimetype", "META-INF/manifest.xml"):
            target.writestr(name, source.read(name))
        target.writestr("content.xml", AS_LIBREOFFICE_WRITES)
    assert load_channels(tmp_path / "c.ods") == [
        Channel(ANN, tmp_path / "ann.ods"),
        Channel(BOB, tmp_path / "2.ods"),
    ]


# Limits

MANY, LARGE = "5,000,000 cells", "100 MB"
FILLED = 'office:value-type="float" office:value="1"'
MANY_CELLS = {
    "rows": '<table:table-row table:number-rows-repeated="3000000">',
    "blank rows before a filled one": '<table:table-row table:number-rows-repeated="9000000">'
    "<table:table-cell/></table:table-row><table:table-row>",
    "columns": f'<table:table-row><table:table-cell table:number-columns-repeated="6000000" {FILLED}/>',
    "blank columns before a filled one": "<table:table-row>"
    '<table:table-cell table:number-columns-repeated="99999999"/>',
    "rows and columns": '<table:table-row table:number-rows-repeated="10000">'
    f'<table:table-cell table:number-columns-repeated="1000" {FILLED}/>',
}
BOMBS = {name: (rows, MANY) for name, rows in MANY_CELLS.items()}
BOMBS["bytes"] = ("<table:table-row>" + " " * 120_000_000, LARGE)


def write_bomb(path, row):
    save_stream_list(path, [])
    cell = '<table:table-cell office:value-type="string"><text:p>@ann</text:p></table:table-cell>'
    with zipfile.ZipFile(path) as file:
        head, _, tail = file.read("content.xml").decode().partition("<table:table-row>")
        others = {name: file.read(name) for name in file.namelist() if name != "content.xml"}
    tail = tail[tail.index("</table:table>") :]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in others.items():
            file.writestr(name, data)
        file.writestr("content.xml", f"{head}{row}{cell}{cell}</table:table-row>{tail}")


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_sheet_that_unfolds_to_too_much_is_one_error_at_once(tmp_path, bomb):
    row, words = BOMBS[bomb]
    write_bomb(tmp_path / "c.ods", row)
    assert (tmp_path / "c.ods").stat().st_size < 200_000
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(SourceError, match=f"c.ods: .*at most {words}.*CHATLIB_MAX_SHEET"):
            load_channels(tmp_path / "c.ods")
        assert time.process_time() - started < 10
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_csv_of_too_many_cells_or_bytes_is_refused_unless_the_limit_is_raised(tmp_path, monkeypatch):
    monkeypatch.setenv("CHATLIB_MAX_SHEET_CELLS", "1501")
    (tmp_path / "c.csv").write_text("@ann,ann" + ",x" * 1500 + "\n")
    with pytest.raises(SourceError, match="at most 1,501 cells"):
        load_channels(tmp_path / "c.csv")
    monkeypatch.setenv("CHATLIB_MAX_SHEET_CELLS", "1502")
    assert load_channels(tmp_path / "c.csv")[0].url == ANN
    monkeypatch.setenv("CHATLIB_MAX_SHEET_CELLS", "much")
    with pytest.raises(ParameterError, match="whole number"):
        load_channels(tmp_path / "c.csv")
    with (tmp_path / "c.csv").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(SourceError, match="at most 100 MB"):
        load_channels(tmp_path / "c.csv")


# Lists of streams

FULL = {
    "title": "A stream", "url": "https://www.youtube.com/watch?v=aaaaaaaaaaa", "date": "2026-01-09",
    "video_id": "aaaaaaaaaaa", "duration_s": 3723.5, "started_at": "2026-01-09T18:00:00+00:00",
    "ended_at": "2026-01-09T19:02:03+00:00", "state": "complete", "view": "live", "messages": 0,
    "views": 1234, "reason": "the page's end", "fetched_at": "2026-01-10T00:00:00+00:00",
    "channel_name": "Ann",
}  # fmt: skip


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "new" / "ann.ods"
    rows = [FULL, make_row("bbbbbbbbbbb"), make_row("ccccccccccc", title="  two  blanks ", duration_s=1e-7)]
    save_stream_list(path, rows)
    rows[2]["title"] = "two  blanks"
    assert load_stream_list(path) == rows
    save_stream_list(path, load_stream_list(path))
    assert load_stream_list(path) == rows
    assert list(load_stream_list(path)[0]) == list(STREAM_COLUMNS)
    assert names_in(path.parent) == ["ann.ods"]


def test_oldest_first_and_last_what_has_no_date(tmp_path):
    rows = [
        make_row("aaaaaaaaaaa"),
        make_row("bbbbbbbbbbb", date="2026-03-01"),
        make_row("ccccccccccc", started_at="2026-02-01T10:00:00+00:00", date="2026-04-01"),
        make_row("ddddddddddd", date="one day"),
        make_row("eeeeeeeeeee", date=dt.datetime(2026, 2, 1, 9, tzinfo=dt.UTC)),
    ]
    save_stream_list(tmp_path / "a.ods", rows)
    assert [row["video_id"][0] for row in load_stream_list(tmp_path / "a.ods")] == list("ecbad")


@pytest.mark.parametrize(
    "header",
    [
        ("titles", "urls", "dates"),
        ("Title", "URL", "Date"),
        ("Titles", "URLs", "Dates"),
        (" TITLE", "Link", "date"),
    ],
)
@pytest.mark.parametrize("index", [False, True])
def test_lists_of_the_first_version(tmp_path, header, index):
    rows = [["One", "https://www.youtube.com/watch?v=aaaaaaaaaaa", "2023-05-01T12:00:00Z"],
            ["2", "https://youtu.be/bbbbbbbbbbb", dt.datetime(2023, 5, 2)]]  # fmt: skip
    pd.DataFrame(rows, columns=header, dtype=object).to_excel(tmp_path / "a.ods", engine="odf", index=index)
    nothing = dict.fromkeys(STREAM_COLUMNS)
    assert load_stream_list(tmp_path / "a.ods") == [
        nothing | dict(zip(("title", "url", "date"), rows[0], strict=True), video_id="aaaaaaaaaaa"),
        nothing | {"title": "2", "url": rows[1][1], "date": "2023-05-02", "video_id": "bbbbbbbbbbb"},
    ]


def test_what_a_person_added_stays(tmp_path):
    path = tmp_path / "a.ods"
    header = ["Notes", "video_id", "Title", "Name", "", "Notes", "Score"]
    rows = [["seen", "aaaaaaaaaaa", "Old", "Ann's", "x", "again", 7], ["", "bbbbbbbbbbb", "", "", "", "", ""],
            ["gone", "ccccccccccc", "", "", "", "", ""]]  # fmt: skip
    with pd.ExcelWriter(path, engine="odf") as book:
        pd.DataFrame(rows, dtype=object).to_excel(book, sheet_name="Ann", header=header, index=False)
        pd.DataFrame([["mine", 5], [dt.date(2026, 1, 9), ""]]).to_excel(
            book, sheet_name="x & y", header=False
        )
    save_stream_list(path, [make_row("aaaaaaaaaaa", title="New"), make_row("bbbbbbbbbbb", Notes="ours")])
    extra = {"Notes": "seen", "Name": "Ann's", "column 5": "x", "Notes (6)": "again", "Score": 7}
    want = [
        make_row("aaaaaaaaaaa", title="New") | extra,
        make_row("bbbbbbbbbbb") | dict.fromkeys(extra) | {"Notes": "ours"},
    ]
    assert load_stream_list(path) == want
    assert list(load_stream_list(path)[0]) == [*STREAM_COLUMNS, *extra]
    save_stream_list(
        path, merge_stream_list(load_stream_list(path), [make_row("aaaaaaaaaaa", title="Newer")])
    )
    want[0]["title"] = "Newer"
    assert load_stream_list(path) == want
    tables = load_tables(path)
    assert [table.name for table in tables] == ["Ann", "x & y"]
    assert tables[1].cells == [[0, "mine", 5], [1, "2026-01-09", ""]]


def test_a_column_that_a_person_added_stays_though_no_stream_does(tmp_path):
    write(tmp_path / "a.ods", [["aaaaaaaaaaa", "x"]], header=["id", "Mine"])
    save_stream_list(tmp_path / "a.ods", [])
    assert load_tables(tmp_path / "a.ods")[0].cells == [[*STREAM_COLUMNS, "Mine"]]
    assert load_stream_list(tmp_path / "a.ods") == []


def test_a_file_that_is_no_list_is_not_overwritten(tmp_path):
    path = write(tmp_path / "a.ods", [["Flour", 500]], header=["what", "grams"])
    before = path.read_bytes()
    with pytest.raises(SourceError, match="`video_id` or `url`"):
        save_stream_list(path, [FULL])
    with pytest.raises(SourceError, match="`video_id` or `url`"):
        load_stream_list(path)
    path.write_bytes(b"a letter")
    with pytest.raises(SourceError, match=r"ODS sheet; .* is not"):
        save_stream_list(path, [FULL])
    assert path.read_bytes() == b"a letter" != before


def test_an_empty_file_is_a_list_of_nothing_to_write_to(tmp_path):
    (tmp_path / "a.ods").touch()
    assert load_stream_list(tmp_path / "a.ods") == []
    save_stream_list(tmp_path / "a.ods", [FULL])
    assert load_stream_list(tmp_path / "a.ods") == [FULL]


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"\.ods"):
        save_stream_list(tmp_path / "a.csv", [FULL])


def test_odd_cells_of_our_columns_become_absence_and_nothing_fails(tmp_path):
    header = ["video_id", "duration_s", "messages", "views", "title", "date"]
    rows = [
        ["aaaaaaaaaaa", "long", "many", True, 5, ""],
        ["bbbbbbbbbbb", "1:02:03", 5.0, "7", 1.5, dt.date(2026, 1, 9)],
    ]
    write(tmp_path / "a.ods", rows, header=header)
    first, second = load_stream_list(tmp_path / "a.ods")
    assert first == make_row("aaaaaaaaaaa", title="5", url=None)
    assert second == make_row(
        "bbbbbbbbbbb", url=None, duration_s=3723.0, messages=5, views=7, title="1.5", date="2026-01-09"
    )


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, None),
        ("", None),
        (" \x00 ", None),
        (float("nan"), None),
        (float("-inf"), None),
        (pd.NaT, None),
        (pd.NA, None),
        (np.float64("nan"), None),
        ("nan", "nan"),
        ("NULL", "NULL"),
        (np.int64(5), 5),
        (0, 0),
        (True, "True"),
        (2**60, str(2**60)),
        pytest.param(10**400, str(10**400), id="huge"),
        (1e300, "1e+300"),
        (dt.date(2026, 1, 9), "2026-01-09"),
        (pd.Timestamp("2026-01-09"), "2026-01-09"),
        (dt.datetime(2026, 1, 9, 0, 0, tzinfo=dt.UTC), "2026-01-09T00:00:00+00:00"),
        (Path("a/b"), "a/b"),
    ],
)
def test_what_a_cell_holds(value, cell):
    assert clean_cell(value) == cell
    assert type(clean_cell(value)) is type(cell)


# Merging


def test_new_facts_win_and_absence_erases_nothing():
    old = [
        make_row("aaaaaaaaaaa", title="Old", views=5, Notes="mine"),
        make_row("bbbbbbbbbbb", state="partial"),
    ]
    new = [
        make_row("ccccccccccc", title="Third"),
        make_row("bbbbbbbbbbb", state="complete", messages=0, reason=""),
        {"video_id": "aaaaaaaaaaa", "title": None, "views": float("nan"), "duration_s": 5.0},
    ]
    assert merge_stream_list(old, new) == [
        make_row("aaaaaaaaaaa", title="Old", views=5, Notes="mine", duration_s=5.0),
        make_row("bbbbbbbbbbb", state="complete", messages=0),
        make_row("ccccccccccc", title="Third"),
    ]
    assert old[0]["duration_s"] is None  # what was given is as it was


def test_the_id_may_be_in_the_address_only():
    old = [{"title": "One", "url": "https://youtu.be/aaaaaaaaaaa", "date": "2023-05-01"}]
    assert merge_stream_list(old, [make_row("aaaaaaaaaaa", title="1")]) == [
        make_row("aaaaaaaaaaa", title="1", date="2023-05-01")
    ]


def test_rows_without_an_id_are_never_one():
    rows = [{"title": "x", "url": None}, {"title": "x", "url": "https://example.org"}]
    assert merge_stream_list(rows, rows[:1]) == [*rows, rows[0]]


def test_one_stream_listed_twice_is_one():
    twice = [make_row("aaaaaaaaaaa", title="a"), make_row("aaaaaaaaaaa", views=3)]
    assert merge_stream_list(twice, []) == merge_stream_list([], twice)
    assert merge_stream_list(twice, twice) == [make_row("aaaaaaaaaaa", title="a", views=3)]
    assert merge_stream_list([], []) == []


# The disk


def test_a_protected_file_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "a.ods"
    save_stream_list(path, [FULL])
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(UnwritableFile, match="read-only"):
        save_stream_list(path, [])
    assert load_stream_list(path) == [FULL]
