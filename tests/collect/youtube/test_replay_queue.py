"""Several streams at once: handed over in order, never far ahead, all ended together."""

import _thread
import signal
import threading
import time
from collections import Counter

import pytest

from chatlib.collect.files.formats import Chat
from chatlib.collect.youtube import replay_queue
from chatlib.collect.youtube.replay import Replay, Way
from chatlib.collect.youtube.replay_queue import AHEAD, Wanted, iter_replays
from chatlib.collect.youtube.transport import Stopped
from chatlib.errors import StoreFull
from chatlib.records import YOUTUBE, Stream
from tests.collect.youtube.replays import quick
from tests.collect.youtube.site.videos import make_video, text_action

WANTED = [Wanted(f"v{n}", {"title": f"stream {n}"}) for n in range(12)]


class Sources:
    """Stands in for `fetch_replay`: takes as long as told, and notes who asked for what."""

    def __init__(self, seconds=lambda video_id: 0.0):
        self.seconds = seconds
        self.started = []
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, video_id, known, *, way, tell):
        with self.lock:
            self.started.append((video_id, known["title"]))
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            if tell:
                tell(1.5)
            seconds = self.seconds(video_id)
            if isinstance(seconds, BaseException):
                raise seconds
            if way.politeness.stop.wait(seconds):
                raise Stopped
        finally:
            with self.lock:
                self.now -= 1
        return Replay(Chat("x", Stream(YOUTUBE, video_id), [], Counter()))


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Iterate over replays from sources of this kind."""

    def begin(sources, wanted=WANTED, **given):
        monkeypatch.setattr(replay_queue, "fetch_replay", sources)
        way = Way(quick(), tmp_path)
        return way, iter_replays(wanted, way, **given)

    return begin


def ids(replays):
    return [replay.chat.stream.video_id for replay in replays]


def soon(condition, seconds=5.0):
    """Return whether something becomes true within some seconds."""
    latest = time.monotonic() + seconds
    while not condition() and time.monotonic() < latest:
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize("at_once", [1, 2, 5, 16])
def test_the_order_is_kept_whichever_stream_is_faster(start, at_once):
    sources = Sources(lambda video_id: 0.05 if int(video_id[1:]) % 3 == 0 else 0.0)
    threads = threading.active_count()
    _, replays = start(sources, at_once=at_once)
    assert ids(replays) == [wanted.video_id for wanted in WANTED]
    assert sorted(sources.started) == sorted((w.video_id, w.known["title"]) for w in WANTED)
    assert 1 <= sources.most <= at_once
    assert soon(lambda: threading.active_count() <= threads)


def test_several_are_fetched_at_once(start):
    barrier = threading.Barrier(3, timeout=10)
    sources = Sources(lambda video_id: float(barrier.wait() * 0))
    _, replays = start(sources, at_once=3)
    assert len(ids(replays)) == 12 and sources.most == 3


def test_nothing_wanted_is_nothing_fetched(start):
    sources = Sources()
    _, replays = start(sources, [])
    assert (ids(replays), sources.started) == ([], [])


def test_nobody_runs_far_ahead_of_who_takes_the_replays(start):
    sources = Sources()
    wanted = [Wanted(f"v{n}", {"title": ""}) for n in range(60)]
    _, replays = start(sources, wanted, at_once=2)
    first = next(replays)
    assert soon(lambda: len(sources.started) == 1 + 2 * AHEAD)
    time.sleep(0.5)  # somebody takes his time
    assert len(sources.started) == 1 + 2 * AHEAD
    assert ids([first, *replays]) == [w.video_id for w in wanted]


def test_progress_is_told_with_the_streams_id(start):
    told = []
    _, replays = start(
        Sources(), at_once=3, tell=lambda video_id, offset_s: told.append((video_id, offset_s))
    )
    ids(replays)
    assert sorted(told) == sorted((w.video_id, 1.5) for w in WANTED)


@pytest.mark.parametrize("error", [StoreFull("full"), Stopped(), ZeroDivisionError("x"), SystemExit(3)])
def test_an_error_in_one_thread_ends_all(start, error):
    sources = Sources(lambda video_id: error if video_id == "v4" else 0.0)
    threads = threading.active_count()
    way, replays = start(sources, at_once=2)
    got = []
    with pytest.raises(type(error)) as raised:
        got.extend(iter(replays))
    assert raised.value is error
    assert way.politeness.stop.is_set()
    assert soon(lambda: threading.active_count() <= threads)
    assert "v11" not in dict(sources.started)


def test_what_was_finished_before_an_error_is_handed_over(start):
    sources = Sources(lambda video_id: StoreFull("full") if video_id == "v4" else 0.0)
    _, replays = start(sources, at_once=1)
    got = []
    with pytest.raises(StoreFull):
        for replay in replays:
            got.append(replay.chat.stream.video_id)
            time.sleep(0.05)
    assert got == ["v0", "v1", "v2", "v3"]


@pytest.mark.parametrize("when", ["before", "between", "during"])
def test_a_wish_to_stop_ends_it(start, when):
    sources = Sources(lambda video_id: 60.0 if when == "during" else 0.0)
    threads = threading.active_count()
    way, replays = start(sources, [*WANTED] * 5, at_once=2)
    if when == "between":
        next(replays)
        time.sleep(0.1)
    if when == "during":
        threading.Timer(0.2, way.politeness.stop.set).start()
    else:
        way.politeness.stop.set()
    with pytest.raises(Stopped):
        list(replays)
    assert soon(lambda: threading.active_count() <= threads)
    assert len(sources.started) <= 1 + 2 * AHEAD


def test_who_closes_it_early_leaves_no_thread(start):
    threads = threading.active_count()
    sources = Sources(lambda video_id: 0.0 if video_id == "v0" else 60.0)
    way, replays = start(sources, at_once=3)
    next(replays)
    replays.close()
    assert way.politeness.stop.is_set()
    assert soon(lambda: threading.active_count() <= threads)


def test_ctrl_c_leaves_no_thread_asking(youtube, tmp_path):
    """With the real sources, in the middle of streams whose chats are long."""
    actions = [text_action(n, "hello", offset_ms=n) for n in range(400)]
    videos = [make_video(letter * 11, actions, batch_size=4) for letter in "abc"]
    youtube.add_videos(*videos)
    youtube.latency_s = 0.03
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.8, _thread.interrupt_main)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            list(iter_replays([Wanted(video.id, {}) for video in videos], Way(quick(), tmp_path)))
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert {entry.video_id for entry in youtube.requests} >= {video.id for video in videos}
    time.sleep(0.3)  # what was on its way arrives
    n = len(youtube.requests)
    time.sleep(0.5)
    assert len(youtube.requests) == n
