"""A channel's address, in the one form that the rest of the project uses."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote, urlsplit

from chatlib.errors import ParameterError

__all__ = ["clean_channel_url"]

_HOSTS = {"youtube.com", "www.youtube.com", "m.youtube.com"}
_CHANNEL_ID = re.compile(r"UC[A-Za-z0-9_-]{22}")
_HANDLE = re.compile(r"@[\w.·-]{1,100}")
_NAME = re.compile(r"[\w.·'-]{1,100}")
_SITE = "https://www.youtube.com"


def clean_channel_url(text: str) -> str:
    """Return a YouTube channel's address without its tab, query and other decoration.

    Accepts a handle or a channel id by itself, and addresses of /@handle, /channel/UC…, /c/name and
    /user/name on any of YouTube's hosts, with or without scheme, tab (`/streams`) and query.
    Raises: ParameterError for anything else.
    """
    path = _channel_path(unicodedata.normalize("NFC", text.strip())) if isinstance(text, str) else None
    if path is None:
        raise ParameterError(
            "A channel's address must look like https://www.youtube.com/@handle, /channel/UC…, /c/name or "
            f"/user/name, or be @handle or a channel id by itself, got {str(text)[:200]!r}. Copy it from the "
            "browser while the channel's own page is open."
        )
    return f"{_SITE}/{quote(path, safe='@/')}"


def _channel_path(text: str) -> str | None:
    if _HANDLE.fullmatch(text):
        return text
    if _CHANNEL_ID.fullmatch(text):
        return f"channel/{text}"
    try:
        parts = urlsplit(text if "//" in text else f"https://{text}")
        host = parts.hostname
    except ValueError:  # such as https://[
        return None
    if parts.scheme.lower() not in ("http", "https") or host not in _HOSTS:
        return None
    steps = [unicodedata.normalize("NFC", unquote(step)) for step in parts.path.split("/") if step]
    first, second = [*steps, "", ""][:2]
    if _HANDLE.fullmatch(first):
        return first
    if first == "channel" and _CHANNEL_ID.fullmatch(second):
        return f"channel/{second}"
    return f"{first}/{second}" if first in ("c", "user") and _NAME.fullmatch(second) else None
