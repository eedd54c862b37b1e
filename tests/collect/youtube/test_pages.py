"""The rows of a channel's page: both layouts, every state, and text that means harm."""

import gzip
import json
import re

import pytest

from chatlib.collect.sites import VideoFacts
from chatlib.collect.youtube.pages import distinct_streams, find_initial_data, read_clock, read_stream_page
from tests.collect.youtube.channel_pages import lockup, page_of, renderer

MORE = {"continuationItemRenderer": {"continuationEndpoint": {"continuationCommand": {"token": "T1"}}}}
SAVED = {"lockup_2026-04": 29, "video_renderer_2026-02": 30}
HOSTILE = "</script><script>var ytInitialData = {\"x\": 1};</script> ${x} 'a' \u202e\x00\x07 \ud83d"


def test_video_renderers_in_every_state():
    page = read_stream_page(
        page_of(
            renderer("aaaaaaaaaaa", "Soon", style="UPCOMING", views="32 waiting"),
            renderer("bbbbbbbbbbb", "Now", style="LIVE", views="5,516 watching"),
            renderer("ccccccccccc", "Then", clock="1:02:03", views="118,944 views"),
            renderer("ddddddddddd", "Members", clock="39:48"),
            renderer("eeeeeeeeeee", "Odd", style="SHORTS"),
            renderer("fffffffffff", "Premiere", style="UPCOMING", lengthText={"simpleText": "1:00"}),
            MORE,
        )
    )
    assert page == (
        [
            VideoFacts("aaaaaaaaaaa", "Soon", None, None, "upcoming"),
            VideoFacts("bbbbbbbbbbb", "Now", None, None, "live"),
            VideoFacts("ccccccccccc", "Then", 3723.0, 118944, "finished"),
            VideoFacts("ddddddddddd", "Members", 2388.0, None, "finished"),
            VideoFacts("eeeeeeeeeee", "Odd", None, None, None),
            VideoFacts("fffffffffff", "Premiere", None, None, "upcoming"),
        ],
        "T1",
        "UCfakeHarbor0000000000aa",
        "Fake Harbor",
        True,
        None,
    )


def test_lockups_in_every_state():
    rows = read_stream_page(
        page_of(
            lockup("aaaaaaaaaaa", badge="Anstehend", parts=("1 warten", "Geplant für: 31.08.27")),
            lockup("bbbbbbbbbbb", badge="LIVE", style="LIVE", parts=("5.5K watching",)),
            lockup("ccccccccccc", parts=("56.504 Aufrufe", "vor 3 Wochen gestreamt")),
            lockup("ddddddddddd", badge="6:35", parts=("3 日前に配信済み",)),
            lockup("eeeeeeeeeee", parts=("1.2M views", "Streamed 2 years ago")),
            lockup("fffffffffff", parts=("12 Mio. Aufrufe", "vor 3 Jahren")),
        )
    ).streams
    assert rows == [
        VideoFacts("aaaaaaaaaaa", "A title", None, None, "upcoming"),
        VideoFacts("bbbbbbbbbbb", "A title", None, None, "live"),
        VideoFacts("ccccccccccc", "A title", 3723.0, 56504, "finished"),
        VideoFacts("ddddddddddd", "A title", 395.0, None, "finished"),  # the age is no count
        VideoFacts("eeeeeeeeeee", "A title", 3723.0, 1200000, "finished"),
        VideoFacts("fffffffffff", "A title", 3723.0, None, "finished"),  # an abbreviation we don't know
    ]


@pytest.mark.parametrize("layout", [renderer, lockup])
def test_a_page_without_an_element_for_more_is_the_last(layout):
    items = [layout("aaaaaaaaaaa"), layout("bbbbbbbbbbb"), layout("aaaaaaaaaaa", "again")]
    page = read_stream_page(page_of(*items))
    assert [row.video_id for row in page.streams] == ["aaaaaaaaaaa", "bbbbbbbbbbb"]
    assert page.continuation is None
    answer = {"onResponseReceivedActions": [{"appendContinuationItemsAction": {"continuationItems": items}}]}
    assert read_stream_page(answer) == (page.streams, None, None, None, None, None)
    answer["onResponseReceivedActions"][0]["appendContinuationItemsAction"]["continuationItems"].append(MORE)
    assert read_stream_page(answer).continuation == "T1"


@pytest.mark.parametrize("layout", [renderer, lockup])
def test_rows_that_are_no_streams_are_left_out(layout):
    playlist = lockup("PLaaaaaaaaa")
    playlist["richItemRenderer"]["content"]["lockupViewModel"]["contentType"] = "LOCKUP_CONTENT_TYPE_PLAYLIST"
    ids = [
        "",
        "short",
        "../../../..",
        "aaaaaaaaaa'",
        "aaaaaaaaaaaa",
        "ａａａａａａａａａａａ",
        None,
        5,
        ["a"],
        {},
    ]
    page = read_stream_page(page_of(*map(layout, ids), playlist, layout("aaaaaaaaaaa")))
    assert [row.video_id for row in page.streams] == ["aaaaaaaaaaa"]


