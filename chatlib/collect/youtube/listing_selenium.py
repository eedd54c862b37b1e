"""A channel's streams by Selenium: Chromium scrolls the tab of streams to its true end.

The rows come from the page's own data: `ytInitialData`, and every answer of `/youtubei/v1/browse` that
scrolling brings, kept by a small script that is there before the page's scripts. What stands in the
page itself is the second opinion: where the answers could not be seen, ids, titles and durations are
read from it, and its element for more tells whether there is more.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chatlib.collect.youtube.browser import open_browser
from chatlib.collect.youtube.page_scripts import (
    ACCEPT,
    ASK,
    KEEP_ANSWERS,
    LOOK,
    READ_DATA,
    READ_ITEMS,
    READ_STATUS,
)
from chatlib.collect.youtube.pages import (
    ListedStream,
    Listing,
    is_video_id,
    read_clock,
    read_line,
    read_stream_page,
)
from chatlib.errors import MissingSource, SourceError
from chatlib.workspace import progress_bar

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from tqdm import tqdm

__all__ = ["Pace", "list_with_selenium"]

_ADVICE = 'Try again later, or set LISTING = "yt-dlp".'


@dataclass(frozen=True)
class Pace:
    """How long to wait for what, in seconds.

    The page is looked at every `poll_s`. After `still_s` with nothing new and nothing loading, the next
    rows are asked for directly, up to `tries` times in a row; an open request may take `answer_s`. A
    page that does not load within `load_s` is asked for again after `again_s`, `tries` times in all.
    """

    poll_s: float = 0.5
    still_s: float = 10.0
    answer_s: float = 30.0
    load_s: float = 60.0
    again_s: float = 3.0
    tries: int = 3


def list_with_selenium(
    channel_url: str,
    *,
    cap_s: float,
    cookies: Path | None = None,
    switches: Sequence[str] = (),
    progress: bool = True,
    pace: Pace | None = None,
) -> Listing:
    """Return the streams of a channel, given by its clean address, as Chromium sees them.

    Raises: MissingSource if there is no such channel or no browser, SourceError if its page cannot be
    had or read.
    """
    began = time.monotonic()
    pace = pace or Pace(load_s=min(60.0, cap_s))
    bar = progress_bar(desc="streams", unit="", shown=progress)
    with bar, open_browser(cookies=cookies, switches=switches) as driver:
        ledger = _Ledger()
        complete, reason = _read_tab(driver, f"{channel_url}/streams", ledger, pace, began + cap_s, bar)
    if reason == _CAP:
        reason = f"time cap of {cap_s:g} s"
    streams = list(ledger.rows.values())
    seconds = time.monotonic() - began
    return Listing(channel_url, ledger.channel_id, ledger.channel_name, streams, complete, reason, seconds)


_CAP = "time cap"


@dataclass
class _Ledger:
    """What the page's data have said so far."""

    rows: dict[str, ListedStream] = field(default_factory=dict)
    token: str | None = None  # asks for more
    ended: bool = False  # the last data said that there is no more
    hollow: bool = False  # the last data said nothing
    channel_id: str | None = None
    channel_name: str | None = None

    def take(self, text: str) -> bool:
        """Enter what an answer says; return whether it brought new rows, or the end."""
        try:
            page = read_stream_page(json.loads(text))
        except (ValueError, RecursionError):
            return False
        before = len(self.rows)
        self.add(page.streams)
        self.hollow = not page.streams and page.continuation is None and page.has_tab is None
        if not self.hollow:
            self.token = page.continuation
            self.ended = page.continuation is None
        self.channel_id = self.channel_id or page.channel_id
        self.channel_name = self.channel_name or page.channel_name
        return self.ended or len(self.rows) > before

    def add(self, rows: Sequence[ListedStream]) -> None:
        """Add rows of videos that are not known yet."""
        for row in rows:
            self.rows.setdefault(row.video_id, row)

    def ends_with(self, look: dict) -> bool:
        """Return whether the page shows an end that the data did not tell."""
        blind = look["shown"] > len(self.rows)
        return (blind or self.hollow) and look["shown"] > 0 and look["more"] == 0


