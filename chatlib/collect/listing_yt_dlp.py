"""A channel's streams by yt-dlp: no browser, the same ids in the same order."""

from __future__ import annotations

import io
import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chatlib.collect.browser import load_cookies
from chatlib.collect.rows import clean_text, read_name, read_number
from chatlib.collect.stream_pages import ListedStream, Listing, distinct_streams, is_video_id, read_line
from chatlib.errors import MissingSource, SourceError
from chatlib.workspace import progress_bar

if TYPE_CHECKING:
    from yt_dlp.utils import YoutubeDLError

__all__ = ["list_with_yt_dlp"]

_STATUSES = {"is_live": "live", "is_upcoming": "upcoming", "was_live": "finished", "post_live": "finished"}
log = logging.getLogger(__name__)


class _Quiet:
    """Takes what yt-dlp says; what matters comes back as an error."""

    debug = info = staticmethod(log.debug)
    warning = error = staticmethod(log.info)


_OPTIONS = {
    "quiet": True,
    "noprogress": True,
    "color": "no_color",
    "logger": _Quiet(),
    "cachedir": False,
    "skip_download": True,
    "extract_flat": True,
    "socket_timeout": 20,
    "extractor_retries": 3,
    "retry_sleep_functions": {"extractor": lambda n: 2.0 ** min(n, 4)},
    # Without the second, a page that did not come in full would pass for the last one.
    "extractor_args": {"youtube": {"lang": ["en"], "raise_incomplete_data": ["true"]}},
}


def list_with_yt_dlp(
    channel_url: str, *, cap_s: float, cookies: Path | None = None, progress: bool = True
) -> Listing:
    """Return the streams of a channel, given by its clean address, as yt-dlp reads them.

    Raises: MissingSource if there is no such channel or no yt-dlp, SourceError if nothing can be read.
    """
    try:
        from yt_dlp import YoutubeDL
        from yt_dlp.utils import YoutubeDLError
    except ImportError as error:
        raise MissingSource(
            'LISTING = "yt-dlp" needs yt-dlp, which is not installed. Run `pip install "yt-dlp>=2026.7.4"`.'
        ) from error
    began = time.monotonic()
    info, rows = {}, []
    complete, reason = True, "the page's end"
    bar = progress_bar(desc="streams", unit="", **({} if progress else {"disable": True}))
    with bar, YoutubeDL(_OPTIONS | _cookie_option(cookies)) as client:
        try:
            info = client.extract_info(f"{channel_url}/streams", download=False, process=False) or {}
            for entry in info.get("entries") or ():
                rows.append(_read_entry(entry))
                bar.update()
                if time.monotonic() > began + cap_s:
                    complete, reason = False, f"time cap of {cap_s:g} s"
                    break
        except YoutubeDLError as error:
            complete, reason = _judge(channel_url, error, anything=bool(rows))
    return Listing(
        channel_url=channel_url,
        channel_id=read_name(info.get("channel_id")),
        channel_name=read_line(read_name(info.get("channel"))),
        streams=distinct_streams(row for row in rows if row),
        complete=complete,
        reason=reason,
        seconds=time.monotonic() - began,
    )


def _cookie_option(cookies: Path | None) -> dict[str, object]:
    """Return the cookies as text: yt-dlp would write into a file that it is given by name."""
    if cookies is None:
        return {}
    load_cookies(cookies)
    return {"cookiefile": io.StringIO(Path(cookies).read_text(encoding="utf-8"))}


def _read_entry(entry: dict) -> ListedStream | None:
    if not is_video_id(entry.get("id")):
        return None
    duration_s = read_number(entry.get("duration"))
    status = _STATUSES.get(entry.get("live_status")) or ("finished" if duration_s is not None else None)
    if status in ("live", "upcoming"):  # the page counts viewers, not views
        return ListedStream(entry["id"], read_line(clean_text(entry.get("title"))), status=status)
    views = read_number(entry.get("view_count"))
    return ListedStream(
        entry["id"],
        read_line(clean_text(entry.get("title"))),
        duration_s,
        None if views is None else int(views),
        status,
    )


def _judge(channel_url: str, error: YoutubeDLError, *, anything: bool) -> tuple[bool, str]:
    """Return whether the listing is complete all the same, and the reason; raise if there is none."""
    said = re.split(r"\n|; please report| \(caused by", str(error).removeprefix("ERROR: "))[0][:200]
    if "does not have a streams tab" in said:
        return True, "the channel has no tab of streams"
    if anything:
        return False, f"yt-dlp failed ({said})"
    if "YouTube said" in said or "does not exist" in said or _status_of(error) == 404:
        raise MissingSource(
            f"{channel_url} must be a channel's page, got: {said}. Check the address."
        ) from error
    raise SourceError(
        f"yt-dlp must read {channel_url}/streams, and failed: {said}. Try again later."
    ) from error


def _status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status at the bottom of yt-dlp's errors, or None."""
    for _ in range(4):
        if error is None or getattr(error, "status", None):
            break
        inside = getattr(error, "exc_info", None)
        error = getattr(error, "cause", None) or (inside[1] if inside else error.__cause__)
    return getattr(error, "status", None)
