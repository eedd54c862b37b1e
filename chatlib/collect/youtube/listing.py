"""The list of a channel's streams, by a browser or by yt-dlp: the same ids in the same order."""

from __future__ import annotations

import io
import logging
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatlib.collect.address import clean_channel_url, is_video_id
from chatlib.collect.sites import LISTINGS, ListedStream, Listing
from chatlib.collect.youtube.browser import load_cookies
from chatlib.collect.youtube.pages import distinct_streams, read_line
from chatlib.collect.youtube.selenium_listing import list_with_selenium
from chatlib.errors import MissingSource, ParameterError, SourceError
from chatlib.text import clean_text, read_name, read_number
from chatlib.workspace import progress_bar

if TYPE_CHECKING:
    from tqdm import tqdm
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

__all__ = ["list_streams"]

_STATUSES = {"is_live": "live", "is_upcoming": "upcoming", "was_live": "finished", "post_live": "finished"}
_TRIES = 2  # yt-dlp itself retries where the network fails, not where an answer is cut short

log = logging.getLogger(__name__)


def list_streams(
    channel_url: str,
    listing: str = LISTINGS[0],
    *,
    cap_s: float = 900,
    cookies: Path | None = None,
    progress: bool = True,
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
    list_channel = list_with_selenium if listing == "selenium" else list_with_yt_dlp
    found = list_channel(url, cap_s=cap_s, cookies=cookies, progress=progress)
    level = logging.INFO if found.complete else logging.WARNING
    log.log(
        level, "%s: %d streams listed in %.0f s, %s", url, len(found.streams), found.seconds, found.reason
    )
    return found


class _Quiet:
    """Takes what yt-dlp logs; what matters comes back as an error."""

    debug = info = staticmethod(log.debug)
    warning = error = staticmethod(log.debug)


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
    "retry_sleep_functions": {"extractor": lambda n: 0.5 * 2.0 ** min(n, 5)},
    # Without the second, a page that did not come in full would pass for the last one.
    "extractor_args": {"youtube": {"lang": ["en"], "raise_incomplete_data": ["true"]}},
}


def list_with_yt_dlp(
    channel_url: str, *, cap_s: float, cookies: Path | None = None, progress: bool = True
) -> Listing:
    """Return the streams of a channel, given by its clean address, as yt-dlp reads them.

    Raises: MissingSource if there is no such channel, SourceError if nothing can be read.
    """
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    began = time.monotonic()
    best = _Attempt()
    bar = progress_bar(desc="streams", unit="", shown=progress)
    with bar, YoutubeDL(_OPTIONS | _cookie_option(cookies)) as client:
        for left in reversed(range(_TRIES)):
            attempt = _Attempt()
            try:
                attempt.read(client, f"{channel_url}/streams", bar, until=began + cap_s)
            except YoutubeDLError as error:
                fault = _explain_error(channel_url, error, attempt)
                if fault and not best.rows and (not left or isinstance(fault, MissingSource)):
                    raise fault from error
            best = max(attempt, best, key=lambda one: (one.complete, len(one.rows)))
            if best.complete or attempt.is_late or time.monotonic() > began + cap_s:
                break
    return Listing(
        channel_url=channel_url,
        channel_id=read_name(best.info.get("channel_id")),
        channel_name=read_line(read_name(best.info.get("channel"))),
        streams=distinct_streams(best.rows),
        complete=best.complete,
        reason=f"time cap of {cap_s:g} s" if best.is_late else best.reason,
        seconds=time.monotonic() - began,
    )


@dataclass
class _Attempt:
    """One pass over the list."""

    info: dict[str, Any] = field(default_factory=dict)
    rows: list[ListedStream] = field(default_factory=list)
    complete: bool = False
    is_late: bool = False
    reason: str = ""

    def read(self, client: YoutubeDL, url: str, bar: tqdm, *, until: float) -> None:
        """Read the list to its end, or until the time is up."""
        self.info = client.extract_info(url, download=False, process=False) or {}
        for entry in self.info.get("entries") or ():
            if row := _read_entry(entry):
                self.rows.append(row)
            bar.update(max(len(self.rows) - bar.n, 0))
            if time.monotonic() > until:
                self.is_late = True
                return
        self.complete = bool(self.rows)  # YouTube shows no tab without rows
        self.reason = "the page's end" if self.rows else "yt-dlp sees no rows in the tab, a newer one may"


def _cookie_option(cookies: Path | None) -> dict[str, object]:
    """Return the cookies as text: yt-dlp would write into a file that it is given by name."""
    if cookies is None:
        return {}
    load_cookies(cookies)
    return {"cookiefile": io.StringIO(Path(cookies).read_text(encoding="utf-8"))}


def _read_entry(entry: dict[str, Any]) -> ListedStream | None:
    if not is_video_id(entry.get("id")):
        return None
    duration_s = read_number(entry.get("duration"))
    status = _STATUSES.get(str(entry.get("live_status"))) or ("finished" if duration_s is not None else None)
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


def _explain_error(channel_url: str, error: YoutubeDLError, attempt: _Attempt) -> SourceError | None:
    """Note in the attempt why it ended; return what to raise if it gave nothing."""
    said = re.split(r"\n|; please report| \(caused by", str(error).removeprefix("ERROR: "))[0][:200]
    if "does not have a streams tab" in said:
        attempt.complete, attempt.reason = True, "the channel has no tab of streams"
        return None
    attempt.reason = f"yt-dlp failed ({said})"
    if attempt.rows:
        return None
    status = _status_of(error)
    if status == 404 or "does not exist" in said or (status is None and "YouTube said" in said):
        return MissingSource(f"{channel_url} must be a channel's page, got: {said}. Check the address.")
    return SourceError(f"yt-dlp must read {channel_url}/streams, and failed: {said}. Try again later.")


def _status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status at the bottom of yt-dlp's errors, or None."""
    for _ in range(4):
        if error is None or getattr(error, "status", None):
            break
        inside = getattr(error, "exc_info", None)
        error = getattr(error, "cause", None) or (inside[1] if inside else error.__cause__)
    return getattr(error, "status", None)