class _Patience:
    """When to stop waiting for the page."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.failed = self.tries = 0
        self.renew()

    def renew(self) -> None:
        """Begin anew: something came. What came by asking is followed by asking, without a long wait."""
        asked, self.tries = self.tries > 0, 0
        self._wait(self.pace.again_s if asked else self.pace.still_s)

    def _wait(self, still_s: float) -> None:
        self.since = time.monotonic()
        self.due = self.since + still_s

    def is_over(self, look: dict) -> bool:
        """Return whether it is time to ask again: nothing loads, or it loads for too long."""
        now = time.monotonic()
        if look["failed"] > self.failed:
            self.failed = look["failed"]
            self.due = min(self.due, now + self.pace.again_s * 2**self.tries)
        return now > (self.since + self.pace.answer_s if look["open"] else self.due)

    def is_calm(self) -> bool:
        """Return whether nothing has come for a good while, though not so long as to ask again."""
        return time.monotonic() > self.since + self.pace.still_s / 3

    def spend(self) -> bool:
        """Use up one try; return False if none was left."""
        self.tries += 1
        self._wait(self.pace.still_s)
        return self.tries <= self.pace.tries


def _read_tab(
    driver: Chrome, url: str, ledger: _Ledger, pace: Pace, until: float, bar: tqdm
) -> tuple[bool, str]:
    """Fill the ledger; return whether that is all, and why it ended."""
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    try:
        driver.set_page_load_timeout(pace.load_s)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEEP_ANSWERS})
        if not _open_tab(driver, url, ledger, pace, until):
            return True, "the channel has no tab of streams"
        complete, reason = _scroll(driver, ledger, pace, until, bar)
        if not ledger.ended:  # what the page shows beyond the data that could be seen
            ledger.add(_rows_shown(driver))
    except (WebDriverException, HTTPError) as error:  # such as a browser that crashed
        said = _said(error)
        if not ledger.rows:
            raise SourceError(f"The browser must show {url}, and failed: {said}. {_ADVICE}") from error
        return False, f"the browser failed ({said})"
    if not ledger.rows and not complete:
        raise SourceError(f"{url} must have a list of streams that can be read, got {reason}. {_ADVICE}")
    return complete, reason


def _open_tab(driver: Chrome, url: str, ledger: _Ledger, pace: Pace, until: float) -> bool:
    """Load the page and enter its first rows; return whether it has the tab of streams."""
    problem, text, n = "", None, 0
    while text is None and n < pace.tries and not (n and time.monotonic() > until):
        if n:
            time.sleep(pace.again_s * 2 ** (n - 1))
        n += 1
        problem, text = _visit(driver, url, pace)
    if text is None:
        raise SourceError(f"YouTube must show {url}, and did not in {n} tries: {problem}. {_ADVICE}")
    page = read_stream_page(json.loads(text))
    if page.alert and not page.streams and not page.has_tab:
        raise MissingSource(
            f"{url} must be a channel's page, and YouTube says: {page.alert} Check the address."
        )
    ledger.take(text)
    return page.has_tab is not False


def _visit(driver: Chrome, url: str, pace: Pace) -> tuple[str, str | None]:
    """Return what went wrong, and the text of the page's data if nothing did."""
    from selenium.common.exceptions import TimeoutException, WebDriverException

    try:
        driver.get(url)
        if _is_consent(driver):
            _answer_consent(driver, pace)
            driver.get(url)
    except TimeoutException:  # the data may be there already
        driver.execute_script("window.stop()")
    except WebDriverException as error:
        if "net::" not in str(error.msg):
            raise
        return _said(error), None
    status = driver.execute_script(READ_STATUS)
    if status == 404:
        raise MissingSource(f"{url} must be a channel's page, and YouTube has none there. Check the address.")
    host = urlsplit(driver.current_url).hostname or "nowhere"
    if status >= 400 or not host.endswith("youtube.com") or _is_consent(driver):
        return f"an answer with status {status} from {host}", None
    return "no data in its page", driver.execute_script(READ_DATA)


def _is_consent(driver: Chrome) -> bool:
    return (urlsplit(driver.current_url).hostname or "").startswith("consent.")


def _answer_consent(driver: Chrome, pace: Pace) -> None:
    until = time.monotonic() + pace.load_s
    if driver.execute_script(ACCEPT):
        while _is_consent(driver) and time.monotonic() < until:
            time.sleep(pace.poll_s)


def _scroll(driver: Chrome, ledger: _Ledger, pace: Pace, until: float, bar: tqdm) -> tuple[bool, str]:
    """Scroll until there is no more, nothing comes any more, or the time is up."""
    patience, shown, look_up = _Patience(pace), 0, False
    while True:
        look = driver.execute_script(LOOK, look_up)
        news = [ledger.take(text) for text in look["answers"]]
        if any(news) or look["shown"] > shown:
            patience.renew()
        shown = max(shown, look["shown"])
        bar.update(max(len(ledger.rows), shown) - bar.n)
        if ledger.ended or (ledger.ends_with(look) and patience.is_calm()):
            return True, "the page's end"
        if time.monotonic() > until:
            return False, _CAP
        if patience.is_over(look):
            if not patience.spend():
                return False, f"no more after {pace.tries} tries"
            driver.execute_script(ASK, ledger.token)
        look_up = not look_up and patience.is_calm() and not look["open"]
        time.sleep(pace.poll_s)


def _rows_shown(driver: Chrome) -> list[ListedStream]:
    shown = driver.execute_script(READ_ITEMS) or []
    return [
        ListedStream(video_id, read_line(title), read_clock(clock), None, "finished" if clock else None)
        for video_id, title, clock in shown
        if is_video_id(video_id)
    ]


def _said(error: Exception) -> str:
    """Return the first line of what Selenium says; its driver's silence says nothing more."""
    text = str(getattr(error, "msg", None) or "its driver does not answer").strip()
    return re.split(r"\n|; ", text)[0][:200]
