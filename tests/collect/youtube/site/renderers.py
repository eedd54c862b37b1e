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
    if kind.startswith("ticker_"):
        item = _build_ticker(kind, row)
        seconds = str(row["ticker_duration"])
        return {"addLiveChatTickerItemAction": {"item": item, "durationSec": seconds}}
    return {"addChatItemAction": {"item": _BUILDERS[kind](row), "clientId": row["message_id"][-11:]}}


def _head(row: Json) -> Json:
    """Return what every message of a person has."""
    author = row["author"]
    head = {
        "id": row["message_id"],
        "timestampUsec": str(row["timestamp"]),
        "authorName": {"simpleText": author["name"]},
        "authorExternalChannelId": author["id"],
        "timestampText": {"simpleText": row["time_text"]},
    }
    badges = [_badge(badge["title"]) for badge in author.get("badges", ())]
    return {**head, "authorBadges": badges} if badges else head


def _badge(title: str) -> Json:
    return {"liveChatAuthorBadgeRenderer": {"tooltip": title}}


def _text_message(row: Json) -> Json:
    message = text_runs(row["message"])
    return {"liveChatTextMessageRenderer": {"message": message, **_head(row)}}


def _paid_message(row: Json) -> Json:
    content = {**_head(row), "purchaseAmountText": {"simpleText": row["money"]["text"]}}
    if row["message"] is not None:
        content["message"] = text_runs(row["message"])
    return {"liveChatPaidMessageRenderer": content}


def _paid_sticker(row: Json) -> Json:
    content = {**_head(row), "purchaseAmountText": {"simpleText": row["money"]["text"]}}
    return {"liveChatPaidStickerRenderer": content}


def _membership(row: Json) -> Json:
    content = _head(row)
    if "header_primary_text" in row:
        content["headerPrimaryText"] = text_runs(row["header_primary_text"])
    content["headerSubtext"] = {"simpleText": row["header_secondary_text"]}
    if row["message"]:
        content["message"] = text_runs(row["message"])
    return {"liveChatMembershipItemRenderer": content}


def _gift_purchase(row: Json) -> Json:
    head = _head(row)
    kept = {name: head.pop(name) for name in ("id", "timestampUsec", "authorExternalChannelId")}
    clock = head.pop("timestampText")
    header = {"liveChatSponsorshipsHeaderRenderer": {**head, "primaryText": text_runs(row["message"])}}
    content = {**kept, "timestampText": clock, "header": header}
    return {"liveChatSponsorshipsGiftPurchaseAnnouncementRenderer": content}


def _gift_redemption(row: Json) -> Json:
    content = {**_head(row), "message": text_runs(row["message"])}
    return {"liveChatSponsorshipsGiftRedemptionAnnouncementRenderer": content}


def _engagement(row: Json) -> Json:
    return {
        "liveChatViewerEngagementMessageRenderer": {
            "id": row["message_id"],
            "timestampUsec": str(row["timestamp"]),
            "icon": {"iconType": row["icon"]},
            "message": {"runs": [{"text": row["message"]}]},
        }
    }


def _placeholder(row: Json) -> Json:
    content = {"id": row["message_id"], "timestampUsec": str(row["timestamp"])}
    return {"liveChatPlaceholderItemRenderer": content}


def _build_ticker(kind: str, row: Json) -> Json:
    item = _BUILDERS[
        kind.removeprefix("ticker_").removesuffix("_item") if "paid" in kind else "membership_item"
    ]
    ticker: Json = {
        "id": row["message_id"],
        "durationSec": row["ticker_duration"],
        "showItemEndpoint": {"showLiveChatItemEndpoint": {"renderer": item(row)}},
        "authorExternalChannelId": row["author"]["id"],
    }
    if kind == "ticker_sponsor_item":
        detail = {"runs": [{"text": "Member"}]}
        return {"liveChatTickerSponsorItemRenderer": {**ticker, "detailText": detail}}
    if kind == "ticker_paid_sticker_item":
        return {"liveChatTickerPaidStickerItemRenderer": ticker}
    amount = {"simpleText": row["money"]["text"]}
    return {"liveChatTickerPaidMessageItemRenderer": {**ticker, "amount": amount}}


_BUILDERS = {
    "membership_item": _membership,
    "paid_message": _paid_message,
    "paid_sticker": _paid_sticker,
    "placeholder_item": _placeholder,
    "sponsorships_gift_purchase_announcement": _gift_purchase,
    "sponsorships_gift_redemption_announcement": _gift_redemption,
    "text_message": _text_message,
    "viewer_engagement_message": _engagement,
}
