"""The sites that chat is collected from, each behind the same few questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from chatlib.collect.youtube.batches import ResumeFile
from chatlib.collect.youtube.metadata import Metadata
from chatlib.collect.youtube.pages import Listing
from chatlib.collect.youtube.replay import Replay
from chatlib.collect.youtube.settings import CollectSettings
from chatlib.collect.youtube.transport import Politeness
from chatlib.records import TWITCH, Clip

__all__ = ["Site", "open_site"]


class Site(Protocol):
    """One site, for one collection; all its requests share `politeness`."""

    platform: str
    politeness: Politeness

    def list_streams(self, channel_url: str, *, progress: bool = True) -> Listing:
        """Return a channel's streams, newest first. Raises: SourceError."""

    def describe_streams(self, video_ids: Sequence[str], *, progress: bool = True) -> Metadata:
        """Return what the site knows of streams, as far as it tells; a `problem` says what it does not."""

    def fetch(
        self,
        video_id: str,
        known: Mapping[str, str],
        *,
        on_progress: Callable[[float], None] | None = None,
    ) -> Replay:
        """Return the chat of one stream, from any thread; `known` is what a list of streams says of it.

        Raises: Stopped; StoreError. All else is a state of the stream, with its reason.
        """

    def open_resume_file(self, video_id: str) -> ResumeFile:
        """Return the file of a stream's unfinished download."""

    def list_clips(self, channel_url: str, video_ids: set[str]) -> Mapping[str, list[Clip]]:
        """Return the clips of a channel's streams, by video id. Raises: SourceError."""


def open_site(platform: str, settings: CollectSettings, folder: Path) -> Site:
    """Return a platform's site; unfinished downloads are kept in `folder`."""
    if platform == TWITCH:
        from chatlib.collect.twitch.site import Twitch

        return Twitch(settings, folder)
    from chatlib.collect.youtube.site import YouTube

    return YouTube(settings, folder)
