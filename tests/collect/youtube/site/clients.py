"""The real clients, each with as little around it as makes it work: for tests of the fake itself."""

from __future__ import annotations

import json
from pathlib import Path

from chat_downloader.sites.youtube import YouTubeChatDownloader
from yt_dlp import YoutubeDL

__all__ = ["PatientDownloader", "download_with_yt_dlp", "read_with_chat_downloader"]

SELECTOR = ("header", "liveChatHeaderRenderer", "viewSelector", "sortFilterSubMenuRenderer", "subMenuItems")


class PatientDownloader(YouTubeChatDownloader):
    """chat-downloader with the tokens of the chat's own page in place of the watch page's."""

    def _parse_video_data(self, video_id, params=None, video_type="video"):
        details, player, data, cfg = super()._parse_video_data(video_id, params, video_type)
        bar = data.get("contents", {}).get("twoColumnWatchNextResults", {}).get("conversationBar", {})
        if "liveChatRenderer" in bar:
            first = bar["liveChatRenderer"]["continuations"][0]["reloadContinuationData"]["continuation"]
            content = self._get_initial_info(
                f"{self._YT_HOME}/live_chat_replay?continuation={first}", params
            )[0]
            content = content["continuationContents"]["liveChatContinuation"]
            for key in SELECTOR:
                content = content[key]
            details["continuation_info"] = {
                item["title"]: item["continuation"]["reloadContinuationData"]["continuation"]
                for item in content
            }
        return details, player, data, cfg


def read_with_chat_downloader(video_id: str, client: type = PatientDownloader, **params) -> list[dict]:
    """Return the rows of a replay, every kind of them."""
    downloader = client()
    try:
        options = {"message_groups": ["all"], "max_attempts": 1, "interruptible_retry": False, **params}
        return list(downloader.get_chat_by_video_id(video_id, options))
    finally:
        downloader.close()


def download_with_yt_dlp(video_id: str, folder: Path, **options) -> tuple[dict, list[dict]]:
    """Return what yt-dlp knows of a video, and the items of its live_chat file."""
    wanted = {
        "skip_download": True,
        "writesubtitles": True,
        "subtitleslangs": ["live_chat"],
        "ignore_no_formats_error": True,
        "socket_timeout": 10,
        "outtmpl": str(folder / "%(id)s"),
        "quiet": True,
        "no_warnings": True,
        "cachedir": False,
        "noprogress": True,
        **options,
    }
    with YoutubeDL(wanted) as client:
        info = client.extract_info(f"https://www.youtube.com/watch?v={video_id}")
    path = folder / f"{video_id}.live_chat.json"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return info, [json.loads(line) for line in lines]
