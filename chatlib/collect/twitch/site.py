"""Twitch as a site of a collection: VODs listed by yt-dlp, their chat and clips by GraphQL."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp.extractor.twitch import TwitchVideosIE
from yt_dlp.utils import YoutubeDLError

from chatlib.collect.downloads import Replay, ResumeFile
from chatlib.collect.sites import CollectSettings, Listing, Metadata, Site, VideoFacts
from chatlib.collect.transport import map_foreign_errors
from chatlib.collect.twitch.chat import SOURCE, fetch_chat_of, open_resume_file
from chatlib.collect.twitch.graphql import GraphQL, check_graphql, read_video
from chatlib.collect.youtube.clients import PoliteYoutubeDL
from chatlib.errors import MissingSource, SourceError, SourceRefused
from chatlib.records import TWITCH, Clip, Stream
from chatlib.text import one_line
from chatlib.times import read_offset

__all__ = ["Twitch"]


class Twitch(Site):
    """Twitch: VODs and their facts by yt-dlp's list, chat and clips by GraphQL."""

    platform = TWITCH

    def __init__(self, settings: CollectSettings, folder: Path) -> None:
        super().__init__(settings, folder)
        self._listed: dict[str, VideoFacts] = {}

    def list_streams(self, channel_url: str, *, progress: bool = True) -> Listing:
        """Return a channel's past broadcasts, newest first."""
        began = time.monotonic()
        try:
            with PoliteYoutubeDL(self.politeness, self._cookies, check=check_graphql) as client:
                info = _ArchivesIE(client).extract(f"{channel_url}/videos?filter=archives")
                nodes = list(info["entries"])
        except YoutubeDLError as error:
            said = one_line(str(error).removeprefix("ERROR: "), 200)
            if "not found" in said:
                raise MissingSource(
                    f"Twitch knows no channel at {channel_url}. Check the address."
                ) from error
            raise SourceError(f"yt-dlp must read the list of {channel_url}, and failed: {said}.") from error
        videos = [facts for node in nodes if (facts := read_video(node))]
        self._listed |= {facts.video_id: facts for facts in videos}
        return Listing(
            channel_url,
            next((facts.channel_id for facts in videos), None),
            next((facts.channel_name for facts in videos), None) or _login_of(channel_url),
            videos,
            True,
            "the list's end",
            time.monotonic() - began,
        )

    def describe_streams(self, video_ids: Sequence[str], *, progress: bool = True) -> Metadata:
        """Return what the list said of VODs; those that it no longer shows are asked for one by one."""
        done = Metadata({}, [], list(video_ids), None)
        with closing(GraphQL(self.politeness)) as client:
            for video_id in video_ids:
                try:
                    facts = self._listed.get(video_id) or client.fetch_video(video_id)
                except SourceError as error:
                    return done._replace(problem=f"not all VODs could be looked up: {error}")
                done.unasked.remove(video_id)
                if facts is None:
                    done.gone.append(video_id)
                else:
                    done.videos[video_id] = facts
        return done

    def fetch(
        self,
        video_id: str,
        known: Mapping[str, str],
        *,
        on_progress: Callable[[float], None] | None = None,
    ) -> Replay:
        """Return the chat of one VOD."""
        try:
            with map_foreign_errors("an answer could not be read"):
                replay = self._fetch(video_id, known, on_progress)
        except SourceError as error:
            replay = Replay.of_failure(Stream(TWITCH, video_id), SOURCE, error)
        return replay if replay.running else replay.complete(known)

    def _fetch(
        self, video_id: str, known: Mapping[str, str], on_progress: Callable[[float], None] | None
    ) -> Replay:
        facts = self._listed.get(video_id)
        if facts is None:
            with closing(GraphQL(self.politeness)) as client:
                facts = client.fetch_video(video_id)
        if facts is None:
            raise SourceRefused("there is no such VOD: deleted, private, or expired", state="no_replay")
        stream = Stream(
            TWITCH,
            video_id,
            title=facts.title,
            channel_id=facts.channel_id,
            channel_name=facts.channel_name,
            started_at=facts.started_at,
            duration_s=facts.duration_s or read_offset(known.get("duration_s")),
            view="live",
        )
        if facts.status == "live":
            return Replay(stream, [], {}, SOURCE, running="live")
        return fetch_chat_of(stream, self.politeness, self._folder, on_progress=on_progress)

    def open_resume_file(self, video_id: str) -> ResumeFile:
        """Return the file of a VOD's unfinished download."""
        return open_resume_file(self._folder, video_id)

    def list_clips(self, channel_url: str, video_ids: set[str]) -> Mapping[str, list[Clip]]:
        """Return the clips of a channel's VODs, by video id, most viewed first. Raises: SourceError."""
        clips: dict[str, list[Clip]] = defaultdict(list)
        if video_ids:
            with closing(GraphQL(self.politeness)) as client:
                for video_id, clip in client.iter_clips(_login_of(channel_url)):
                    if video_id in video_ids:
                        clips[video_id].append(clip)
        return clips


class _ArchivesIE(TwitchVideosIE):
    """yt-dlp's list of a channel's VODs, each as Twitch describes it: yt-dlp drops when it began."""

    @staticmethod
    def _extract_entry(node: dict[str, Any]) -> dict[str, Any]:
        return node


def _login_of(channel_url: str) -> str:
    return urlsplit(channel_url).path.strip("/")
