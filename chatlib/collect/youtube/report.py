"""What a collection from YouTube did, by channel, by stream and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from chatlib.collect.files.report import say_totals, shorten
from chatlib.collect.files.rows import one_line
from chatlib.errors import SourceError
from chatlib.records import STATES

__all__ = ["ChannelReport", "CollectReport", "StreamReport"]


@dataclass(frozen=True)
class StreamReport:
    """What became of one stream's chat. `before` is its state until now, None for a new stream."""

    video_id: str
    title: str | None
    before: str | None
    state: str
    view: str
    reason: str | None
    source: str
    n_rows: int  # messages that came
    n_added: int  # of them new in the database
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_changed(self) -> bool:
        """Whether this is new, has another state, or more messages."""
        return self.before != self.state or self.n_added > 0


@dataclass
class ChannelReport:
    """What became of one channel. Streams are named by video id."""

    url: str
    spreadsheet: Path
    name: str | None = None
    n_listed: int = 0
    listing: str = ""  # why the listing ended, and after how long
    problems: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # had been collected before
    not_asked: list[str] = field(default_factory=list)
    streams: list[StreamReport] = field(default_factory=list)


@dataclass(frozen=True)
class CollectReport:
    """What a collection did. `totals` counts what the database holds of the streams it met."""

    channels: list[ChannelReport]
    totals: Mapping[str, int]

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

    def require_usable(self) -> None:
        """Raise SourceError if the database has no chat of these channels now."""
        if not self.is_usable:
            problems = [f"{s.video_id}: {s.reason}" for s in self.streams if s.reason]
            problems += [f"{c.url}: {problem}" for c in self.channels for problem in c.problems]
            raise SourceError(
                "At least one stream must give its chat, and none did. "
                + (problems[0] if problems else "No finished stream was listed.")
            )

    def to_table(self) -> pd.DataFrame:
        """Return one row per stream that was asked for: title, states, view, source, rows, added, reason."""
        columns = ("title", "before", "state", "view", "source", "rows", "added", "reason")
        rows = [
            (one_line(s.title or s.video_id, 60), s.before or "new", s.state, s.view, s.source, s.n_rows,
             s.n_added, s.reason or "")
            for s in self.streams
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def say(self, db: Path) -> str:
        """Return the summary: what changed, what was left out, and what to do about it."""
        shown = [(channel, _say_path(channel.spreadsheet, db)) for channel in self.channels]
        lines = [line for channel, path in shown for line in [*_say_channel(channel, path), ""]]
        lines += [f"{self.n_added:,} new messages in {db}", "", *say_totals(self.totals, self.skipped)]
        return "\n".join(lines) + "\n"


def _say_path(path: Path, db: Path) -> str:
    """Return a path, or the name alone where the database is told by its name alone."""
    return path.name if db.parent == Path() else str(path)


def _say_channel(channel: ChannelReport, sheet: str) -> list[str]:
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
    lines += [f"  {problem}" for problem in channel.problems]
    for what, video_ids in (
        ("not over yet, left out", channel.running),
        ("deleted or private", channel.gone),
        ("not asked any more", channel.not_asked),
    ):
        if video_ids:
            lines += [f"  {what}:"]
            lines += shorten([f"    {v} {one_line(channel.titles.get(v, ''), 60)}" for v in video_ids])
    told = [f"    {s.video_id} {s.state}: {one_line(s.reason, 160)}" for s in channel.streams if s.reason]
    return lines + (["  with a reason:", *shorten(told)] if told else [])
