"""A channel's streams by Selenium: a headless Chromium opens the tab of streams and scrolls to its end.

The rows come from the page's own data: `ytInitialData`, and every answer of `/youtubei/v1/browse` that
scrolling brings, kept by a small script that runs before the page's own. An answer that names no
continuation is the end.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chatlib.collect.sites import Listing, VideoFacts
from chatlib.collect.youtube.browser import open_browser
from chatlib.collect.youtube.pages import read_stream_page
from chatlib.errors import MissingSource, SourceError
from chatlib.workspace import progress_bar

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from tqdm import tqdm

__all__ = ["Pace", "list_with_selenium"]

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
  const openAsBefore = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    if (brings(url)) {
      this.addEventListener('load', () => {
        const text = this.responseType === 'json' ? JSON.stringify(this.response)
          : this.responseType === '' || this.responseType === 'text' ? this.responseText : '';
        if (this.status >= 200 && this.status < 300) seen.answers.push(text);
      });
    }
    return openAsBefore.call(this, method, url, ...rest);
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

# Answers the consent page, if possible with no; False if it has no such form.
_ANSWER_CONSENT = """
const forms = [...document.querySelectorAll('form[action*="/save"]')];
const form = forms.find((one) => one.querySelector('input[name="set_eom"][value="true"]')) || forms[0];
const button = form && form.querySelector('button, input[type="submit"]');
if (button) button.click(); else if (form) form.submit();
return Boolean(form);
"""

_CAP = "time cap"
_ADVICE = 'Try again later, or set LISTING = "yt-dlp".'


@dataclass(frozen=True)
class Pace:
    """How long to wait for what, in seconds.

    The page is looked at every `poll_s`. After `still_s` without a new answer the list counts as
    broken off. A page that does not load within `load_s` is loaded again, `tries` times in all,
    after `again_s` and longer waits.
    """

    poll_s: float = 0.5
    still_s: float = 30.0
    load_s: float = 60.0
    again_s: float = 3.0
    tries: int = 3


def list_with_selenium(
    channel_url: str,
    *,
    cap_s: float,
    cookies: Path | None = None,
    progress: bool = True,
    pace: Pace | None = None,
) -> Listing:
    """Return the streams of a channel, given by its clean address, as Chromium sees them.

    Raises: MissingSource if there is no such channel or no browser, SourceError if its page cannot
    be loaded or read.
    """
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    began = time.monotonic()
    tab = _Tab(f"{channel_url}/streams", pace or Pace(load_s=min(60.0, cap_s)), began + cap_s)
    with (
        progress_bar(desc="streams", unit="", shown=progress) as bar,
        open_browser(cookies=cookies) as driver,
    ):
        try:
            reason = tab.read(driver, bar)
        except (WebDriverException, HTTPError) as error:  # such as a browser that crashed
            reason = f"the browser failed ({_first_line(error)})"
            if not tab.rows:
                raise SourceError(f"The browser must show {tab.url}: {reason}. {_ADVICE}") from error
    if not tab.rows and not tab.ended:
        raise SourceError(f"{tab.url} must have a list of streams that can be read, got {reason}. {_ADVICE}")
    return Listing(
        channel_url,
        tab.channel_id,
        tab.channel_name,
        list(tab.rows.values()),
        tab.ended,
        f"time cap of {cap_s:g} s" if reason == _CAP else reason,
        time.monotonic() - began,
    )


@dataclass
class _Tab:
    """The tab of streams, and what its data have said so far."""

    url: str
    pace: Pace
    until: float
    rows: dict[str, VideoFacts] = field(default_factory=dict)
    ended: bool = False  # the data said that there is no more
    channel_id: str | None = None
    channel_name: str | None = None

    def read(self, driver: Chrome, bar: tqdm) -> str:
        """Load and scroll the tab; return why it ended."""
        driver.set_page_load_timeout(self.pace.load_s)
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _KEEP_ANSWERS})
        text = self._load(driver)
        page = read_stream_page(json.loads(text))
        if page.alert and not page.streams and not page.has_tab:
            raise MissingSource(
                f"{self.url} must be a channel's page, and YouTube says: {page.alert} Check the address."
            )
        self._take(text)
        if page.has_tab is False:
            self.ended = True
            return "the channel has no tab of streams"
        return self._scroll(driver, bar)

    def _load(self, driver: Chrome) -> str:
        """Return the text of the page's data, after as many tries as it takes."""
        problem, n = "", 0
        while n < self.pace.tries and not (n and time.monotonic() > self.until):
            if n:
                time.sleep(self.pace.again_s * 2 ** (n - 1))
            n += 1
            problem, text = self._visit(driver)
            if text is not None:
                return text
        raise SourceError(f"YouTube must show {self.url}, and did not in {n} tries: {problem}. {_ADVICE}")

    def _visit(self, driver: Chrome) -> tuple[str, str | None]:
        """Return what went wrong, and the text of the page's data if nothing did."""
        from selenium.common.exceptions import TimeoutException, WebDriverException

        try:
            driver.get(self.url)
            if _is_consent(driver):
                _answer_consent(driver, self.pace)
                driver.get(self.url)
        except TimeoutException:  # the data may be there already
            driver.execute_script("window.stop()")
        except WebDriverException as error:
            if "net::" not in str(error.msg):
                raise
            return _first_line(error), None
        status = driver.execute_script(_READ_STATUS)
        if status == 404:
            raise MissingSource(
                f"{self.url} must be a channel's page, and YouTube has none there. Check the address."
            )
        host = urlsplit(driver.current_url).hostname or "nowhere"
        if status >= 400 or not host.endswith("youtube.com") or _is_consent(driver):
            return f"an answer with status {status} from {host}", None
        return "no data in its page", driver.execute_script(_READ_DATA)

    def _take(self, text: str) -> bool:
        """Enter what an answer says; return whether it said anything of the list."""
        try:
            page = read_stream_page(json.loads(text))
        except (ValueError, RecursionError):
            return False
        if not page.streams and page.continuation is None and page.has_tab is None:
            return False
        for row in page.streams:
            self.rows.setdefault(row.video_id, row)
        self.ended = page.continuation is None
        self.channel_id = self.channel_id or page.channel_id
        self.channel_name = self.channel_name or page.channel_name
        return True

    def _scroll(self, driver: Chrome, bar: tqdm) -> str:
        """Scroll until there is no more, nothing comes any more, or the time is up; return which."""
        since, look_up = time.monotonic(), False
        while not self.ended:
            answers = driver.execute_script(_SCROLL, look_up)
            news = [self._take(text) for text in answers]
            if any(news):
                since = time.monotonic()
            bar.update(len(self.rows) - bar.n)
            still_s = time.monotonic() - since
            if time.monotonic() > self.until:
                return _CAP
            if still_s > self.pace.still_s:
                return f"nothing more in {self.pace.still_s:g} s"
            look_up = not look_up and still_s > self.pace.still_s / 6
            if not self.ended:
                time.sleep(self.pace.poll_s)
        return "the page's end"


def _is_consent(driver: Chrome) -> bool:
    return (urlsplit(driver.current_url).hostname or "").startswith("consent.")


def _answer_consent(driver: Chrome, pace: Pace) -> None:
    until = time.monotonic() + pace.load_s
    if driver.execute_script(_ANSWER_CONSENT):
        while _is_consent(driver) and time.monotonic() < until:
            time.sleep(pace.poll_s)


def _first_line(error: Exception) -> str:
    """Return the first line of an error of Selenium's."""
    text = str(getattr(error, "msg", None) or "its driver does not answer").strip()
    return re.split(r"\n|; ", text)[0][:200]
