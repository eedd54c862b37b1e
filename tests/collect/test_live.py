"""Watching without a site: spikes, gaps, what is said in the line, and who may pay."""

import io
import random
import re
import sqlite3
import threading
import time
from contextlib import closing, nullcontext
from functools import partial

import numpy as np
import pytest
from tqdm import tqdm

from chatlib.analyze.analytics.columns import ChatColumns, analyze_columns, make_analytics
from chatlib.analyze.analytics.format import ProcessSettings
from chatlib.analyze.analytics.sections import find_spikes
from chatlib.collect import live
from chatlib.collect.live import Capture, Connected, Gap, Heard, SpikeFinder, WatchSettings, watch_streams
from chatlib.collect.transport import Disconnected
from chatlib.collect.twitch.live import IrcReader
from chatlib.errors import StoreLocked
from chatlib.records import Message, Stream
from chatlib.store import open_store
from chatlib.times import format_timestamp
from tests.waiting import count, play, wait_until


def make_chat(rng):
    """Return (second, author) of a chat with bursts, in order."""
    rows = [(rng.random() * 1800, rng.randrange(400)) for _ in range(rng.randrange(200, 3000))]
    for start in rng.sample(range(100, 1700), 6):
        rows += [(start + rng.random() * 20, rng.randrange(400)) for _ in range(rng.randrange(5, 150))]
    return sorted(rows)


