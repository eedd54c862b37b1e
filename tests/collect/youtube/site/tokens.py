"""Continuation tokens: opaque to clients, and worth something in one place only."""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import unquote

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
