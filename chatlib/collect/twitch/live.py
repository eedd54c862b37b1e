"""A Twitch channel's running stream, as `chatlib.collect.live` watches it."""

from __future__ import annotations

import datetime as dt
import ssl
from contextlib import closing
from urllib.parse import urlsplit

from chatlib.collect.address import make_video_url
from chatlib.collect.twitch.graphql import GraphQL
from chatlib.collect.twitch.irc import ADDRESS, IrcConnection, IrcReader
from chatlib.collect.youtube.transport import Politeness
from chatlib.records import TWITCH, Message, Stream

__all__ = ["TwitchFeed"]


class TwitchFeed:
    """The chat of a channel, given by its clean address.

    The stream has the id of the VOD that is being recorded, so that its replay is the same stream; a
    channel that keeps no VODs gives its streams ids of their own, such as `live-40500071752`.
    """

    def __init__(
        self,
        channel_url: str,
        politeness: Politeness,
        *,
        address: tuple[str, int] = ADDRESS,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._url = channel_url
        self._login = urlsplit(channel_url).path.strip("/")
        self._politeness = politeness
        self._address = address
        self._context = context
        self._ids: dict[str, str] = {}  # of streams -> as first seen: a VOD may come or go meanwhile
        self._connection: IrcConnection | None = None
        self._reader: IrcReader | None = None

    def find_stream(self) -> Stream | None:
        """Return the stream that runs now, None while none does. Raises: SourceError."""
        with closing(GraphQL(self._politeness)) as client:
            live = client.fetch_live(self._login)
        if live.stream_id is None:
            return None
        video_id = self._ids.setdefault(live.stream_id, live.video_id or f"live-{live.stream_id}")
        return Stream(
            TWITCH,
            video_id,
            url=make_video_url(TWITCH, video_id) or self._url,
            title=live.title,
            channel_id=live.channel_id,
            channel_name=live.channel_name,
            started_at=live.started_at,
        )

    def connect(self, stream: Stream) -> None:
        """Connect to the channel's chat. Raises: Disconnected."""
        if self._reader is None or self._reader.video_id != stream.video_id:
            start = dt.datetime.fromisoformat(stream.started_at or dt.datetime.now(dt.UTC).isoformat())
            self._reader = IrcReader(stream.video_id, round(start.timestamp() * 1e6))
        self._connection = IrcConnection(
            self._login, address=self._address, context=self._context, timeout_s=self._politeness.timeout_s
        )

    def read(self) -> list[Message]:
        """Return the messages that came within about a second. Raises: Disconnected."""
        if self._connection is None or self._reader is None:
            return []
        lines = self._connection.read_lines()
        return [message for line in lines if (message := self._reader.read(line))]

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
