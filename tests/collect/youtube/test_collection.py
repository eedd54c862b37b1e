"""Channels on a local YouTube, through the real clients, into the database."""

import _thread
import ast
import gc
import itertools
import json
import re
import time
from collections import Counter

import pytest
from filelock import FileLock

from chatlib.collect.collection import collect_channels, fetch_chat, load_known_channels, plan_streams
from chatlib.collect.lists import Channel, load_stream_list
from chatlib.collect.sites import CollectSettings
from chatlib.errors import ParameterError, SourceError, SourceRefused
from chatlib.store import open_store
from tests.collect.youtube.site.videos import make_video, text_action, videos_of_simulation
from tests.collect.youtube.site.wire import Faults
from tests.places import ROOT

ADDRESS = "https://www.youtube.com/@sample"
QUICK = {"listing": "yt-dlp", "requests_per_s": 1000, "timeout_s": 30.0, "backoff_s": 0.01}
SOURCES = ("chat-downloader", "yt-dlp")
REMOVALS = ("deleted_message", "ban_user")
EVERY_FAULT = (
    "429", "500", "503", "reset", "stall", "hang", "trickle", "cut_json", "short_json", "empty_batch",
    "repeat_batch",
)  # fmt: skip


@pytest.fixture
def collect(db, tmp_path):
    """Collect @sample into the database; settings can be given."""
    channels = [Channel(ADDRESS, tmp_path / "streams.ods")]
    return lambda **given: collect_channels(db, channels, CollectSettings(**{**QUICK, **given}))


def small_chat(video_id, n=5, **facts):
    actions = [text_action(i, f"hello {i}", offset_ms=i * 60_000, video_id=video_id) for i in range(n)]
    return make_video(video_id, actions, duration_s=n * 60, **facts)


def stored_ids(db, video_id):
    rows = db.connection.execute(
        "SELECT message_id, kind FROM messages JOIN streams USING (stream_id) WHERE video_id = ?", (video_id,)
    )
    return Counter(message_id for message_id, kind in rows if kind not in REMOVALS)


def held_ids(video):
    return Counter(held.message_id for held in video.held)


def states(db):
    return dict(db.connection.execute("SELECT video_id, state FROM streams"))


@pytest.mark.parametrize("source", SOURCES)
def test_every_message_is_in_the_database_once(youtube, db, collect, source):
    videos = videos_of_simulation(2, 250, seed=3)
    youtube.add_channel("@sample", videos)
    report = collect(chat_sources=source)
    assert [stream.state for stream in report.streams] == ["complete", "complete"]
    for video in videos:
        assert stored_ids(db, video.id) == held_ids(video)
    streams = db.load_streams()
    assert streams["view"].tolist() == ["live", "live"]
    assert streams["video_id"].tolist() == [video.id for video in videos[::-1]]
    assert streams["started_at"].str[:19].tolist() == [video.started_at[:19] for video in videos[::-1]]
    assert streams["title"].tolist() == [video.title for video in videos[::-1]]
    assert streams["views"].tolist() == [video.views for video in videos[::-1]]


@pytest.mark.parametrize("source", SOURCES)
def test_a_request_comes_as_from_a_browser_of_today_that_has_answered_the_consent_page(
    youtube, collect, source
):
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa")])
    seen = []
    youtube.add_route("*", lambda request: seen.append(request))
    collect(chat_sources=source)
    asked = [request for request in seen if "list" not in request.path and request.path != "/@sample/streams"]
    assert {"/watch", "/live_chat_replay"} <= {request.path for request in asked}
    for request in asked:
        assert request.cookies["SOCS"] == "CAI"
        assert int(re.search(r"Chrome/(\d+)", request.headers["user-agent"])[1]) >= 120
        assert request.headers["accept-language"].startswith("en-")


