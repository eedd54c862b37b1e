"""A channel's streams by real Chromium, from the local YouTube and from saved real pages."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.service import Service

from chatlib.collect.youtube import browser
from chatlib.collect.youtube import listing as listing_module
from chatlib.collect.youtube.listing import list_streams
from chatlib.errors import MissingSource, SourceError
from tests.collect.youtube.helpers import COOKIES, URL, expected_row, make_videos
from tests.places import ROOT
from tests.waiting import wait_until

BROWSE = "/youtubei/v1/browse"
HURRY_S = 1.0  # for what never comes


@pytest.fixture
def chromium():
    """Skip where there is no browser."""
    if not all(shutil.which(path) for path in ("/usr/bin/chromium", "/usr/bin/chromedriver")):
        pytest.skip("no browser here: /usr/bin/chromium and /usr/bin/chromedriver are needed")


@pytest.fixture
def list_all(youtube, chromium, monkeypatch):
    """A function that lists @sample through Chromium; pages that fail are loaded again at once."""
    options = listing_module._OPTIONS | {"retry_sleep_functions": {"extractor": lambda n: 0}}
    monkeypatch.setattr(listing_module, "_OPTIONS", options)

    def run(url=URL, *, still_s=listing_module.STILL_S, **settings):
        monkeypatch.setattr(listing_module, "POLL_S", 0.1)
        monkeypatch.setattr(listing_module, "STILL_S", still_s)
        return list_streams(url, "selenium", **{"cap_s": 60, **settings})

    return run


def count_browse(youtube):
    return [entry.path for entry in youtube.requests].count(BROWSE)


def stay_silent(youtube):
    """Let the list's further parts never come."""
    youtube.fail_next("hang", BROWSE, times=99)
    youtube.faults.stall_s = 600


def ids_of(listing):
    return [row.video_id for row in listing.streams]


def test_chromium_scrolls_to_the_end_and_agrees_with_yt_dlp(youtube, list_all):
    videos = make_videos(95)
    youtube.add_channel("@sample", videos)
    listing = list_all()
    assert listing.streams == [expected_row(video) for video in videos]
    assert (listing.complete, listing.reason) == (True, "the page's end")
    assert count_browse(youtube) == 3
    by_yt_dlp = list_streams(URL, "yt-dlp")
    assert by_yt_dlp == listing


def test_a_slow_part_is_waited_for(youtube, list_all):
    videos = make_videos(35)
    youtube.add_channel("@sample", videos, delay_s=3)
    listing = list_all(still_s=20.0)
    assert (ids_of(listing), listing.complete) == ([video.id for video in videos], True)
    assert count_browse(youtube) == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"still_s": HURRY_S}, "nothing more in 1 s"), ({"cap_s": 1.5}, "time cap of 1.5 s")],
)
def test_a_part_that_never_comes_leaves_the_listing_incomplete(youtube, list_all, given, reason):
    videos = make_videos(65)
    youtube.add_channel("@sample", videos)
    stay_silent(youtube)
    listing = list_all(**given)
    assert ids_of(listing) == [video.id for video in videos[:30]]
    assert (listing.complete, listing.reason) == (False, reason)


def test_failures_on_the_way_are_overcome(youtube, list_all):
    videos = make_videos(65)
    youtube.add_channel("@sample", videos)
    youtube.fail_next("500", "/@sample/streams")
    youtube.fail_next("short_json", BROWSE)
    youtube.fail_next("429", BROWSE)
    listing = list_all()
    assert (ids_of(listing), listing.complete) == ([video.id for video in videos], True)


def test_consent_the_users_cookies_and_switches_go_along(youtube, list_all, monkeypatch, tmp_path):
    sent = []
    youtube.add_channel("@sample", make_videos(2), consent=True)
    youtube.add_route("/@sample/streams", lambda request: sent.append(request))
    path = tmp_path / "cookies.txt"
    path.write_text(COOKIES + ".example.org\tTRUE\t/\tTRUE\t4102444800\tOTHER\tx\n")
    switches = f"{os.environ[browser.SWITCHES_VARIABLE]} --user-agent='Harbor Light'"
    monkeypatch.setenv(browser.SWITCHES_VARIABLE, switches)
    assert len(list_all(cookies=path).streams) == 2
    assert [request.cookies for request in sent] == [
        {"SOCS": "CAI", "PREF": "hl=en&tz=UTC", "LOGIN_INFO": "fake"}
    ]
    assert sent[0].headers["user-agent"] == "Harbor Light"


