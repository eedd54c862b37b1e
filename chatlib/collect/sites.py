"""The sites that chat is collected from, each behind the same few questions, and what they answer.

A download keeps its batches on disk until all are in; its end tells how far the chat got.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from chatlib.collect.files.formats import Chat, complete_chat
from chatlib.collect.lists import Channel
from chatlib.errors import ParameterError, SourceError, SourceRefused
from chatlib.files import map_write_errors, require_regular
from chatlib.options import check_settings, option
from chatlib.records import Clip, HeatStep, Message, Stream
from chatlib.times import format_clock

__all__ = [
    "CHAT_SOURCES", "LISTINGS", "Batch", "CollectSettings", "Listing", "Metadata", "OnProgress", "Replay",
    "ResumeFile", "Site", "VideoFacts", "check_end",
]  # fmt: skip

LISTINGS = ("selenium", "yt-dlp")
CHAT_SOURCES = ("chat-downloader", "yt-dlp")
# A silence at a stream's end is plausible up to this many seconds, up to this share of the stream,
# and up to this many times the longest silence before.
_SILENCE_S, _SILENCE_SHARE, _SILENCE_TIMES = 120.0, 0.05, 3.0


@dataclass(frozen=True, kw_only=True)
class CollectSettings:
    """How channels are collected, as the user writes it: notebook parameters and command-line options.

    Cookies are for members-only streams and bot checks; a relative path starts at the project. No read
    waits longer than `timeout_s`; the first wait after a failure is shorter than `backoff_s`.

    Raises: ParameterError for a value that breaks a rule.
    """

    listing: str = option(LISTINGS[0], "selenium (Chromium) or yt-dlp", metavar="HOW")
    chat_sources: str = option(", ".join(CHAT_SOURCES), "which to try, in order", metavar="NAMES")
    cookies: str = option("", "a cookies.txt in Netscape's format", metavar="FILE")
    at_once: int = option(3, "streams fetched at once")
    requests_per_s: float = option(5.0, "per host, at most")
    limit: int = option(0, "only a channel's N newest streams; 0 is all")
    timeout_s: float = 20.0
    backoff_s: float = 1.0

    def __post_init__(self) -> None:
        check_settings(self, limit=0)
        if self.listing not in LISTINGS:
            raise ParameterError(f"LISTING is one of {', '.join(LISTINGS)}, got {self.listing!r}.")
        names = self.sources
        if set(names) - set(CHAT_SOURCES) or len(set(names)) < len(names):
            raise ParameterError(
                f"CHAT_SOURCES names the sources in the order to try them, of {', '.join(CHAT_SOURCES)}; "
                f"got {self.chat_sources!r}."
            )
        if self.cookies_file is not None:
            try:
                require_regular(self.cookies_file)
            except SourceError as error:
                raise ParameterError(f"COOKIES names a Netscape cookies.txt: {error}") from error
        if not 1 <= self.at_once <= 16:
            raise ParameterError(f"AT_ONCE is a number of streams from 1 to 16, got {self.at_once}.")
        if not 0 < self.requests_per_s <= 1000:
            raise ParameterError(
                f"REQUESTS_PER_S must be above 0 and at most 1000, got {self.requests_per_s}."
            )

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of chat in their order."""
        return tuple(name.strip() for name in self.chat_sources.split(","))

    @property
    def cookies_file(self) -> Path | None:
        """The cookies file, None without one."""
        from chatlib.workspace import resolve_path

        return resolve_path(self.cookies) if self.cookies else None


class VideoFacts(NamedTuple):
    """The facts of one video, or as many as a list of streams has. Dates are UTC ISO 8601; None is unknown.

    `status` is `finished`, `live` or `upcoming` for a stream, `video` for a plain upload.
    `duration_s` is the recording's. `views` is None where the page counts viewers.
    """

    video_id: str
    title: str | None = None
    duration_s: float | None = None
    views: int | None = None
    status: str | None = None
    channel_id: str | None = None
    channel_name: str | None = None
    published_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None


class Listing(NamedTuple):
    """A channel's streams, newest first and distinct, and whether these are all of them.

    `reason` says in one phrase why the listing ended; `complete` is True only if YouTube said that
    there are no more.
    """

    channel_id: str | None
    channel_name: str | None
    streams: list[VideoFacts]
    complete: bool
    reason: str


class Metadata(NamedTuple):
    """The answers, by video id; the ids that the site does not know; why some were not looked up.

    `gone` are deleted or private videos, and what is no id.
    """

    videos: dict[str, VideoFacts]
    gone: list[str]
    problem: str | None


OnProgress = Callable[[float], None] | None  # called with the offset reached


class Batch(NamedTuple):
    """Items of a chat as its site gives them, and where the next batch is; None at the end."""

    items: list[object]
    next_token: str | None
    wait_s: float = 0.0  # before the next one of a running chat


class _Saved(msgspec.Struct):
    items: list[object]
    next: str
    view: str


_decode_saved = msgspec.json.Decoder(_Saved).decode


