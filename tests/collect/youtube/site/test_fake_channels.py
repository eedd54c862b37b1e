"""Channel pages as the fake plays them: read by yt-dlp, by a browser, with and without consent."""

import gc
import json
import re
from pathlib import Path

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait
from yt_dlp import YoutubeDL
from yt_dlp.utils import DownloadError

from tests.collect.youtube.site.videos import make_video

URL = "https://www.youtube.com/@sample/streams"


def make_videos(n, **facts):
    return [make_video(f"vid{i:08d}", title=f"Stream {i}", views=1000 + i, **facts) for i in range(n)]


def list_with_yt_dlp(url=URL):
    options = {
        "extract_flat": True,
        "quiet": True,
        "no_warnings": True,
        "cachedir": False,
        "socket_timeout": 10,
    }
    with YoutubeDL(options) as client:
        return client.extract_info(url, download=False)


@pytest.mark.parametrize("layout", ["lockup", "video_renderer"])
def test_yt_dlp_lists_a_whole_channel(youtube, layout):
    videos = make_videos(65)
    videos[0].status, videos[1].status, videos[2].status = "upcoming", "live", "members_only"
    youtube.add_channel("@sample", videos, layout=layout)
    found = list_with_yt_dlp()
    assert [entry["id"] for entry in found["entries"]] == [video.id for video in videos]
    assert (found["channel"], found["channel_id"]) == (videos[0].channel_name, videos[0].channel_id)
    states = [entry["live_status"] for entry in found["entries"]]
    assert states == ["is_upcoming", "is_live", "was_live", *["was_live"] * 62]
    assert [(e["title"], e["duration"], e["view_count"]) for e in found["entries"][3:]] == [
        (video.title, video.duration_s, video.views) for video in videos[3:]
    ]
    assert [entry.path for entry in youtube.requests].count("/youtubei/v1/browse") == 2


@pytest.mark.parametrize("n", [1, 30, 31])
def test_a_list_ends_where_the_channel_ends(youtube, n):
    youtube.add_channel("@sample", make_videos(n))
    assert len(list_with_yt_dlp()["entries"]) == n
    assert [entry.path for entry in youtube.requests].count("/youtubei/v1/browse") == (n > 30)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_channel_without_streams_has_no_tab_for_them(youtube):
    youtube.add_channel("@sample", [])
    with pytest.raises(DownloadError, match="does not have a streams tab"):
        list_with_yt_dlp()
    with pytest.raises(DownloadError, match="404"):
        list_with_yt_dlp("https://www.youtube.com/@nobody/streams")
    gc.collect()  # yt-dlp leaves the connections of refused requests open; they end here, not in a later test


@pytest.mark.parametrize("path", ["channel/UCfakeHarbor0000000000aa", "c/sample", "user/sample", "@SAMPLE"])
def test_a_channel_has_several_addresses(youtube, path):
    youtube.add_channel("@sample", make_videos(2))
    assert len(list_with_yt_dlp(f"https://www.youtube.com/{path}/streams")["entries"]) == 2


def test_private_and_deleted_streams_are_not_listed(youtube):
    videos = make_videos(3)
    videos[0].status, videos[2].status = "private", "deleted"
    youtube.add_channel("@sample", videos)
    assert [entry["id"] for entry in list_with_yt_dlp()["entries"]] == [videos[1].id]


def test_consent_is_asked_once(youtube):
    youtube.add_channel("@sample", make_videos(2), consent=True)
    with requests.Session() as session:
        asked = session.get(URL, timeout=60)
        assert asked.url.startswith("https://consent.youtube.com/m?continue=https%3A%2F%2Fwww.youtube.com")
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', asked.text))
        answered = session.post("https://consent.youtube.com/save", data=fields, timeout=60)
        assert answered.url == URL
        assert session.get(URL, timeout=60).url == URL
    assert requests.get(URL, cookies={"SOCS": "CAI"}, timeout=60).url == URL
    assert len(list_with_yt_dlp()["entries"]) == 2  # it brings the cookie


def test_the_page_holds_its_first_part(youtube):
    youtube.add_channel("@sample", make_videos(40))
    text = requests.get(URL, timeout=60).text
    content = json.JSONDecoder().raw_decode(text, text.index("{", text.index("var ytInitialData = ")))[0]
    tab = content["contents"]["twoColumnBrowseResultsRenderer"]["tabs"][1]["tabRenderer"]
    items = tab["content"]["richGridRenderer"]["contents"]
    assert len(items) == 31
    assert list(items[-1]) == ["continuationItemRenderer"]
    assert "</script" not in text[text.index("var ytInitialData") :].split("</script>")[0]


@pytest.mark.skipif(not Path("/usr/bin/chromium").exists(), reason="no Chromium here: /usr/bin/chromium")
def test_a_browser_draws_the_grid_and_loads_more_of_it(youtube):
    youtube.add_channel("@sample", make_videos(35), consent=True, delay_s=0.3)
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *youtube.chromium_switches):
        options.add_argument(switch)
    with webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver")) as browser:
        browser.get(URL)
        browser.find_element("css selector", 'button[aria-label="Reject all"]').click()
        wait = WebDriverWait(browser, 10, poll_frequency=0.05)
        wait.until(lambda _: browser.find_elements("css selector", "ytd-continuation-item-renderer"))
        links = 'ytd-rich-item-renderer a[href*="/watch?v="]'
        assert len(browser.find_elements("css selector", links)) == 60
        browser.execute_script("window.scrollTo(0, document.documentElement.scrollHeight)")
        wait.until(lambda _: not browser.find_elements("css selector", "ytd-continuation-item-renderer"))
        hrefs = {link.get_attribute("href")[:43] for link in browser.find_elements("css selector", links)}
    assert hrefs == {f"https://www.youtube.com/watch?v=vid{i:08d}" for i in range(35)}
