"""Channels and the chats of VODs on a local Twitch, through the real clients, into the database."""

import datetime as dt
import os
import signal
import subprocess
import sys

import pytest

from chatlib.analyze.analytics.readers import read_address
from chatlib.collect.collection import collect_channels, fetch_chat
from chatlib.collect.lists import Channel, load_stream_list
from chatlib.collect.sites import CollectSettings, ResumeFile
from chatlib.collect.sources import find_channels
from chatlib.collect.transport import Politeness, Stopped
from chatlib.collect.twitch.site import fetch_chat_of
from chatlib.errors import SourceRefused
from chatlib.records import TWITCH, Stream
from chatlib.store import open_store
from tests.collect.twitch.site.graphql import START, Vod, make_comment, make_vod
from tests.collect.youtube.site.videos import videos_of_simulation
from tests.collect.youtube.site.wire import Faults, json_reply
from tests.places import ROOT

ADDRESS = "https://www.twitch.tv/sample"
EVERY_FAULT = ("429", "500", "503", "reset", "cut_json", "short_json", "service_error")
QUICK = {"listing": "yt-dlp", "requests_per_s": 1000, "timeout_s": 30.0, "backoff_s": 0.01}


@pytest.fixture
def collect(db, tmp_path):
    """Collect a channel into the database; settings can be given."""
    channels = [Channel(ADDRESS, tmp_path / "twitch_sample.ods")]
    return lambda **given: collect_channels(db, channels, CollectSettings(**{**QUICK, **given}))


def make_vods(*video_ids, n=150, **facts):
    """Return VODs, newest first, a day apart."""
    starts = {v: START + dt.timedelta(days=number) for number, v in enumerate(reversed(video_ids))}
    return [make_vod(v, n, started_at=starts[v], title=f"Stream {v}", **facts) for v in video_ids]


def stored_ids(db, video_id):
    sql = (
        "SELECT message_id FROM messages JOIN streams USING (stream_id) WHERE video_id = ? ORDER BY position"
    )
    return [message_id for (message_id,) in db.connection.execute(sql, (video_id,))]


def states(report):
    return {stream.video_id: stream.state for stream in report.streams}


def test_a_channel_comes_with_starts_titles_durations_and_every_comment(twitch, db, collect, tmp_path):
    twitch.list_size = 2
    vods = make_vods("2003", "2002", "2001")
    twitch.add_channel("sample", vods)
    report = collect()
    assert states(report) == {"2001": "complete", "2002": "complete", "2003": "complete"}
    streams = db.load_streams()
    assert streams["video_id"].tolist() == ["2001", "2002", "2003"]
    assert streams["started_at"].tolist() == [vod.started_at.isoformat() for vod in vods[::-1]]
    assert streams["title"].tolist() == ["Stream 2001", "Stream 2002", "Stream 2003"]
    assert streams["duration_s"].tolist() == [3600.0] * 3
    assert streams["views"].tolist() == [77] * 3
    assert set(streams["platform"]) == {"twitch"}
    assert set(streams["channel_name"]) == {"Sample"}
    for vod in vods:
        assert stored_ids(db, vod.id) == vod.ids
    rows = load_stream_list(tmp_path / "twitch_sample.ods")
    assert [(row["url"], row["state"]) for row in rows] == [
        (f"https://www.twitch.tv/videos/{v}", "complete") for v in ("2001", "2002", "2003")
    ]
    assert not (tmp_path / "unfinished").exists()


def test_an_update_adds_the_new_and_leaves_what_is_whole(twitch, db, collect):
    vods = make_vods("2003", "2002", "2001")
    twitch.add_channel("sample", vods[1:])
    collect()
    twitch.channels["sample"].vods = vods[:2]  # the oldest expired meanwhile
    twitch.asked.clear()
    report = collect()
    assert states(report) == {"2003": "complete"}
    asked = {variables["videoID"] for name, variables in twitch.asked if name.startswith("VideoComments")}
    assert asked == {"2003"}
    assert len(db.load_streams()) == 3


