"""A running stream on a local YouTube, watched through the real clients."""

import datetime as dt
import json
import re
import signal
import threading
import time
from functools import partial

import pytest

from chatlib.__main__ import main
from chatlib.collect.collection import collect_channels
from chatlib.collect.lists import Channel
from chatlib.collect.live import WatchSettings, watch_streams
from chatlib.collect.sites import CollectSettings
from chatlib.collect.summary import summarize_people
from chatlib.collect.transport import Politeness
from chatlib.collect.youtube.live import YouTubeFeed
from chatlib.errors import MissingSource, SourceRefused, StoreFull
from chatlib.store import open_store
from tests.collect.youtube.site.renderers import replay_action
from tests.collect.youtube.site.videos import Chat, LiveChat, live_action, make_video, videos_of_simulation
from tests.waiting import count, play

SOURCES = ("chat-downloader", "yt-dlp")
ID = "livestream0"
CHANNEL = "https://www.youtube.com/@sample"


@pytest.fixture
def video(youtube):
    """A stream of @sample that began ten seconds ago."""
    began = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=10)
    video = make_video(ID, status="live", started_at=began.strftime("%Y-%m-%dT%H:%M:%SZ"), duration_s=3600)
    video.live = LiveChat(ID)
    youtube.add_channel("@sample", [video])
    return video


def open_feed(url=CHANNEL, source="chat-downloader"):
    settings = CollectSettings(chat_sources=source)
    return YouTubeFeed(
        url, Politeness(per_s=1000, backoff_s=0.01, timeout_s=30.0, attempts=2), settings=settings
    )


def watch(db, *feeds, steps=(), **given):
    """Watch while the steps are played, until the last one has stopped it or the stream has ended."""
    stop = threading.Event()
    settings = WatchSettings(flush_s=0.2, look_s=0.2, backoff_s=0.05, **given)
    play(db.path, stop, *((awaited, act or stop.set) for awaited, act in steps))
    return watch_streams(db, feeds or [open_feed()], settings, stop=stop)


def say(video, *numbers, ago_s=0.0):
    """Say messages now, or as if some seconds ago; return the moment of the first one."""
    sent_us = time.time_ns() // 1000 - round(ago_s * 1e6)
    video.live.say(*(live_action(n, f"hi {n}", sent_us=sent_us + n) for n in numbers))
    return sent_us / 1e6


def offset_of(moment, video):
    return moment - dt.datetime.fromisoformat(video.started_at).timestamp()


def end(video):
    video.status, video.live.is_over = "finished", True
    began = dt.datetime.fromisoformat(video.started_at)
    video.duration_s = round((dt.datetime.now(dt.UTC) - began).total_seconds())


def stored(db, kind="text_message"):
    rows = db.load_messages(columns=["kind", "text"])
    return rows.loc[rows["kind"] == kind, "text"].tolist()


@pytest.mark.parametrize("source", SOURCES)
def test_all_that_is_said_until_the_streams_end_is_stored_once(video, db, source):
    first_s = offset_of(say(video, 1, 2, ago_s=9), video)
    steps = [(2, partial(say, video, 3, 4)), (4, partial(say, video, 5)), (5, partial(end, video))]
    (capture,) = watch(db, open_feed(source=source), steps=steps, until_end=True)
    assert stored(db) == [f"hi {n}" for n in (1, 2, 3, 4, 5)]
    (stream,) = db.load_streams().to_dict("records")
    assert (stream["platform"], stream["video_id"], stream["view"]) == ("youtube", ID, "captured")
    assert (stream["title"], stream["channel_name"]) == ("A stream", "Fake Harbor")
    assert (stream["state"], stream["reason"]) == ("partial", capture.describe_end()[1])
    (gap,) = capture.gaps  # the first message may not have been the first of the stream
    assert (gap.start_s, gap.end_s) == (0, pytest.approx(first_s, abs=0.01))
    assert offsets_of(db.path)[0] == pytest.approx(first_s, abs=0.01)
    until_now = round(offset_of(time.time(), video), 1)  # as stored
    assert video.duration_s - 1 <= stream["duration_s"] <= until_now


def test_every_kind_of_row_is_read_and_what_is_deleted_is_marked(video, db):
    row = {"message_type": "paid_message", "message_id": "p1", "timestamp": time.time_ns() // 1000,
           "time_in_seconds": 1, "time_text": "0:01", "message": "wow", "money": {"text": "$5.00"},
           "author": {"id": "UC1", "name": "@bo"}}  # fmt: skip
    (paid,) = replay_action(row)["replayChatItemAction"]["actions"]
    say(video, 1)
    gone = {"targetItemId": "ChwKGk00000001", "deletedStateMessage": {"runs": [{"text": "[deleted]"}]}}
    video.live.say(paid, {"markChatItemAsDeletedAction": gone})
    (capture,) = watch(db, steps=[(3, None)])
    rows = db.load_messages(columns=["kind", "message_id", "target_id", "amount"])
    assert sorted(rows["kind"]) == ["deleted_message", "paid_message", "text_message"]
    deleted = rows[rows["kind"] == "deleted_message"]["target_id"].item()
    assert deleted == rows[rows["kind"] == "text_message"]["message_id"].item()
    assert (capture.n_paid, rows["amount"].dropna().tolist()) == (1, ["5.00"])


