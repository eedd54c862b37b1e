"""A running stream on YouTube, or a channel's next one: its chat by InnerTube."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlsplit

from yt_dlp.networking.exceptions import HTTPError

from chatlib.collect.address import find_video_id, make_video_url
from chatlib.collect.files.innertube import iter_actions, read_actions
from chatlib.collect.files.parsing import IdMaker, Notes, walk
from chatlib.collect.live import CLOCK, Connected, Feed, Heard
from chatlib.collect.sites import Batch, CollectSettings
from chatlib.collect.transport import Disconnected, Forbidden, Politeness, map_foreign_errors
from chatlib.collect.youtube.clients import ChatClient, PoliteYoutubeDL, Video, find_initial_data, open_client
from chatlib.errors import MissingSource, SourceError, SourceRefused
from chatlib.records import CHAT_KINDS, YOUTUBE, Message, Stream
from chatlib.times import format_timestamp, read_timestamp_text

__all__ = ["YouTubeFeed"]


class YouTubeFeed(Feed):
    """The chat of a stream's address, or of a channel's running stream.

    The chat's own page holds the last messages before a connection: what they overlap is not missed.
    """

    def __init__(self, url: str, politeness: Politeness, *, settings: CollectSettings) -> None:
        video_id = find_video_id(url)
        self.is_single = video_id is not None
        self.name = video_id or unquote(urlsplit(url).path).strip("/")
        self._url = url
        self._video_id = video_id
        self._politeness = politeness
        self._sources = settings.sources
        self._cookies: Path | None = settings.cookies_file
        self._client: ChatClient | None = None
        self._stream: Stream | None = None  # while connected
        self._is_start_known = False  # of the stream that is connected
        self._batch: Batch | None = None
        self._start_us = 0
        self._next_at = 0.0
        self._known_s = 0.0  # the offset until which the chat was asked for
        self._last_ids: dict[str | None, str] = {}  # of each author's newest message

    # ------------------------------------------------------------- what runs

    def find_stream(self) -> Stream | None:
        """Return the stream that runs now, None while none does.

        While connected, the chat itself says when it is over.
        Raises: SourceError; SourceRefused also if the address is of a stream that is over.
        """
        stream = self._stream
        if stream is not None and self._is_start_known:
            return stream
        video_id = self._video_id or self._find_current_id()
        if video_id is None:
            return stream
        client, video = self._open(video_id)
        client.close()
        if video.status == "past" and self.is_single and stream is None:
            raise SourceRefused(
                f"A stream that is running or announced can be watched, and {self._url} is over. Fetch its "
                "replay with `chatlib collect` or `chatlib analyze`."
            )
        if video.status != "live":
            return stream
        return self._describe(video)

    def _find_current_id(self) -> str | None:
        """Return the id of the video at a channel's address for its running stream."""
        with closing(PoliteYoutubeDL(self._politeness, self._cookies)) as client:
            try:
                page = client.urlopen(f"{self._url}/live").read().decode("utf-8", "replace")
            except HTTPError as error:
                if error.status == 404:
                    raise MissingSource(
                        f"YouTube knows no channel at {self._url}. Check the address."
                    ) from None
                raise SourceError(f"YouTube refuses {self._url}/live (HTTP {error.status}).") from None
        found = walk(find_initial_data(page), "currentVideoEndpoint", "watchEndpoint", "videoId")
        return found if isinstance(found, str) else None

    def _open(self, video_id: str) -> tuple[ChatClient, Video]:
        """Return the first source's client that can read the watch page, and what the page says."""
        refusals: list[SourceError] = []
        for source in self._sources:
            client = open_client(source, self._politeness, self._cookies)
            try:
                with map_foreign_errors(f"{source} could not read the page"):
                    return client, client.open_video(video_id)
            except BaseException as error:
                client.close()
                state = "failed" if isinstance(error, Forbidden) else getattr(error, "state", "failed")
                if not isinstance(error, SourceError) or state not in ("failed", "no_replay"):
                    raise
                refusals.append(error)
        raise refusals[0]

    def _describe(self, video: Video) -> Stream:
        return video.stream._replace(url=make_video_url(YOUTUBE, video.stream.video_id), duration_s=None)

    # ------------------------------------------------------------- its chat

    def connect(self, stream: Stream) -> Connected | None:
        self.close()
        self._client, video = self._open(stream.video_id)
        if video.status == "past":
            return None
        if video.chat_token is None:
            raise SourceRefused("the stream has no chat", state="no_replay")
        asked_us = CLOCK.now_us()
        with map_foreign_errors("the chat's page could not be read", to=Disconnected):
            page = self._client.fetch_page(video.chat_token)
            batch = (page.token and self._client.fetch_page(page.token).batch) or page.batch
        if batch is None:
            raise Disconnected("the chat's own page holds no chat")
        found = self._describe(video)
        self._is_start_known = found.started_at is not None
        stamps = [m.timestamp_us for m in _read_items(batch) if m.kind in CHAT_KINDS and m.timestamp_us]
        first_us = min(stamps, default=CLOCK.now_us())
        if found.started_at is None:  # until it is known, the first message stands in for it
            found = found._replace(started_at=stream.started_at or format_timestamp(first_us))
        self._stream, self._batch, self._next_at = found, batch, 0.0
        known_us = read_timestamp_text(found.started_at)
        self._start_us = first_us if known_us is None else known_us
        self._known_s = (asked_us - self._start_us) / 1e6
        return Connected(found, (first_us - self._start_us) / 1e6)

    def read(self) -> Heard:
        """Return what came within about a second, first of all what the chat's page held.

        Raises: Disconnected at the chat's end, too, which the next connection tells from a mishap.
        """
        assert self._client is not None and self._batch is not None
        if self._next_at:
            if self._batch.next_token is None:
                raise Disconnected("the chat came to its end")
            wait_s = self._next_at - time.monotonic()
            if wait_s > 0:
                self._politeness.stop.wait(min(wait_s, 1.0))
            if wait_s > 1.0:
                return Heard([], self._known_s)
            asked_us = CLOCK.now_us()
            with map_foreign_errors("an answer could not be read", to=Disconnected):
                batch = self._client.fetch_batch(self._batch.next_token, 0.0)
            if batch is None:
                raise Disconnected("YouTube answered without a batch of messages")
            self._batch = batch
            self._known_s = (asked_us - self._start_us) / 1e6
        self._next_at = time.monotonic() + self._batch.wait_s
        return Heard(self._place(_read_items(self._batch)), self._known_s)

    def _place(self, messages: Iterable[Message]) -> list[Message]:
        """Return messages with their offsets; a deletion, which has no time, is of now.

        An author who has written since a ban can be banned again.
        """
        now_us = CLOCK.now_us()
        placed = []
        for m in messages:
            if m.kind == "ban_user":
                since = m._replace(target_id=self._last_ids.get(m.author_id))
                m = m._replace(message_id=IdMaker().replace_id(since).message_id)
            elif m.target_id is None:
                self._last_ids[m.author_id] = m.message_id
            placed.append(m._replace(offset_s=((m.timestamp_us or now_us) - self._start_us) / 1e6))
        return placed

    def close(self) -> None:
        self._stream = None
        if self._client is not None:
            self._client.close()
            self._client = None


def _read_items(batch: Batch) -> list[Message]:
    return read_actions(chain.from_iterable(map(iter_actions, batch.items)), Notes())
