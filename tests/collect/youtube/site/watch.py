"""The watch page, the player's data, what they say of a video, and its chat: pages and batches."""

from __future__ import annotations

from typing import Any

from tests.collect.youtube.site.videos import CONTEXT, Video, make_video
from tests.collect.youtube.site.wire import (
    INVALID,
    NOT_FOUND,
    VISITOR_DATA,
    Reply,
    Request,
    google_error,
    json_reply,
    make_token,
    page,
    read_token,
    script_json,
)

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


_SCREENS = {
    "private": ("LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video"),
    "deleted": ("ERROR", "Video unavailable", "This video has been removed by the uploader"),
    "bot_check": ("LOGIN_REQUIRED", "Sign in to confirm you’re not a bot", "This protects our community."),
}
_JOIN = "Join this channel to get access to members-only content like this video, and other exclusive perks."
_NOTICES = {
    "no_replay": "Live chat replay is not available for this video.",
    "chat_disabled": "Chat is disabled for this live stream.",
}


def current_status(video: Video, *, signed_in: bool, fault: str = "") -> str:
    """Return the video's status as this viewer meets it: cookies open members' videos and bot checks."""
    status = "bot_check" if fault == "bot_check" else video.status
    return "finished" if signed_in and status in ("members_only", "bot_check") else status


def has_chat(status: str) -> bool:
    """Return whether a watch page of this status has a chat beside the video."""
    return status in ("finished", "live", "upcoming")


def chat_notice(status: str) -> Json | None:
    """Return what stands in the chat's place, if anything."""
    if status not in _NOTICES:
        return None
    text = {"runs": [{"text": _NOTICES[status]}]}
    return {"conversationBarRenderer": {"availabilityMessage": {"messageRenderer": {"text": text}}}}


def playability(video: Video, status: str) -> Json:
    """Return the player's `playabilityStatus`."""
    if status in _SCREENS:
        code, reason, detail = _SCREENS[status]
        screen = {"reason": {"simpleText": reason}, "subreason": {"runs": [{"text": detail}]}}
        found: Json = {
            "status": code,
            "reason": reason,
            "errorScreen": {"playerErrorMessageRenderer": screen},
        }
        if status == "private":
            found["messages"] = ["This is a private video. Please sign in to verify that you may see it."]
        return found
    if status == "members_only":
        offer = {"itemTitle": "Members-only content", "offerDescription": _JOIN}
        screen = {"playerLegacyDesktopYpcOfferRenderer": offer}
        return {"status": "UNPLAYABLE", "reason": _JOIN, "errorScreen": screen}
    found = {"status": "OK", "playableInEmbed": True}
    if status == "upcoming":
        found |= {"status": "LIVE_STREAM_OFFLINE", "reason": "This live event will begin in 3 days."}
    return found


def answer_chat_page(videos: dict[str, Video], request: Request) -> Reply:
    """Return `/live_chat_replay`; a token from elsewhere gets a page without data."""
    token = read_token(request.query.get("continuation"))
    video = videos.get(token.subject) if token else None
    status = current_status(video, signed_in=request.signed_in) if video else ""
    opens = token is not None and token.use in ("page", "batch") and has_chat(status)
    if video is None or token is None or not opens or status != "finished":
        return page("YouTube", request, scripts=[], body="<p>Something went wrong.</p>")
    view = token.view or "top"
    found = video.chat.respond(view, token.number) or {}
    content = found["continuationContents"]["liveChatContinuation"]
    tokens = (make_token("batch", video.id, "top"), make_token("batch", video.id, "live"))
    content["header"] = {"liveChatHeaderRenderer": {"viewSelector": view_selector(*tokens, view, status)}}
    content["itemList"] = {"liveChatItemListRenderer": {"maxItemsToDisplay": 250}}
    content["isReplay"] = True
    return page("YouTube", request, scripts=[f'window["ytInitialData"] = {script_json(found)};'])


def answer_batch(videos: dict[str, Video], request: Request) -> Reply:
    """Return what a continuation token of a replay stands for."""
    content = request.json
    token = read_token(content.get("continuation"))
    video = videos.get(token.subject) if token else None
    if not content.get("context", {}).get("client") or token is None or token.use != "batch":
        return INVALID
    if video is None or video.status in ("deleted", "private"):
        return NOT_FOUND
    if current_status(video, signed_in=request.signed_in) != "finished":
        return google_error(403, "The caller does not have permission", "forbidden", "PERMISSION_DENIED")
    repeated = request.fault == "repeat_batch" and token.number > 0
    found = video.chat.respond(token.view, token.number - repeated, is_empty=request.fault == "empty_batch")
    return json_reply(found) if found else INVALID


def answer_live_page(videos: dict[str, Video], request: Request) -> Reply:
    """Return `/live_chat`: the last messages of a running stream, and the choice of views."""
    token = read_token(request.query.get("continuation"))
    video = videos.get(token.subject) if token else None
    status = current_status(video, signed_in=request.signed_in) if video else ""
    if video is None or token is None or status not in ("live", "upcoming") or video.live is None:
        return page("YouTube", request, scripts=[], body="<p>Something went wrong.</p>")
    if video.live.is_away:
        return Reply(status=503)
    found = video.live.answer(None, every=token.view == "live")
    content = found["continuationContents"]["liveChatContinuation"]
    tokens = (make_token("page", video.id, "top"), make_token("page", video.id, "live"))
    content["header"] = {"liveChatHeaderRenderer": {"viewSelector": view_selector(*tokens, "top", status)}}
    if token.view != "live":  # YouTube's own choice shows less
        content["actions"] = content.get("actions", [])[::2]
    return page("YouTube", request, scripts=[f'window["ytInitialData"] = {script_json(found)};'])


def answer_live_batch(videos: dict[str, Video], request: Request) -> Reply:
    """Return what is new in a running stream's chat."""
    token = read_token(request.json.get("continuation"))
    video = videos.get(token.subject) if token else None
    if not request.json.get("context", {}).get("client") or token is None or token.use != "live":
        return INVALID
    if video is None or video.live is None:
        return NOT_FOUND
    if video.live.is_away:
        return Reply(status=503)
    if video.live.n_broken:
        video.live.n_broken -= 1
        return json_reply({"responseContext": {}})
    return json_reply(video.live.answer(token.number))
