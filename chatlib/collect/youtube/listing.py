"""The list of a channel's streams, by a browser or by yt-dlp: the same ids in the same order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from chatlib.collect.youtube.address import clean_channel_url
from chatlib.collect.youtube.pages import ListedStream, Listing
from chatlib.collect.youtube.settings import LISTINGS
from chatlib.errors import MissingSource, ParameterError

__all__ = ["ListedStream", "Listing", "list_streams"]

log = logging.getLogger(__name__)


def list_streams(
    channel_url: str,
    how: str = "selenium",
    *,
    cap_s: float = 900,
    cookies: Path | None = None,
    switches: Sequence[str] = (),
    progress: bool = True,
) -> Listing:
    """Return a channel's streams, newest first: live, upcoming and finished ones.

    `how` is "selenium" (Chromium scrolls to the end of the tab) or "yt-dlp" (no browser). After `cap_s`
    seconds, or if YouTube stops answering, what was listed comes back with `complete` False and the
    reason. A channel that never streamed gives an empty, complete listing. `cookies` is a file in
    Netscape's format; `switches` are more command-line switches for Chromium.
    Raises: ParameterError, MissingSource if there is no such channel or no browser, SourceError if the
    page cannot be had or read.
    """
    url = clean_channel_url(channel_url)
    if how not in LISTINGS:
        raise ParameterError(
            f"LISTING must be one of {', '.join(LISTINGS)}, got {how!r}. Choose one of them."
        )
    if not cap_s > 0:
        raise ParameterError(f"The cap on a listing's time must be above 0 seconds, got {cap_s!r}.")
    if cookies is not None and not Path(cookies).is_file():
        raise MissingSource(f"The cookies file must exist, got {cookies}. Export it from your browser.")
    if how == "selenium":
        from chatlib.collect.youtube.listing_selenium import list_with_selenium

        listing = list_with_selenium(url, cap_s=cap_s, cookies=cookies, switches=switches, progress=progress)
    else:
        from chatlib.collect.youtube.listing_yt_dlp import list_with_yt_dlp

        listing = list_with_yt_dlp(url, cap_s=cap_s, cookies=cookies, progress=progress)
    say = log.info if listing.complete else log.warning
    say("%s: %d streams listed in %.0f s, %s", url, len(listing.streams), listing.seconds, listing.reason)
    return listing
