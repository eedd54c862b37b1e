"""YouTube as a site of a collection: lists, the Data API, replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from chatlib.collect.youtube.listing import Listing, list_streams
from chatlib.collect.youtube.metadata import Metadata, fetch_videos, find_key
from chatlib.collect.youtube.replay import Fetcher
from chatlib.collect.youtube.settings import CollectSettings
from chatlib.records import YOUTUBE, Clip

__all__ = ["YouTube"]


class YouTube(Fetcher):
    """The site as `chatlib.collect.sites.Site` asks for it."""

    platform = YOUTUBE

    def __init__(self, settings: CollectSettings, folder: Path) -> None:
        super().__init__(settings, folder)
        self._settings = settings

    def list_streams(self, channel_url: str, *, progress: bool = True) -> Listing:
        """Return a channel's streams, newest first, as the browser or yt-dlp sees them."""
        settings = self._settings
        return list_streams(channel_url, settings.listing, cookies=settings.cookies_file, progress=progress)

    def describe_streams(self, video_ids: Sequence[str], *, progress: bool = True) -> Metadata:
        """Return what the Data API says of streams, if there is a key for it."""
        return fetch_videos(video_ids, key=find_key(), progress=progress, politeness=self.politeness)

    def list_clips(self, channel_url: str, video_ids: set[str]) -> Mapping[str, list[Clip]]:
        """Return nothing: YouTube tells no clips of a channel."""
        return {}
