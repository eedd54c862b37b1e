"""The settings of a collection from YouTube, each with its one default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatlib.errors import ParameterError, SourceError
from chatlib.limits import require_regular

__all__ = ["CHAT_SOURCES", "LISTINGS", "CollectSettings"]

LISTINGS = ("selenium", "yt-dlp")
CHAT_SOURCES = ("chat-downloader", "yt-dlp")


@dataclass(frozen=True, kw_only=True)
class CollectSettings:
    """How channels are collected, as the user writes it: notebook parameters and command-line options.

    `listing` is one of `LISTINGS`. `chat_sources` names the sources in the order to try them, with
    commas. `cookies` is a Netscape cookies.txt, for members-only streams and bot checks; a relative
    path starts at the project. `at_once` streams are fetched together, with at most `requests_per_s`
    to one host. `limit` is the number of a channel's newest streams, 0 for all.
    No read waits longer than `timeout_s`; the first wait after a failure is shorter than `backoff_s`.

    Raises: ParameterError for a value that breaks a rule.
    """

    listing: str = LISTINGS[0]
    chat_sources: str = ", ".join(CHAT_SOURCES)
    cookies: str = ""
    at_once: int = 3
    requests_per_s: float = 5.0
    limit: int = 0
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
