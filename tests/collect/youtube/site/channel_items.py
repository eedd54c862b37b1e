"""One stream in a channel's grid, in the layout of spring 2026."""

from __future__ import annotations

from typing import Any

from tests.collect.youtube.site.videos import Video

Json = dict[str, Any]


def build_item(video: Video) -> Json:
    """Return a `richItemRenderer` that holds a stream."""
    return {"richItemRenderer": {"content": _lockup(video)}}


def clock(seconds: float) -> str:
    """Return a duration as YouTube writes it on a thumbnail."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _lockup(video: Video) -> Json:
    badge: Json = {"text": clock(video.duration_s), "badgeStyle": "THUMBNAIL_OVERLAY_BADGE_STYLE_DEFAULT"}
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
    return {
        "lockupViewModel": {
            "contentImage": image,
            "metadata": {"lockupMetadataViewModel": metadata},
            "contentId": video.id,
            "contentType": "LOCKUP_CONTENT_TYPE_VIDEO",
        }
    }
