"""Watching streams while they run: messages into the database every second, gaps known by time."""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from chatlib.collect.transport import Stopped, map_foreign_errors
from chatlib.columns import find_rises
from chatlib.errors import ChatlibError, ParameterError, SourceError, SourceRefused, StoreError, StoreLocked
from chatlib.records import CHAT_KINDS, DONATION_KINDS, Message, Stream
from chatlib.store import Store, open_store
from chatlib.text import format_count, one_line
from chatlib.times import format_clock, format_timestamp, read_timestamp_text
from chatlib.workspace import progress_bar

__all__ = [
    "CLOCK",
    "Capture",
    "Connected",
    "Feed",
    "Gap",
    "Heard",
    "Rank",
    "SpikeFinder",
    "WatchSettings",
    "watch_streams",
]

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 60.0
ONE_GAP_S = 0.1  # between two gaps that are told as one
MAX_REFUSED = 5  # refusals in a row, for no known reason, after which a feed is given up
FINAL = ("members_only", "no_replay")  # states of a refusal that waiting does not change
LAST_WAIT_S = 90.0  # for a feed in the middle of a question, or a locked database, when the watch ends
_AWAY = "not connected"
_TICK_S = 0.1
RANK_S = 60.0  # between two looks at who may pay
_REMEMBERED = 5000  # messages that a new connection may repeat


class _Clock:
    """The time, which never runs slower than time passes: a system's clock that is set back hides no gap."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def now_us(self) -> int:
        """Return microseconds since 1970."""
        # Where there is a clock that counts a machine's sleep, too.
        kind = getattr(time, "CLOCK_BOOTTIME", None) or getattr(time, "CLOCK_MONOTONIC", None)
        steady_ns = time.monotonic_ns() if kind is None else time.clock_gettime_ns(kind)
        self._ahead_ns = max(self._ahead_ns, time.time_ns() - steady_ns)
        return (steady_ns + self._ahead_ns) // 1000


CLOCK = _Clock()

Rank = Callable[[Store, int], Sequence[str]]  # of a stream: the people most likely to pay, in words


class Feed(Protocol):
    """The chat of one channel, or of one stream, as it runs; for one thread, `find_stream` for another.

    `name` is for people. With `is_single` no other stream follows; with `has_one_chat` all streams share
    the channel's chat, so that it goes on from one to the next.
    """

    name: str
    is_single: bool
    has_one_chat: bool = False

    def find_stream(self) -> Stream | None:
        """Return the stream that runs now, None while none does. Raises: SourceError."""

    def connect(self, stream: Stream) -> Connected | None:
        """Connect to its chat; None if the stream is over. Raises: SourceError."""

    def read(self) -> Heard:
        """Return what came within about a second. Raises: SourceError when the connection is gone."""

    def close(self) -> None:
        """Disconnect."""


class Connected(NamedTuple):
    """A connection to a stream's chat: what is known of the stream, and the offset from which its chat is."""

    stream: Stream
    since_s: float


class Heard(NamedTuple):
    """What came, and the offset until which the chat is known: not all of a moment before it came."""

    messages: list[Message]
    until_s: float


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """`minutes` ends the watch, None never does; without `until_end` the next stream is waited for.

    Messages are written every `flush_s`, the site is asked every `look_s` whether the stream still
    runs, and `backoff_s` is the longest first wait before a new connection.

    Raises: ParameterError for no time at all.
    """

    minutes: float | None = None
    until_end: bool = False
    flush_s: float = 1.0
    look_s: float = 30.0
    backoff_s: float = 1.0

    def __post_init__(self) -> None:
        if self.minutes is not None and not self.minutes > 0:
            raise ParameterError(f"A watch lasts more than 0 minutes, got {self.minutes:g}.")


@dataclass(frozen=True)
class Gap:
    """A time without a connection, in seconds from the stream's start."""

    start_s: float
    end_s: float