def test_an_author_who_wrote_again_can_be_banned_again(video, db):
    ban = {"markChatItemsByAuthorAsDeletedAction": {"externalChannelId": "UCann".ljust(24, "0")}}

    def ban_again():
        say(video, 2)
        video.live.say(ban, ban)  # reported twice
        video.live.n_broken = 1  # and once more in the page of the next connection

    say(video, 1)
    video.live.say(ban)
    watch(db, steps=[(2, ban_again), (4, partial(say, video, 3)), (5, None)])
    rows = db.load_messages(columns=["kind", "author", "offset_s"])
    bans = rows[rows["kind"] == "ban_user"]
    assert len(bans) == 2 and bans["author"].nunique() == 1
    assert bans["author"].iloc[0] == rows.loc[rows["kind"] == "text_message", "author"].iloc[0]


def test_what_a_short_disconnection_would_miss_is_in_the_next_page(video, db):
    def break_off():
        video.live.n_broken = 2
        say(video, 2, 3)

    first_s = offset_of(say(video, 1, ago_s=9), video)
    steps = [(1, break_off), (3, partial(say, video, 4)), (4, partial(end, video))]
    (capture,) = watch(db, steps=steps, until_end=True)
    assert stored(db) == [f"hi {n}" for n in (1, 2, 3, 4)]
    assert [gap.end_s for gap in capture.gaps] == [pytest.approx(first_s, abs=0.01)]  # before the first one


def test_what_a_longer_time_away_missed_is_said(video, db):
    video.live.page_size = 2
    first = say(video, 1, ago_s=9)
    watch(db, steps=[(1, None)])
    away = time.time()
    time.sleep(1.5)  # the database knows whole seconds
    moments = [say(video, n) for n in range(2, 9)]
    (capture,) = watch(db, steps=[(3, None)])
    assert stored(db) == ["hi 1", "hi 7", "hi 8"]
    (gap,) = capture.gaps
    assert offset_of(first, video) <= gap.start_s <= offset_of(away, video) + 1
    assert gap.end_s == pytest.approx(offset_of(moments[5], video), abs=0.01)
    assert db.load_streams()["reason"].item().startswith("not connected for ")


def test_it_waits_for_a_stream_that_is_announced(youtube, video, db):
    def begin():
        video.status = "live"
        say(video, 1)

    video.status = "upcoming"
    (capture,) = watch(db, steps=[(lambda: youtube.requests, begin), (1, None)])
    assert stored(db) == ["hi 1"]
    assert not capture.has_ended


def test_offsets_are_from_the_first_message_until_the_start_is_known(video, db):
    start, video.started_at = video.started_at, ""
    moments = [say(video, 1, ago_s=4), say(video, 2, ago_s=1)]
    seen = []

    def tell_start():
        seen.extend(offsets_of(db.path))
        video.started_at = start

    watch(db, steps=[(2, tell_start), (lambda: offsets_of(db.path) != seen, None)])
    assert seen[1] - seen[0] == pytest.approx(moments[1] - moments[0], abs=0.01)
    assert offsets_of(db.path) == pytest.approx([offset_of(at, video) for at in moments], abs=0.01)


def test_a_start_that_is_known_stays_known_until_the_chat_is_connected_anew(video):
    start, video.started_at = video.started_at, ""
    say(video, 1, ago_s=4)
    feed = open_feed()
    feed.connect(feed.find_stream())
    video.started_at = start
    assert [feed.find_stream().started_at[:19] for _ in range(3)] == [start[:19]] * 3
    feed.close()


def offsets_of(path):
    with open_store(path) as other:
        return other.load_messages(columns=["offset_s"])["offset_s"].tolist()


def test_several_streams_each_have_a_state_of_their_own(youtube, video, db):
    other = make_video("livestream1", status="live", started_at=video.started_at)
    other.live = LiveChat("livestream1")
    youtube.add_videos(other)
    say(video, 1)
    say(other, 7)
    ended = partial(count, db.path, "streams WHERE ended_at IS NOT NULL")
    url = "https://www.youtube.com/watch?v="
    feeds = [
        open_feed(url + ID),
        open_feed(url + "livestream1"),
        open_feed("https://www.youtube.com/@nobody"),
    ]
    captures = watch(db, *feeds, steps=[(2, partial(end, video)), (ended, None)])
    assert [(c.stream.video_id, c.has_ended, c.n_added) for c in captures] == [
        (ID, True, 1),
        ("livestream1", False, 1),
    ]


