"""Rows of a simulated chat as YouTube sends them in a replay: actions that hold renderers."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

Json = dict[str, Any]
_PIECE = re.compile(
    "(:_[A-Za-z]+:)|([\U0001f000-\U0001faff\u2600-\u27bf][\ufe0f\u200d\U0001f3fb-\U0001f3ff\u2640\u2642]*)"
)


def replay_action(row: Json) -> Json:
    """Return one row of chat-downloader's schema as the item of a replay's batch.

    What was said before the start has the offset 0 and a clock such as -3:51, as on YouTube.
    """
    offset_ms = max(0, round(row["time_in_seconds"] * 1000))
    return {"replayChatItemAction": {"actions": [_build_action(row)], "videoOffsetTimeMsec": str(offset_ms)}}


def text_runs(text: str) -> Json:
    """Return a text as runs: plain text, the channel's emoji, and Unicode's, which come with shortcuts."""
    runs: list[Json] = []
    at = 0
    for match in _PIECE.finditer(text):
        if match.start() > at:
            runs.append({"text": text[at : match.start()]})
        runs.append({"emoji": _custom_emoji(match[1]) if match[1] else _emoji(match[2])})
        at = match.end()
    if at < len(text) or not runs:
        runs.append({"text": text[at:]})
    return {"runs": runs}


def _custom_emoji(name: str) -> Json:
    return {"emojiId": f"UC/{name}", "shortcuts": [name, f":{name[2:]}"], "isCustomEmoji": True}


def _emoji(sign: str) -> Json:
    name = unicodedata.name(sign[0], "sign").lower().replace(" ", "_").replace("-", "_")
    return {"emojiId": sign, "shortcuts": [f":{name}:"]}


def _build_action(row: Json) -> Json:
    kind = row["message_type"]
    if kind == "mark_chat_item_as_deleted_action":
        shown = {"runs": [{"text": row["message"]}]}
        return {"markChatItemAsDeletedAction": {
            "deletedStateMessage": shown, "targetItemId": row["target_message_id"]}}  # fmt: skip
    if not kind.startswith("ticker_"):
        return {"addChatItemAction": {"item": _build_item(kind, row), "clientId": row["message_id"][-11:]}}
    of_kind = kind.removeprefix("ticker_").removesuffix("_item") if "paid" in kind else "membership_item"
    ticker: Json = {
        "id": row["message_id"],
        "durationSec": row["ticker_duration"],
        "showItemEndpoint": {"showLiveChatItemEndpoint": {"renderer": _build_item(of_kind, row)}},
        "authorExternalChannelId": row["author"]["id"],
    }
    if kind == "ticker_sponsor_item":
        ticker["detailText"] = {"runs": [{"text": "Member"}]}
    if kind == "ticker_paid_message_item":
        ticker["amount"] = {"simpleText": row["money"]["text"]}
    item = {_name_renderer(kind): ticker}
    return {"addLiveChatTickerItemAction": {"item": item, "durationSec": str(row["ticker_duration"])}}


def _name_renderer(kind: str) -> str:
    return f"liveChat{kind.title().replace('_', '')}Renderer"


def _build_item(kind: str, row: Json) -> Json:
    """Return a row as the renderer of its kind; placeholders and YouTube's own words have no author."""
    body: Json = {"id": row["message_id"], "timestampUsec": str(row["timestamp"])}
    if kind == "viewer_engagement_message":
        body |= {"icon": {"iconType": row["icon"]}, "message": {"runs": [{"text": row["message"]}]}}
    elif kind != "placeholder_item":
        body |= _build_words(row)
    if kind == "sponsorships_gift_purchase_announcement":
        head = {name: body.pop(name) for name in ("authorName", "authorBadges") if name in body}
        head["primaryText"] = body.pop("message")
        body["header"] = {"liveChatSponsorshipsHeaderRenderer": head}
    return {_name_renderer(kind): body}


def _build_words(row: Json) -> Json:
    """Return who wrote, what, and for how much."""
    body: Json = {
        "authorName": {"simpleText": row["author"]["name"]},
        "authorExternalChannelId": row["author"]["id"],
        "timestampText": {"simpleText": row["time_text"]},
    }
    if badges := row["author"].get("badges"):
        titles = (badge["title"] for badge in badges)
        body["authorBadges"] = [{"liveChatAuthorBadgeRenderer": {"tooltip": title}} for title in titles]
    if row.get("money"):
        body["purchaseAmountText"] = {"simpleText": row["money"]["text"]}
    if "header_primary_text" in row:
        body["headerPrimaryText"] = text_runs(row["header_primary_text"])
    if "header_secondary_text" in row:
        body["headerSubtext"] = {"simpleText": row["header_secondary_text"]}
    if row["message"]:
        body["message"] = text_runs(row["message"])
    return body
