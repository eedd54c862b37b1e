"""Addresses of channels and videos on YouTube and Twitch, and the ids in them."""

from __future__ import annotations

import re
import unicodedata
from typing import TypeGuard
from urllib.parse import quote, unquote, urlsplit

from chatlib.errors import ParameterError
from chatlib.records import TWITCH, YOUTUBE

__all__ = [
    "clean_channel_url",
    "find_ids_in_name",
    "find_video_id",
    "guess_platform",
    "is_video_id",
    "make_video_url",
]

_HOSTS = {"youtube.com", "www.youtube.com", "m.youtube.com"}
_CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")
_HANDLE = re.compile(r"@[\w.·-]{1,100}")
_NAME = re.compile(r"[\w.·'-]{1,100}")
_SITE = "https://www.youtube.com"
_TWITCH_SITE = "https://www.twitch.tv"
_TWITCH_HOSTS = {"twitch.tv", "www.twitch.tv", "m.twitch.tv", "go.twitch.tv"}
_TWITCH_LOGIN = re.compile(r"[A-Za-z0-9]\w{1,24}", re.ASCII)
_TWITCH_PAGES = {"videos", "directory", "downloads", "settings", "search", "clip", "collections", "p"}
_VIDEO_IN_URL = re.compile(
    r"(?:[?&]v=|youtu\.be/|/live/|/shorts/|/embed/)([\w-]{11})(?![\w-])|twitch\.tv/(?:videos|[^/]+/v(?:ideo)?)/(\d+)"
)
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_TWITCH_ID = re.compile(r"v?\d{6,}")
_BRACKETED = re.compile(r"\[([\w-]{11}|v?\d{6,})\]")
_SUFFIX = re.compile(r"(\.(live_chat|chat|json|jsonl|ndjson|gz|txt|rechat|csv|tsv|parquet|log))+$", re.I)


def clean_channel_url(text: str) -> str:
    """Return a channel's address on YouTube or Twitch without its tab, query and other decoration.

    Accepts on YouTube a handle or a channel id by itself, and addresses of /@handle, /channel/UC…,
    /c/name and /user/name; on Twitch /name. With or without scheme, tab (`/streams`, `/videos`) and query.
    Raises: ParameterError for anything else.
    """
    url = _find_channel(unicodedata.normalize("NFC", text.strip())) if isinstance(text, str) else None
    if url is None:
        raise ParameterError(
            "A channel's address must look like https://www.youtube.com/@handle, /channel/UC…, /c/name or "
            "/user/name, be @handle or a channel id by itself, or look like https://www.twitch.tv/name, got "
            f"{str(text)[:200]!r}. Copy it from the browser while the channel's own page is open."
        )
    return url


def _find_channel(text: str) -> str | None:
    if _HANDLE.fullmatch(text):
        return f"{_SITE}/{quote(text, safe='@/')}"
    if _CHANNEL_ID.fullmatch(text):
        return f"{_SITE}/channel/{text}"
    try:
        parts = urlsplit(text if "//" in text else f"https://{text}")
        host = parts.hostname
    except ValueError:  # such as https://[
        return None
    if parts.scheme.lower() not in ("http", "https"):
        return None
    steps = [unicodedata.normalize("NFC", unquote(step)) for step in parts.path.split("/") if step]
    first, second = [*steps, "", ""][:2]
    if host in _TWITCH_HOSTS:
        is_channel = _TWITCH_LOGIN.fullmatch(first) and first.lower() not in _TWITCH_PAGES
        return f"{_TWITCH_SITE}/{first.lower()}" if is_channel and second not in ("v", "video") else None
    path = _find_path(first, second) if host in _HOSTS else None
    return f"{_SITE}/{quote(path, safe='@/')}" if path else None


def _find_path(first: str, second: str) -> str | None:
    """Return the path of a channel on YouTube from the first two steps of an address."""
    if _HANDLE.fullmatch(first):
        return first
    if first == "channel" and _CHANNEL_ID.fullmatch(second):
        return f"channel/{second}"
    return f"{first}/{second}" if first in ("c", "user") and _NAME.fullmatch(second) else None


def is_video_id(value: object) -> TypeGuard[str]:
    """Return whether a value is a video id of YouTube's: eleven letters, digits, `-` or `_`."""
    return isinstance(value, str) and _VIDEO_ID.fullmatch(value) is not None


def find_video_id(url: str | None) -> str | None:
    """Return the video id in a YouTube or Twitch address, or None."""
    match = _VIDEO_IN_URL.search(url or "")
    return match and (match[1] or match[2])


def find_ids_in_name(file_name: str) -> list[str]:
    """Return what may be the video id in a file name, likeliest first: `Title [id].live_chat.json`."""
    stem = _SUFFIX.sub("", file_name)
    return [*_BRACKETED.findall(stem), stem]


def guess_platform(*, url: str | None = None, video_id: str | None = None) -> str | None:
    """Return the platform that an address or a video id belongs to, or None."""
    for name in (TWITCH, YOUTUBE):
        if name in (url or "").lower().replace("youtu.be", YOUTUBE):
            return name
    if _TWITCH_ID.fullmatch(video_id or ""):
        return TWITCH
    return YOUTUBE if _VIDEO_ID.fullmatch(video_id or "") else None


def make_video_url(platform: str, video_id: str) -> str | None:
    """Return the address of a video, None where the id is not one of the platform's."""
    if platform == TWITCH and re.fullmatch(r"\d+", video_id):
        return f"{_TWITCH_SITE}/videos/{video_id}"
    if platform == YOUTUBE and _VIDEO_ID.fullmatch(video_id):
        return f"{_SITE}/watch?v={video_id}"
    return None
