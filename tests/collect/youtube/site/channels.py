"""Channel pages with their grid of streams, the requests that make it longer, the consent page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from chatlib.times import format_clock
from tests.collect.youtube.site.videos import CHANNEL_ID, CHANNEL_NAME, CONTEXT, Video
from tests.collect.youtube.site.watch import answer_watch
from tests.collect.youtube.site.wire import (
    INVALID,
    NOT_FOUND,
    VISITOR_DATA,
    Reply,
    Request,
    json_reply,
    make_token,
    page,
    read_token,
    script_json,
)

if TYPE_CHECKING:
    from tests.collect.youtube.site.server import FakeYoutube

Json = dict[str, Any]
_SCRIPT = Path(__file__).with_name("channel_page.js")
_PATH = re.compile(r"/(?:(@[^/]+)|channel/(UC[\w-]{22})|(?:c|user)/([^/]+))(?:/([a-z]+))?/?")
_PARAMS = {"featured": "EghmZWF0dXJlZPIGBAoCMgA%3D", "streams": "EgdzdHJlYW1z8gYECgJ6AA%3D%3D"}
_HIDDEN = ("private", "deleted", "plain")


@dataclass
class Channel:
    """A channel of the fake; all of it may be changed while the server runs.

    `delay_s` is how long each further part of the list takes, or a function from how many streams were
    listed before it; `consent` sends visitors without a
    SOCS cookie to the consent page first.
    """

    handle: str
    channel_id: str
    name: str
    videos: list[Video] = field(default_factory=list)  # newest first
    consent: bool = False
    page_size: int = 30
    delay_s: float | Callable[[int], float] = 0.0
    terminated: bool = False

    @property
    def listed(self) -> list[Video]:
        """The streams that the channel's page shows: not the private and the deleted ones."""
        return [video for video in self.videos if video.status not in _HIDDEN]


def make_channel(handle: str, videos: list[Video], **facts: Any) -> Channel:
    """Return a channel whose id and name are its first video's."""
    channel_id = videos[0].channel_id if videos else CHANNEL_ID
    name = videos[0].channel_name if videos else CHANNEL_NAME
    return Channel(handle, **{"channel_id": channel_id, "name": name, "videos": videos, **facts})


def find_channel(channels: list[Channel], path: str) -> tuple[Channel | None, str]:
    """Return the channel of a path, by handle, id or old name, and the tab that it asks for."""
    match = _PATH.fullmatch(unquote(path))
    if match is None:
        return None, ""
    handle, channel_id, name, tab = match.groups()
    for channel in channels:
        if channel.channel_id == channel_id or channel.handle.lower() == (handle or f"@{name}").lower():
            return channel, tab or "featured"
    return None, ""


def answer_channel(youtube: FakeYoutube, request: Request) -> Reply | None:
    """Return a channel's page, or the way to the consent page."""
    channel, tab = find_channel(youtube.channels, request.path)
    if channel is None:
        return None
    if channel.consent and (asked := redirect_to_consent(request)) is not None:
        return asked
    if channel.terminated:
        text = "This account has been terminated for a violation of YouTube's Terms of Service."
        alert = {"alertRenderer": {"type": "ERROR", "text": {"simpleText": text}}}
        content = script_json({"responseContext": CONTEXT, "alerts": [alert]})
        return page("YouTube", request, scripts=[f"var ytInitialData = {content};"])
    running = [video for video in channel.videos if video.status in ("live", "upcoming")]
    if request.path.endswith("/live") and running:
        return answer_watch(youtube.videos, replace(request, query={"v": running[0].id}))
    scripts = [f"var ytInitialData = {script_json(channel_data(channel, tab))};"]
    body = f"<ytd-app></ytd-app><script>{_SCRIPT.read_text(encoding='utf-8')}</script>"
    return page(f"{channel.name} - YouTube", request, scripts=scripts, body=body)


def channel_data(channel: Channel, tab: str) -> Json:
    """Return the page's `ytInitialData`. Without streams there is no tab for them."""
    tabs = ["featured", "streams"] if channel.listed else ["featured"]
    selected = tab if tab in tabs else "featured"
    url = f"https://www.youtube.com/channel/{channel.channel_id}"
    metadata = {
        "title": channel.name,
        "externalId": channel.channel_id,
        "channelUrl": url,
        "vanityChannelUrl": f"http://www.youtube.com/{channel.handle}",
    }
    return {
        "responseContext": {**CONTEXT, "visitorData": VISITOR_DATA},
        "contents": {
            "twoColumnBrowseResultsRenderer": {"tabs": [_tab(channel, name, selected) for name in tabs]}
        },
        "metadata": {"channelMetadataRenderer": metadata},
        "microformat": {"microformatDataRenderer": {"urlCanonical": url, "title": channel.name}},
    }


