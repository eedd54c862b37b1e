"""A Twitch channel's running stream: its chat by IRC over TLS, read anonymously."""

from __future__ import annotations

import codecs
import random
import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import NamedTuple
from urllib.parse import urlsplit

from chatlib.collect.address import make_video_url
from chatlib.collect.files.parsing import IdMaker, author_key, name_json, read_count
from chatlib.collect.files.twitch import format_badge, name_kind
from chatlib.collect.live import CLOCK, Connected, Feed, Heard
from chatlib.collect.transport import Disconnected, Politeness
from chatlib.collect.twitch.site import GraphQL
from chatlib.records import CHAT_KINDS, TWITCH, Message, Stream
from chatlib.text import clean_text, read_name
from chatlib.times import read_timestamp, read_timestamp_text

__all__ = ["IrcConnection", "IrcLine", "IrcReader", "TwitchFeed", "parse_line"]

ADDRESS = ("irc.chat.twitch.tv", 6697)
SILENCE_S = 60.0  # after which the server is asked whether it is still there
ANSWER_S = 15.0  # for its answer
MAX_LINE = 65_536  # bytes; Twitch's longest, with all tags, have 8,192 and 512
_ESCAPES = {"s": " ", ":": ";", "\\": "\\", "r": "\r", "n": "\n"}
_ESCAPED = re.compile(r"\\(.?)", re.S)
_ACTION = re.compile(r"\x01ACTION (.*)\x01", re.S)


class IrcLine(NamedTuple):
    """One message of the protocol: tags unescaped, `login` of who sent it, the parameters."""

    tags: Mapping[str, str]
    login: str
    command: str
    params: list[str]

    @property
    def text(self) -> str | None:
        """What follows the channel's name, None if nothing does."""
        return self.params[1] if len(self.params) > 1 else None


def parse_line(line: str) -> IrcLine | None:
    """Return a line without its end, parsed; None if it is no message."""
    tags: dict[str, str] = {}
    rest = line
    if rest.startswith("@"):
        written, _, rest = rest[1:].partition(" ")
        pairs = (pair.partition("=") for pair in written.split(";") if pair)
        # A lone backslash at a value's end is dropped.
        tags = {name: _ESCAPED.sub(lambda m: _ESCAPES.get(m[1], m[1]), value) for name, _, value in pairs}
    login = ""
    rest = rest.lstrip(" ")
    if rest.startswith(":"):
        source, _, rest = rest[1:].partition(" ")
        login = source.partition("!")[0] if "!" in source else ""
    head, colon, trailing = rest.lstrip(" ").partition(" :")
    command, *params = head.split() or [""]
    return IrcLine(tags, login, command, [*params, trailing] if colon else params) if command else None


class IrcReader:
    """Makes messages of lines, for one stream that began at `started_us` (microseconds since 1970)."""

    def __init__(self, video_id: str, started_us: int) -> None:
        self.video_id = video_id
        self._started_us = started_us
        self._ids = IdMaker()

    def now_s(self) -> float:
        """The offset of this moment."""
        return (CLOCK.now_us() - self._started_us) / 1e6

    def read(self, line: IrcLine) -> Message | None:
        """Return the message of a line; None for a line that is none, or another channel's.

        What is deleted is a message of its own: `deleted_message` with the id of what it removes,
        `ban_user` with the author whose messages are all removed.
        """
        if line.command not in ("PRIVMSG", "USERNOTICE", "CLEARMSG", "CLEARCHAT"):
            return None
        tags = line.tags
        if tags.get("source-room-id", tags.get("room-id")) != tags.get("room-id"):
            return None  # another channel's, in a shared chat
        now_us = read_timestamp(tags.get("tmi-sent-ts")) or CLOCK.now_us()
        offset_s = (now_us - self._started_us) / 1e6
        if line.command in ("CLEARMSG", "CLEARCHAT"):
            message = _read_removal(line)
            return message and self._ids.complete(message._replace(offset_s=offset_s, timestamp_us=now_us))
        name = read_name(tags.get("display-name")) or read_name(tags.get("login")) or line.login or None
        text = clean_text(line.text)
        if action := _ACTION.fullmatch(text or ""):
            text = action[1]
        is_notice = line.command == "USERNOTICE"
        kind = name_kind(read_name(tags.get("msg-id")))
        return self._ids.complete(
            Message(
                read_name(tags.get("id")) or "",
                kind if is_notice or kind in CHAT_KINDS else "text_message",
                offset_s,
                author_key(read_name(tags.get("user-id")), name),
                name,
                text,
                clean_text(tags.get("system-msg")) if is_notice else None,
                _read_badges(tags),
                bits=read_count(tags.get("bits")),
                timestamp_us=now_us,
                emotes=name_json(dict.fromkeys(_iter_emotes(tags.get("emotes", ""), line.text or ""))),
            )
        )


def _read_removal(line: IrcLine) -> Message | None:
    """Return the message of a deletion; a CLEARCHAT without a name empties the screen and removes nothing."""
    if line.command == "CLEARMSG":
        target = read_name(line.tags.get("target-msg-id"))
        return (target and Message("", "deleted_message", target_id=target)) or None
    name = read_name(line.text)
    author = author_key(read_name(line.tags.get("target-user-id")), name)
    return Message("", "ban_user", author_id=author, author_name=name) if author else None


