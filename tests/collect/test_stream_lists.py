"""The list of streams beside chat files, and which files are found."""

import pandas as pd
import pytest

from chatlib.collect.address import find_video_id, guess_platform
from chatlib.collect.lists import find_chat_files, find_row, load_sheet, stream_of_row
from chatlib.errors import MissingSource
from chatlib.records import Stream
from chatlib.times import read_date

TABLE = [
    {"video_id": "1697806247", "url": "https://www.twitch.tv/videos/1697806247", "title": "One, two é",
     "started_at": "2026-01-09T19:00:00+01:00", "duration_s": "90.5", "channel": "Ann", "simulated": "1"},
    {"video_id": "abcdefghijk", "url": "", "title": "", "started_at": "", "duration_s": "", "channel": "",
     "simulated": ""},
]  # fmt: skip
FIRST = Stream(
    "twitch", "1697806247", "https://www.twitch.tv/videos/1697806247", "One, two é", channel_name="Ann",
    started_at="2026-01-09T18:00:00+00:00", duration_s=90.5, simulated=True,
)  # fmt: skip


@pytest.mark.parametrize("form", ["utf-8", "semicolon", "utf-8-sig", "utf-16", "cp1252", "ods"])
def test_a_list_in_every_form(tmp_path, form):
    table = pd.DataFrame(TABLE)
    if form == "ods":
        path = tmp_path / "streams.ods"
        table.to_excel(path, engine="odf", index=False)
    else:
        path = tmp_path / "streams.csv"
        table.to_csv(path, index=False, sep=";" if form == "semicolon" else ",",
                     encoding="utf-8" if form == "semicolon" else form)  # fmt: skip
    rows = load_sheet(path)
    assert list(rows) == ["1697806247", "abcdefghijk"]
    assert stream_of_row(rows["1697806247"]) == FIRST
    assert stream_of_row(rows["abcdefghijk"]) == Stream("youtube", "abcdefghijk")


def test_numbers_of_a_spreadsheet_are_ids_all_the_same(tmp_path):
    pd.DataFrame([{"Video_ID": 1697806247, "Date": "2026-01-09"}]).to_excel(
        tmp_path / "streams.ods", engine="odf", index=False
    )
    row = load_sheet(tmp_path / "streams.ods")["1697806247"]
    assert stream_of_row(row) == Stream("twitch", "1697806247", started_at="2026-01-09")


@pytest.mark.parametrize(
    ("written", "others", "date"),
    [
        ("15.07.2021", "16.07.2021", "2021-07-15"), ("7/8/2021", "12/30/2021", "2021-07-08"),
        ("7/8/2021", "30/12/2021", "2021-08-07"), ("Jul 15, 2021 8:05 PM", "", "2021-07-15T20:05:00+00:00"),
        ("2021-07-15 20:00:00 UTC", "2021-07-16", "2021-07-15T20:00:00+00:00"), ("44392", "2021-07-16", None),
    ],
)  # fmt: skip
def test_a_date_as_spreadsheet_programs_write_it_is_read_or_told(tmp_path, caplog, written, others, date):
    path = tmp_path / "streams.csv"
    path.write_text(f'video_id,date\naaaaaaaaaaa,"{written}"\nbbbbbbbbbbb,"{others}"\n')
    assert stream_of_row(load_sheet(path)["aaaaaaaaaaa"]).started_at == date
    load_sheet(path)
    assert caplog.text.count("1 are not, such as '44392'") == (date is None)


def test_an_address_tells_the_id(tmp_path):
    (tmp_path / "streams.csv").write_text("Title,URL\nx,https://youtu.be/abcdefghijk?t=5\n")
    assert list(load_sheet(tmp_path / "streams.csv")) == ["abcdefghijk"]