@pytest.mark.parametrize("source", SOURCES)
def test_the_most_replayed_curve_is_kept_beside_the_chat(youtube, db, collect, source):
    curve = (0.25, 1.0, 0.5)
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa", heatmap=curve), small_chat("bbbbbbbbbbb")])
    collect(chat_sources=source)
    steps = db.load_heatmaps().merge(db.load_streams()[["stream_id", "video_id"]])
    assert steps[["video_id", "start_s", "end_s", "value"]].values.tolist() == [
        ["aaaaaaaaaaa", 0.0, 100.0, 0.25],
        ["aaaaaaaaaaa", 100.0, 200.0, 1.0],
        ["aaaaaaaaaaa", 200.0, 300.0, 0.5],
    ]


@pytest.mark.parametrize(
    ("n_streams", "n_messages", "rate"),
    [(3, 600, 0.15), pytest.param(20, 5000, 0.1, marks=pytest.mark.real, id="20 streams of 5,000")],
)
@pytest.mark.parametrize("source", SOURCES)
def test_a_server_that_fails_at_random_loses_and_doubles_nothing(
    youtube, db, collect, source, n_streams, n_messages, rate
):
    videos = videos_of_simulation(n_streams, n_messages, seed=5)
    youtube.add_channel("@sample", videos)
    youtube.faults = Faults(
        rate=rate, kinds=EVERY_FAULT, seed=1, stall_s=20, where=lambda request: "streams" not in request.path
    )
    report = collect(chat_sources=source, timeout_s=1.0)
    assert Counter(stream.state for stream in report.streams) == {"complete": n_streams}
    for video in videos:
        assert stored_ids(db, video.id) == held_ids(video)
    assert any(entry.status != 200 for entry in youtube.requests)


def test_a_second_time_nothing_is_asked_but_the_list(youtube, db, collect):
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa"), small_chat("bbbbbbbbbbb")])
    collect()
    digest, n = db.digest(), len(youtube.requests)
    report = collect()
    assert (report.n_added, report.streams, report.channels[0].left) == (
        0,
        [],
        ["bbbbbbbbbbb", "aaaaaaaaaaa"],
    )
    assert {entry.path for entry in youtube.requests[n:]} <= {"/@sample/streams", "/youtubei/v1/browse"}
    assert db.digest() == digest