@pytest.mark.parametrize(("status", "state", "said"), [
    ("finished", "failed", "is over"), ("private", "failed", "[Pp]rivate"),
    ("bot_check", "blocked", "not a bot"),
    ("members_only", "members_only", "Join this channel"),
])  # fmt: skip
def test_a_stream_that_cannot_be_watched_says_why(video, db, status, state, said):
    video.status = status
    with pytest.raises(SourceRefused, match=said) as caught:
        watch(db, open_feed(f"https://youtu.be/{ID}"))
    assert caught.value.state == state
    assert len(db.load_streams()) == 0


def test_a_channel_that_is_not_there_is_an_error(video, db):
    with pytest.raises(MissingSource, match="knows no channel"):
        watch(db, open_feed("https://www.youtube.com/@nobody"))


def test_a_channel_that_is_not_live_is_waited_for(youtube, video, db):
    end(video)
    assert watch(db, steps=[(lambda: len(youtube.requests) > 3, None)]) == []


def test_capture_and_replay_of_a_simulated_stream_are_one_with_all_payments(youtube, db, tmp_path):
    (video,) = videos_of_simulation(1, 1500, seed=4)
    began = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(seconds=video.duration_s)
    video.started_at = began.strftime("%Y-%m-%dT%H:%M:%SZ")
    replay = [shift_moment(item, began) for item in video.chat.actions]
    paid = [
        held.message_id for held in video.held if "Paid" in held.renderer or "GiftPurchase" in held.renderer
    ]
    paid = [message_id for message_id in dict.fromkeys(paid) if message_id in find_added_ids(replay)]
    gone = set(paid[::3])
    assert len(gone) > 3
    video.live = LiveChat(video.id, page_size=10_000)
    video.live.say(*(action for item in replay for action in item["replayChatItemAction"]["actions"]))
    video.status = "live"
    youtube.add_channel("@sample", [video])
    watch(db, steps=[(lambda: video.live.n_asked > 1, partial(end, video))], until_end=True)
    before = summarize_people(db)

    end(video)
    kept = [item for item in replay if not gone & set(ids_of(item))]
    video.chat = Chat(video.id, [kept])
    channel = Channel(CHANNEL, tmp_path / "streams.ods")
    settings = CollectSettings(listing="yt-dlp", requests_per_s=1000)
    report = collect_channels(db, [channel], settings)
    assert summarize_people(db)["donors"] == before["donors"]
    assert db.load_notices()["pays"].sum() == len(paid)
    assert f"the replay lacks {len(gone)} of {len(paid)} payments" in report.sides[0]
    assert report.sides[0].endswith("the capture lacks nothing")
    with open_store(tmp_path / "replay.dbs", create=True) as alone:
        other = Channel(CHANNEL, tmp_path / "other.ods")
        collect_channels(alone, [other], settings)
        assert alone.load_notices()["pays"].sum() == len(paid) - len(gone)
        assert summarize_people(alone)["donors"] < before["donors"]


def shift_moment(item, began):
    """Return a replay's item with its moments counted from another start."""
    text = json.dumps(item)
    sent_us = round(began.timestamp() * 1e6) + int(item["replayChatItemAction"]["videoOffsetTimeMsec"]) * 1000
    return json.loads(re.sub(r'"timestampUsec": "\d+"', f'"timestampUsec": "{sent_us}"', text))


def ids_of(item):
    """Return the ids of the messages that a replay's item adds or repeats."""
    return re.findall(r'"id": "([^"]+)"', json.dumps(item))


def find_added_ids(items):
    """Return the ids of payments that are added themselves, not only repeated by a ticker."""
    added = [item for item in items if "addChatItemAction" in item["replayChatItemAction"]["actions"][0]]
    return {message_id for item in added for message_id in ids_of(item)}


def test_a_disk_that_fills_up_ends_the_watch_with_what_came_before(video, db):
    say(video, *range(20))
    watch(db, steps=[(20, None)])
    (pages,) = db.connection.execute("PRAGMA page_count").fetchone()
    db.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    video.live.page_size = 10_000
    say(video, *range(100, 1000))
    with pytest.raises(StoreFull, match="free some space"):
        watch(db)
    assert len(stored(db)) >= 20
    assert db.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("address", ["https://kick.com/x", "https://www.twitch.tv/videos/123456789", "none"])
def test_an_address_that_cannot_be_watched_is_refused_before_anything_is_asked(address, tmp_path, capsys):
    assert main(["watch", address, "--db", str(tmp_path / "chat.dbs")]) == 2
    assert re.search("https://www.youtube.com/@handle.*https://www.twitch.tv/name", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_a_second_ctrl_c_ends_a_watch_at_once(monkeypatch, tmp_path):
    def hang(*_, stop, **__):
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("chatlib.collect.live.watch_streams", hang)
    assert main(["watch", CHANNEL, "--db", str(tmp_path / "chat.dbs")]) == 130


def test_an_address_that_is_named_twice_is_refused(capsys):
    assert main(["watch", CHANNEL, "youtube.com/@sample/streams"]) == 2
    assert "named twice" in capsys.readouterr().err
    assert main(["watch", CHANNEL, "--minutes", "0"]) == 2
    assert "more than 0 minutes, got 0" in capsys.readouterr().err
