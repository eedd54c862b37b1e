"""What a collection from YouTube is doing, and what it did: by channel, by stream and in all."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chatlib.collect.files.importing import format_totals, shorten_lines
from chatlib.errors import SourceError
from chatlib.records import STATES
from chatlib.text import one_line, remove_controls
from chatlib.workspace import progress_bar

__all__ = ["RETRIED", "ChannelReport", "CollectReport", "ProgressBoard", "StreamReport"]

# States of a chat that another attempt may improve.
RETRIED = ("partial", "blocked", "failed")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamReport:
    """What became of one stream's chat. `before` is its state until now, None for a new stream."""

    video_id: str
    title: str | None
    before: str | None
    state: str
    reason: str | None
    n_rows: int  # messages that came
    n_added: int  # of them new in the database
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass
class ChannelReport:
    """What became of one channel. Streams are named by video id."""

    url: str
    spreadsheet: Path
    name: str | None = None
    n_listed: int = 0
    listing: str = ""  # why the listing ended, and after how long
    problems: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)  # the list or the sheet, not a stream
    titles: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # had been collected before
    not_asked: list[str] = field(default_factory=list)
    streams: list[StreamReport] = field(default_factory=list)


@dataclass(frozen=True)
class CollectReport:
    """What a collection did. `totals` counts what the database holds of the streams it met.

    `sides` are sentences on streams that were captured live, too: what their replay lacks.
    """

    channels: list[ChannelReport]
    totals: Mapping[str, int]
    sides: Sequence[str] = ()

    @property
    def streams(self) -> list[StreamReport]:
        """The streams that were asked for."""
        return [stream for channel in self.channels for stream in channel.streams]

    @property
    def n_added(self) -> int:
        """Messages that were not in the database before."""
        return sum(stream.n_added for stream in self.streams)

    @property
    def skipped(self) -> Mapping[str, int]:
        """What was left out of the chats, by reason; unknown kinds of messages by their name."""
        counts: Counter[str] = Counter()
        for stream in self.streams:
            counts.update(stream.skipped)
        return dict(counts.most_common())

    @property
    def is_usable(self) -> bool:
        """Whether the database has a chat of any of the channels' streams now."""
        return bool(self.totals.get("messages"))

    @property
    def has_failed(self) -> bool:
        """Whether a channel, a sheet or a stream failed, so that the same command may bring more."""
        return any(channel.failures for channel in self.channels) or any(
            stream.state in RETRIED for stream in self.streams
        )

    def require_usable(self) -> None:
        """Raise SourceError if the database has no chat of these channels now."""
        if not self.is_usable:
            problems = [f"{s.video_id}: {s.reason}" for s in self.streams if s.reason]
            problems += [f"{c.url}: {text}" for c in self.channels for text in (*c.failures, *c.problems)]
            raise SourceError(
                "At least one stream must give its chat, and none did. "
                + (problems[0] if problems else "No finished stream was listed.")
            )

    def format_summary(self, db: Path) -> str:
        """Return the summary: what changed, what was left out, and what to do about it."""
        has_folder = db.parent != Path()  # else the sheets are named alone, too
        lines = []
        for channel in self.channels:
            sheet = str(channel.spreadsheet) if has_folder else channel.spreadsheet.name
            lines += [*_format_channel(channel, sheet), ""]
        lines += [
            f"{self.n_added:,} new messages in {remove_controls(str(db))}",
            *self.sides,
            "",
            *format_totals(self.totals, self.skipped),
        ]
        return "\n".join(lines) + "\n"


def _format_channel(channel: ChannelReport, sheet: str) -> list[str]:
    states = Counter(stream.state for stream in channel.streams)
    new = sum(stream.before is None for stream in channel.streams)
    asked = ", ".join(f"{states[state]:,} {state}" for state in STATES if states[state]) or "nothing to fetch"
    lines = [
        one_line(
            f"{channel.name or channel.url}: {channel.n_listed:,} streams listed ({channel.listing})", 200
        ),
        f"  {new:,} new, {len(channel.streams) - new:,} tried again: {asked}",
        f"  {len(channel.left):,} left as they were",
        f"  their list: {sheet}",
    ]
    lines += [f"  {problem}" for problem in (*channel.failures, *channel.problems)]
    for what, video_ids in (
        ("not over yet, left out", channel.running),
        ("deleted or private", channel.gone),
        ("not asked any more", channel.not_asked),
    ):
        if video_ids:
            lines += [f"  {what}:"]
            lines += shorten_lines([f"    {v} {one_line(channel.titles.get(v, ''), 60)}" for v in video_ids])
    reasons = [f"    {s.video_id} {s.state}: {one_line(s.reason, 160)}" for s in channel.streams if s.reason]
    return lines + (["  with a reason:", *shorten_lines(reasons)] if reasons else [])


class ProgressBoard:
    """The progress of one channel: a bar where a person looks, else a log line per finished stream.

    The bar also shows how far each running stream is. `durations_s` are the streams to come, by
    video id; 0 is unknown. `update` may be called from any thread.
    """

    def __init__(self, titles: Mapping[str, str], durations_s: Mapping[str, float]) -> None:
        self._titles = titles
        self._durations_s = durations_s
        self._running: dict[str, float] = {}
        self._n_done = 0
        self._lock = threading.Lock()
        self._bar = progress_bar(total=len(durations_s), desc="chats", unit="stream")

    def __enter__(self) -> ProgressBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, video_id: str, offset_s: float) -> None:
        """Show the offset that a stream's chat has reached."""
        with self._lock:
            self._running[video_id] = offset_s
            self._show()

    def finish(self, stream: StreamReport) -> None:
        """Take a stream that is done off the board, and count it."""
        with self._lock:
            self._running.pop(stream.video_id, None)
            self._n_done += 1
            self._bar.update()
            self._show()
        if self._bar.disable:
            reason = f" ({one_line(stream.reason, 160)})" if stream.reason else ""
            log.info(
                "%d/%d %s %s: %s, %d messages, %d of them new%s",
                self._n_done,
                len(self._durations_s),
                stream.video_id,
                one_line(stream.title, 50),
                stream.state,
                stream.n_rows,
                stream.n_added,
                reason,
            )

    def _show(self) -> None:
        shares = []
        for video_id, offset_s in self._running.items():
            duration_s = self._durations_s.get(video_id)
            share = f"{min(offset_s / duration_s, 1):.0%}" if duration_s else f"{offset_s / 60:.0f} min"
            shares.append(f"{one_line(self._titles.get(video_id) or video_id, 16)} {share}")
        self._bar.set_postfix_str(", ".join(shares))