STATES = {
    "members_only": "members_only",
    "private": "failed",
    "deleted": "failed",
    "no_replay": "no_replay",
    "chat_disabled": "no_replay",
    "bot_check": "blocked",
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("status", STATES)
def test_a_stream_without_a_chat_says_why_and_the_others_go_on(youtube, db, collect, status, source):
    refusing = small_chat("aaaaaaaaaaa", title="Refusing")
    youtube.add_channel("@sample", [refusing, small_chat("bbbbbbbbbbb")])
    refusing.status = status
    report = collect(chat_sources=source)
    told = {stream.video_id: stream for stream in report.streams}
    if status in ("private", "deleted"):  # such a one may be missing from the list already
        told.setdefault("aaaaaaaaaaa", None)
    if told["aaaaaaaaaaa"] is not None:
        assert told["aaaaaaaaaaa"].state == STATES[status]
        assert told["aaaaaaaaaaa"].reason
        assert states(db)["aaaaaaaaaaa"] == STATES[status]
    assert told["bbbbbbbbbbb"].state == "complete"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("status", ["live", "upcoming"])
def test_what_is_not_over_yet_is_named_and_left_out(youtube, db, collect, status, source):
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa", status=status), small_chat("bbbbbbbbbbb")])
    report = collect(chat_sources=source)
    assert report.channels[0].running == ["aaaaaaaaaaa"]
    assert list(states(db)) == ["bbbbbbbbbbb"]
    rows = {row["video_id"]: row["state"] for row in load_stream_list(report.channels[0].spreadsheet)}
    assert rows == {"aaaaaaaaaaa": status, "bbbbbbbbbbb": "complete"}


def test_an_update_adds_new_streams_tries_failed_ones_again_and_leaves_the_rest(youtube, db, collect):
    blocked, fine = small_chat("aaaaaaaaaaa"), small_chat("bbbbbbbbbbb")
    channel = youtube.add_channel("@sample", [blocked, fine])
    blocked.status = "bot_check"
    collect()
    assert states(db) == {"aaaaaaaaaaa": "blocked", "bbbbbbbbbbb": "complete"}
    blocked.status = "finished"
    new = small_chat("ccccccccccc")
    youtube.add_videos(new)
    channel.videos.insert(0, new)
    n = len(youtube.requests)
    report = collect_channels(db, load_known_channels(db), CollectSettings(**QUICK))
    changes = {stream.video_id: (stream.before, stream.state, stream.n_added) for stream in report.streams}
    assert changes == {"aaaaaaaaaaa": ("blocked", "complete", 5), "ccccccccccc": (None, "complete", 5)}
    assert report.channels[0].left == ["bbbbbbbbbbb"]
    assert "bbbbbbbbbbb" not in {entry.video_id for entry in youtube.requests[n:]}
    said = report.format_summary(db.path)
    assert "1 new, 1 tried again: 2 complete" in said and "10 new messages" in said


@pytest.mark.parametrize("source", SOURCES)
def test_a_chat_that_broke_off_is_kept_and_completed_later(youtube, db, collect, source):
    (video,) = videos_of_simulation(1, 900, seed=4)
    youtube.add_channel("@sample", [video])
    youtube.faults = Faults(
        rate=1.0, kinds=("500",), where=lambda request: "get_live" in request.path and count() > 3
    )

    def count():
        return sum("get_live" in entry.path for entry in youtube.requests)

    (first,) = collect(chat_sources=source).streams
    assert (first.state, first.n_added > 200) == ("partial", True)
    assert "broke off" in first.reason and "500" in first.reason
    youtube.faults = Faults(rate=0.0)
    n = count()
    (then,) = collect(chat_sources=source).streams
    assert (then.before, then.state, then.reason) == ("partial", "complete", None)
    assert stored_ids(db, video.id) == held_ids(video)
    assert count() - n < len(video.chat)  # it was resumed


def test_a_channel_is_known_for_the_update_as_soon_as_it_is_listed(youtube, db, collect, tmp_path):
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa")])
    youtube.fail_next("500", "/watch", times=1000)
    collect()
    assert states(db) == {"aaaaaaaaaaa": "failed"}
    assert load_known_channels(db) == [Channel(ADDRESS, tmp_path / "streams.ods")]
    (tmp_path / "moved").mkdir()
    db.connection.execute("VACUUM INTO ?", (str(tmp_path / "moved" / "chat.dbs"),))
    with open_store(tmp_path / "moved" / "chat.dbs") as moved:
        assert load_known_channels(moved) == [Channel(ADDRESS, tmp_path / "moved" / "streams.ods")]
    (channel_id,) = db.connection.execute("SELECT channel_id FROM channels").fetchone()
    db.save_channel("renamed", spreadsheet="new.ods", channel_id=channel_id, name=None, n_listed=1)
    assert load_known_channels(db) == [Channel("renamed", tmp_path / "new.ods")]


def test_without_known_channels_an_update_says_what_to_name(db):
    with pytest.raises(ParameterError, match="Name a list, or a channel's address"):
        load_known_channels(db)


@pytest.mark.parametrize("refusal", ["bot_check", 401, 403])
def test_after_three_refusals_in_a_row_the_others_are_not_asked(youtube, db, collect, refusal):
    youtube.add_channel("@sample", [small_chat(letter * 11, status="bot_check") for letter in "abcdef"])
    if refusal != "bot_check":
        youtube.add_page("/watch", "<html>No.</html>", status=refusal)
    report = collect(at_once=1, chat_sources="chat-downloader")
    assert list(states(db).values()) == ["blocked"] * 3
    assert len(report.channels[0].not_asked) == 3
    (said,) = report.channels[0].failures
    assert "cookies file" in said and (refusal == "bot_check" or f"HTTP {refusal}" in said)
    with pytest.raises(SourceError, match="cookies"):
        report.require_usable()


def test_a_channel_under_two_addresses_keeps_its_first_sheet(youtube, db, tmp_path):
    videos = [small_chat("aaaaaaaaaaa")]
    youtube.add_channel("@sample", videos)
    other = f"https://www.youtube.com/channel/{videos[0].channel_id}"
    channels = [Channel(ADDRESS, tmp_path / "one.ods"), Channel(other, tmp_path / "two.ods")]
    report = collect_channels(db, channels, CollectSettings(**QUICK))
    (said,) = report.channels[1].failures
    assert f"{other} is the channel of {ADDRESS}, whose streams are in one.ods" in said
    assert load_known_channels(db) == channels[:1] and not channels[1].spreadsheet.exists()
    assert collect_channels(db, channels[1:], CollectSettings(**QUICK)).channels[0].failures == []


def test_the_members_chat_comes_with_a_members_cookies(youtube, db, collect, tmp_path):
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa", status="members_only")])
    collect()
    assert states(db) == {"aaaaaaaaaaa": "members_only"}
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(
        "# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t2000000000\tSAPISID\tsecret\n"
        ".youtube.com\tTRUE\t/\tTRUE\t2000000000\tLOGIN_INFO\tsecret\n"
    )
    before = cookies.read_bytes()
    for source in SOURCES:
        db.connection.execute("DELETE FROM streams")
        db.connection.execute("DELETE FROM messages")
        collect(cookies=str(cookies), chat_sources=source)
        assert states(db) == {"aaaaaaaaaaa": "complete"}
    assert cookies.read_bytes() == before


def test_only_the_newest_streams_with_a_limit(youtube, db, collect):
    youtube.add_channel("@sample", [small_chat(letter * 11) for letter in "abcd"])
    collect(limit=2)
    assert set(states(db)) == {"a" * 11, "b" * 11}


@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")  # yt-dlp's
@pytest.mark.filterwarnings("ignore:unclosed.*SSLSocket:ResourceWarning")
def test_a_channel_that_cannot_be_listed_is_told_and_the_next_one_goes_on(youtube, db, tmp_path):
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa")])
    channels = [
        Channel("https://www.youtube.com/@nobody", tmp_path / "nobody.ods"),
        Channel(ADDRESS, tmp_path / "sample.ods"),
    ]
    report = collect_channels(db, channels, CollectSettings(**QUICK))
    assert "could not be listed" in report.channels[0].failures[0] and report.has_failed
    assert states(db) == {"aaaaaaaaaaa": "complete"}
    gc.collect()  # what yt-dlp left open, it warns of here


@pytest.mark.parametrize("source", SOURCES)
def test_one_streams_chat_without_a_database(youtube, source):
    youtube.add_videos(small_chat("aaaaaaaaaaa", title="Alone"))
    settings = CollectSettings(**QUICK, chat_sources=source)
    chat = fetch_chat("https://youtu.be/aaaaaaaaaaa?t=3", settings=settings)
    assert [message.text for message in chat.messages] == [f"hello {i}" for i in range(5)]
    assert (chat.stream.title, chat.stream.duration_s, chat.stream.state) == ("Alone", 300, "complete")


@pytest.mark.parametrize("status", ["live", "upcoming", *STATES])
def test_one_stream_that_gives_no_chat_is_an_error_with_its_reason(youtube, status):
    youtube.add_videos(small_chat("aaaaaaaaaaa", status=status))
    with pytest.raises(SourceRefused, match="aaaaaaaaaaa") as caught:
        fetch_chat("https://youtu.be/aaaaaaaaaaa", settings=CollectSettings(**QUICK))
    assert caught.value.state == STATES.get(status, "failed")


@pytest.mark.parametrize("url", ["https://www.twitch.tv/sample", "https://youtube.com/@sample", "x"])
def test_an_address_of_something_else_is_refused(url):
    with pytest.raises(ParameterError, match="watch"):
        fetch_chat(url)


def test_two_collections_at_once_into_one_folder_are_refused(youtube, db, collect, tmp_path):
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa")])
    (tmp_path / "unfinished").mkdir()
    with (
        FileLock(tmp_path / "unfinished" / "lock"),
        pytest.raises(SourceError, match="another one is running"),
    ):
        collect()
    assert youtube.requests == []
    assert collect().n_added == 5
    assert not (tmp_path / "unfinished").exists()


def test_ctrl_c_leaves_no_thread_asking(youtube, collect):
    actions = [text_action(n, "hello", offset_ms=n) for n in range(400)]
    youtube.add_channel("@sample", [make_video(letter * 11, actions, batch_size=4) for letter in "abc"])
    youtube.latency_s = 0.03
    youtube.add_route("/youtubei/v1/live_chat/*", interrupt_at(20))
    with pytest.raises(KeyboardInterrupt):
        collect()
    n = 0
    while n < (n := len(youtube.requests)):  # what was on its way arrives
        time.sleep(1)
    assert n < 100  # of more than 300


def test_ctrl_c_is_quick_even_while_the_site_says_nothing(youtube, collect):
    youtube.add_channel("@sample", [small_chat("aaaaaaaaaaa")])
    youtube.add_route("/watch", interrupt_at(1))
    youtube.fail_next("hang", "/watch", times=99)
    youtube.faults.stall_s = 600
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        collect(timeout_s=250)
    assert time.monotonic() - began < 200  # a read waits longer


def interrupt_at(number):
    """Return a route that presses Ctrl-C at a request, and leaves the answer to the others."""
    count = itertools.count(1)

    def answer(request):
        if next(count) == number:
            _thread.interrupt_main()

    return answer


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"listing": "firefox"}, "LISTING"),
        ({"chat_sources": "pytchat"}, "CHAT_SOURCES"),
        ({"chat_sources": ""}, "CHAT_SOURCES"),
        ({"chat_sources": "yt-dlp,yt-dlp"}, "CHAT_SOURCES"),
        ({"chat_sources": "yt-dlp,"}, "CHAT_SOURCES"),
        ({"cookies": "no.txt"}, "COOKIES"),
        ({"at_once": 0}, "AT_ONCE"),
        ({"requests_per_s": 0}, "REQUESTS_PER_S"),
        ({"limit": -1}, "limit"),
    ],
)
def test_settings_are_checked(given, rule):
    with pytest.raises(ParameterError, match=rule):
        CollectSettings(**given)
    assert CollectSettings(chat_sources="yt-dlp , chat-downloader").sources == ("yt-dlp", "chat-downloader")


