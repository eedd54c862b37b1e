"""The list of a channel's streams: Chromium loads and scrolls it, or yt-dlp asks for it; yt-dlp reads it.

In the browser the rows come from the page's own data: `ytInitialData`, and every answer of
`/youtubei/v1/browse` that scrolling brings, kept by a small script that runs before the page's own. They
take the place of the answers to what yt-dlp asks, so both ways give the same ids in the same order.
"""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import TransportError

from chatlib.collect.address import clean_channel_url, is_video_id
from chatlib.collect.files.parsing import read_whole_number
from chatlib.collect.sheets import clean_line
from chatlib.collect.sites import LISTINGS, Listing, VideoFacts
from chatlib.collect.transport import Politeness, check_answer, map_foreign_errors
from chatlib.collect.youtube.browser import open_browser
from chatlib.collect.youtube.clients import PoliteYoutubeDL
from chatlib.errors import MissingSource, SourceError
from chatlib.text import clean_text, read_name, read_number
from chatlib.workspace import progress_bar

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["list_streams"]

log = logging.getLogger(__name__)

# How long the browser waits, in seconds: between two looks at the page; for a new answer, before the list
# counts as broken off; for a page to load.
POLL_S, STILL_S, LOAD_S = 0.5, 30.0, 60.0

_API, _BROWSE = "/youtubei/", "/youtubei/v1/browse"
_STATUSES = {"is_live": "live", "is_upcoming": "upcoming", "was_live": "finished", "post_live": "finished"}
_OPTIONS = {
    "color": "no_color",
    "extractor_retries": 3,  # where an answer is cut short; `transport` retries where the network fails
    "retry_sleep_functions": {"extractor": lambda n: 0.5 * 2.0 ** min(n, 5)},
    # Without the second, a page that did not come in full would pass for the last one.
    "extractor_args": {"youtube": {"lang": ["en"], "raise_incomplete_data": ["true"]}},
}

# Runs before the page's own scripts: keeps the text of every answer that brings more rows.
_KEEP_ANSWERS = """
(() => {
  if (window.top !== window || window.chatlibSeen) return;
  const seen = {answers: []};
  Object.defineProperty(window, 'chatlibSeen', {value: seen});
  const brings = (url) => /\\/youtubei\\/v1\\/browse(\\?|$)/.test(String(url));
  const fetchAsBefore = window.fetch;
  window.fetch = function (input, init) {
    const answer = fetchAsBefore.call(window, input, init);
    if (brings((input && input.url) || input)) {
      answer.then((got) => got.ok && got.clone().text().then((text) => seen.answers.push(text)))
        .catch(() => {});
    }
    return answer;
  };
})();
"""

# Scrolls down, or up by a screen if arguments[0], to wake a page that sleeps; returns the new answers.
_SCROLL = """
const page = document.scrollingElement || document.documentElement;
if (arguments[0]) window.scrollBy(0, -1.5 * window.innerHeight); else window.scrollTo(0, page.scrollHeight);
return window.chatlibSeen ? window.chatlibSeen.answers.splice(0) : [];
"""

_READ_DATA = "return window.ytInitialData ? JSON.stringify(window.ytInitialData) : null;"
_READ_STATUS = "return (performance.getEntriesByType('navigation')[0] || {}).responseStatus || 0;"


class _Ended(SourceError):
    """The list broke off; the text says why in one phrase."""


