"""A running stream on a local Twitch, watched over IRC."""

import datetime as dt
import itertools
import random
import socket
import threading
import time
from functools import partial
from types import SimpleNamespace

import pytest

from chatlib.collect.collection import collect_channels
from chatlib.collect.lists import Channel
from chatlib.collect.live import WatchSettings, watch_streams
from chatlib.collect.sites import CollectSettings
from chatlib.collect.transport import Politeness
from chatlib.collect.twitch.live import IrcReader, TwitchFeed, parse_line
from chatlib.records import TWITCH_PAID_KINDS
from chatlib.store import open_store
from tests.collect.twitch.site.graphql import make_comment, make_vod
from tests.collect.twitch.site.irc import FakeIrc, client_context, make_notice, make_privmsg
from tests.waiting import count, play, wait_until

KINDS = {
    "sub": "subscription", "resub": "resubscription", "subgift": "subscription_gift",
    "submysterygift": "mystery_subscription_gift", "giftpaidupgrade": "gift_paid_upgrade",
    "anongiftpaidupgrade": "anonymous_gift_paid_upgrade", "primepaidupgrade": "prime_paid_upgrade",
    "standardpayforward": "standard_pay_forward", "communitypayforward": "community_pay_forward",
    "raid": "raid", "announcement": "announcement", "viewermilestone": "viewermilestone",
}  # fmt: skip
START_US = 1714586400_000_000


def read(*lines):
    reader = IrcReader("2001", START_US)
    parsed = (parse_line(line.decode().rstrip("\r\n")) for line in lines)
    return [message for line in parsed if (message := reader.read(line))]


def test_a_message_has_author_badges_emotes_bits_and_its_moment():
    line = make_privmsg(
        1, "Kappa hi Kappa 🎉 Pog", author=7, sent_us=START_US + 2_500_000, badges="subscriber/12,bits/1000",
        badge_info="subscriber/14", bits=100, emotes="25:0-4,9-13/88:17-19",
    )  # fmt: skip
    (message,) = read(line)
    assert message._asdict() | {"badges": None} == {
        "message_id": "m1", "kind": "text_message", "offset_s": 2.5, "author_id": "7",
        "author_name": "Viewer7", "text": "Kappa hi Kappa 🎉 Pog", "notice": None, "badges": None,
        "amount_text": None, "amount": None, "currency": None, "bits": 100,
        "timestamp_us": START_US + 2_500_000, "emotes": '["Kappa", "Pog"]', "target_id": None,
    }  # fmt: skip
    assert message.badges == '["14-Month Subscriber", "bits/1000"]'


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_every_kind_of_event_is_read(name, kind):
    (message,) = read(make_notice(1, name, "Viewer1 did; it \\ all", "own words"))
    assert (message.kind, message.notice, message.text) == (kind, "Viewer1 did; it \\ all", "own words")
    assert read(make_notice(1, name, "said"))[0].text is None
    assert (kind in TWITCH_PAID_KINDS) == (name not in ("raid", "announcement", "viewermilestone"))


def test_deletions_are_messages_and_another_rooms_are_none():
    messages = read(
        b"@login=bob;room-id=9;target-msg-id=m7;tmi-sent-ts=1714586401000 :tmi.twitch.tv CLEARMSG #sample :x",
        b"@room-id=9;target-user-id=5;tmi-sent-ts=1714586402000 :tmi.twitch.tv CLEARCHAT #sample :bob",
        b"@room-id=9;tmi-sent-ts=1714586403000 :tmi.twitch.tv CLEARCHAT #sample",
        make_privmsg(2, "from elsewhere", source_room_id=8),
        make_privmsg(3, "\x01ACTION waves\x01", msg_id="highlighted-message"),
        b":tmi.twitch.tv 001 justinfan1 :Welcome, GLHF!",
    )
    assert [(m.kind, m.offset_s, m.target_id, m.author_id) for m in messages[:2]] == [
        ("deleted_message", 1.0, "m7", None),
        ("ban_user", 2.0, None, "5"),
    ]
    assert [(m.kind, m.text) for m in messages[2:]] == [("highlighted_message", "waves")]