@pytest.mark.parametrize("name", ["01_collect", "02_update"])
def test_a_notebooks_defaults_are_the_settings(name):
    parameters = read_parameters(ROOT / "notebooks" / f"{name}.ipynb")
    defaults = CollectSettings()
    for field in ("listing", "chat_sources", "cookies", "at_once", "requests_per_s", "limit"):
        assert parameters[field.upper()] == getattr(defaults, field)


def read_parameters(path):
    """Return the values in a notebook's cell of parameters."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    (source,) = ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", ())]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(source).body}


# ------------------------------------------------------------------- which streams are fetched

KNOWN = {s[0]: s for s in ("complete", "partial", "blocked", "failed", "members_only", "no_replay")}


def test_the_plan_takes_new_and_unfinished_streams_oldest_first():
    plan = plan_streams(["y", *"cpbfmn", "z"], KNOWN)
    assert plan == (["z", "f", "b", "p", "y"], [], [], ["n", "m", "c"])


def test_with_cookies_the_members_streams_are_tried_again():
    assert plan_streams(list("cm"), KNOWN, has_cookies=True).wanted == ["f", "b", "p", "m"]
    assert plan_streams(list("cm"), {"m": "members_only"}, has_cookies=True).wanted == ["m", "c"]


def test_running_and_gone_streams_are_named_and_left_out():
    plan = plan_streams(["l", "g", "p", "u"], KNOWN, running=["u", "l", "elsewhere"], gone=["g"])
    assert plan == (["f", "b", "p"], ["u", "l"], ["g"], ["n", "m", "c"])
    assert plan_streams(["p"], {"p": "partial"}, gone=["p"]) == ([], [], ["p"], [])
    assert plan_streams([], {}) == ([], [], [], [])


def test_known_streams_that_the_list_no_longer_shows_are_tried_again():
    assert plan_streams(["y"], {"f": "failed", "c": "complete"}) == (["f", "y"], [], [], ["c"])


def test_a_limit_counts_the_newest_that_are_over():
    plan = plan_streams(["l", "c", "x", "y"], {"c": "complete", "f": "failed"}, running=["l"], limit=2)
    assert plan == (["x"], ["l"], [], ["c"])
