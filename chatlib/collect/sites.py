"""The sites that chat is collected from, each behind the same few questions, and what they answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chatlib.errors import ParameterError, SourceError
from chatlib.limits import require_regular
from chatlib.options import option
from chatlib.records import Clip

if TYPE_CHECKING:  # the command line reads the settings' defaults before anything is fetched
    from chatlib.collect.downloads import Replay, ResumeFile

__all__ = [
    "CHAT_SOURCES",
    "LISTINGS",
    "CollectSettings",
    "Listing",
    "Metadata",
    "Site",
    "VideoFacts",
]

LISTINGS = ("selenium", "yt-dlp")
CHAT_SOURCES = ("chat-downloader", "yt-dlp")


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
        if self.limit < 0:
            raise ParameterError(f"LIMIT is a number of streams, 0 for all, got {self.limit}.")

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

    channel_url: str
    channel_id: str | None
    channel_name: str | None
    streams: list[VideoFacts]
    complete: bool
    reason: str
    seconds: float


class Metadata(NamedTuple):
    """The answers, by video id; the ids that YouTube does not know; the ids that were not looked up.

    `gone` are deleted or private videos, and what is no id. `problem` says why some were not looked up.
    """

    videos: dict[str, VideoFacts]
    gone: list[str]
    unasked: list[str]
    problem: str | None


class Site(ABC):
    """One site, for one collection; all its requests share `politeness`.

    Unfinished downloads are kept in `folder`.
    """

    platform: str

    def __init__(self, settings: CollectSettings, folder: Path) -> None:
        from chatlib.collect.transport import Politeness

        self.politeness = Politeness(
            per_s=settings.requests_per_s, timeout_s=settings.timeout_s, backoff_s=settings.backoff_s
        )
        self._settings = settings
        self._cookies = settings.cookies_file
        self._folder = folder

    @abstractmethod
    def list_streams(self, channel_url: str, *, progress: bool = True) -> Listing:
        """Return a channel's streams, newest first.

        Raises: MissingSource if there is no such channel; SourceError if the list cannot be read.
        """

    @abstractmethod
    def describe_streams(self, video_ids: Sequence[str], *, progress: bool = True) -> Metadata:
        """Return what the site knows of streams, as far as it tells; a `problem` says what it does not."""

    @abstractmethod
    def fetch(
        self,
        video_id: str,
        known: Mapping[str, str],
        *,
        on_progress: Callable[[float], None] | None = None,
    ) -> Replay:
        """Return the chat of one stream, from any thread; `known` is what a list of streams says of it.

        An interrupted download goes on. `on_progress` is called with the offset reached.
        Raises: Stopped; StoreError. All else is a state of the stream, with its reason.
        """

    @abstractmethod
    def open_resume_file(self, video_id: str) -> ResumeFile:
        """Return the file of a stream's unfinished download."""

    def list_clips(self, channel_url: str, video_ids: set[str]) -> Mapping[str, list[Clip]]:
        """Return the clips of a channel's streams, by video id; none where the site tells none.

        Raises: SourceError.
        """
        return {}