@dataclass
class Capture:
    """What was captured of one stream. `heard_s` is the offset until which its chat is known."""

    stream: Stream
    heard_s: float = 0.0
    n_added: int = 0
    n_paid: int = 0
    gaps: list[Gap] = field(default_factory=list)
    earlier_gaps: list[str] = field(default_factory=list)  # as earlier watches of the stream said it
    has_ended: bool = False
    was_connected: bool = False

    def now_s(self) -> float:
        """Return the offset of this moment; of the last message where the stream's start is not known."""
        start_us = read_timestamp_text(self.stream.started_at)
        return self.heard_s if start_us is None else (CLOCK.now_us() - start_us) / 1e6

    def note_gap(self, until_s: float) -> None:
        """Note the time from when the chat was last heard; directly behind the last gap it is one."""
        start_s, self.heard_s = max(self.heard_s, 0.0), max(self.heard_s, until_s)
        if until_s <= start_s:
            return
        if self.gaps and start_s - self.gaps[-1].end_s < ONE_GAP_S:
            start_s = self.gaps.pop().start_s
        self.gaps.append(Gap(start_s, until_s))

    def end(self) -> None:
        """Note the stream's end: when the site says it was, else now; what lies behind it is no gap."""
        self.has_ended = True
        stream, now_s = self.stream, max(self.now_s(), self.heard_s)
        if stream.ended_at and stream.started_at:
            end_s = _count_seconds(stream.started_at, stream.ended_at)
        else:
            end_s = now_s
            self.stream = stream._replace(ended_at=format_timestamp(CLOCK.now_us()))
        self.stream = self.stream._replace(duration_s=round(max(end_s, 0.0), 1))
        self.gaps = [Gap(g.start_s, min(g.end_s, end_s)) for g in self.gaps if g.start_s < end_s]

    def know_start(self, stream: Stream) -> float:
        """Take the start that the site names now; return by how much offsets move."""
        new, old = stream.started_at, self.stream.started_at
        moved_s = _count_seconds(new, old) if new and old else 0.0
        self.stream = self.stream._replace(started_at=new or old)
        self.heard_s += moved_s
        self.gaps = [Gap(max(g.start_s + moved_s, 0.0), g.end_s + moved_s) for g in self.gaps]
        return moved_s

    def describe(self) -> str:
        """Return in a line what was captured."""
        state, reason = self.describe_end()
        name = one_line(self.stream.title or self.stream.channel_name or "", 60)
        counts = f"{format_count(self.n_added, 'new message')}, {format_count(self.n_paid, 'payment')}"
        return f"{self.stream.video_id} {name}: {counts}, {state}{f' ({reason})' if reason else ''}"

    def describe_end(self) -> tuple[str, str | None]:
        """Return the state of the chat, `complete` or `partial`, and why it is not complete."""
        reasons = list(self.earlier_gaps)
        if self.gaps:
            missed_s = sum(gap.end_s - gap.start_s for gap in self.gaps)
            times = ", ".join(f"{format_clock(g.start_s)}-{format_clock(g.end_s)}" for g in self.gaps[:5])
            more = f" and {len(self.gaps) - 5} more" if len(self.gaps) > 5 else ""
            seconds = f"{missed_s:.1f}" if missed_s < 10 else f"{missed_s:,.0f}"
            reasons.append(f"{_AWAY} for {seconds} s of the stream: {times}{more}")
        if not self.has_ended:
            reasons.append("the stream ran on when the watch ended")
        return ("partial" if reasons else "complete"), " · ".join(reasons) or None


def _count_seconds(start: str, end: str) -> float:
    return (dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(start)).total_seconds()


