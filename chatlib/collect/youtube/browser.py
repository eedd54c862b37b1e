"""A headless Chromium for Selenium: found, started with a fresh profile, and ended whatever happens."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from http.cookiejar import LoadError, MozillaCookieJar
from pathlib import Path
from typing import TYPE_CHECKING

from chatlib.colab import in_colab
from chatlib.errors import MissingSource, SourceError

if TYPE_CHECKING:
    from selenium.webdriver import Chrome, ChromeOptions

__all__ = ["SWITCHES_VARIABLE", "load_cookies", "open_browser"]

SWITCHES_VARIABLE = "CHATLIB_CHROMIUM_SWITCHES"

_BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser")
_DRIVERS = ("/usr/bin/chromedriver", "chromedriver")
_SWITCHES = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--component-updater=url-source=https://127.0.0.1:9/",
    "--disable-features=Translate,OptimizationHints,MediaRouter,NetworkTimeServiceQuerying",
    "--mute-audio",
    "--blink-settings=imagesEnabled=false",
    "--lang=en-US",
    "--window-size=1280,2000",
)
_BLANK = "about:blank"
_INSTALL = "on Linux `apt-get install chromium chromium-driver`, elsewhere Google Chrome"
_START = {"homepage": _BLANK, "session": {"restore_on_startup": 4, "startup_urls": [_BLANK]}}
# YouTube asks newcomers in Europe for consent, unless this cookie answers; the other asks for English.
_OWN_COOKIES = ({"name": "SOCS", "value": "CAI"}, {"name": "PREF", "value": "hl=en&tz=UTC"})

# Waits for this process to end, however it ends, then ends the browser's processes.
_GUARD = """
import os, shutil, signal, sys
sys.stdin.buffer.read()
try:
    os.killpg(int(sys.argv[1]), signal.SIGKILL)
except (AttributeError, OSError):
    pass
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""

log = logging.getLogger(__name__)


@contextlib.contextmanager
def open_browser(*, cookies: Path | None = None) -> Iterator[Chrome]:
    """Yield a driver of a headless Chromium that has YouTube's consent cookie and the user's cookies.

    The profile is new and temporary. Switches in the environment's CHATLIB_CHROMIUM_SWITCHES come after
    the usual ones. The browser ends with the block, and also when this process is killed.
    Raises: MissingSource without a browser or a cookies file, SourceError if it does not start.
    """
    jar = [*(load_cookies(cookies) if cookies else ()), *_OWN_COOKIES]
    profile = tempfile.mkdtemp(prefix="chatlib-chromium-")
    extra = shlex.split(os.environ.get(SWITCHES_VARIABLE, ""))
    start = _start_in_colab if in_colab() else _start
    try:
        with start(_make_options(profile, extra), profile) as driver:
            driver.set_script_timeout(30)
            for cookie in jar:
                _set_cookie(driver, cookie)
            yield driver
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def load_cookies(path: Path) -> list[dict[str, object]]:
    """Return YouTube's and Google's cookies of a file in Netscape's format, as DevTools takes them.

    Raises: MissingSource if the file is not there, SourceError if it is in another format.
    """
    jar = MozillaCookieJar(str(path))
    try:
        jar.load(ignore_discard=True, ignore_expires=False)
    except FileNotFoundError as error:
        raise MissingSource(
            f"The cookies file must exist, got {path}. Export it from your browser."
        ) from error
    except (LoadError, OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"The cookies file must be in Netscape's format (cookies.txt), got {path}, which is not. "
            "Export it again with an extension that writes cookies.txt."
        ) from error
    wanted = (c for c in jar if f".{c.domain.lstrip('.')}".endswith((".youtube.com", ".google.com")))
    return [
        {"name": c.name, "value": c.value or "", "domain": c.domain, "path": c.path, "secure": c.secure}
        | ({"expires": c.expires} if c.expires else {})
        for c in wanted
    ]