def _read_badges(tags: Mapping[str, str]) -> str | None:
    """Return the badges' titles; the exact months of a subscriber stand in a tag of their own."""
    months = dict(pair.partition("/")[::2] for pair in tags.get("badge-info", "").split(","))
    pairs = [pair.partition("/")[::2] for pair in tags.get("badges", "").split(",") if pair]
    return name_json(format_badge(name, level, months=months.get(name)) for name, level in pairs)


def _iter_emotes(written: str, text: str) -> Iterator[str]:
    """Yield the emotes' names from their places in the text: `25:0-4,12-16/1902:6-10`."""
    for place in re.findall(r"(\d{1,9}-\d{1,9})", written.replace("/", ",")):
        first, last = map(int, place.split("-"))
        if name := text[first : last + 1]:
            yield name


class IrcConnection:
    """An anonymous connection to one channel's chat.

    Raises: Disconnected, also later by `read_lines`.
    """

    def __init__(
        self,
        login: str,
        *,
        address: tuple[str, int] = ADDRESS,
        context: ssl.SSLContext | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._heard_at = time.monotonic()
        self._asked_at: float | None = None
        self._end: Disconnected | None = None  # to tell by the next read
        try:
            plain = socket.create_connection(address, timeout=timeout_s)
            context = context or ssl.create_default_context()
            self._socket = context.wrap_socket(plain, server_hostname=ADDRESS[0])
        except OSError as error:
            raise Disconnected(f"Twitch's chat cannot be reached ({error})") from error
        self._send("CAP REQ :twitch.tv/tags twitch.tv/commands")
        self._send(f"NICK justinfan{random.randint(10_000, 99_999)}")
        self._send(f"JOIN #{login}")

    def _send(self, line: str) -> None:
        try:
            self._socket.sendall(f"{line}\r\n".encode())
        except OSError as error:
            self._end = Disconnected(f"the connection ended ({error})")

    def read_lines(self) -> Iterator[IrcLine]:
        """Yield the lines that come within a second; the server's PING is answered.

        Raises: Disconnected at the connection's end, after a silence, and after the lines with which the
        server said RECONNECT or refused the channel.
        """
        if self._end is not None:
            raise self._end
        self._socket.settimeout(1.0)
        try:
            data = self._socket.recv(65_536)
        except TimeoutError:
            self._check_silence()
            return
        except OSError as error:
            raise Disconnected(f"the connection ended ({error})") from error
        if not data:
            raise Disconnected("the server ended the connection")
        self._heard_at, self._asked_at = time.monotonic(), None
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        if len(self._rest) > MAX_LINE:
            self._end = Disconnected(f"a line longer than {MAX_LINE:,} bytes")
        for written in lines:
            line = parse_line(written.rstrip("\r"))
            if line is None:
                continue
            if line.command == "PING":
                self._send(f"PONG :{line.params[-1] if line.params else ''}")
            elif line.command == "RECONNECT":
                self._end = Disconnected("the server asks to come again")
            elif line.command == "NOTICE" and line.tags.get("msg-id", "").startswith("msg_"):
                self._end = Disconnected(f"the server refuses the channel ({line.text})")
            else:
                yield line

    def _check_silence(self) -> None:
        """Ask a silent server whether it is there. Raises: Disconnected if it does not answer."""
        now = time.monotonic()
        if self._asked_at is not None:
            if now - self._asked_at > ANSWER_S:
                raise Disconnected("the server does not answer any more", silent_s=now - self._heard_at)
        elif now - self._heard_at > SILENCE_S:
            self._asked_at = now
            self._send("PING :chatlib")

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()


class TwitchFeed(Feed):
    """The chat of a channel, given by its clean address.

    The stream has the id of the VOD that is being recorded, so that its replay is the same stream; a
    channel that keeps no VODs gives its streams ids of their own, such as `live-40500071752`.
    """

    is_single, has_one_chat = False, True

    def __init__(
        self,
        channel_url: str,
        politeness: Politeness,
        *,
        address: tuple[str, int] = ADDRESS,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._url = channel_url
        self._login = self.name = urlsplit(channel_url).path.strip("/")
        self._politeness = politeness
        self._address = address
        self._context = context
        self._ids: dict[str, str] = {}  # of streams -> as first seen: a VOD may come or go meanwhile
        self._connection: IrcConnection | None = None
        self._reader: IrcReader | None = None

    def find_stream(self) -> Stream | None:
        with closing(GraphQL(self._politeness)) as client:
            live = client.fetch_live(self._login)
        if live is None:
            return None
        stream_id, stream = live
        video_id = self._ids.setdefault(stream_id, stream.video_id or f"live-{stream_id}")
        return stream._replace(video_id=video_id, url=make_video_url(TWITCH, video_id) or self._url)

    def connect(self, stream: Stream) -> Connected:
        if self._reader is None or self._reader.video_id != stream.video_id:
            started_us = read_timestamp_text(stream.started_at)
            self._reader = IrcReader(stream.video_id, CLOCK.now_us() if started_us is None else started_us)
        self._connection = IrcConnection(
            self._login, address=self._address, context=self._context, timeout_s=self._politeness.timeout_s
        )
        return Connected(stream, self._reader.now_s())

    def read(self) -> Heard:
        assert self._connection is not None and self._reader is not None
        lines = self._connection.read_lines()
        messages = [message for line in lines if (message := self._reader.read(line))]
        # What was sent later than the last message may still be on its way.
        moments = [m.offset_s for m in messages if m.offset_s is not None]
        return Heard(messages, max(moments, default=self._reader.now_s()))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
