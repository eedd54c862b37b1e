"""What goes over the wire of the fake: requests as they came, and replies."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Entry", "Reply", "Request", "json_reply"]

HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=UTF-8"


class Request(NamedTuple):
    """One HTTP request inside a tunnel."""

    method: str
    host: str
    path: str  # without the query
    query: dict[str, str]
    headers: dict[str, str]  # names in small letters
    body: bytes = b""

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies sent, by name."""
        pairs = (part.strip().partition("=") for part in self.headers.get("cookie", "").split(";"))
        return {name: value for name, _, value in pairs if name}

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one if it is none."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def signed_in(self) -> bool:
        """Whether cookies of a signed-in viewer came along."""
        return bool({"LOGIN_INFO", "SAPISID", "__Secure-3PAPISID"} & self.cookies.keys())


class Reply(NamedTuple):
    """One HTTP answer. `drop` names what happens to the connection instead of a whole answer."""

    body: bytes = b""
    status: int = 200
    content_type: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    drop: str = ""  # "", "reset", "stall", "cut"
    stall_s: float = 0.0


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
    """Return the path and the query of a request's target."""
    parts = urlsplit(target)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))