def _set_cookie(driver: Chrome, cookie: dict) -> None:
    from selenium.common.exceptions import WebDriverException

    whole = {"domain": ".youtube.com", "path": "/", "secure": True, **cookie}
    try:
        done = driver.execute_cdp_cmd("Network.setCookie", whole)
    except WebDriverException:
        done = {}
    if not done.get("success"):
        log.warning("the browser refused the cookie %s of %s", whole["name"], whole["domain"])


def _make_options(profile: str, extra: Sequence[str]) -> ChromeOptions:
    from selenium.webdriver import ChromeOptions
    from selenium.webdriver.common.options import BaseOptions

    options = ChromeOptions()
    options.page_load_strategy = "eager"
    options.add_experimental_option("prefs", _START)
    # The driver is on this machine; Chrome's own method warns of a replacement that Chrome does not take.
    BaseOptions.ignore_local_proxy_environment_variables(options)
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    for switch in (*_SWITCHES, *as_root, f"--user-data-dir={profile}", *extra):
        options.add_argument(switch)
    return options


@contextlib.contextmanager
def _start(options: ChromeOptions, profile: str) -> Iterator[Chrome]:
    """Yield a driver of Debian's Chromium, or of what Selenium's own manager finds or fetches."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver import Chrome
    from selenium.webdriver.chrome.service import Service

    browser = _find(_BROWSERS)
    options.binary_location = browser or ""
    # A session of its own: Ctrl-C in the terminal must not end the browser before we do.
    service = Service(_find(_DRIVERS) if browser else None, popen_kw={"start_new_session": True})
    driver = guard = None
    try:
        try:
            driver = Chrome(options=options, service=service)
        except (WebDriverException, OSError) as error:
            raise _no_browser(browser, error) from error
        guard = _start_guard(service.process.pid, profile)
        yield driver
    finally:
        _quit(driver)
        _end_group(getattr(service, "process", None))
        if guard is not None:
            guard.kill()
            guard.communicate()


@contextlib.contextmanager
def _start_in_colab(options: ChromeOptions, _profile: str) -> Iterator[Chrome]:
    """Yield a driver of the Chrome that google-colab-selenium installs in a Colab runtime."""
    try:
        import google_colab_selenium
    except ImportError as error:
        raise MissingSource(
            "On Colab the list of streams needs google-colab-selenium, which is not installed. Run "
            '`%pip install "google-colab-selenium>=1.0.18"`, or set LISTING = "yt-dlp", which needs none.'
        ) from error
    try:
        driver = google_colab_selenium.ChromeDriver(options)
    except google_colab_selenium.GoogleColabSeleniumError as error:
        raise _no_browser("Chrome", error) from error
    try:
        yield driver
    finally:
        _quit(driver)


def _no_browser(browser: str | None, error: Exception) -> SourceError:
    advice = 'or set LISTING = "yt-dlp", which needs no browser'
    text = str(getattr(error, "msg", None) or error).strip() or type(error).__name__
    first_line = re.split(r"[;\n]", text)[0][:200]
    if browser is None:
        return MissingSource(
            "The list of streams needs Chromium or Chrome with its driver, and none was found. Install it "
            f"({_INSTALL}), {advice}. ({first_line})"
        )
    return SourceError(
        f"The browser {browser} must start, and it did not: {first_line}. Install it again "
        f"({_INSTALL}), {advice}."
    )


def _find(names: Sequence[str]) -> str | None:
    return next((path for path in map(shutil.which, names) if path), None)


def _start_guard(group: int, profile: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _GUARD, str(group), profile],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _quit(driver: Chrome | None) -> None:
    if driver is not None:
        with contextlib.suppress(Exception):  # it may be dead already; its processes are ended next
            driver.quit()


def _end_group(process: subprocess.Popen | None) -> None:
    """End what the driver left running: Chromium, if it did not answer or never came up."""
    if process is not None and hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