def test_a_running_broadcast_a_gone_vod_and_an_unknown_channel_are_said(twitch, db, collect):
    live, old = make_vods("2002", "2001")
    live.is_live = True
    twitch.add_channel("sample", [live, old])
    report = collect()
    (channel,) = report.channels
    assert (channel.running, states(report)) == (["2002"], {"2001": "complete"})
    twitch.channels.clear()
    report = collect()
    assert "Twitch knows no channel at https://www.twitch.tv/sample" in report.channels[0].failures[0]


@pytest.mark.parametrize("answer", [{}, [], None, [{"data": None}], [{"data": {"user": None}}]])
def test_an_answer_of_another_shape_is_no_empty_list(twitch, youtube, collect, answer):
    youtube.add_route("/gql", lambda request: json_reply(answer), hosts=frozenset({"gql.twitch.tv"}))
    assert "could not be listed" in collect().channels[0].failures[0]


def test_a_list_that_fails_in_another_way_is_said(twitch, collect, tmp_path, monkeypatch):
    (tmp_path / "cookies.txt").write_text("none")
    failed = collect(cookies=str(tmp_path / "cookies.txt")).channels[0].failures
    monkeypatch.setenv("https_proxy", "http://[")
    failed += collect().channels[0].failures
    assert "must be in Netscape's format" in failed[0] and "yt-dlp could not read the list" in failed[1]


def test_a_chat_for_subscribers_only_is_asked_for_once_and_said(twitch, db, collect):
    vods = make_vods("2002", "2001")
    vods[0].refusal = "must be a subscriber"
    twitch.add_channel("sample", vods)
    report = collect()
    assert states(report) == {"2002": "members_only", "2001": "complete"}
    assert "to subscribers only (must be a subscriber)" in str([stream.reason for stream in report.streams])
    assert [variables.get("videoID") for _, variables in twitch.asked].count("2002") == 1
    assert states(collect()) == {}  # without cookies it is not asked for again


def test_a_server_that_fails_one_request_in_ten_loses_and_doubles_nothing(twitch, youtube, db, collect):
    vods = make_vods(*(str(2020 - number) for number in range(20)), n=200)
    twitch.add_channel("sample", vods)
    youtube.faults = Faults(rate=0.1, kinds=EVERY_FAULT, seed=1)
    report = collect()
    assert set(states(report).values()) == {"complete"}
    assert not report.channels[0].problems
    for vod in vods:
        assert stored_ids(db, vod.id) == vod.ids


def test_clips_of_collected_vods_are_kept_with_their_place(twitch, db, collect):
    def make_clip(name, video_id, offset_s, views=5):
        return {"slug": name, "title": f"clip {name}", "viewCount": views, "durationSeconds": 30,
                "createdAt": "2024-05-02T10:00:00Z", "curator": {"login": "bob"},
                "video": video_id and {"id": video_id}, "videoOffsetSeconds": offset_s}  # fmt: skip

    clips = [make_clip("a", "2001", 100), make_clip("b", None, None), make_clip("c", "1999", 5)]
    clips += [make_clip(f"d{number}", "2001", number) for number in range(150)]
    twitch.add_channel("sample", make_vods("2001"), clips=clips)
    collect()
    clips[0]["viewCount"] = 9
    collect()
    table = db.load_clips().set_index("clip_id")
    assert len(table) == 151
    assert table.loc["a", ["offset_s", "duration_s", "title", "views", "creator"]].tolist() == [
        100.0, 30.0, "clip a", 9, "bob",
    ]  # fmt: skip


def test_a_list_mixes_twitch_and_youtube(twitch, youtube, db, tmp_path):
    twitch.add_channel("sample", make_vods("2001"))
    youtube.add_channel("@sample", videos_of_simulation(1, 50, seed=3))
    sheet = tmp_path / "channels.csv"
    sheet.write_text(
        "channel,streams\nhttps://www.twitch.tv/Sample/videos,one\nhttps://www.youtube.com/@sample,two\n"
    )
    report = collect_channels(
        db,
        find_channels(str(sheet), base=tmp_path, folder=tmp_path),
        CollectSettings(**QUICK),
    )
    assert [stream.state for stream in report.streams] == ["complete", "complete"]
    assert set(db.load_streams()["platform"]) == {"twitch", "youtube"}
    assert report.totals["streams"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "https://www.twitch.tv/harbor_1",
        "twitch.tv/Harbor_1/",
        "http://m.twitch.tv/harbor_1/videos?filter=archives&sort=time",
        "https://www.twitch.tv/harbor_1/clips",
    ],
)
def test_a_channel_has_one_address_and_a_sheet_of_its_own(text, tmp_path):
    (channel,) = find_channels(text, base=tmp_path, folder=tmp_path)
    assert channel == ("https://www.twitch.tv/harbor_1", tmp_path / "twitch_harbor_1.ods")