class SpikeFinder:
    """Spikes as they happen: people per 5 s against the 5 minutes before, by the rule of `analyze`."""

    SAMPLE_S, SENSITIVITY, REMEMBERED = 5.0, 1.5, 17_280  # samples: a day's

    def __init__(self) -> None:
        self._counts: list[int] = []  # people in each sample that is closed
        self._people: set[str] = set()
        self._sample = -1  # the one that is open
        self.spike: tuple[float, float] | None = None  # of the newest: offset, times its baseline

    def add(self, message: Message) -> None:
        """Count a chat message; older ones than the current sample are left out."""
        if message.kind in CHAT_KINDS and message.offset_s is not None and message.author_id is not None:
            self.advance(message.offset_s)
            if int(message.offset_s // self.SAMPLE_S) == self._sample:
                self._people.add(message.author_id)

    def advance(self, offset_s: float) -> None:
        """Close the samples that ended before an offset."""
        sample = int(offset_s // self.SAMPLE_S)
        if self._sample < 0:
            self._sample = max(sample, 0)
        if sample <= self._sample:
            return
        silent = [0] * min(sample - self._sample - 1, self.REMEMBERED)
        self._counts = [*self._counts, len(self._people), *silent][-self.REMEMBERED :]
        self._people.clear()
        self._sample = sample
        people_per_s = np.array(self._counts) / self.SAMPLE_S
        if rises := find_rises(people_per_s, self.SAMPLE_S, sensitivity=self.SENSITIVITY):
            first = sample - len(self._counts) + rises[-1].first
            self.spike = (first * self.SAMPLE_S, rises[-1].times)


def watch_streams(
    db: Store,
    feeds: Sequence[Feed],
    settings: WatchSettings,
    *,
    rank: Rank | None = None,
    stop: threading.Event | None = None,
) -> list[Capture]:
    """Watch channels or streams, and return what was captured, one `Capture` a stream.

    It waits for streams that have not begun. What is in the buffers is stored also at Ctrl-C, or when
    `stop` is set, and the same call goes on with the same streams: the time between is a gap.
    `rank` names, once a minute, the people most likely to pay in what is left of a stream.
    Raises: StoreError; SourceError if no feed can be asked for at first. One feed that fails does not
    end the others.
    """
    stop = stop or threading.Event()
    ends_at = float("inf") if settings.minutes is None else time.monotonic() + 60 * settings.minutes
    writing = threading.Lock()
    watchers = [_Watcher(feed, settings, stop, db, writing) for feed in feeds]
    with ExitStack() as stack:
        lines = [
            stack.enter_context(progress_bar(bar_format="{desc}", position=place))
            for place in range(len(watchers))
        ]
        try:
            for watcher in watchers:
                watcher.thread.start()
            if rank is not None:
                given = (rank, watchers, db.path, stop)
                threading.Thread(target=_rank_people, args=given, daemon=True).start()
            while any(w.thread.is_alive() for w in watchers) and time.monotonic() < ends_at:
                if stop.wait(_TICK_S):
                    break
                for watcher, line in zip(watchers, lines, strict=True):
                    if not line.disable:
                        line.set_description_str(describe_watch(watcher))
                    watcher.report_error(are_others_left=any(w.thread.is_alive() for w in watchers))
                if any(isinstance(watcher.error, StoreError) for watcher in watchers):
                    break
        finally:
            stop.set()
            for watcher in watchers:
                watcher.thread.join(LAST_WAIT_S)
    errors = [watcher.error for watcher in watchers if watcher.error]
    captures = [capture for watcher in watchers for capture in watcher.captures]
    has_failed = len(errors) == len(watchers) and not any(capture.was_connected for capture in captures)
    for error in sorted(errors, key=lambda error: not isinstance(error, StoreError)):
        if has_failed or isinstance(error, StoreError):
            raise error
    for watcher in watchers:
        watcher.report_error(are_others_left=True)
    return captures


class _Watcher:
    """The watch of one feed: its thread reads and stores, another asks what runs.

    The database is one for all watchers, and `writing` is held by the one that uses it.
    """

    def __init__(
        self, feed: Feed, settings: WatchSettings, stop: threading.Event, db: Store, writing: threading.Lock
    ) -> None:
        self.feed = feed
        self.thread = threading.Thread(target=self._guard, args=(self._run,), daemon=True)
        self.captures: list[Capture] = []
        self.capture: Capture | None = None  # that is under way, or the last one
        self.error: ChatlibError | None = None
        self.spikes = SpikeFinder()
        self.rates: deque[tuple[float, int]] = deque(maxlen=60)  # when, messages so far
        self.n_messages = 0
        self.likely: list[str] = []  # to pay, most likely first
        self._settings = settings
        self._stop = stop
        self._db = db
        self._writing = writing
        self._buffer: list[Message] = []
        self._recent: dict[tuple[str, str], None] = {}
        self._current: Stream | None = None
        self._is_connected = False
        self._is_reported = False
        self._flushed_at = time.monotonic()

    def report_error(self, *, are_others_left: bool) -> None:
        """Log, once, what ended this feed while others go on."""
        if self.error and are_others_left and not self._is_reported:
            self._is_reported = True
            log.warning("%s: %s", self.feed.name, self.error)

    def rank(self, rank: Rank, db: Store) -> None:
        """Note who of the running stream's people are most likely to pay; from another thread."""
        capture = self.capture
        if capture is None or not capture.n_added or capture.has_ended:
            return
        stream = capture.stream
        for stream_id in db.find_streams(stream.platform, [stream.video_id])["stream_id"]:
            likely = [one_line(who, 40) for who in rank(db, int(stream_id))]
            if likely and likely != self.likely:
                log.info("%s: most likely to pay: %s", self.feed.name, ", ".join(likely))
            self.likely = likely

    def _guard(self, run: Callable[[], None]) -> None:
        """Run a thread's work; what ends it is kept for the caller."""
        try:
            with map_foreign_errors(f"{self.feed.name} could not be read"):
                run()
        except Stopped:
            pass
        except ChatlibError as error:
            self.error = error

    def _look(self) -> None:
        """Ask again and again which stream runs."""
        while not self._stop.wait(self._settings.look_s):
            with suppress(SourceError):  # the stream is taken to run on
                self._current = self.feed.find_stream()

    def _run(self) -> None:
        """Capture one stream after the other."""
        self._current = self.feed.find_stream()
        if self._current is None:
            log.info("%s is not live; waiting for its stream.", self.feed.name)
        threading.Thread(target=self._guard, args=(self._look,), daemon=True).start()
        while not self._stop.is_set():
            stream = self._current
            if stream is None:
                self._stop.wait(min(1.0, self._settings.look_s))
                continue
            before, capture = self.capture, Capture(stream)
            self._recall(capture)
            if before is not None and self.feed.has_one_chat:
                self._split(before, capture)
            self.spikes, self.n_messages, self.likely = SpikeFinder(), 0, []
            self.rates.clear()
            self.capture = capture
            self.captures.append(capture)
            self._capture(capture)
            if capture.has_ended and (self.feed.is_single or self._settings.until_end):
                return

    def _recall(self, capture: Capture) -> None:
        """Go on where an earlier watch of the same stream got; its gaps are kept."""
        stream = capture.stream
        with self._writing:
            known = self._db.find_streams(stream.platform, [stream.video_id])
        for row in known[known["view"] == "captured"].to_dict("records"):
            reasons = str(row["reason"] or "").split(" · ")
            capture.earlier_gaps = [reason for reason in reasons if reason.startswith(_AWAY)]
            capture.heard_s = float(row["duration_s"] or row["last_offset_s"] or 0.0)

    def _split(self, before: Capture, capture: Capture) -> None:
        """Give a stream what was said since it began, before the site was asked and told of it."""
        old, new = before.stream, capture.stream
        from_s = _count_seconds(old.started_at, new.started_at) if old.started_at and new.started_at else 0.0
        if not 0 < from_s <= before.heard_s or not before.was_connected:
            return
        capture.heard_s, capture.was_connected = max(capture.heard_s, before.heard_s - from_s), True
        self._flush(capture)
        with self._writing:
            n_moved, n_paid = self._db.move_rest(old, new, from_s=from_s)
        before.stream = old._replace(ended_at=new.started_at)
        before.n_added, before.n_paid = before.n_added - n_moved, before.n_paid - n_paid
        capture.n_added, capture.n_paid = n_moved, n_paid
        before.end()
        self._flush(before)

    def _flush(self, capture: Capture) -> None:
        """Store the buffer, and how far the capture got, in one transaction. Raises: StoreError.

        While another program keeps the database locked, the buffer of a stream that goes on grows instead.
        """
        if not capture.was_connected:
            return
        state, reason = capture.describe_end()
        stream = capture.stream._replace(view="captured", state=state, reason=reason)
        if not capture.has_ended:
            stream = stream._replace(duration_s=round(capture.heard_s, 1))
        with self._writing:
            try:
                capture.n_added += self._db.save_chat(stream, self._buffer).added
            except StoreLocked as error:
                if self._stop.is_set() or capture.has_ended:
                    raise
                log.warning("%s: what came is kept in memory: %s", self.feed.name, error)
                return
        self._buffer = []
        self._flushed_at = time.monotonic()
        self.rates.append((self._flushed_at, self.n_messages))

    def _capture(self, capture: Capture) -> None:
        """Read one stream's chat until it ends, or the watch does.

        The waits between connections grow until one lasts longer than the next wait would.
        """
        self._is_connected, since, n_refused = False, 0.0, 0
        wait_s = self._settings.backoff_s
        try:
            while not self._stop.is_set() and not capture.has_ended:
                try:
                    with closing(self.feed):
                        self._connect(capture)
                        since, n_refused = time.monotonic(), 0
                        self._read(capture)
                except SourceError as error:
                    state = error.state if isinstance(error, SourceRefused) else ""
                    n_refused += state == "failed"
                    if state in FINAL or n_refused > MAX_REFUSED:
                        raise
                    if self._is_connected and time.monotonic() - since > wait_s:
                        wait_s = self._settings.backoff_s
                    self._is_connected = False
                    capture.heard_s -= getattr(error, "silent_s", 0.0)
                    self._flush(capture)
                    log.info("%s: %s; connecting again", self.feed.name, str(error).rstrip("."))
                    self._stop.wait(random.uniform(0, wait_s))
                    wait_s = min(MAX_BACKOFF_S, 2 * wait_s)
                    if self._is_over(capture):
                        capture.end()
        finally:
            if not self._is_connected and not capture.has_ended:
                capture.note_gap(capture.now_s())
            self._flush(capture)

    def _connect(self, capture: Capture) -> None:
        """Connect; the time since the chat was last heard is a gap. Raises: SourceError."""
        connected = self.feed.connect(capture.stream)
        if connected is None:
            self._current = self._current if self._is_over(capture) else None
            capture.end()
            return
        if not capture.was_connected or connected.stream.started_at != capture.stream.started_at:
            self._know_start(capture, connected.stream)
        capture.note_gap(connected.since_s)
        self._is_connected = capture.was_connected = True
        self.spikes.advance(max(connected.since_s, 0.0))

    def _read(self, capture: Capture) -> None:
        """Read while connected, until the stream's start turns out to be another. Raises: SourceError."""
        while not self._stop.is_set() and not capture.has_ended:
            heard = self.feed.read()
            capture.heard_s = max(capture.heard_s, heard.until_s)
            for message in heard.messages:
                self._take(capture, message)
            if time.monotonic() - self._flushed_at >= self._settings.flush_s:
                self._flush(capture)
            current = self._current
            if self._is_over(capture):
                capture.end()
            elif current is not None and current.started_at not in (None, capture.stream.started_at):
                self._know_start(capture, current)
                return

    def _know_start(self, capture: Capture, stream: Stream) -> None:
        """Take the start that the site names now; what is stored is counted from it, too."""
        self._flush(capture)
        if moved_s := capture.know_start(stream):
            with self._writing:
                self._db.move_offsets(stream.platform, stream.video_id, by_s=moved_s)

    def _take(self, capture: Capture, message: Message) -> None:
        """Put a message into the buffer, unless it was there already."""
        key = (message.message_id, message.kind)
        if key in self._recent:
            return
        self._recent[key] = None
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        self._buffer.append(message)
        self.n_messages += 1
        capture.n_paid += message.kind in DONATION_KINDS or bool(message.bits)
        before = self.spikes.spike
        self.spikes.add(message)
        if self.spikes.spike and (before is None or self.spikes.spike[0] != before[0]):
            offset_s, times = self.spikes.spike
            log.info("%s: a spike at %s, %.1f times as many people", self.feed.name,
                     format_clock(offset_s), times)  # fmt: skip

    def _is_over(self, capture: Capture) -> bool:
        """Return whether another stream runs, or none."""
        current = self._current
        return current is None or current.video_id != capture.stream.video_id


def _rank_people(rank: Rank, watchers: Sequence[_Watcher], path: Path, stop: threading.Event) -> None:
    """Ask now and then who of each stream's people will pay, on a connection that only reads."""
    try:
        with map_foreign_errors("the ranking failed"), open_store(path, read_only=True) as db:
            while not stop.wait(RANK_S):
                for watcher in watchers:
                    watcher.rank(rank, db)
    except ChatlibError as error:
        log.warning("who may pay is not told any more: %s", error)


def describe_watch(watcher: _Watcher) -> str:
    """Return in a line where a watch stands."""
    capture = watcher.capture
    if capture is None:
        return f"{one_line(watcher.feed.name, 30)}: waiting"
    rates = watcher.rates or [(0.0, 0)]
    (began, n_before), (now, n_messages) = rates[0], rates[-1]
    rate = 60 * (n_messages - n_before) / (now - began or 1.0)
    parts = [
        f"{capture.heard_s / 60:.0f} min",
        format_count(watcher.n_messages, "message"),
        f"{rate:,.0f}/min",
        format_count(capture.n_paid, "payment"),
    ]
    if watcher.spikes.spike:
        offset_s, times = watcher.spikes.spike
        parts.append(f"spike {format_clock(offset_s)} ({times:.1f}x)")
    if watcher.likely:
        parts.append(f"may pay: {', '.join(watcher.likely)}")
    return f"{one_line(watcher.feed.name, 30)}: {', '.join(parts)}"