def list_streams(
    channel_url: str,
    listing: str = LISTINGS[0],
    *,
    cap_s: float = 900,
    cookies: Path | None = None,
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
    if listing == "selenium":
        with open_browser(cookies=cookies) as driver, _BrowserClient(driver, cap_s) as browser:
            found = _read_list(url, browser)
    else:
        with _ListClient(politeness or Politeness(), cookies, cap_s) as client:
            found = _read_list(url, client)
    level = logging.INFO if found.complete else logging.WARNING
    log.log(level, "%s: %d streams listed, %s", url, len(found.streams), found.reason)
    return found


def _read_list(channel_url: str, client: _ListClient) -> Listing:
    """Return the streams of a channel, given by its clean address, as yt-dlp reads what the client gets.

    Raises: MissingSource if there is no such channel, SourceError if nothing can be read.
    """
    info: dict[str, Any] = {}
    rows: dict[str, VideoFacts] = {}
    bar = progress_bar(desc="streams", unit="")
    try:
        with bar, map_foreign_errors("yt-dlp failed"):
            info = client.extract_info(f"{channel_url}/streams", download=False, process=False) or {}
            for entry in info.get("entries") or ():
                if row := _read_entry(entry):
                    rows.setdefault(row.video_id, row)
                bar.update(len(rows) - bar.n)
        complete = bool(rows)  # YouTube shows no tab without rows
        reason = "the page's end" if rows else "yt-dlp sees no rows in the tab, a newer one may"
    except MissingSource:
        raise
    except SourceError as error:
        cause = error if isinstance(error, _Ended) else error.__cause__ or error
        said = re.split(r"\n|; please report| \(caused by", str(cause).removeprefix("ERROR: "))[0][:200]
        complete, reason = False, said if isinstance(error, _Ended) else f"yt-dlp failed ({said})"
        if "does not have a streams tab" in said:
            complete, reason = True, "the channel has no tab of streams"
        elif not rows:
            raise _explain_error(channel_url, said, client) from error
    return Listing(
        channel_id=read_name(info.get("channel_id")),
        channel_name=_read_line(info.get("channel")),
        streams=list(rows.values()),
        complete=complete,
        reason=reason,
    )


def _read_entry(entry: dict[str, Any]) -> VideoFacts | None:
    if entry.get("ie_key") != "Youtube" or not is_video_id(entry.get("id")):  # such as a playlist
        return None
    row = VideoFacts(entry["id"], _read_line(entry.get("title")))
    duration_s = read_number(entry.get("duration"))
    status = _STATUSES.get(str(entry.get("live_status"))) or ("finished" if duration_s is not None else None)
    if status in ("live", "upcoming"):  # the page counts viewers, not views
        return row._replace(status=status)
    return row._replace(
        duration_s=duration_s, views=read_whole_number(entry.get("view_count")), status=status
    )


def _read_line(text: object) -> str | None:
    """Return a text as one line that a sheet can hold, or None."""
    return clean_line(clean_text(text) or "") or None


def _explain_error(channel_url: str, said: str, client: _ListClient) -> SourceError:
    status, said = client.status, said.rstrip(".")
    if status == 404 or "does not exist" in said or (status == 200 and "YouTube said" in said):
        return MissingSource(f"{channel_url} must be a channel's page, got: {said}. Check the address.")
    return SourceError(
        f"YouTube must show {channel_url}/streams, and did not: {said}. Try again later, or set "
        f'LISTING = "{client.other}".'
    )


# ------------------------------------------------------------------ what answers yt-dlp


class _ListClient(PoliteYoutubeDL):
    """yt-dlp for one list; the `other` of the `LISTINGS` may work where it fails.

    `status` is of the last answer. After `cap_s` seconds it asks for no more rows.
    """

    other = "selenium"
    status = 0

    def __init__(self, politeness: Politeness, cookies: Path | None, cap_s: float) -> None:
        super().__init__(politeness, cookies, check=self._note_status, options=_OPTIONS)
        self._until, self._cap_s = time.monotonic() + cap_s, cap_s

    def _note_status(self, path: str, status: int, body: bytes, *, retry_after: str | None = None) -> None:
        self.status = status
        check_answer(path, status, body, retry_after=retry_after)

    def urlopen(self, req: Request | str) -> Response:
        """Answer a request. Raises: _Ended for more rows after the cap."""
        request = Request(req) if isinstance(req, str) else req
        path = urlsplit(request.url).path
        if path == _BROWSE:
            self._check_cap()
        return self._answer(request, path)

    def _check_cap(self) -> None:
        if time.monotonic() > self._until:
            raise _Ended(f"time cap of {self._cap_s:g} s")

    def _answer(self, request: Request, path: str) -> Response:
        return super().urlopen(request)


class _BrowserClient(_ListClient):
    """yt-dlp whose requests a browser answers: with the tab of streams, and with what scrolling it brings."""

    other = "yt-dlp"

    def __init__(self, driver: Chrome, cap_s: float) -> None:
        super().__init__(Politeness(), None, cap_s)
        self._driver = driver
        self._answers: deque[str] = deque()
        self._problem = ""  # of the last page that could not be used

    def _answer(self, request: Request, path: str) -> Response:
        with _map_browser_errors():
            if path == _BROWSE:
                text = self._scroll()
            elif path.startswith(_API):  # what yt-dlp asks for where the page says nothing
                raise _Ended(self._problem or "no list in its page")
            else:
                text = self._load(request.url)
        return Response(io.BytesIO(text.encode()), request.url, {"Content-Type": "text/html; charset=utf-8"})

    def _load(self, url: str) -> str:
        """Return the page's data as a page. Raises: MissingSource; TransportError, to be tried again."""
        from selenium.common.exceptions import TimeoutException

        driver = self._driver
        driver.set_page_load_timeout(min(LOAD_S, max(self._cap_s, 1.0)))
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _KEEP_ANSWERS})
        try:
            driver.get(url)
        except TimeoutException:  # the data may be there already
            driver.execute_script("window.stop()")
        self.status = driver.execute_script(_READ_STATUS)
        if self.status == 404:
            raise MissingSource(
                f"{url} must be a channel's page, and YouTube has none there. Check the address."
            )
        host = urlsplit(driver.current_url).hostname or "nowhere"
        data = driver.execute_script(_READ_DATA)
        self._problem = "" if data else "no data in its page"
        if self.status >= 400 or host.startswith("consent.") or not host.endswith("youtube.com"):
            self._problem = f"an answer with status {self.status} from {host}"
        if self._problem:
            raise TransportError(self._problem)
        return f"<script>var ytInitialData = {data};</script>"

    def _scroll(self) -> str:
        """Scroll until an answer comes that can be read, and return it. Raises: _Ended."""
        since, look_up = time.monotonic(), False
        while True:
            self._answers.extend(self._driver.execute_script(_SCROLL, look_up))
            while self._answers:
                text = self._answers.popleft()
                with suppress(ValueError, RecursionError):  # cut short: the page asks for it again
                    json.loads(text)
                    return text
            still_s = time.monotonic() - since
            self._check_cap()
            if still_s > STILL_S:
                raise _Ended(f"nothing more in {STILL_S:g} s")
            look_up = not look_up and still_s > STILL_S / 6
            time.sleep(POLL_S)


@contextmanager
def _map_browser_errors() -> Iterator[None]:
    """Raise TransportError where the browser reaches no page, _Ended where it fails itself."""
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (WebDriverException, HTTPError) as error:  # such as a browser that crashed
        text = str(getattr(error, "msg", None) or "its driver does not answer").strip()
        first_line = re.split(r"\n|; ", text)[0][:200]
        if "net::" in text:
            raise TransportError(first_line) from error
        raise _Ended(f"the browser failed ({first_line})") from error
