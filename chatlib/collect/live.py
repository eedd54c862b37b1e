"""Watching a stream while it runs: messages into the database every few seconds, gaps known by time."""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Protocol

from chatlib.collect.downloads import format_clock
from chatlib.errors import SourceError, SourceUnreachable
from chatlib.records import DONATION_KINDS, Message, Stream
from chatlib.store import Store
from chatlib.workspace import progress_bar

__all__ = ["Capture", "Feed", "Gap", "WatchSettings", "watch_stream"]

log = logging.getLogger(__name__)

MAX_BACKOFF_S = 60.0
MIN_GAP_S = 0.1
_AWAY = "not connected"


class Feed(Protocol):
    """The chat of one channel as it runs; for one thread, `find_stream` for another."""

    def find_stream(self) -> Stream | None:
        """Return the stream that runs now, None while none does. Raises: SourceError."""

    def connect(self, stream: Stream) -> None:
        """Connect to its chat. Raises: SourceUnreachable."""

    def read(self) -> Iterable[Message]:
        """Return what came within about a second. Raises: SourceUnreachable when the connection is gone."""

    def close(self) -> None:
        """Disconnect."""


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """`minutes` ends the watch, None never does; without `until_end` the next stream is waited for.

    Messages are written every `flush_s`, the site is asked every `look_s` whether the stream still
    runs, and `backoff_s` is the longest first wait before a new connection.
    """

    minutes: float | None = None
    until_end: bool = False
    flush_s: float = 1.0
    look_s: float = 30.0
    backoff_s: float = 1.0


@dataclass(frozen=True)
class Gap:
    """A time without a connection, in seconds from the stream's start."""

    start_s: float
    end_s: float


@dataclass
class Capture:
    """What was captured of one stream."""

    stream: Stream
    n_messages: int = 0
    n_added: int = 0
    n_paid: int = 0
    gaps: list[Gap] = field(default_factory=list)
    earlier_gaps: list[str] = field(default_factory=list)  # as earlier watches of the stream said it
    has_ended: bool = False
    was_connected: bool = False

    def add_gap(self, start_s: float, end_s: float) -> None:
        """Note a time without a connection; one that follows the last one directly makes it longer."""
        if self.gaps and self.gaps[-1].end_s == start_s:
            start_s = self.gaps.pop().start_s
        self.gaps.append(Gap(start_s, end_s))

    def describe_end(self) -> tuple[str, str | None]:
        """Return the state of the chat, `complete` or `partial`, and why it is not complete."""
        reasons = list(self.earlier_gaps)
        if self.gaps:
            missed_s = sum(gap.end_s - gap.start_s for gap in self.gaps)
            times = ", ".join(f"{format_clock(g.start_s)}-{format_clock(g.end_s)}" for g in self.gaps[:5])
            more = f" and {len(self.gaps) - 5} more" if len(self.gaps) > 5 else ""
            reasons.append(f"{_AWAY} for {missed_s:,.0f} s of the stream: {times}{more}")
        if not self.has_ended:
            reasons.append("the stream ran on when the watch ended")
        return ("partial" if reasons else "complete"), " · ".join(reasons) or None


def watch_stream(
    db: Store,
    feed: Feed,
    settings: WatchSettings,
    *,
    stop: threading.Event | None = None,
    progress: bool = True,
) -> list[Capture]:
    """Watch a channel, and return what was captured, one `Capture` a stream.

    It waits for a stream that has not begun. What is in the buffer is stored also at Ctrl-C, or when
    `stop` is set, and the same call goes on with the same stream: the time between is a gap.
    Raises: StoreError; SourceError if the channel cannot be asked for at first.
    """
    stop = stop or threading.Event()
    ends_at = None if settings.minutes is None else time.monotonic() + 60 * settings.minutes
    captures: list[Capture] = []
    with _Lookout(feed, settings.look_s) as lookout:
        while not stop.is_set() and (ends_at is None or time.monotonic() < ends_at):
            stream = lookout.stream
            if stream is None:
                if captures and settings.until_end:
                    break
                stop.wait(min(1.0, settings.look_s))
                continue
            watch = _Watch(db, feed, stream, settings, progress=progress)
            captures.append(watch.capture)
            watch.run(lookout, stop, ends_at)
    return captures


class _Lookout:
    """Asks in a thread of its own, again and again, which stream runs."""

    def __init__(self, feed: Feed, look_s: float) -> None:
        self._feed = feed
        self._look_s = look_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)
        self.stream: Stream | None = None

    def __enter__(self) -> _Lookout:
        self.stream = self._feed.find_stream()
        if self.stream is None:
            log.info("The channel is not live; waiting for its next stream.")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _run(self) -> None:
        while not self._done.wait(self._look_s):
            with suppress(SourceError):  # the stream is taken to run on
                self.stream = self._feed.find_stream()


