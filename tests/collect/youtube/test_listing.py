"""A channel's streams by yt-dlp, from a channel that the local YouTube holds, and from saved real pages."""

import gc
import gzip
import json
import logging
import re

import pytest

from chatlib.collect.youtube import listing as listing_module
from chatlib.collect.youtube.listing import list_streams
from chatlib.errors import MissingSource, ParameterError, SourceError
from tests.collect.youtube.helpers import COOKIES, URL, expected_row, make_videos, page_of, quick, row_of

# yt-dlp leaves the connections of answers that it does not read to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """yt-dlp tries again at once, and leaves nothing to later tests."""
    options = listing_module._OPTIONS | {"retry_sleep_functions": {"extractor": lambda n: 0}}
    monkeypatch.setattr(listing_module, "_OPTIONS", options)
    monkeypatch.setattr(listing_module, "Politeness", lambda: quick(attempts=3))
    yield
    gc.collect()


def test_yt_dlp_lists_all_of_a_channel(youtube):
    videos = make_videos(95)
    youtube.add_channel("@sample", videos)
    listing = list_streams("youtube.com/@sample/featured", "yt-dlp")
    assert listing.streams == [expected_row(video) for video in videos]
    facts = (videos[0].channel_id, videos[0].channel_name)
    assert (listing[:2], listing.complete, listing.reason) == (facts, True, "the page's end")


@pytest.mark.parametrize("kind, times", [("500", 2), ("reset", 2), ("cut_json", 2), ("short_json", 1)])
def test_yt_dlp_asks_again(youtube, kind, times):
    videos = make_videos(35)
    youtube.add_channel("@sample", videos)
    youtube.fail_next(kind, "/browse", times=times)
    listing = list_streams(URL, "yt-dlp")
    assert [row.video_id for row in listing.streams] == [video.id for video in videos]
    assert listing.complete


def test_yt_dlp_says_when_it_could_not_go_on(youtube):
    videos = make_videos(65)
    youtube.add_channel("@sample", videos)
    youtube.fail_next("500", "/browse", times=99)
    listing = list_streams(URL, "yt-dlp")
    assert len(listing.streams) == 30
    assert not listing.complete
    assert listing.reason.startswith("yt-dlp failed (") and "HTTP 500" in listing.reason


def test_a_part_without_its_rows_is_not_the_end_for_yt_dlp(youtube):
    youtube.add_channel("@sample", make_videos(65))
    youtube.add_page("/youtubei/v1/browse", '{"responseContext": {}}')
    listing = list_streams(URL, "yt-dlp")
    assert (len(listing.streams), listing.complete) == (30, False)
    assert "Incomplete data" in listing.reason


def test_yt_dlp_stops_at_the_cap(youtube):
    youtube.add_channel("@sample", make_videos(95), delay_s=0.6)
    listing = list_streams(URL, "yt-dlp", cap_s=0.9)
    assert 0 < len(listing.streams) < 95
    assert (listing.complete, listing.reason) == (False, "time cap of 0.9 s")


def test_yt_dlp_tells_no_channel_from_no_streams(youtube):
    youtube.add_channel("@silent", [])
    listing = list_streams("@silent", "yt-dlp")
    assert (listing.streams, listing.complete) == ([], True)
    assert listing.reason == "the channel has no tab of streams"
    with pytest.raises(MissingSource, match=r"@nobody must be a channel's page.*404.*Check the address"):
        list_streams("@nobody", "yt-dlp")
    youtube.add_channel("@gone", make_videos(3), terminated=True)
    with pytest.raises(MissingSource, match=r"@gone must be a channel's page.*terminated"):
        list_streams("@gone", "yt-dlp")
    youtube.fail_next("500", times=99)
    with pytest.raises(SourceError, match=r'must show .*@silent/streams.*500.*LISTING = "selenium"'):
        list_streams("@silent", "yt-dlp")


def test_rows_that_yt_dlp_does_not_know_are_no_empty_channel(youtube):
    data = json.dumps(page_of({"newRowRenderer": {"videoId": "aaaaaaaaaaa"}}))
    youtube.add_page("/@sample/streams", f"<script>var ytInitialData = {data};</script>")
    listing = list_streams(URL, "yt-dlp")
    assert (listing.streams, listing.complete) == ([], False)
    assert "yt-dlp sees no rows" in listing.reason


def show_items(youtube, *items):
    data = json.dumps(page_of(*items)).replace("</", "<\\/")
    youtube.add_page("/@sample/streams", f"<script>var ytInitialData = {data};</script>")


