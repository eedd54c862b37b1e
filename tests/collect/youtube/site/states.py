"""What YouTube says of a video that cannot be watched, or whose chat cannot be read."""

from __future__ import annotations

from typing import Any

from tests.collect.youtube.site.videos import Video

Json = dict[str, Any]
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