class ResumeFile:
    """The batches of an unfinished download: one line of JSON each, with the token of the next batch.

    The last batch of a replay has no such token and is not kept. `view` is the view that the
    batches were taken from.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.view = "live"

    def iter_saved(self) -> Iterator[Batch]:
        """Yield the batches in the file; from the first damaged line on, the file is cut off."""
        try:
            file = self.path.open("r+b")
        except OSError:
            return
        with file:
            end = 0
            while line := file.readline():
                try:
                    saved = _decode_saved(line if line.endswith(b"\n") else b"")
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    file.truncate(end)
                    return
                self.view = saved.view
                end += len(line)
                yield Batch(saved.items, saved.next)

    def add(self, batch: Batch) -> None:
        """Append a batch that names the next one. Raises: StoreFull, UnwritableFile."""
        line = orjson.dumps({"items": batch.items, "next": batch.next_token, "view": self.view}) + b"\n"
        with map_write_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(line)

    def drop(self) -> None:
        """Delete the file, if it is there."""
        self.path.unlink(missing_ok=True)


class Replay(NamedTuple):
    """What became of one stream: `stream` has state, view and reason, `source` names who gave the chat.

    `ended` says that the replay came to its own end, `running` is "live" or "upcoming" for a
    stream that is not over. `heatmap` is YouTube's most-replayed curve, empty without one.
    """

    stream: Stream
    messages: list[Message]
    skipped: Mapping[str, int]
    source: str
    ended: bool = False
    running: str | None = None
    heatmap: Sequence[HeatStep] = ()
    error: SourceError | None = None  # why there is no chat

    @classmethod
    def of_failure(cls, stream: Stream, source: str, error: SourceError, *, prefix: str = "") -> Replay:
        """Return what became of a stream that gives no chat: its state, and the reason."""
        state = error.state if isinstance(error, SourceRefused) else "failed"
        stream = stream._replace(state=state, view="live", reason=f"{prefix}{error}")
        return cls(stream, [], {}, source, error=error)

    def complete(self, known: Mapping[str, str]) -> Replay:
        """Return this with what a list of streams says of the stream, and what its messages tell."""
        chat = Chat(self.source, self.stream, list(self.messages), self.skipped)
        chat = complete_chat(chat, file_name=self.stream.video_id, row=known)
        return self._replace(stream=chat.stream, messages=chat.messages)


def check_end(offsets_s: Sequence[float], duration_s: float | None, *, ended: bool) -> tuple[str, str | None]:
    """Return a state, `complete` or `partial`, and the reason if it is not plainly complete.

    `offsets_s` are the messages' offsets in any order, `ended` says that YouTube named no further
    batch. A replay that ends far before the stream counts as partial all the same. Far is more
    than 2 minutes, 5 % of the stream, and 3 times the longest silence inside the chat.
    """
    last_s = max(offsets_s, default=0.0)
    total = "" if duration_s is None else f" of {format_clock(duration_s)}"
    if not ended:
        return "partial", f"the replay broke off at {format_clock(last_s)}{total}"
    if duration_s is None:
        return "complete", None
    inside = sorted({0.0, *(offset for offset in offsets_s if offset > 0)})
    longest_s = max((later - earlier for earlier, later in pairwise(inside)), default=0.0)
    plausible_s = max(_SILENCE_S, _SILENCE_SHARE * duration_s, _SILENCE_TIMES * longest_s)
    if duration_s - last_s <= plausible_s:
        return "complete", None
    return "partial", f"the replay ends at {format_clock(last_s)}{total}"


class Site(ABC):
    """One site, for one collection; all its requests share `politeness`.

    Unfinished downloads are kept in `folder`.
    """

    platform: str
    resume_prefix = ""

    def __init__(self, settings: CollectSettings, folder: Path) -> None:
        from chatlib.collect.transport import Politeness

        self.politeness = Politeness(
            per_s=settings.requests_per_s, timeout_s=settings.timeout_s, backoff_s=settings.backoff_s
        )
        self._settings = settings
        self._cookies = settings.cookies_file
        self._folder = folder
        self.listed: dict[str, Channel] = {}  # by their ids, so far

    @abstractmethod
    def list_streams(self, channel_url: str) -> Listing:
        """Return a channel's streams, newest first.

        Raises: MissingSource if there is no such channel; SourceError if the list cannot be read.
        """

    @abstractmethod
    def describe_streams(self, video_ids: Sequence[str]) -> Metadata:
        """Return what the site knows of streams, as far as it tells; a `problem` says what it does not."""

    @abstractmethod
    def fetch(self, video_id: str, known: Mapping[str, str], *, on_progress: OnProgress = None) -> Replay:
        """Return the chat of one stream, from any thread; `known` is what a list of streams says of it.

        An interrupted download goes on.
        Raises: Stopped; StoreError. All else is a state of the stream, with its reason.
        """

    def open_resume_file(self, video_id: str) -> ResumeFile:
        """Return the file of a stream's unfinished download."""
        return ResumeFile(self._folder / f"{self.resume_prefix}{video_id}.jsonl")

    def list_clips(self, channel_url: str, video_ids: set[str]) -> Mapping[str, list[Clip]]:
        """Return the clips of a channel's streams, by video id; none where the site tells none.

        Raises: SourceError.
        """
        return {}