@pytest.mark.parametrize("line", ["", " ", "@", "@a", ":", ":x", "@a=b :c", "@=\\;;=", "PING"])
def test_a_line_that_is_no_message_breaks_nothing(line):
    parsed = parse_line(line)
    assert parsed is None or IrcReader("2001", 0).read(parsed) is None


def test_mutated_lines_give_messages_or_nothing():
    rng = random.Random(5)
    lines = [
        make_privmsg(1, "hi", badges="subscriber/12", badge_info="subscriber/14", emotes="2:0-" + "9" * 5000),
        make_notice(2, "resub", "a b", "c", sent_us=START_US),
        b"@room-id=9;target-user-id=5;tmi-sent-ts=1714586402000 :tmi.twitch.tv CLEARCHAT #sample :bob",
    ]
    pieces = [b";", b"=", b"-", b"/", b"9" * 25, b"\\", b"\x00", b"\xff", b"\x1e", b" :"]
    for _ in range(2000):
        line = bytearray(rng.choice(lines))
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(len(line))
            line[place : place + rng.randrange(3)] = rng.choice(pieces)
        messages = read(bytes(line).decode("utf-8", "replace").encode())
        assert all(m.message_id and "\x00" not in repr(m.text) for m in messages)


@pytest.fixture
def channel(twitch):
    """A channel that began to stream now, and records it."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    live = {"id": "405", "createdAt": now.isoformat()}
    return twitch.add_channel("sample", [make_vod("2001", 0, started_at=now, is_live=True)], live=live)


def watch(db, irc, *steps, **given):
    """Watch while the steps are played, until the last one has stopped it or the stream has ended."""
    feed = TwitchFeed(
        "https://www.twitch.tv/sample",
        Politeness(per_s=1000, backoff_s=0.01, timeout_s=30.0),
        address=irc.address,
        context=client_context(),
    )
    stop = threading.Event()
    settings = WatchSettings(flush_s=0.2, look_s=0.1, backoff_s=0.01, **given)
    play(db.path, stop, *((awaited, act or stop.set) for awaited, act in steps))
    return watch_streams(db, [feed], settings, stop=stop)


def end(channel):
    channel.live = None


def split_anywhere(data, seed=7):
    """Return bytes in pieces that end inside lines, tags and characters."""
    sizes = itertools.cycle([1, seed, 30, 3, 200])
    pieces = []
    while data:
        size = next(sizes)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def stored(db):
    return db.load_messages(columns=["message_id"])["message_id"].tolist()


def test_all_that_comes_until_the_streams_end_is_stored_once(channel, db):
    lines = b"".join(make_privmsg(n, f"hi 🎉 {n}", bits=5 if n == 3 else "") for n in range(60))
    notice = make_notice(99, "resub", "Viewer1 subscribed", "yay")
    script = [*split_anywhere(lines + b"PING :tmi.twitch.tv\r\n" + notice), "hold"]
    with FakeIrc(script) as irc:
        (capture,) = watch(db, irc, (61, partial(end, channel)), until_end=True)
        wait_until(lambda: "PONG :tmi.twitch.tv" in irc.heard)
    assert stored(db) == [*(f"m{n}" for n in range(60)), "m99"]
    assert (capture.n_added, capture.n_paid) == (61, 2)
    assert irc.heard[0] == "CAP REQ :twitch.tv/tags twitch.tv/commands"
    assert irc.heard[1].startswith("NICK justinfan")
    assert irc.heard[2] == "JOIN #sample"
    (stream,) = db.load_streams().to_dict("records")
    assert (stream["platform"], stream["video_id"], stream["view"]) == ("twitch", "2001", "captured")
    assert (stream["title"], stream["channel_name"]) == ("Now", "Sample")
    since = round((dt.datetime.now(dt.UTC) - channel.vods[0].started_at).total_seconds(), 1)  # as stored
    assert stream["last_offset_s"] <= stream["duration_s"] <= since


def test_disconnections_are_mended_and_known_by_time(channel, db):
    scripts = [
        [make_privmsg(1, "one"), 0.2, "close"],
        [make_privmsg(1, "one") + make_privmsg(2, "two") + b"RECONNECT\r\n", "hold"],
        ["close"],
        [b"@msg-id=msg_channel_suspended :tmi.twitch.tv NOTICE #sample :It is suspended.\r\n", "hold"],
        [make_privmsg(3, "three"), "hold"],
    ]
    with FakeIrc(*scripts) as irc:
        (capture,) = watch(db, irc, (3, partial(end, channel)), until_end=True)
    assert stored(db) == ["m1", "m2", "m3"]
    assert irc.n_connections == 5
    assert capture.has_ended
    assert 0 < sum(gap.end_s - gap.start_s for gap in capture.gaps) < capture.stream.duration_s


def test_what_a_late_start_and_a_time_away_missed_is_said(channel, db):
    def now_s():
        return (dt.datetime.now(dt.UTC) - channel.vods[0].started_at).total_seconds()

    began = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=600)).replace(microsecond=0)
    channel.live["createdAt"], channel.vods[0].started_at = began.isoformat(), began
    with FakeIrc([make_privmsg(1, "one"), "hold"]) as irc:
        (capture,) = watch(db, irc, (1, None))
    (gap,) = capture.gaps
    assert gap.start_s == 0
    assert 600 <= gap.end_s <= now_s()
    (stream,) = db.load_streams().to_dict("records")
    assert stream["state"] == "partial"
    assert stream["reason"].startswith("not connected for 6")
    assert stream["reason"].endswith("the stream ran on when the watch ended")
    time.sleep(1.5)  # the database knows whole seconds
    with FakeIrc([make_privmsg(1, "one"), make_privmsg(2, "two"), "hold"]) as irc:
        (again,) = watch(db, irc, (2, None))
    (gap,) = again.gaps
    assert gap.start_s == pytest.approx(capture.heard_s, abs=1)
    assert gap.start_s < gap.end_s <= now_s()
    assert stored(db) == ["m1", "m2"]
    assert db.load_streams()["reason"].item().count("not connected") == 2


def test_a_chat_that_is_never_reached_is_one_long_gap(channel, youtube, db):
    with socket.socket() as deaf:  # its port is taken, and nobody listens
        deaf.bind(("127.0.0.1", 0))
        nobody = SimpleNamespace(address=deaf.getsockname())
        (capture,) = watch(db, nobody, (lambda: len(youtube.requests) > 3, None))
    (gap,) = capture.gaps
    assert gap.start_s < gap.end_s == capture.heard_s
    assert (capture.was_connected, len(db.load_streams())) == (False, 0)


def test_it_waits_for_a_stream_that_has_not_begun_and_ends_when_told_to(channel, youtube, db):
    live, channel.live = channel.live, None
    begin = partial(setattr, channel, "live", live)
    with FakeIrc([make_privmsg(1, "one"), "hold"]) as irc:
        (capture,) = watch(db, irc, (lambda: youtube.requests, begin), (1, None))
    assert stored(db) == ["m1"]
    assert not capture.has_ended


def test_messages_are_in_the_database_while_the_stream_runs(channel, db):
    looked, seen = threading.Event(), []

    def look():
        with open_store(db.path) as other:
            seen.extend(stored(other))
        looked.set()

    first, rest = ([make_privmsg(n, "hi") for n in numbers] for numbers in (range(10), range(10, 30)))
    with FakeIrc([*first, looked, *rest, "hold"]) as irc:
        watch(db, irc, (10, look), (30, None))
    assert len(seen) == 10 and len(stored(db)) == 30


def test_what_is_said_before_the_next_stream_is_noticed_is_of_the_next_stream(channel, db):
    def follow():
        began = dt.datetime.now(dt.UTC)
        irc.say(make_privmsg(2, "new", sent_us=round(began.timestamp() * 1e6) + 1000, bits=5))
        wait_until(lambda: count(db.path) == 2)
        channel.vods = [make_vod("2002", 0, started_at=began, is_live=True)]
        channel.live = {"id": "406", "createdAt": began.isoformat()}

    began = channel.vods[0].started_at - dt.timedelta(seconds=100)
    channel.live["createdAt"], channel.vods[0].started_at = began.isoformat(), began
    with FakeIrc([make_privmsg(1, "old"), "hold"]) as irc:
        has = "streams WHERE video_id = '2002' AND n_messages = "
        steps = [
            (1, follow),
            (
                lambda: count(db.path, f"{has} 1") and irc.n_joined == 2,
                lambda: irc.say(make_privmsg(3, "more")),
            ),
            (lambda: count(db.path, f"{has} 2"), None),
        ]
        old, new = watch(db, irc, *steps)
    rows = db.load_messages(columns=["stream_id", "message_id", "offset_s"])
    assert rows.groupby("stream_id")["message_id"].agg(list).tolist() == [["m1"], ["m2", "m3"]]
    assert 0 <= rows["offset_s"].iloc[1] < 1
    assert [(c.n_added, c.n_paid, c.has_ended) for c in (old, new)] == [(1, 0, True), (2, 1, False)]
    assert old.stream.ended_at == new.stream.started_at and sum(g.end_s for g in new.gaps) < 60
    streams = db.load_streams()
    assert streams["n_messages"].tolist() == [1, 2] and streams["duration_s"].iloc[0] < 110


def test_the_replay_of_a_captured_stream_adds_what_the_capture_missed(channel, twitch, db, tmp_path):
    (vod,) = channel.vods
    vod.comments = [make_comment(number, number, "hi", vod="2001") for number in range(50)]
    lines = b"".join(make_privmsg(n, "hi", id=f"2001-{n}") for n in range(30))
    with FakeIrc([lines, make_notice(99, "resub", "Viewer1 subscribed"), "hold"]) as irc:
        watch(db, irc, (31, None))
    channel.live, vod.is_live, vod.duration_s = None, False, 60
    sheet = Channel("https://www.twitch.tv/sample", tmp_path / "twitch_sample.ods")
    collect_channels(db, [sheet], CollectSettings(requests_per_s=1000))
    assert sorted(stored(db)) == sorted([*vod.ids, "m99"])
    assert db.load_streams()[["state", "view"]].values.tolist() == [["complete", "live"]]


def test_the_report_says_what_the_replay_lacks(channel, twitch, db, tmp_path):
    (vod,) = channel.vods
    vod.comments = [make_comment(n, n, f"hi {n}", vod="2001") for n in range(20)]
    said = [make_privmsg(n, f"hi {n}", author=1, id=f"live-{n}") for n in range(4)]
    notices = [make_notice(90 + n, "sub", "Viewer1 subscribed") for n in range(3)]
    with FakeIrc([*said, *notices, "hold"]) as irc:
        watch(db, irc, (7, None))
    channel.live, vod.is_live, vod.duration_s, vod.title = None, False, 60, "The\x1b[2J stream"
    begun = vod.started_at.timestamp()
    for n, comment in enumerate(vod.comments):
        comment["createdAt"] = dt.datetime.fromtimestamp(begun + n, dt.UTC).isoformat()
    sheet = Channel("https://www.twitch.tv/sample", tmp_path / "twitch_sample.ods")
    report = collect_channels(db, [sheet], CollectSettings(requests_per_s=1000))
    (sentence,) = report.sides
    assert "the replay lacks 3 of 3 payments" in sentence and "\x1b" not in sentence
    assert sentence in report.format_summary(db.path)
