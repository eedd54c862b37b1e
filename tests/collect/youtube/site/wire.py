"""What goes over the wire of the fake: requests as they came, replies, and continuation tokens."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=UTF-8"
_SIGNED_IN = frozenset({"LOGIN_INFO", "SAPISID", "__Secure-1PAPISID", "__Secure-3PAPISID"})
_WORTH_PACKING = 1400  # bytes; less fits one packet


@dataclass(frozen=True)
class Request:
    """One HTTP request inside a tunnel. `fault` is what the fake was told to do wrong with it."""

    method: str
    host: str
    path: str  # without the query
    query: dict[str, str]
    headers: dict[str, str]  # names in small letters
    body: bytes = b""
    fault: str = ""

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies sent, by name."""
        pairs = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name: value for name, _, value in pairs if name}

    @cached_property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one if it is none."""
        try:
            content = json.loads(self.body) if self.body else None
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def signed_in(self) -> bool:
        """Whether cookies of a signed-in viewer came along."""
        return not _SIGNED_IN.isdisjoint(self.cookies)

    @property
    def takes_gzip(self) -> bool:
        """Whether the client reads compressed answers."""
        return "gzip" in self.headers.get("accept-encoding", "")


class Reply(NamedTuple):
    """One HTTP answer; `packed` is the body compressed, and may stand alone.

    `drop` names what happens to the connection instead of a whole answer.
    """

    body: bytes = b""
    status: int = 200
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    packed: bytes = b""
    drop: str = ""  # "", "reset", "stall", "hang", "trickle", "cut"
    stall_s: float = 0.0

    @property
    def plain(self) -> bytes:
        """The body as it is before compression."""
        return self.body or (gzip.decompress(self.packed) if self.packed else b"")

    def encode(self, *, takes_gzip: bool) -> Reply:
        """Return the reply with the bytes that are sent as its body."""
        if not takes_gzip:
            return self._replace(body=self.plain)
        if not self.packed and len(self.body) < _WORTH_PACKING:
            return self
        packed = self.packed or gzip.compress(self.body, 1, mtime=0)
        return self._replace(body=packed, headers=(*self.headers, ("Content-Encoding", "gzip")))


class Entry(NamedTuple):
    """One line of the request log. Status 0: the connection was dropped, or the client never trusted us."""

    time: float
    method: str
    host: str
    path: str
    video_id: str | None
    status: int


def json_reply(content: object, status: int = 200) -> Reply:
    """Return an answer in JSON."""
    return Reply(json.dumps(content, ensure_ascii=False).encode(), status, JSON)


def split_target(target: str) -> tuple[str, dict[str, str]]:
    """Return the path and the query of a request's target; what comes twice is joined by a comma."""
    parts = urlsplit(target)
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    return parts.path, query


_HEAD = "op2w0w"  # as replays' tokens begin


class Token(NamedTuple):
    """What a token says: what it is for, of which video (or channel), which view, which part."""

    use: str  # "page", "selector", "batch", "seek", "live", "list"
    subject: str
    view: str = ""
    number: int = 0


def make_token(use: str, subject: str, view: str = "", number: int = 0) -> str:
    """Return a token as responses hold it: base64 whose padding is written as %3D."""
    content = f"{use}|{subject}|{view}|{number}".encode()
    content += b" " * (2 - len(content) % 3 if len(content) % 3 != 2 else 0)
    return (_HEAD + base64.urlsafe_b64encode(content).decode()).replace("=", "%3D")


def read_token(text: object) -> Token | None:
    """Return what a token says, or None if it is none of ours."""
    if not isinstance(text, str) or not (plain := unquote(text)).startswith(_HEAD):
        return None
    try:
        use, subject, view, number = base64.urlsafe_b64decode(plain[len(_HEAD) :]).decode().split("|")
        return Token(use, subject, view, int(number))
    except ValueError:
        return None
