"""The list of a channel's streams, by a browser or by yt-dlp: the same ids in the same order."""

from __future__ import annotations

import logging
import re
import time
from functools import partial
from pathlib import Path
from typing import Any

from yt_dlp.utils import YoutubeDLError

from chatlib.collect.address import clean_channel_url, is_video_id
from chatlib.collect.files.rows import read_whole_number
from chatlib.collect.sites import LISTINGS, Listing, VideoFacts
from chatlib.collect.transport import Politeness, check_answer
from chatlib.collect.youtube.browser import load_cookies
from chatlib.collect.youtube.clients import PoliteYoutubeDL
from chatlib.collect.youtube.pages import distinct_streams, read_line
from chatlib.collect.youtube.selenium_listing import list_with_selenium
from chatlib.errors import MissingSource, ParameterError, SourceError
from chatlib.text import clean_text, read_name, read_number
from chatlib.workspace import progress_bar

__all__ = ["list_streams"]

_STATUSES = {"is_live": "live", "is_upcoming": "upcoming", "was_live": "finished", "post_live": "finished"}
_OPTIONS = {
    "color": "no_color",
    "extractor_retries": 3,  # where an answer is cut short; `transport` retries where the network fails
    "retry_sleep_functions": {"extractor": lambda n: 0.5 * 2.0 ** min(n, 5)},
    # Without the second, a page that did not come in full would pass for the last one.
    "extractor_args": {"youtube": {"lang": ["en"], "raise_incomplete_data": ["true"]}},
}

log = logging.getLogger(__name__)


def list_streams(
    channel_url: str,
    listing: str = LISTINGS[0],
    *,
    cap_s: float = 900,
    cookies: Path | None = None,
    progress: bool = True,
    politeness: Politeness | None = None,
) -> Listing:
    """Return a channel's streams, newest first: live, upcoming and finished ones.

    `listing` is "selenium" (Chromium scrolls to the end of the tab) or "yt-dlp" (no browser). After
    `cap_s` seconds, or if YouTube stops answering, what was listed comes back with `complete` False
    and the reason. A channel that never streamed gives an empty, complete listing. `cookies` is a
    file in Netscape's format.
    Raises: ParameterError, MissingSource if there is no such channel or no browser, SourceError if
    the page cannot be loaded or read.
    """
    url = clean_channel_url(channel_url)
    if listing not in LISTINGS:
        raise ParameterError(f"LISTING must be one of {', '.join(LISTINGS)}, got {listing!r}.")
    if not cap_s > 0:
        raise ParameterError(f"The cap on a listing's time must be above 0 seconds, got {cap_s!r}.")
    by_yt_dlp = partial(_list_with_yt_dlp, politeness=politeness or Politeness())
    list_channel = list_with_selenium if listing == "selenium" else by_yt_dlp
    found = list_channel(url, cap_s=cap_s, cookies=cookies, progress=progress)
    level = logging.INFO if found.complete else logging.WARNING
    log.log(
        level, "%s: %d streams listed in %.0f s, %s", url, len(found.streams), found.seconds, found.reason
    )
    return found


def _list_with_yt_dlp(
    channel_url: str, *, cap_s: float, cookies: Path | None, progress: bool, politeness: Politeness
) -> Listing:
    """Return the streams of a channel, given by its clean address, as yt-dlp reads them.

    Raises: MissingSource if there is no such channel, SourceError if nothing can be read.
    """
    if cookies is not None:
        load_cookies(cookies)
    began = time.monotonic()
    statuses: list[int] = []

    def check(path: str, status: int, body: bytes, *, retry_after: str | None = None) -> None:
        statuses.append(status)
        check_answer(path, status, body, retry_after=retry_after)

    info: dict[str, Any] = {}
    rows: list[VideoFacts] = []
    bar = progress_bar(desc="streams", unit="", shown=progress)
    with bar, PoliteYoutubeDL(politeness, cookies, check=check, options=_OPTIONS) as client:
        try:
            info = client.extract_info(f"{channel_url}/streams", download=False, process=False) or {}
            for entry in info.get("entries") or ():
                if row := _read_entry(entry):
                    rows.append(row)
                bar.update(max(len(rows) - bar.n, 0))
                if time.monotonic() > began + cap_s:
                    complete, reason = False, f"time cap of {cap_s:g} s"
                    break
            else:  # YouTube shows no tab without rows
                complete = bool(rows)
                reason = "the page's end" if rows else "yt-dlp sees no rows in the tab, a newer one may"
        except (YoutubeDLError, SourceError) as error:
            said = re.split(r"\n|; please report| \(caused by", str(error).removeprefix("ERROR: "))[0][:200]
            complete, reason = False, f"yt-dlp failed ({said})"
            if "does not have a streams tab" in said:
                complete, reason = True, "the channel has no tab of streams"
            elif not rows:
                raise _explain_error(channel_url, said, statuses[-1] if statuses else None) from error
    return Listing(
        channel_url=channel_url,
        channel_id=read_name(info.get("channel_id")),
        channel_name=read_line(read_name(info.get("channel"))),
        streams=distinct_streams(rows),
        complete=complete,
        reason=reason,
        seconds=time.monotonic() - began,
    )


def _read_entry(entry: dict[str, Any]) -> VideoFacts | None:
    if not is_video_id(entry.get("id")):
        return None
    row = VideoFacts(entry["id"], read_line(clean_text(entry.get("title"))))
    duration_s = read_number(entry.get("duration"))
    status = _STATUSES.get(str(entry.get("live_status"))) or ("finished" if duration_s is not None else None)
    if status in ("live", "upcoming"):  # the page counts viewers, not views
        return row._replace(status=status)
    return row._replace(
        duration_s=duration_s, views=read_whole_number(entry.get("view_count")), status=status
    )


def _explain_error(channel_url: str, said: str, status: int | None) -> SourceError:
    if status == 404 or "does not exist" in said or (status == 200 and "YouTube said" in said):
        return MissingSource(f"{channel_url} must be a channel's page, got: {said}. Check the address.")
    return SourceError(f"yt-dlp must read {channel_url}/streams, and failed: {said}. Try again later.")
