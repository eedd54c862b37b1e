"""The watch page, and the player's and the page's data behind it."""

from __future__ import annotations

from typing import Any

from tests.collect.youtube.site.faults import INVALID
from tests.collect.youtube.site.pages import VISITOR_DATA, page, script_json
from tests.collect.youtube.site.states import chat_notice, current_status, has_chat, playability
from tests.collect.youtube.site.tokens import make_token
from tests.collect.youtube.site.videos import CONTEXT, Video, make_video
from tests.collect.youtube.site.wire import Reply, Request, json_reply

Json = dict[str, Any]
_META = "var meta = document.createElement('meta'); meta.name = 'referrer';"


def answer_watch(videos: dict[str, Video], request: Request) -> Reply:
    """Return the watch page; an id that nobody has is a deleted video's."""
    video = _find_video(videos, request.query.get("v", ""))
    status = current_status(video, signed_in=request.signed_in, fault=request.fault)
    title = "YouTube" if status in ("private", "deleted") else f"{video.title} - YouTube"
    player = script_json(player_response(video, status, web=True))
    scripts = [
        f"var ytInitialPlayerResponse = {player};{_META}",
        f"var ytInitialData = {script_json(watch_data(video, status))};",
    ]
    return page(title, request, scripts=scripts)


def answer_player(videos: dict[str, Video], request: Request) -> Reply:
    """Return the player's data, as the web's client or another one asks for it."""
    client = request.json.get("context", {}).get("client", {})
    if not client.get("clientName"):
        return INVALID
    video = _find_video(videos, request.json.get("videoId", ""))
    status = current_status(video, signed_in=request.signed_in, fault=request.fault)
    return json_reply(player_response(video, status, web=client["clientName"] in ("WEB", "MWEB")))


def _find_video(videos: dict[str, Video], video_id: str) -> Video:
    return videos.get(video_id) or make_video(video_id, status="deleted")


def player_response(video: Video, status: str, *, web: bool) -> Json:
    """Return a player response; only the web's client gets a microformat."""
    found: Json = {
        "responseContext": {**CONTEXT, "visitorData": VISITOR_DATA},
        "playabilityStatus": playability(video, status),
    }
    if status in ("private", "deleted", "bot_check"):
        return found
    found["videoDetails"] = _video_details(video, status)
    if web:
        found["microformat"] = {"playerMicroformatRenderer": _microformat(video, status)}
    return found


def _video_details(video: Video, status: str) -> Json:
    details: Json = {
        "videoId": video.id,
        "title": video.title,
        "lengthSeconds": str(0 if status in ("live", "upcoming") else video.duration_s),
        "channelId": video.channel_id,
        "viewCount": str(video.views),
        "author": video.channel_name,
        "isLiveContent": video.status != "plain",
    }
    if status == "live":
        details["isLive"] = True
    if status == "upcoming":
        details["isUpcoming"] = True
    return details


def _microformat(video: Video, status: str) -> Json:
    found: Json = {
        "title": {"simpleText": video.title},
        "lengthSeconds": str(0 if status in ("live", "upcoming") else video.duration_s),
        "externalChannelId": video.channel_id,
        "viewCount": str(video.views),
        "publishDate": f"{video.started_at[:10]}T00:00:00-07:00",
        "ownerChannelName": video.channel_name,
        "uploadDate": f"{video.started_at[:10]}T00:00:00-07:00",
    }
    if video.status != "plain":
        live: Json = {
            "isLiveNow": status == "live",
            "startTimestamp": video.started_at.replace("Z", "+00:00"),
        }
        if status not in ("live", "upcoming"):
            live["endTimestamp"] = video.ended_at.replace("Z", "+00:00")
        found["liveBroadcastDetails"] = live
    return found


def watch_data(video: Video, status: str) -> Json:
    """Return the page's `ytInitialData`."""
    if status in ("private", "deleted"):
        empty = {"results": {"results": {"contents": []}}}
        return {"responseContext": CONTEXT, "contents": {"twoColumnWatchNextResults": empty}}
    owner = {"title": {"runs": [{"text": video.channel_name}]}}
    contents = [{"videoSecondaryInfoRenderer": {"owner": {"videoOwnerRenderer": owner}}}]
    columns: Json = {"results": {"results": {"contents": contents}}}
    bar = {"liveChatRenderer": _chat_beside(video, status)} if has_chat(status) else chat_notice(status)
    if bar is not None:
        columns["conversationBar"] = bar
    return {
        "responseContext": CONTEXT,
        "contents": {"twoColumnWatchNextResults": columns},
        "currentVideoEndpoint": {"watchEndpoint": {"videoId": video.id}},
        "frameworkUpdates": {"entityBatchUpdate": {"mutations": _heat_markers(video)}},
    }


def _heat_markers(video: Video) -> list[Json]:
    """Return the most-replayed curve as the page holds it, beside an entity of another kind."""
    step_ms = video.duration_s * 1000 // max(1, len(video.heatmap))
    markers = [
        {"startMillis": str(i * step_ms), "durationMillis": str(step_ms), "intensityScoreNormalized": value}
        for i, value in enumerate(video.heatmap)
    ]
    entity = {"markersList": {"markerType": "MARKER_TYPE_HEATMAP", "markers": markers}}
    other = {"payload": {"offlineabilityEntity": {"key": "x"}}}
    return [other, {"payload": {"macroMarkersListEntity": entity}}] if markers else [other]


def _chat_beside(video: Video, status: str) -> Json:
    """Return the chat of the watch page. Only its first continuation is good for anything today."""
    selector = view_selector(
        make_token("selector", video.id, "top"), make_token("selector", video.id, "live"), "top", status
    )
    reload = {"continuation": make_token("page", video.id)}
    found: Json = {
        "continuations": [{"reloadContinuationData": reload}],
        "header": {"liveChatHeaderRenderer": {"viewSelector": selector}},
    }
    return {**found, "isReplay": True} if status == "finished" else found


def view_selector(top: str, live: str, selected: str, status: str) -> Json:
    """Return the menu of the chat's views: the top chat first, then everything."""
    replay = " replay" if status == "finished" else ""
    rows = ((f"Top chat{replay}", top, "top"), (f"Live chat{replay}", live, "live"))
    items = [
        {
            "title": title,
            "selected": view == selected,
            "continuation": {"reloadContinuationData": {"continuation": token}},
        }
        for title, token, view in rows
    ]
    return {"sortFilterSubMenuRenderer": {"subMenuItems": items}}