def test_a_vods_address_is_analyzed_without_a_database(twitch):
    (vod,) = make_vods("2001")
    twitch.add_channel("sample", [vod])
    chat = read_address("https://www.twitch.tv/videos/2001?t=1h2m")
    assert (chat.stream.title, len(chat.messages)) == ("Stream 2001", 150)
    with pytest.raises(SourceRefused, match="deleted, private, or expired"):
        fetch_chat("https://www.twitch.tv/videos/1000", CollectSettings(**QUICK))


LONG = [pytest.mark.real, pytest.mark.timeout(2400)]
KILL = """
import os, signal
from chatlib.collect import sites
add, count = sites.ResumeFile.add, iter(range({after}))
def add_and_die(self, batch):
    add(self, batch)
    if next(count, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
sites.ResumeFile.add = add_and_die
"""


@pytest.mark.parametrize(("n_vods", "n_comments", "kills", "rate"), [
    pytest.param(2, 300, [7], 0.0, id="short"),
    pytest.param(20, 5000, [n % 90 + 5 for n in range(7, 950, 38)], 0.1, id="long", marks=LONG),
])  # fmt: skip
def test_a_killed_collection_goes_on_to_the_same_content(
    twitch, youtube, tmp_path, n_vods, n_comments, kills, rate
):
    vods = make_vods(*(str(2000 + n) for n in range(n_vods, 0, -1)), n=n_comments)
    twitch.add_channel("sample", vods)
    youtube.faults = Faults(rate=rate, kinds=("429", "500", "reset", "cut_json", "service_error"))
    run = "import sys; from chatlib.__main__ import main; sys.exit(main(sys.argv[1:]))"
    environment = os.environ | youtube.environment()
    environment["PYTHONPATH"] += f"{os.pathsep}{ROOT}"
    digests = []
    for name, programs in (("whole", [run]), ("killed", [*(KILL.format(after=n) + run for n in kills), run])):
        path = tmp_path / name / "chat.dbs"
        options = [
            "collect",
            ADDRESS,
            "--db",
            str(path),
            "--at-once",
            str(n_vods // 5 or 1),
            "--requests-per-s",
            "1000",
        ]
        codes = [
            subprocess.run([sys.executable, "-c", program, *options], env=environment, check=False).returncode
            for program in programs
        ]
        assert codes == ([0] if name == "whole" else [*[-signal.SIGKILL] * len(kills), 0])
        with open_store(path) as db:
            digests.append(db.digest())
            assert all(sorted(stored_ids(db, vod.id)) == sorted(vod.ids) for vod in vods)
        assert (path.parent / "twitch_sample.ods").is_file()
    assert digests[0] == digests[1]


@pytest.fixture
def fetch(tmp_path):
    """Fetch a VOD's chat; its duration is known unless another is given."""

    def fetch_vod(vod, *, duration_s=None, attempts=7, on_progress=None):
        politeness = Politeness(per_s=1000, timeout_s=30.0, backoff_s=0.01, attempts=attempts)
        stream = Stream(TWITCH, vod.id, duration_s=duration_s or vod.duration_s)
        saved = ResumeFile(tmp_path / f"twitch-{vod.id}.jsonl")
        return fetch_chat_of(stream, politeness, saved, on_progress=on_progress)

    return fetch_vod


def ids_of(replay):
    return [message.message_id for message in replay.messages]


def offsets_asked(twitch):
    return [
        variables["contentOffsetSeconds"] for name, variables in twitch.asked if name.startswith("VideoC")
    ]


def test_every_comment_comes_once_and_in_order(twitch, fetch):
    vod = make_vod("2001", 500)
    twitch.add_channel("sample", [vod])
    replay = fetch(vod)
    assert ids_of(replay) == vod.ids
    assert (replay.stream.state, replay.stream.view, replay.stream.reason) == ("complete", "live", None)
    assert offsets_asked(twitch) == sorted(set(offsets_asked(twitch)))
    assert not any("cursor" in variables for _, variables in twitch.asked)


def test_seconds_that_no_page_can_hold_are_counted(twitch, fetch):
    offsets = [10] * 5 + [20] * 200 + [21] * 3 + [40] * 150 + [3000]
    comments = [make_comment(number, offset, "hi", vod="2001") for number, offset in enumerate(offsets)]
    vod = Vod("2001", comments, overlap=5)
    twitch.add_channel("sample", [vod])
    replay = fetch(vod)
    assert {"2001-0", "2001-205", "2001-358"} < set(ids_of(replay)) < set(vod.ids)
    assert replay.stream.state == "complete"
    assert replay.stream.reason == "2 seconds were so full that comments may be missing"


def test_a_second_that_fills_a_page_is_whole_where_the_next_page_overlaps(twitch, fetch):
    comments = [make_comment(number, 20, "hi", vod="2001") for number in range(70)]
    comments += [make_comment(number, 3500, "hi", vod="2001") for number in range(70, 100)]
    vod = Vod("2001", comments, overlap=30)
    twitch.add_channel("sample", [vod])
    replay = fetch(vod)
    assert (ids_of(replay), replay.stream.reason) == (vod.ids, None)


def test_an_end_long_before_the_vods_is_asked_behind(twitch, fetch):
    comments = [make_comment(number, number, "hi", vod="2001") for number in range(100)]
    vod = Vod("2001", comments, duration_s=7200)
    twitch.add_channel("sample", [vod])
    replay = fetch(vod)
    assert ids_of(replay) == vod.ids
    assert (replay.stream.state, replay.stream.reason) == (
        "complete",
        "the chat ends at 0:01:39 of 2:00:00; nothing lies behind it",
    )
    assert offsets_asked(twitch)[-1] > 3000


def test_a_vod_that_is_gone_and_one_without_chat_are_told_apart(twitch, fetch):
    gone, silent = make_vod("2001", 10, is_gone=True), Vod("2002", [])
    twitch.add_channel("sample", [gone, silent])
    for vod, reason in ((gone, "deleted, private, or expired"), (silent, "has no chat")):
        with pytest.raises(SourceRefused, match=reason) as caught:
            fetch(vod)
        assert caught.value.state == "no_replay"


def test_errors_that_do_not_end_leave_a_part_that_a_second_call_completes(twitch, youtube, fetch, tmp_path):
    vod = make_vod("2001", 500)
    twitch.add_channel("sample", [vod])
    fetch_pages = []

    def fail(offset_s):
        fetch_pages.append(offset_s)
        if len(fetch_pages) == 4:
            youtube.fail_next("service_error", "/gql", times=3)

    part = fetch(vod, attempts=3, on_progress=fail)
    assert part.stream.state == "partial"
    assert "the replay broke off at" in part.stream.reason
    assert "service error" in part.stream.reason
    assert 0 < len(part.messages) < 500
    n_asked = len(twitch.asked)
    whole = fetch(vod)
    assert (whole.stream.state, ids_of(whole)) == ("complete", vod.ids)
    asked_again = offsets_asked(twitch)[n_asked:]
    assert min(asked_again) > 0


@pytest.mark.parametrize("n_pages", [1, 5, 9])
def test_a_download_stopped_after_any_page_goes_on_to_the_same_content(twitch, fetch, tmp_path, n_pages):
    vod = make_vod("2001", 500)
    twitch.add_channel("sample", [vod])
    seen = []

    def stop(offset_s):
        seen.append(offset_s)
        if len(seen) == n_pages:
            raise Stopped

    with pytest.raises(Stopped):
        fetch(vod, on_progress=stop)
    saved = tmp_path / "twitch-2001.jsonl"
    with saved.open("ab") as file:
        file.write(b'{"items": [half a line')
    assert len(list(ResumeFile(saved).iter_saved())) == n_pages
    replay = fetch(vod)
    assert (replay.stream.state, ids_of(replay)) == ("complete", vod.ids)