class _Watch:
    """The watch of one stream; `run` it once."""

    def __init__(
        self, db: Store, feed: Feed, stream: Stream, settings: WatchSettings, *, progress: bool
    ) -> None:
        self.capture = Capture(stream)
        self._db = db
        self._feed = feed
        self._settings = settings
        self._progress = progress
        self._start = dt.datetime.fromisoformat(stream.started_at or dt.datetime.now(dt.UTC).isoformat())
        self._buffer: list[Message] = []
        self._heard_s = self._find_heard()  # until when the chat is known
        self._is_connected = False

    def run(self, lookout: _Lookout, stop: threading.Event, ends_at: float | None) -> None:
        """Capture until the stream ends, or the watch does. Raises: StoreError."""
        stream, tries = self.capture.stream, 0
        bar = progress_bar(desc=stream.channel_name, unit=" messages", shown=self._progress)
        try:
            with bar:
                while not stop.is_set() and (ends_at is None or time.monotonic() < ends_at):
                    if lookout.stream is None or lookout.stream.video_id != stream.video_id:
                        self.capture.has_ended = True
                        return
                    try:
                        with closing(self._feed):
                            self._connect()
                            tries = 0
                            self._read(lookout, stop, ends_at, bar)
                    except SourceUnreachable as error:
                        tries += 1
                        self._is_connected = False
                        self._heard_s -= getattr(error, "silent_s", 0.0)
                        log.info("%s: %s; connecting again", stream.channel_name, error)
                        self._flush()
                        wait_s = min(MAX_BACKOFF_S, self._settings.backoff_s * 2 ** (tries - 1))
                        stop.wait(random.uniform(0, wait_s))
        finally:
            if not self._is_connected:
                self._note_gap()
            self._flush(is_last=self.capture.was_connected)
            capture = self.capture
            state, reason = capture.describe_end()
            counts = f"{capture.n_messages:,} messages ({capture.n_added:,} new), {capture.n_paid:,} payments"
            log.info("%s: %s, %s%s", stream.video_id, counts, state, f" ({reason})" if reason else "")

    def _connect(self) -> None:
        """Connect; the time since the chat was last heard is a gap. Raises: SourceUnreachable."""
        self._feed.connect(self.capture.stream)
        self._note_gap()
        self._is_connected = self.capture.was_connected = True

    def _note_gap(self) -> None:
        """Note the time from when the chat was last heard until now."""
        now_s = self._now_s()
        if now_s - self._heard_s > MIN_GAP_S:
            self.capture.add_gap(max(self._heard_s, 0.0), now_s)
        self._heard_s = now_s

    def _read(self, lookout: _Lookout, stop: threading.Event, ends_at: float | None, bar: object) -> None:
        """Read while connected. Raises: SourceUnreachable; StoreError."""
        video_id = self.capture.stream.video_id
        flushed_at = time.monotonic()
        while not stop.is_set() and (ends_at is None or time.monotonic() < ends_at):
            messages = list(self._feed.read())
            self._heard_s = now_s = self._now_s()
            self._buffer += messages
            self.capture.n_messages += len(messages)
            self.capture.n_paid += sum(m.kind in DONATION_KINDS or bool(m.bits) for m in messages)
            bar.update(len(messages))  # type: ignore[attr-defined]
            if time.monotonic() - flushed_at >= self._settings.flush_s:
                self._flush()
                flushed_at = time.monotonic()
                bar.set_postfix_str(f"{now_s / 60:.0f} min, {self.capture.n_paid:,} payments")  # type: ignore[attr-defined]
            if lookout.stream is None or lookout.stream.video_id != video_id:
                return

    def _now_s(self) -> float:
        return (dt.datetime.now(dt.UTC) - self._start).total_seconds()

    def _find_heard(self) -> float:
        """Return until when an earlier watch of the same stream got, 0 without one; its gaps are kept."""
        stream = self.capture.stream
        known = self._db.find_streams(stream.platform, [stream.video_id])
        for row in known[known["view"] == "captured"].to_dict("records"):
            reasons = str(row["reason"] or "").split(" · ")
            self.capture.earlier_gaps = [reason for reason in reasons if reason.startswith(_AWAY)]
            return float(row["last_offset_s"] or 0.0)
        return 0.0

    def _flush(self, *, is_last: bool = False) -> None:
        """Store the buffer in one transaction, and how far the capture got."""
        if not self._buffer and not is_last:
            return
        state, reason = self.capture.describe_end()
        stream = self.capture.stream._replace(view="captured", state=state, reason=reason)
        if self.capture.has_ended:
            end = dt.datetime.now(dt.UTC)
            stream = stream._replace(
                ended_at=end.isoformat(timespec="seconds"), duration_s=round(self._now_s(), 1)
            )
        self.capture.n_added += self._db.save_chat(stream, self._buffer).added
        self._buffer = []
