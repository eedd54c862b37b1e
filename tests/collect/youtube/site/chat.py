"""The chat's own page, and the batches that follow it."""

from __future__ import annotations

from typing import Any

from tests.collect.youtube.site.faults import INVALID, NOT_FOUND, google_error
from tests.collect.youtube.site.pages import page, script_json
from tests.collect.youtube.site.videos import Video, continuations, unpack, wrap_batch
from tests.collect.youtube.site.watch import current_status, has_chat, view_selector
from tests.collect.youtube.site.wire import JSON, Reply, Request, Token, json_reply, make_token, read_token

Json = dict[str, Any]


def answer_chat_page(videos: dict[str, Video], request: Request) -> Reply:
    """Return `/live_chat_replay`; a token from elsewhere gets a page without data."""
    token = read_token(request.query.get("continuation"))
    video = videos.get(token.subject) if token else None
    status = current_status(video, signed_in=request.signed_in) if video else ""
    opens = token is not None and token.use in ("page", "batch") and has_chat(status)
    if video is None or token is None or not opens or status != "finished":
        return page("YouTube", request, scripts=[], body="<p>Something went wrong.</p>")
    view = token.view or "top"
    found = unpack(video.chat.responses(view)[token.number])
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
    responses = video.chat.responses(token.view)
    if not 0 <= token.number < len(responses):
        return INVALID
    if request.fault == "empty_batch":
        return _empty(video, token, len(responses))
    repeated = request.fault == "repeat_batch" and token.number > 0
    return Reply(content_type=JSON, packed=responses[token.number - repeated])


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


def _empty(video: Video, token: Token, n_batches: int) -> Reply:
    following = token.number + 1 if token.number + 1 < n_batches else None
    return json_reply(wrap_batch([], continuations(video.id, token.view, following)))