@pytest.mark.parametrize("layout", [renderer, lockup])
def test_hostile_titles_survive_the_page_and_fit_a_sheet(layout):
    data = page_of(layout("aaaaaaaaaaa", HOSTILE), layout("bbbbbbbbbbb", "  \n "), MORE)
    script = json.dumps(data).replace("</", "<\\/")
    text = f'<meta content="var ytInitialData = {{}};"><script>var ytInitialData = {script};</script>'
    rows = read_stream_page(find_initial_data(text)).streams
    shown = "</script><script>var ytInitialData = {\"x\": 1};</script> ${x} 'a' \u202e \ufffd"
    assert [row.title for row in rows] == [shown, None]
    assert rows[0].title.encode()


def test_another_tab_shown_means_no_tab_of_streams():
    page = read_stream_page(page_of(renderer("aaaaaaaaaaa"), MORE, tab="featured"))
    assert (page.streams, page.continuation, page.has_tab) == ([], None, False)
    assert page.channel_name == "Fake Harbor"


def test_a_layout_that_is_not_known_is_not_taken_for_an_empty_tab():
    assert read_stream_page(page_of()).has_tab is True
    assert read_stream_page(page_of({"newRowRenderer": {"videoId": "aaaaaaaaaaa"}})).has_tab is None
    assert read_stream_page(page_of({"newRow": {"onTap": {"watchEndpoint": {}}}})).has_tab is None
    unnamed = json.loads(json.dumps(page_of(renderer("aaaaaaaaaaa"))).replace("/@sample/streams", ""))
    unnamed["contents"]["twoColumnBrowseResultsRenderer"]["tabs"][1]["tabRenderer"].pop("endpoint")
    assert [row.video_id for row in read_stream_page(unnamed).streams] == ["aaaaaaaaaaa"]
    unselected = json.loads(json.dumps(page_of()).replace("true", "false"))
    assert read_stream_page(unselected).has_tab is None


def test_an_alert_is_told():
    text = {"simpleText": "This channel does not exist."}
    page = read_stream_page({"alerts": [{"alertRenderer": {"type": "ERROR", "text": text}}]})
    assert page == ([], None, None, None, None, "This channel does not exist.")
    info = {"alerts": [{"alertRenderer": {"type": "INFO", "text": text}}]}
    assert read_stream_page(page_of(renderer("aaaaaaaaaaa"), **info)).alert is None


@pytest.mark.parametrize("layout", [renderer, lockup])
def test_damage_anywhere_in_the_data_raises_nothing(layout):
    """Every value of a page in turn becomes something else."""

    def places(node, path=()):
        yield path
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in pairs:
            yield from places(value, (*path, key))

    whole = page_of(layout("aaaaaaaaaaa"), layout("bbbbbbbbbbb"), MORE)
    n_kept = 0
    for path in list(places(whole))[1:]:
        for odd in (None, 7, True, "x", [], [[]], {}, {"runs": [None]}, -1.5):
            data = json.loads(json.dumps(whole))
            node = data
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = odd
            n_kept += len(read_stream_page(data).streams)
    assert n_kept > 100


def test_data_of_great_depth_are_refused_or_read():
    assert find_initial_data("var ytInitialData = " + "[" * 10**6) is None
    deep = {}
    for _ in range(10**5):
        deep = {"a": deep}
    assert read_stream_page(page_of(deep, renderer("aaaaaaaaaaa"))).streams[0].video_id == "aaaaaaaaaaa"
    while deep:  # or freeing it would go as deep
        deep = deep["a"]


def test_pages_without_data_give_none():
    assert find_initial_data("") is None
    assert find_initial_data("var ytInitialData = {broken") is None
    assert find_initial_data('window["ytInitialData"] = {"a": 1};') == {"a": 1}
    assert read_stream_page(None) == ([], None, None, None, None, None)


def test_what_one_row_does_not_say_comes_from_a_later_one():
    rows = [VideoFacts("aaaaaaaaaaa"), VideoFacts("bbbbbbbbbbb"), VideoFacts("aaaaaaaaaaa", "T", 0.0)]
    assert distinct_streams(rows) == [VideoFacts("aaaaaaaaaaa", "T", 0.0), VideoFacts("bbbbbbbbbbb")]


def test_clocks():
    known = {"1:02:03": 3723.0, "2:03": 123.0, "123:45": 7425.0, "1.02.03": 3723.0, " 0:05 ": 5.0}
    assert {text: read_clock(text) for text in known} == known
    assert [read_clock(text) for text in ("", None, "12", "LIVE", "1:2", "1:2:3:4", "a1:02")] == [None] * 7


@pytest.mark.parametrize("name", SAVED)
def test_the_saved_real_pages(shared, name):
    """The ids of the page's rows are all the ids that its text links to."""
    path = shared / "youtube" / "streams_pages" / f"{name}.html.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    page = read_stream_page(find_initial_data(text))
    ids = [row.video_id for row in page.streams]
    assert len(ids) == SAVED[name]
    assert set(ids) == set(re.findall(r"/watch\?v=([\w-]{11})", text))
    assert ids == list(dict.fromkeys(re.findall(r'"videoId":"([\w-]{11})"', text)))
    assert all(row.title and row.status for row in page.streams)
    finished = [row for row in page.streams if row.status == "finished"]
    assert len(finished) == 28
    assert all(row.duration_s > 300 for row in finished)
    assert sum(row.views is None for row in finished) == 1  # one for members only
    assert page.continuation and page.channel_id.startswith("UC") and page.channel_name