def test_a_column_of_our_name_goes_before_one_that_means_the_same(tmp_path):
    (tmp_path / "streams.csv").write_text("Title,Name,Link\nours,theirs,https://youtu.be/abcdefghijk\n")
    row = load_sheet(tmp_path / "streams.csv")["abcdefghijk"]
    assert row == {"video_id": "abcdefghijk", "url": "https://youtu.be/abcdefghijk"} | {
        "title": "ours",
        "name": "theirs",
    }


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("abcdefghijk.json", True),
        ("abcdefghijk.live_chat.json.gz", True),
        ("A title (2) [abcdefghijk].live_chat.json", True),
        ("2026-01-09 abcdefghijk chat.json", True),
        ("chat_1697806247.json", True),
        ("xabcdefghijk.json", False),
        ("other.json", False),
    ],
)
def test_a_file_name_finds_its_row(tmp_path, name, found):
    (tmp_path / "streams.csv").write_text("video_id\nabcdefghijk\n1697806247\n")
    assert bool(find_row(load_sheet(tmp_path / "streams.csv"), name)) is found


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-01-09", "2026-01-09"),
        ("2026-01-09T19:00:00Z", "2026-01-09T19:00:00+00:00"),
        ("2026-01-09 19:00", "2026-01-09T19:00:00+00:00"),
        ("2021-07-15T02:01:48.74506207Z", "2021-07-15T02:01:48+00:00"),
        ("9 January", None),
        ("2026-13-01", None),
        ("", None),
        (5, None),
    ],
)
def test_dates_are_utc(text, date):
    assert read_date(text) == date


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


def found_in(folder, *paths):
    found, errors = find_chat_files(paths or [folder])
    return [str(f.path.relative_to(folder)) for f in found], errors


def test_a_tree_is_walked_in_the_order_of_dates(tmp_path):
    make(
        tmp_path,
        "a/chat/22222222222.json",
        "a/chat/11111111111.json",
        "b/33333333333.json",
        "c/d/x.json",
        ".git/x",
    )
    (tmp_path / "a/streams.csv").write_text("video_id,date\n22222222222,2026-01-01\n11111111111,2026-03-01\n")
    (tmp_path / "b/streams.csv").write_text("video_id,started_at\n33333333333,2026-02-01T00:00:00Z\n")
    assert found_in(tmp_path) == (
        ["a/chat/22222222222.json", "b/33333333333.json", "a/chat/11111111111.json", "c/d/x.json"],
        {},
    )


def test_beside_a_list_and_a_chat_folder_nothing_else_is_chat(tmp_path):
    make(tmp_path, "chat/x.json", "truth.json")
    assert found_in(tmp_path)[0] == ["chat/x.json", "truth.json"]
    (tmp_path / "streams.csv").write_text("video_id\nx\n")
    assert found_in(tmp_path)[0] == ["chat/x.json"]


def test_a_file_named_twice_is_one(tmp_path):
    make(tmp_path, "x.json")
    assert found_in(tmp_path, tmp_path, tmp_path / "x.json")[0] == ["x.json"]


def test_a_list_that_cannot_be_read_is_told_and_the_chats_go_on(tmp_path):
    make(tmp_path, "x.json")
    (tmp_path / "streams.ods").write_bytes(b"no sheet")
    names, errors = found_in(tmp_path)
    assert names == ["x.json"]
    assert list(errors) == [tmp_path / "streams.ods"]


def test_nothing_there_and_nothing_in_it(tmp_path):
    with pytest.raises(MissingSource, match="neither"):
        find_chat_files([tmp_path / "nowhere"])
    with pytest.raises(MissingSource, match="at least one"):
        find_chat_files([tmp_path])


@pytest.mark.parametrize(
    ("url", "video_id", "platform"),
    [
        ("https://www.youtube.com/watch?v=abcdefghijk&t=5", "abcdefghijk", "youtube"),
        ("https://www.youtube.com/watch?app=x&v=abcdefghij-", "abcdefghij-", "youtube"),
        ("https://youtu.be/abcdefghijk", "abcdefghijk", "youtube"),
        ("https://www.youtube.com/live/abcdefghijk?feature=share", "abcdefghijk", "youtube"),
        ("https://www.twitch.tv/videos/1697806247", "1697806247", "twitch"),
        ("https://www.twitch.tv/ann/v/1697806247", "1697806247", "twitch"),
        ("https://example.org/", None, None),
        (None, None, None),
    ],
)
def test_addresses(url, video_id, platform):
    assert find_video_id(url) == video_id
    assert guess_platform(url=url) == platform
