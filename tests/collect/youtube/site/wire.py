"""What goes over the wire of the fake: requests, replies, pages, continuation tokens, and what goes wrong."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

Json = dict[str, Any]
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
    """One HTTP answer; `drop` names what happens to the connection instead of a whole one."""

    body: bytes = b""
    status: int = 200
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    drop: str = ""  # "", "reset", "stall", "hang", "trickle", "cut"
    stall_s: float = 0.0

    def encode(self, *, takes_gzip: bool) -> Reply:
        """Return the reply with the bytes that are sent as its body."""
        if not takes_gzip or len(self.body) < _WORTH_PACKING:
            return self
        packed = gzip.compress(self.body, 1, mtime=0)
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


_BATCHES = "/youtubei/v1/live_chat/get_live_chat_replay"
_ONLY_AT = {"empty_batch": _BATCHES, "repeat_batch": _BATCHES, "service_error": "/gql"}


def can_happen(kind: str, request: Request) -> bool:
    """Return whether a kind of fault can happen to a request."""
    return request.path == _ONLY_AT[kind] if kind in _ONLY_AT else True


@dataclass
class Faults:
    """Requests that fail at random: one in `1 / rate` of those for which `where` is true.

    Of `kinds`, one that can happen to the request is drawn (see `apply_fault`).
    """

    rate: float = 0.1
    kinds: Sequence[str] = ("429", "500", "reset", "cut_json")
    seed: int = 0
    stall_s: float = 30.0
    where: Callable[[Request], bool] | None = None

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def draw(self, request: Request) -> str:
        """Return the kind of fault that happens to a request, or an empty string."""
        fitting = [kind for kind in self.kinds if can_happen(kind, request)]
        if not fitting or (self.where is not None and not self.where(request)):
            return ""
        return self._rng.choice(fitting) if self._rng.random() < self.rate else ""


def google_error(code: int, message: str, reason: str, status: str = "") -> Reply:
    """Return an error as Google's APIs write it."""
    error = {"code": code, "message": message, "errors": [{"message": message, "reason": reason}]}
    return json_reply({"error": error | ({"status": status} if status else {})}, code)


INVALID = google_error(400, "Request contains an invalid argument.", "badRequest", "INVALID_ARGUMENT")
NOT_FOUND = google_error(404, "Requested entity was not found.", "notFound", "NOT_FOUND")


def apply_fault(kind: str, reply: Reply, *, stall_s: float) -> Reply:
    """Return the reply with a fault; those that lie in the content were made by who answered."""
    match kind:
        case "429" | "500" | "503":
            return Reply(b"<html><body>Sorry, something went wrong.</body></html>", int(kind))
        case "reset" | "stall" | "hang" | "trickle":  # headers alone, nothing, a few bytes at a time
            return reply._replace(drop=kind, stall_s=stall_s)
        case "cut_json":  # half a body, all of its length promised, then the connection ends
            return reply._replace(drop="cut")
        case "short_json":  # half a body that claims to be whole
            return reply._replace(body=reply.body[: len(reply.body) // 2])
        case "empty_batch" | "repeat_batch" | "service_error":
            return reply
    raise ValueError(f"There is no fault {kind!r}.")


API_KEY = "AIzaFakeInnertubeKeyOfTheTests000000000"
CLIENT_VERSION = "2.20261118.01.00"
VISITOR_DATA = "CgtGYWtlVmlzaXRvcijMgYTJBjIKCgJVUxIEGgAgSQ%3D%3D"


def script_json(content: object) -> str:
    """Return JSON that may stand inside a script element, on one line, escaped as YouTube does."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def ytcfg(request: Request) -> Json:
    """Return the configuration of a page: key, context, visitor, session."""
    signed_in = request.signed_in
    client = {
        "hl": "en",
        "gl": "US",
        "visitorData": VISITOR_DATA,
        "userAgent": request.headers.get("user-agent", ""),
        "clientName": "WEB",
        "clientVersion": CLIENT_VERSION,
    }
    return {
        "DATASYNC_ID": "104000000000000000000||" if signed_in else "V00fake00||",
        "INNERTUBE_API_KEY": API_KEY,
        "INNERTUBE_CLIENT_VERSION": CLIENT_VERSION,
        "INNERTUBE_CONTEXT": {"client": client},
        "INNERTUBE_CONTEXT_CLIENT_NAME": 1,
        "INNERTUBE_CONTEXT_CLIENT_VERSION": CLIENT_VERSION,
        "LOGGED_IN": signed_in,
        "VISITOR_DATA": VISITOR_DATA,
        **({"SESSION_INDEX": "0", "ID_TOKEN": "fake-identity-token"} if signed_in else {}),
    }


def page(title: str, request: Request, *, scripts: list[str], body: str = "", head: str = "") -> Reply:
    """Return a page: its configuration in the head, its data in scripts of their own."""
    data = "".join(f'<script nonce="fake">{script}</script>' for script in scripts)
    html = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{head}'
        '<script nonce="fake">ytcfg={set:function(c){window.yt=c}};</script>'
        f'<script nonce="fake">ytcfg.set({script_json(ytcfg(request))}); '
        f"window.ytcfg.obfuscatedData_ = [];</script></head><body>{data}{body}</body></html>"
    )
    return Reply(html.encode())
