"""`videos.list` of the YouTube Data API v3, and its refusals as Google writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.collect.youtube.site.faults import google_error
from tests.collect.youtube.site.videos import Video
from tests.collect.youtube.site.wire import Reply, Request, json_reply

if TYPE_CHECKING:
    from tests.collect.youtube.site.server import FakeYoutube

Json = dict[str, Any]
DATA_KEY = "AIzaFakeDataApiKeyOfTheTests00000000000"
_ABSENT = ("private", "deleted")
_INVALID_KEY = "API key not valid. Please pass a valid API key."
_NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
    "other form of API consumer identity to call this API."
)


def answer_videos(youtube: FakeYoutube, request: Request) -> Reply:
    """Return the videos asked for, in the order asked; those that are gone are simply not among them."""
    refused = _check_key(youtube, request)
    if refused is not None:
        return refused
    parts = {part.strip() for part in request.query["part"].split(",")}
    ids = dict.fromkeys(filter(None, request.query["id"].split(",")))
    found = [youtube.videos[one] for one in ids if one in youtube.videos]
    items = [_resource(video, parts) for video in found if video.status not in _ABSENT]
    return json_reply({"kind": "youtube#videoListResponse", "items": items})


def _check_key(youtube: FakeYoutube, request: Request) -> Reply | None:
    key = request.headers.get("x-goog-api-key")
    if not key or "key" in request.query:
        return google_error(403, _NO_KEY, "forbidden", "PERMISSION_DENIED")
    if key == youtube.api_key:
        return None
    reply = google_error(400, _INVALID_KEY, "badRequest", "INVALID_ARGUMENT")
    content = json.loads(reply.body)
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    content["error"]["details"] = [info]
    return json_reply(content, 400)


def _resource(video: Video, parts: set[str]) -> Json:
    found: Json = {"kind": "youtube#video", "etag": f"etag-{video.id}", "id": video.id}
    for part, build in _PARTS.items():
        if part in parts and (content := build(video)) is not None:
            found[part] = content
    return found


def _snippet(video: Video) -> Json:
    running = video.status if video.status in ("live", "upcoming") else "none"
    return {
        "publishedAt": video.started_at,
        "channelId": video.channel_id,
        "title": video.title,
        "channelTitle": video.channel_name,
        "liveBroadcastContent": running,
    }


def _content_details(video: Video) -> Json:
    return {"duration": "P0D" if video.status in ("live", "upcoming") else f"PT{video.duration_s}S"}


def _live_details(video: Video) -> Json | None:
    if video.status == "plain":
        return None
    if video.status == "upcoming":
        return {"scheduledStartTime": video.started_at, "activeLiveChatId": f"chat-{video.id}"}
    found = {"actualStartTime": video.started_at, "scheduledStartTime": video.started_at}
    if video.status == "live":
        return {**found, "concurrentViewers": str(video.views), "activeLiveChatId": f"chat-{video.id}"}
    return {**found, "actualEndTime": video.ended_at}


def _statistics(video: Video) -> Json:
    return {"viewCount": str(video.views)}


_PARTS = {
    "snippet": _snippet,
    "contentDetails": _content_details,
    "liveStreamingDetails": _live_details,
    "statistics": _statistics,
}
