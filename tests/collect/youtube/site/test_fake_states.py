"""Videos whose chat cannot be had, and viewers who are signed in: what the real clients make of them."""

import pytest
from chat_downloader import errors

from tests.collect.youtube.site.clients import (
    PatientDownloader,
    download_with_yt_dlp,
    read_with_chat_downloader,
)
from tests.collect.youtube.site.videos import make_video, text_action

ID = "smallchat00"
NAMES = ("LOGIN_INFO", "SAPISID", "__Secure-3PAPISID")


@pytest.fixture
def video(youtube):
    """A video with a chat of 150 messages."""
    video = make_video(ID, [text_action(i, "hello", offset_ms=i * 100) for i in range(150)])
    youtube.add_videos(video)
    return video


@pytest.fixture
def cookies(tmp_path):
    """A cookies file of a signed-in viewer."""
    lines = [f".youtube.com\tTRUE\t/\tTRUE\t2000000000\t{name}\tvalue\n" for name in NAMES]
    path = tmp_path / "cookies.txt"
    path.write_text("# Netscape HTTP Cookie File\n" + "".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        ("members_only", errors.VideoUnplayable, "Join this channel"),
        ("private", errors.LoginRequired, "Private video"),
        ("deleted", errors.VideoUnavailable, "removed by the uploader"),
        ("bot_check", errors.LoginRequired, "not a bot"),
        ("no_replay", errors.NoChatReplay, "not available"),
        ("chat_disabled", errors.ChatDisabled, "disabled"),
        ("plain", errors.NoChatReplay, "does not have a chat replay"),
    ],
)
def test_chat_downloader_names_the_state(video, status, error, message):
    video.status = status
    with pytest.raises(error, match=message):
        read_with_chat_downloader(ID)


@pytest.mark.parametrize(
    ("status", "live_status", "availability"),
    [
        ("live", "is_live", "public"),
        ("upcoming", "is_upcoming", "public"),
        ("members_only", "was_live", "subscriber_only"),
        ("private", None, None),
        ("deleted", None, None),
        ("bot_check", None, None),
        ("no_replay", "was_live", "public"),
        ("plain", "not_live", "public"),
    ],
)
def test_yt_dlp_knows_the_state(video, tmp_path, status, live_status, availability):
    video.status = status
    running = status in ("live", "upcoming")
    info, items = download_with_yt_dlp(ID, tmp_path, writesubtitles=not running)
    assert (info["live_status"], info.get("availability"), items) == (live_status, availability, [])
    assert ("live_chat" in info["subtitles"]) == running


@pytest.mark.parametrize("status", ["members_only", "bot_check"])
def test_cookies_open_what_needs_a_viewer(youtube, video, tmp_path, cookies, status):
    video.status = status

    class SignedIn(PatientDownloader):
        def __init__(self):
            super().__init__(cookies=str(cookies))

    assert len(read_with_chat_downloader(ID, SignedIn)) == 150
    assert len(download_with_yt_dlp(ID, tmp_path, cookiefile=str(cookies))[1]) == 150


def test_a_video_may_go_away_between_two_requests(youtube, video):
    rows = iter(read_lazily())
    next(rows)
    video.status = "deleted"
    assert len(list(rows)) == 99  # what was on the first page
    assert youtube.requests[-1].status == 404


def read_lazily():
    downloader = PatientDownloader()
    try:
        yield from downloader.get_chat_by_video_id(ID, {"message_groups": ["all"], "max_attempts": 1})
    finally:
        downloader.close()