@pytest.mark.parametrize("seed", range(4))
def test_spikes_are_found_as_they_happen_by_the_rule_of_the_analysis(seed):
    rows = make_chat(random.Random(seed))
    finder, found = SpikeFinder(), {}
    finder.advance(0.0)
    for number, (at, author) in enumerate(rows):
        finder.add(Message(str(number), "text_message", at, f"u{author}"))
        if finder.spike:
            found[finder.spike[0]] = finder.spike[1]
    kinds = np.zeros(len(rows), int)
    offsets, authors = np.array([at for at, _ in rows]), np.array([author for _, author in rows])
    settings = ProcessSettings(interval_s=5)
    analytics = make_analytics("youtube", duration_s=float(offsets[-1]), settings=settings)
    chat = ChatColumns(offsets, kinds, ["text_message"], authors, {})
    samples = analyze_columns(chat, analytics, settings).samples
    whole = samples[: int(offsets[-1] // 5)]  # the last sample is still open
    spikes = find_spikes(whole, "avgUniqueUsersPerSecond", sensitivity=settings.spike_sensitivity)
    assert spikes and [spike.startTime for spike in spikes] == list(found)
    told = [float(spike.description.split(" rose to ")[1].split(" ")[0]) for spike in spikes]
    assert list(found.values()) == pytest.approx(told, abs=0.06)


def test_gaps_that_follow_each_other_are_one_and_none_lies_behind_the_end():
    began, ended = "2024-05-01T18:00:00+00:00", "2024-05-01T18:01:00+00:00"
    capture = Capture(Stream("twitch", "1", started_at=began, ended_at=ended))
    capture.note_gap(5.0)
    capture.note_gap(4.0)
    capture.note_gap(5.05)
    capture.heard_s = 50.0
    capture.note_gap(90.0)
    assert capture.gaps == [Gap(0.0, 5.05), Gap(50.0, 90.0)]
    capture.end()
    assert capture.gaps == [Gap(0.0, 5.05), Gap(50.0, 60.0)]
    assert capture.describe_end() == (
        "partial",
        "not connected for 15 s of the stream: 0:00:00-0:00:05, 0:00:50-0:01:00",
    )
    assert capture.stream.duration_s == 60.0


def test_a_clock_that_is_set_back_hides_no_gap(monkeypatch):
    now_ns = time.time_ns
    reader = IrcReader("1", now_ns() // 1000 - 100_000_000)
    capture = Capture(Stream("twitch", "1"), heard_s=reader.now_s())
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() - 3600 * 10**9)
    time.sleep(0.05)
    capture.note_gap(reader.now_s())
    (gap,) = capture.gaps
    assert 100 <= gap.start_s <= gap.end_s - 0.05


def test_a_server_that_hangs_up_at_once_is_not_asked_again_and_again(tmp_path, monkeypatch):
    waits, feed, stop, clock = [], FakeFeed([]), threading.Event(), time.monotonic

    def read():
        if len(waits) == 1500:
            monkeypatch.setattr(live.time, "monotonic", lambda: clock() + 100)
        elif len(waits) > 1500:
            stop.set()
        raise Disconnected("the server hangs up")

    feed.read = read
    monkeypatch.setattr(live.random, "uniform", lambda low, high: waits.append(high) or 0.0)
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        watch_streams(db, [feed], WatchSettings(flush_s=60.0, look_s=60.0), stop=stop)
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60] and waits[1499] == 60
    assert waits[1500] == 1  # it had lasted


class FakeFeed:
    """A feed of messages that are there at once; it ends after some reads, or when it is told to."""

    name, is_single, has_one_chat = "s\x1b[2Jomebody", True, False

    def __init__(self, messages, ends=None, *, n_reads=0):
        self._messages, self._ends, self._left = messages, ends or threading.Event(), n_reads
        self.stream = Stream("twitch", "7", channel_name="x", started_at="2024-05-01T18:00:00+00:00")

    def find_stream(self):
        return None if self._ends.is_set() else self.stream

    def connect(self, stream):
        return Connected(stream, 0.0)

    def read(self):
        messages, self._messages = self._messages, []
        self._ends.wait(0.05)
        self._left -= 1
        if self._left == 0:
            self._ends.set()
        return Heard(messages, 30.0)

    def close(self):
        pass


def test_who_may_pay_is_asked_again_and_again_and_said_in_the_line(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "RANK_S", 0.2)
    ends, asked, lines = threading.Event(), [], []

    def rank(db, stream_id):
        asked.append(len(db.load_messages([stream_id])))
        return ["viewer\x1b[2J 7 40 %"]

    describe = live.describe_watch

    def show(watcher):
        lines.append(describe(watcher))
        if len(asked) >= 3 and "may pay" in lines[-1]:
            ends.set()
        return ""

    monkeypatch.setattr(live, "describe_watch", show)
    monkeypatch.setattr(live, "progress_bar", lambda **given: tqdm(**given, file=io.StringIO()))
    messages = [Message(f"m{n}", "text_message", float(n), f"u{n}") for n in range(30)] * 2  # once repeated
    settings = WatchSettings(flush_s=0.1, look_s=0.1, until_end=True)
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        (capture,) = watch_streams(db, [FakeFeed(messages, ends)], settings, rank=rank)
    assert asked[:3] == [30, 30, 30]
    assert capture.n_added == 30
    assert re.search(r"30 messages, [\d,]+/min, 0 payments, may pay: viewer \[2J 7 40 %$", lines[-1])


def test_a_feed_that_fails_is_said_once_and_the_others_go_on(tmp_path, caplog):
    broken = FakeFeed([])
    broken.read = None
    settings = WatchSettings(flush_s=0.1, look_s=0.1, until_end=True)
    messages = [Message("m", "text_message", 1.0, "u")]
    with open_store(tmp_path / "chat.dbs", create=True) as db, caplog.at_level("WARNING"):
        captures = watch_streams(db, [broken, FakeFeed(messages, n_reads=10)], settings)
        assert sum(capture.n_added for capture in captures) == 1
    assert caplog.text.count("could not be read") == 1


def test_a_stream_that_seemed_to_be_over_tells_what_was_missed_since(tmp_path):
    feed, stop = FakeFeed([Message("m1", "text_message", 1.0, "u")]), threading.Event()
    feed.is_single = False
    began = time.time()
    feed.stream = feed.stream._replace(started_at=format_timestamp(began * 1e6))
    since_s = iter([0.0])
    feed.connect = lambda stream: Connected(stream, next(since_s, time.time() - began))
    feed.read = lambda: Heard(FakeFeed.read(feed).messages, 0.0)

    def go_on():
        time.sleep(1)
        feed._messages = [Message("m2", "text_message", 1.5, "u")]
        feed._ends.clear()

    with open_store(tmp_path / "chat.dbs", create=True) as db:
        is_over = partial(count, db.path, "streams WHERE state = 'complete'")
        play(db.path, stop, (1, feed._ends.set), (is_over, go_on), (2, stop.set))
        watch_streams(db, [feed], WatchSettings(flush_s=0.1, look_s=0.1), stop=stop)
        (stream,) = db.load_streams().to_dict("records")
    assert stream["state"] == "partial" and stream["reason"].startswith("not connected for ")


@pytest.mark.parametrize("then", ["written", "over"])
def test_a_database_that_is_locked_for_long_ends_no_watch_of_a_stream_that_goes_on(tmp_path, caplog, then):
    feed, path, stop = (
        FakeFeed([Message("m1", "text_message", 1.0, "u")]),
        tmp_path / "chat.dbs",
        threading.Event(),
    )
    feed.is_single = False
    with (
        open_store(path, create=True) as db,
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other,
    ):

        def lock():
            other.execute("BEGIN IMMEDIATE")
            feed._messages = [Message("m2", "text_message", 2.0, "u")]
            wait_until(lambda: caplog.text.count("kept in memory") > 1)
            if then == "written":
                other.execute("ROLLBACK")
            else:
                feed.stream = feed.stream._replace(video_id="8")

        db.connection.execute("PRAGMA busy_timeout = 50")
        play(path, stop, (1, lock), (2, stop.set))
        settings = WatchSettings(flush_s=0.1, look_s=0.1)
        with nullcontext() if then == "written" else pytest.raises(StoreLocked):
            watch_streams(db, [feed], settings, stop=stop)
            assert db.load_messages()["message_id"].tolist() == ["m1", "m2"]


def test_streams_that_follow_each_other_have_counts_and_spikes_of_their_own(tmp_path):
    stop = threading.Event()
    feed = FakeFeed([Message("m1", "text_message", 9000.0, "u")])
    feed.is_single = False

    def connect(stream):
        if stream.video_id == "8":
            feed._messages = [Message("m2", "text_message", 7.0, "u")]
        return Connected(stream, 0.0)

    def follow():
        feed.stream = feed.stream._replace(video_id="8")

    feed.connect = connect
    settings = WatchSettings(flush_s=0.1, look_s=0.1)
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        ended = partial(count, db.path, "streams WHERE ended_at IS NOT NULL")
        steps = [(1, follow), (2, feed._ends.set), (lambda: ended() == 2, stop.set)]
        play(db.path, stop, *steps)
        captures = watch_streams(db, [feed], settings, stop=stop)
        assert [(c.stream.video_id, c.n_added, c.has_ended) for c in captures] == [
            ("7", 1, True),
            ("8", 1, True),
        ]
        assert db.load_streams()["n_messages"].tolist() == [1, 1]


def test_a_ranking_that_fails_does_not_end_the_watch(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(live, "RANK_S", 0.1)
    ends = threading.Event()

    def end():
        wait_until(lambda: "who may pay is not told any more" in caplog.text)
        ends.set()

    def rank(db, stream_id):
        threading.Thread(target=end, daemon=True).start()
        raise ValueError("odd")

    settings = WatchSettings(flush_s=0.1, look_s=0.1, until_end=True)
    messages = [Message("m", "text_message", 1.0, "u")]
    with open_store(tmp_path / "chat.dbs", create=True) as db, caplog.at_level("WARNING"):
        (capture,) = watch_streams(db, [FakeFeed(messages, ends)], settings, rank=rank)
    assert (capture.n_added, capture.has_ended) == (1, True)
