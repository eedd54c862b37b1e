"""Replays as the fake plays them, read by the real clients."""

import json

import pytest
from chat_downloader import errors
from chat_downloader.sites.youtube import YouTubeChatDownloader
from yt_dlp.utils import DownloadError

from tests.collect.youtube.site.clients import download_with_yt_dlp, read_with_chat_downloader
from tests.collect.youtube.site.videos import make_video, text_action, video_of_batches, videos_of_simulation
from tests.places import SHARED


@pytest.fixture(scope="module")
def video():
    """A simulated stream of about 400 messages: four batches and a bit."""
    return videos_of_simulation(1, 400, seed=3)[0]


def row_ids(rows):
    return [(row["message_type"], row["message_id"]) for row in rows if "message_id" in row]


def test_yt_dlp_downloads_a_whole_replay(youtube, video, tmp_path):
    youtube.add_videos(video)
    info, items = download_with_yt_dlp(video.id, tmp_path)
    assert items == video.actions
    assert len(items) > 300
    assert (info["title"], info["live_status"], info["duration"]) == (
        video.title,
        "was_live",
        video.duration_s,
    )
    paths = [entry.path for entry in youtube.requests]
    assert paths.count("/youtubei/v1/live_chat/get_live_chat_replay") == len(video.chat)
    assert {entry.video_id for entry in youtube.requests} == {video.id}


def test_chat_downloader_with_the_right_tokens_reads_everything(youtube, video):
    youtube.add_videos(video)
    rows = read_with_chat_downloader(video.id)
    expected = [held.message_id for held in video.held if "Placeholder" not in held.renderer]
    assert [row["message_id"] for row in rows if "message_id" in row] == expected
    kinds = {row["message_type"] for row in rows}
    assert {"text_message", "paid_message", "viewer_engagement_message", "deleted_message"} <= kinds


def test_chat_downloader_as_released_fails_as_on_todays_site(youtube, video):
    youtube.add_videos(video)
    with pytest.raises(errors.ParsingError, match="Unable to parse initial video data"):
        read_with_chat_downloader(video.id, YouTubeChatDownloader)


def test_the_top_chat_is_smaller(youtube, video):
    youtube.add_videos(video)
    top = read_with_chat_downloader(video.id, chat_type="top")
    live = read_with_chat_downloader(video.id)
    assert 0.5 * len(live) < len(top) < 0.9 * len(live)
    assert set(row_ids(top)) < set(row_ids(live))


def small_chat(n):
    return make_video("smallchat00", [text_action(i, f"message {i}", offset_ms=i * 500) for i in range(n)])


@pytest.mark.parametrize("n", [1, 100, 101])
def test_batches_end_where_the_chat_ends(youtube, tmp_path, n):
    youtube.add_videos(small_chat(n))
    rows = read_with_chat_downloader("smallchat00")
    assert [row["message"] for row in rows] == [f"message {i}" for i in range(n)]
    assert download_with_yt_dlp("smallchat00", tmp_path)[1] == small_chat(n).actions


def test_a_replay_without_a_message(youtube, tmp_path):
    youtube.add_videos(small_chat(0))
    assert read_with_chat_downloader("smallchat00") == []
    with pytest.raises(DownloadError, match="The downloaded file is empty"):
        download_with_yt_dlp("smallchat00", tmp_path)


def test_real_batches_are_played_as_they_are(youtube, tmp_path):
    folder = SHARED / "youtube" / "innertube"
    if not folder.is_dir():
        pytest.skip(f"no real chat here: {folder} is missing")
    names = ("chatreplay.json", "chat-xhr.json", "chat-xhr2.json")
    responses = [json.loads((folder / name).read_text(encoding="utf-8")) for name in names]
    video = video_of_batches(responses, duration_s=14_100)
    youtube.add_videos(video)
    expected = [
        item
        for response in responses
        for item in response["continuationContents"]["liveChatContinuation"]["actions"]
    ]
    assert len(expected) == 251
    assert download_with_yt_dlp(video.id, tmp_path)[1] == expected
    rows = read_with_chat_downloader(video.id)
    assert len(rows) == 250  # all but a placeholder
