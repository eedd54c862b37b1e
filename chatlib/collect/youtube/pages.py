"""YouTube's page of a channel's streams as rows: pure functions of its text or data.

Both layouts are read: `videoRenderer` (until spring 2026) and `lockupViewModel` (since). The first page
carries its rows in `ytInitialData`; each answer of `/youtubei/v1/browse` carries the next ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chatlib.collect.address import is_video_id
from chatlib.collect.files.renderers import read_text
from chatlib.collect.files.rows import as_list, walk
from chatlib.collect.sites import VideoFacts
from chatlib.text import clean_text, read_name

__all__ = [
    "StreamPage",
    "distinct_streams",
    "find_initial_data",
    "read_clock",
    "read_line",
    "read_stream_page",
]

_CLOCK = re.compile(r"(?:(\d{1,3})[:.])?(\d{1,3})[:.](\d\d)")
_INITIAL = re.compile(r"""(?:\bvar\s+ytInitialData|\bwindow\s*\[\s*["']ytInitialData["']\s*\])\s*=\s*""")
_COUNT = re.compile(r"(\d{1,3}(?:[.,\s’']\d{3})+|\d+)\s+[^\W\d]+|(\d+(?:\.\d+)?)([KMB])\s+[^\W\d]+")
_UNITS = {"K": 10**3, "M": 10**6, "B": 10**9}
_ROWS = {"videoRenderer", "gridVideoRenderer", "lockupViewModel"}
_MORE = {"continuationItemRenderer", "continuationItemViewModel"}
_TIME_STATUS = "thumbnailOverlayTimeStatusRenderer"
_TRACES = {"videoId", "contentId", "watchEndpoint"}  # of videos in any layout
_ANSWERS = ("onResponseReceivedActions", "onResponseReceivedEndpoints", "continuationContents")


class StreamPage(NamedTuple):
    """The content of one page, or of one answer that continues it.

    `continuation` is the token of the next rows, None at the end. `has_tab` is whether the tab of streams
    is selected; None in an answer, which has no tabs, and where that tab holds videos in an unknown
    layout. `alert` is YouTube's error.
    """

    streams: list[VideoFacts]
    continuation: str | None
    channel_id: str | None
    channel_name: str | None
    has_tab: bool | None
    alert: str | None


def find_initial_data(text: str) -> dict | None:
    """Return `ytInitialData` of a page's text, or None if the text holds none that can be read."""
    decoder = json.JSONDecoder()
    for match in _INITIAL.finditer(text):
        try:
            data, _ = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict) and data:
            return data
    return None


def read_stream_page(data: object) -> StreamPage:
    """Return what a page's `ytInitialData`, or an answer of `browse`, says; rows in the page's order.

    Rows without a proper video id are left out; other tabs, menus and playlists are not looked at.
    """
    tabs = walk(data, "contents", "twoColumnBrowseResultsRenderer", "tabs")
    if type(tabs) is list:
        has_tab, content = _selected_tab(tabs)
    else:
        has_tab, content = None, [walk(data, key) for key in _ANSWERS]
    found = list(_find(content, _ROWS | _MORE))
    rows = distinct_streams(row for key, node in found if key in _ROWS and (row := _read_row(key, node)))
    tokens = [_token(node) for key, node in found if key in _MORE]
    if has_tab and not rows and any(_find(content, _TRACES)):
        has_tab = None
    channel = walk(data, "metadata", "channelMetadataRenderer")
    return StreamPage(
        streams=rows,
        continuation=next((token for token in reversed(tokens) if token), None),
        channel_id=read_name(walk(channel, "externalId")),
        channel_name=read_line(clean_text(walk(channel, "title"))),
        has_tab=has_tab,
        alert=_alert(walk(data, "alerts")),
    )


def distinct_streams(rows: Iterable[VideoFacts]) -> list[VideoFacts]:
    """Return the first row of each video, in order; what it does not say comes from a later one."""
    kept: dict[str, VideoFacts] = {}
    for row in rows:
        known = kept.get(row.video_id)
        kept[row.video_id] = row if known is None else _fill(known, row)
    return list(kept.values())


def read_clock(text: str | None) -> float | None:
    """Return the seconds of a duration as thumbnails show it (`1:02:03`, `2:03`), or None."""
    found = _CLOCK.fullmatch(text.strip()) if text else None
    if found is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def read_line(text: str | None) -> str | None:
    """Return a text on one line, without the control characters that no sheet can hold, or None."""
    if not text:
        return None
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]", " ", text).split()) or None


def _fill(known: VideoFacts, later: VideoFacts) -> VideoFacts:
    facts = {name: value for name, value in known._asdict().items() if value is not None}
    return later._replace(**facts)


def _selected_tab(tabs: list) -> tuple[bool | None, object]:
    """Return whether the tab of streams is the selected one, and its content; None if none is selected."""
    for tab in tabs:
        tab = walk(tab, "tabRenderer")
        if walk(tab, "selected") is True:
            url = walk(tab, "endpoint", "commandMetadata", "webCommandMetadata", "url")
            if isinstance(url, str) and not url.split("?")[0].rstrip("/").endswith("/streams"):
                return False, None
            return True, walk(tab, "content")
    return None, None


def _find(node: object, keys: set[str]) -> Iterator[tuple[str, object]]:
    """Yield the outermost values of some keys, in the page's order; any depth, without recursion."""
    waiting: list[tuple[str, object]] = [("", node)]
    while waiting:
        key, node = waiting.pop()
        if key in keys:
            yield key, node
        elif type(node) is dict:
            waiting.extend(reversed(node.items()))
        elif type(node) is list:
            waiting.extend(("", item) for item in reversed(node))


def _token(node: object) -> str | None:
    for _, command in _find(node, {"continuationCommand"}):
        if token := read_name(walk(command, "token")):
            return token
    return None


def _alert(alerts: object) -> str | None:
    for _, alert in _find(alerts, {"alertRenderer", "alertWithButtonRenderer"}):
        if walk(alert, "type") == "ERROR":
            return read_line(read_text(walk(alert, "text")).text) or "an error without a text"
    return None


def _read_row(key: str, node: object) -> VideoFacts | None:
    return _read_lockup(node) if key == "lockupViewModel" else _read_renderer(node)


def _read_renderer(node: object) -> VideoFacts | None:
    video_id = walk(node, "videoId")
    if not is_video_id(video_id):
        return None
    overlays = [item for _, item in _find(walk(node, "thumbnailOverlays"), {_TIME_STATUS})]
    styles = {walk(item, "style") for item in overlays if isinstance(walk(item, "style"), str)}
    badges = {walk(item, "style") for _, item in _find(walk(node, "badges"), {"metadataBadgeRenderer"})}
    clocks = [read_text(walk(node, "lengthText")).text, *(read_text(walk(o, "text")).text for o in overlays)]
    duration_s = next((s for s in map(read_clock, clocks) if s is not None), None)
    status: str | None
    if "LIVE" in styles or "BADGE_STYLE_TYPE_LIVE_NOW" in badges:
        status = "live"
    elif "UPCOMING" in styles or walk(node, "upcomingEventData"):
        status = "upcoming"
    else:
        status = "finished" if duration_s is not None else None
    views = _read_count(read_text(walk(node, "viewCountText")).text)
    return _make_row(video_id, read_text(walk(node, "title")).text, duration_s, views, status)


def _read_lockup(node: object) -> VideoFacts | None:
    video_id = walk(node, "contentId")
    if not is_video_id(video_id) or walk(node, "contentType") not in (None, "LOCKUP_CONTENT_TYPE_VIDEO"):
        return None
    overlays = walk(node, "contentImage", "thumbnailViewModel", "overlays")
    badges = [badge for _, badge in _find(overlays, {"thumbnailBadgeViewModel"})]
    texts = [text for text in (clean_text(walk(badge, "text")) for badge in badges) if text]
    duration_s = next((s for s in map(read_clock, texts) if s is not None), None)
    status: str | None
    if any(walk(badge, "badgeStyle") == "THUMBNAIL_OVERLAY_BADGE_STYLE_LIVE" for badge in badges):
        status = "live"
    elif duration_s is not None:
        status = "finished"
    else:  # "Upcoming" in the reader's language, in the style of a duration
        status = "upcoming" if texts else None
    described = walk(node, "metadata", "lockupMetadataViewModel")
    title = read_text(walk(described, "title")).text
    return _make_row(video_id, title, duration_s, _lockup_views(described), status)


def _lockup_views(described: object) -> int | None:
    """Return the count that stands before the age; a row of one part is the age alone."""
    for row in as_list(walk(described, "metadata", "contentMetadataViewModel", "metadataRows")):
        parts = as_list(walk(row, "metadataParts"))
        if len(parts) > 1:
            return _read_count(read_text(walk(parts[0], "text")).text)
    return None


def _read_count(text: str | None) -> int | None:
    """Return the number of `118,944 views` or `56K views`; None for words of an unknown meaning."""
    found = _COUNT.fullmatch(text.strip()) if text else None
    if found is None:
        return None
    whole, short, unit = found.groups()
    return int(re.sub(r"\D", "", whole)) if whole else round(float(short) * _UNITS[unit])


def _make_row(
    video_id: str, title: str | None, duration_s: float | None, views: int | None, status: str | None
) -> VideoFacts:
    finished = status not in ("live", "upcoming")  # before the end the page counts viewers
    return VideoFacts(
        video_id, read_line(title), duration_s if finished else None, views if finished else None, status
    )