def _tab(channel: Channel, name: str, selected: str) -> Json:
    tab: Json = {
        "endpoint": {
            "commandMetadata": {"webCommandMetadata": {"url": f"/{channel.handle}/{name}"}},
            "browseEndpoint": {
                "browseId": channel.channel_id,
                "params": _PARAMS[name],
                "canonicalBaseUrl": f"/{channel.handle}",
            },
        },
        "title": {"featured": "Home", "streams": "Live"}[name],
    }
    if name != selected:
        return {"tabRenderer": tab}
    content: Json = {"sectionListRenderer": {"contents": []}}
    if name == "streams":
        grid = {"contents": grid_items(channel, 0), "targetId": "grid-of-streams"}
        content = {"richGridRenderer": grid}
    return {"tabRenderer": {**tab, "selected": True, "content": content}}


def grid_items(channel: Channel, start: int) -> list[Json]:
    """Return a part of the grid, and a continuation after it if there is more."""
    listed = channel.listed
    end = start + channel.page_size
    items = [build_item(video) for video in listed[start:end]]
    if end < len(listed):
        command = {
            "token": make_token("list", channel.channel_id, "streams", end),
            "request": "CONTINUATION_REQUEST_TYPE_BROWSE",
        }
        endpoint = {"continuationCommand": command}
        trigger = {"trigger": "CONTINUATION_TRIGGER_ON_ITEM_SHOWN", "continuationEndpoint": endpoint}
        items.append({"continuationItemRenderer": trigger})
    return items


def answer_browse(youtube: FakeYoutube, request: Request) -> Reply:
    """Return what comes after a part of the grid, or a whole tab when it is asked for by its id."""
    content = request.json
    if not content.get("context", {}).get("client"):
        return INVALID
    token = read_token(content.get("continuation"))
    wanted = token.subject if token and token.use == "list" else content.get("browseId")
    channel = next((one for one in youtube.channels if one.channel_id == wanted), None)
    if channel is None:
        return NOT_FOUND
    if token is None:
        tab = next((name for name, params in _PARAMS.items() if params == content.get("params")), "featured")
        return json_reply(channel_data(channel, tab))
    time.sleep(channel.delay_s(token.number) if callable(channel.delay_s) else channel.delay_s)
    action = {"continuationItems": grid_items(channel, token.number), "targetId": "grid-of-streams"}
    return json_reply(
        {
            "responseContext": {**CONTEXT, "visitorData": VISITOR_DATA},
            "onResponseReceivedActions": [{"appendContinuationItemsAction": action}],
        }
    )


def redirect_to_consent(request: Request) -> Reply | None:
    """Return the way to the consent page for who has not answered it, else None."""
    answered = request.cookies.get("SOCS", "CAA")
    if not answered.startswith("CAA"):
        return None
    query = "&".join(f"{name}={quote(value)}" for name, value in request.query.items())
    back = quote(f"https://{request.host}{request.path}" + (f"?{query}" if query else ""), safe="")
    target = f"https://consent.youtube.com/m?continue={back}&gl=DE&m=0&pc=yt&cm=2&hl=en&src=1"
    return Reply(status=302, headers=(("Location", target),))


def answer_consent(request: Request) -> Reply:
    """Return the page that asks for consent."""
    html = f"<h1>Before you continue to YouTube</h1><p>{escape(request.query.get('continue', ''))}</p>"
    return Reply(html.encode())


def build_item(video: Video) -> Json:
    """Return a `richItemRenderer` that holds a stream."""
    lasted = format_clock(video.duration_s).removeprefix("0:")
    badge: Json = {"text": lasted, "badgeStyle": "THUMBNAIL_OVERLAY_BADGE_STYLE_DEFAULT"}
    said = "Streamed 2 weeks ago"
    time_part = {"text": {"content": said}, "accessibilityLabel": said}
    views_part: Json = {"text": {"content": f"{video.views:,} views"}}
    if video.status == "live":
        badge = {"text": "LIVE", "badgeStyle": "THUMBNAIL_OVERLAY_BADGE_STYLE_LIVE"}
        rows: list[Json] = [{"metadataParts": [{"text": {"content": f"{video.views:,} watching"}}]}]
    elif video.status == "upcoming":
        badge["text"] = "Upcoming"
        when = {"text": {"content": f"Scheduled for {video.started_at[:10]}"}}
        rows = [{"metadataParts": [{"text": {"content": "32 waiting"}}, when]}]
    elif video.status == "members_only":
        shown = {"badgeText": "Members only", "badgeStyle": "BADGE_MEMBERS_ONLY"}
        rows = [{"metadataParts": [time_part]}, {"badges": [{"badgeViewModel": shown}]}]
    else:
        rows = [{"metadataParts": [views_part, time_part]}]
    overlay = {"thumbnailBottomOverlayViewModel": {"badges": [{"thumbnailBadgeViewModel": badge}]}}
    image = {"thumbnailViewModel": {"overlays": [overlay]}}
    metadata = {
        "title": {"content": video.title},
        "metadata": {"contentMetadataViewModel": {"metadataRows": rows, "delimiter": " • "}},
    }
    lockup = {
        "contentImage": image,
        "metadata": {"lockupMetadataViewModel": metadata},
        "contentId": video.id,
        "contentType": "LOCKUP_CONTENT_TYPE_VIDEO",
    }
    return {"richItemRenderer": {"content": {"lockupViewModel": lockup}}}
