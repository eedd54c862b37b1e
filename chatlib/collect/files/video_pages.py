"""What describes a video and has no chat in it: a YouTube watch page's data, yt-dlp's info JSON."""

from __future__ import annotations

from chatlib.collect.files.renderers import read_text, walk
from chatlib.records import YOUTUBE, Stream
from chatlib.text import clean_text, read_name, read_number
from chatlib.times import format_timestamp, read_date, read_timestamp

__all__ = ["read_video_page"]

_PLAYERS = ("parsedInitialPlayerResponse", "playerResponse", "ytInitialPlayerResponse")


def read_video_page(content: object) -> Stream | None:
    """Return the stream that parsed JSON describes, or None if it describes none."""
    if type(content) is not dict:
        return None
    if content.get("_type", "video") == "video" and "extractor_key" in content:
        return _read_info(content)
    for player in (content, *(content.get(key) for key in _PLAYERS)):
        details = walk(player, "videoDetails")
        if type(details) is dict and read_name(details.get("videoId")):
            return _read_player(details, player)
    return None


def _read_player(details: dict, player: dict) -> Stream:
    micro = walk(player, "microformat", "playerMicroformatRenderer")
    live = walk(micro, "liveBroadcastDetails")
    return Stream(
        platform=YOUTUBE,
        video_id=read_name(details.get("videoId")) or "",
        title=clean_text(details.get("title")) or read_text(walk(micro, "title")).text,
        channel_id=read_name(details.get("channelId")),
        channel_name=read_name(details.get("author")),
        started_at=read_date(walk(live, "startTimestamp")) or read_date(walk(micro, "publishDate")),
        ended_at=read_date(walk(live, "endTimestamp")),
        duration_s=_positive(details.get("lengthSeconds")),
    )


def _read_info(info: dict) -> Stream | None:
    video_id = read_name(info.get("id"))
    if video_id is None:
        return None
    extractor = (clean_text(info.get("extractor_key")) or "").lower()
    started = read_timestamp(info.get("release_timestamp")) or read_timestamp(info.get("timestamp"))
    return Stream(
        platform="twitch" if extractor.startswith("twitch") else extractor[:40],
        video_id=video_id.removeprefix("v") if extractor.startswith("twitch") else video_id,
        url=clean_text(info.get("webpage_url")),
        title=clean_text(info.get("title")),
        channel_id=read_name(info.get("channel_id")),
        channel_name=read_name(info.get("channel")) or read_name(info.get("uploader")),
        started_at=format_timestamp(started),
        duration_s=_positive(info.get("duration")),
    )


def _positive(value: object) -> float | None:
    number = read_number(value)
    return number if number and 0 < number < 1e8 else None