def test_rows_that_are_no_streams_are_left_out(youtube):
    playlist = row_of("PLaaaaaaaaa")
    playlist["richItemRenderer"]["content"]["lockupViewModel"]["contentType"] = "LOCKUP_CONTENT_TYPE_PLAYLIST"
    ids = ["", "short", "../../../..", "aaaaaaaaaa'", "aaaaaaaaaaaa", "ａａａａａａａａａａａ", None]
    rows = [row_of(*facts) for facts in (("aaaaaaaaaaa",), ("aaaaaaaaaaa", "again"))]
    show_items(youtube, *(row_of(odd) for odd in ids), playlist, *rows)
    rows = list_streams(URL, "yt-dlp").streams
    assert [(row.video_id, row.title) for row in rows] == [("aaaaaaaaaaa", "A title")]


def test_hostile_titles_survive_the_page_and_fit_a_sheet(youtube):
    hostile = "</script><script>var ytInitialData = {\"x\": 1};</script> ${x} 'a' \u202e\x00\x07 \ud83d"
    show_items(youtube, row_of("aaaaaaaaaaa", hostile), row_of("bbbbbbbbbbb", "  \n "))
    rows = list_streams(URL, "yt-dlp").streams
    shown = "</script><script>var ytInitialData = {\"x\": 1};</script> ${x} 'a' \u202e \ufffd"
    assert [row.title for row in rows] == [shown, None]


@pytest.mark.parametrize("odd", [7, True, "x", [[]], {"runs": [None]}])
def test_odd_data_end_the_list_and_say_so(youtube, odd):
    broken = {"richItemRenderer": {"content": {"lockupViewModel": {"contentId": "b" * 11, "metadata": odd}}}}
    broken["richItemRenderer"]["content"]["videoRenderer"] = odd
    show_items(youtube, row_of("aaaaaaaaaaa"), broken)
    listing = list_streams(URL, "yt-dlp")
    assert [row.video_id for row in listing.streams] in (["aaaaaaaaaaa"], ["aaaaaaaaaaa", "b" * 11])
    assert listing.complete or listing.reason.startswith("yt-dlp failed (")


@pytest.mark.parametrize("name, n_rows", [("lockup_2026-04", 29), ("video_renderer_2026-02", 30)])
def test_the_saved_real_pages(youtube, shared, name, n_rows):
    """The ids of the page's rows are all the ids that its text links to."""
    path = shared / "youtube" / "streams_pages" / f"{name}.html.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    youtube.add_page("/@sample/streams", text)
    listing = list_streams(URL, "yt-dlp")
    ids = [row.video_id for row in listing.streams]
    assert len(ids) == n_rows
    assert ids == list(dict.fromkeys(re.findall(r'"videoId":"([\w-]{11})"', text)))
    finished = [row for row in listing.streams if row.status == "finished"]
    assert len(finished) == 28 and all(row.title and row.duration_s > 300 for row in finished)
    assert not listing.complete and listing.channel_id.startswith("UC") and listing.channel_name


def test_yt_dlp_takes_the_cookies_and_leaves_their_file_alone(youtube, tmp_path):
    sent = []
    youtube.add_channel("@sample", make_videos(2))
    youtube.add_route("/@sample/streams", lambda request: sent.append(request.cookies))
    path = tmp_path / "cookies.txt"
    path.write_text(COOKIES)
    assert len(list_streams(URL, "yt-dlp", cookies=path).streams) == 2
    assert sent[0]["LOGIN_INFO"] == "fake"
    assert path.read_text() == COOKIES
    path.write_text('[{"name": "LOGIN_INFO"}]')
    with pytest.raises(SourceError, match=r"Netscape's format"):
        list_streams(URL, "yt-dlp", cookies=path)


def test_yt_dlp_says_nothing_by_itself(youtube, capfd, caplog):
    youtube.add_channel("@sample", make_videos(35))
    youtube.fail_next("500", "/browse", times=99)
    with caplog.at_level(logging.INFO, "chatlib"):
        list_streams(URL, "yt-dlp")
    assert "".join(capfd.readouterr()) == ""
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == 1 and f"{URL}: 30 streams listed" in warned[0]


def test_what_the_user_gives_is_checked_first(tmp_path):
    with pytest.raises(MissingSource, match=r"cookies file must exist, got .*none\.txt"):
        list_streams(URL, cookies=tmp_path / "none.txt")
    with pytest.raises(ParameterError, match="@handle"):
        list_streams("https://www.youtube.com/watch?v=aaaaaaaaaaa")
