"""`videos.list` of the YouTube Data API v3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.collect.youtube.site.faults import google_error
from tests.collect.youtube.site.videos import Video
from tests.collect.youtube.site.wire import Reply, Request, json_reply

if TYPE_CHECKING:
    from tests.collect.youtube.site.server import FakeYoutube

DATA_KEY = "AIzaFakeDataApiKeyOfTheTests00000000000"
_ABSENT = ("private", "deleted")


def answer_videos(youtube: FakeYoutube, request: Request) -> Reply:
    """Return the videos asked for, in the order asked; those that are gone are simply not among them."""
    if request.headers.get("x-goog-api-key") != youtube.api_key or "key" in request.query:
        return google_error(400, "API key not valid. Please pass a valid API key.", "keyInvalid")
    ids = dict.fromkeys(filter(None, request.query["id"].split(",")))
    found = [youtube.videos[one] for one in ids if one in youtube.videos]
    items = [_resource(video) for video in found if video.status not in _ABSENT]
    return json_reply({"kind": "youtube#videoListResponse", "items": items})


def _resource(video: Video) -> dict[str, Any]:
    is_running = video.status in ("live", "upcoming")
    snippet = {
        "publishedAt": video.started_at,
        "channelId": video.channel_id,
        "title": video.title,
        "channelTitle": video.channel_name,
        "liveBroadcastContent": video.status if is_running else "none",
    }
    found = {
        "kind": "youtube#video",
        "id": video.id,
        "snippet": snippet,
        "contentDetails": {"duration": "P0D" if is_running else f"PT{video.duration_s}S"},
        "statistics": {"viewCount": str(video.views)},
    }
    times = {"scheduledStartTime": video.started_at}
    if video.status != "upcoming":
        times["actualStartTime"] = video.started_at
    if not is_running:
        times["actualEndTime"] = video.ended_at
    return found if video.status == "plain" else found | {"liveStreamingDetails": times}