def test_a_consent_page_that_comes_all_the_same_is_told(youtube, list_all, monkeypatch):
    monkeypatch.setattr(browser, "_OWN_COOKIES", ())
    youtube.add_channel("@sample", make_videos(35), consent=True)
    with pytest.raises(SourceError, match=r"status 200 from consent\.youtube\.com.*LISTING"):
        list_all()


def test_no_channel_is_told_from_no_streams_and_from_no_page(youtube, list_all):
    youtube.add_channel("@silent", [])
    listing = list_all("https://www.youtube.com/@silent")
    assert (listing.streams, listing.complete) == ([], True)
    assert listing.reason == "the channel has no tab of streams"
    with pytest.raises(MissingSource, match=r"@nobody/streams must be a channel's page.*Check the address"):
        list_all("https://www.youtube.com/@nobody")
    youtube.add_channel("@gone", make_videos(3), terminated=True)
    with pytest.raises(MissingSource, match=r"@gone must be a channel's page.*YouTube said: .*terminated"):
        list_all("https://www.youtube.com/@gone")


def test_a_page_that_cannot_be_read_is_an_error(youtube, list_all):
    youtube.add_page("/@sample/streams", "<h1>Sorry</h1>")
    with pytest.raises(SourceError, match=r'/@sample/streams.*: no data in its page\..*LISTING = "yt-dlp"'):
        list_all(still_s=HURRY_S)
    youtube.add_page("/@sample/streams", "<script>var ytInitialData = {a: [1]}</script>")
    with pytest.raises(SourceError, match=r"must show .*/@sample/streams.*: no list in its page"):
        list_all(still_s=HURRY_S)


def test_in_colab_its_own_package_brings_the_browser(youtube, list_all, monkeypatch):
    class ColabError(Exception):
        pass

    def start(options):
        options.add_argument("--no-sandbox")
        return Chrome(options=options, service=Service("/usr/bin/chromedriver"))

    def fail(options):
        raise ColabError("\n  no network\n")

    colab = SimpleNamespace(ChromeDriver=start, GoogleColabSeleniumError=ColabError)
    monkeypatch.setattr(browser, "in_colab", lambda: True)
    monkeypatch.setitem(sys.modules, "google_colab_selenium", colab)
    youtube.add_channel("@sample", make_videos(3))
    assert len(list_all().streams) == 3
    colab.ChromeDriver = fail
    with pytest.raises(SourceError, match=r"Chrome must start, and it did not: no network"):
        list_all()
    monkeypatch.setitem(sys.modules, "google_colab_selenium", None)
    with pytest.raises(MissingSource, match=r"%pip install .*google-colab-selenium>=1\.0\.18.*yt-dlp"):
        list_all()


def test_a_missing_browser_is_told_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(browser, "_BROWSERS", ("no-such-browser",))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SE_OFFLINE", "true")
    monkeypatch.setenv("SE_CACHE_PATH", str(tmp_path))
    with pytest.raises(
        MissingSource, match=r"apt-get install chromium chromium-driver.*LISTING = \"yt-dlp\""
    ):
        list_streams(URL)


def test_a_browser_that_does_not_start_is_told(monkeypatch, chromium, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(browser, "_BROWSERS", (str(broken),))
    with pytest.raises(SourceError, match=r"The browser .*/chromium must start.*apt-get install"):
        list_streams(URL)
    assert not list(tmp_path.glob("chatlib-*"))


@pytest.fixture
def short_path():
    """A folder near the root: the path of a browser's socket has at most 108 characters."""
    with tempfile.TemporaryDirectory(prefix="x-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_the_browser_ends_with_its_user(youtube, chromium, short_path, how):
    """Ctrl-C, and the worst case: nothing runs on, no profile is left."""
    youtube.add_channel("@sample", make_videos(95))
    stay_silent(youtube)
    code = "from chatlib.collect.youtube.listing import list_streams; list_streams('@sample')"
    variables = {"TMPDIR": str(short_path), browser.SWITCHES_VARIABLE: " ".join(youtube.chromium_switches)}
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | variables,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_until(lambda: "/@sample/streams" in {entry.path for entry in youtube.requests})
    assert list(short_path.glob("chatlib-chromium-*")) and running_with(short_path)
    os.killpg(child.pid, getattr(signal, how))
    said = child.communicate(timeout=300)[1].decode()
    assert how == "SIGKILL" or said.rstrip().endswith("KeyboardInterrupt")
    wait_until(lambda: not running_with(short_path))
    wait_until(lambda: not list(short_path.glob("chatlib-chromium-*")))


def running_with(path):
    """Return the processes whose command line names a path."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [line.parent.name] if str(path).encode() in line.read_bytes() else []
        except OSError:
            continue  # it ended just now
    return found
