"""Rows of a simulated chat as YouTube sends them in a replay: actions that hold renderers."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from typing import Any
from urllib.parse import quote

__all__ = ["replay_action", "text_runs"]

Json = dict[str, Any]
_PIECE = re.compile(
    "(:_[A-Za-z]+:)|([\U0001f000-\U0001faff\u2600-\u27bf][\ufe0f\u200d\U0001f3fb-\U0001f3ff\u2640\u2642]*)"
)
_TIERS = (
    (100, 4293271831),
    (50, 4293467747),
    (20, 4294278144),
    (10, 4294953512),
    (5, 4280150454),
    (0, 4280191205),
)
_CHANNEL_ICON = "https://yt3.ggpht.com/c4VeMGTVemojis"


def replay_action(row: Json, *, channel_id: str, video_id: str) -> Json:
    """Return one row of chat-downloader's schema as the item of a replay's batch.

    What was said before the start has the offset 0 and a clock such as -3:51, as on YouTube.
    """
    offset_ms = max(0, round(row["time_in_seconds"] * 1000))
    action = _build_action(row, f"{channel_id}/{video_id}")
    return {"replayChatItemAction": {"actions": [action], "videoOffsetTimeMsec": str(offset_ms)}}


def text_runs(text: str, channel_id: str) -> Json:
    """Return a text as runs: plain text, the channel's emoji, and Unicode's, which come with shortcuts."""
    runs: list[Json] = []
    at = 0
    for match in _PIECE.finditer(text):
        if match.start() > at:
            runs.append({"text": text[at : match.start()]})
        runs.append({"emoji": _custom_emoji(match[1], channel_id) if match[1] else _emoji(match[2])})
        at = match.end()
    if at < len(text) or not runs:
        runs.append({"text": text[at:]})
    return {"runs": runs}


def _custom_emoji(name: str, channel_id: str) -> Json:
    digest = base64.urlsafe_b64encode(hashlib.blake2b(name.encode(), digest_size=16).digest()).decode()[:22]
    return {
        "emojiId": f"{channel_id}/{digest}",
        "shortcuts": [name, f":{name[2:]}"],
        "searchTerms": [name[1:-1], name[2:-1]],
        "image": _thumbnails(f"https://yt3.ggpht.com/{digest}=w", (24, 48), label=name),
        "isCustomEmoji": True,
    }


def _emoji(sign: str) -> Json:
    name = unicodedata.name(sign[0], "sign").lower().replace(" ", "_").replace("-", "_")
    image = _thumbnails(f"https://www.youtube.com/s/gaming/emoji/{ord(sign[0]):x}.svg?", (), label=sign)
    return {"emojiId": sign, "shortcuts": [f":{name}:"], "searchTerms": name.split("_"), "image": image}


def _thumbnails(url: str, sizes: tuple[int, ...], *, label: str = "") -> Json:
    images = [{"url": f"{url}{size}-h{size}-c-k-nd", "width": size, "height": size} for size in sizes]
    found: Json = {"thumbnails": images or [{"url": url}]}
    if label:
        found["accessibility"] = {"accessibilityData": {"label": label}}
    return found


def _build_action(row: Json, place: str) -> Json:
    kind = row["message_type"]
    if kind == "mark_chat_item_as_deleted_action":
        shown = {"runs": [{"text": row["message"]}]}
        return {"markChatItemAsDeletedAction": {
            "deletedStateMessage": shown, "targetItemId": row["target_message_id"]}}  # fmt: skip
    if kind.startswith("ticker_"):
        item = _build_ticker(kind, row, place)
        seconds = str(row["ticker_duration"])
        return {"addLiveChatTickerItemAction": {"item": item, "durationSec": seconds}}
    return {"addChatItemAction": {"item": _BUILDERS[kind](row, place), "clientId": row["message_id"][-11:]}}


def _head(row: Json, place: str) -> Json:
    """Return what every message of a person has."""
    channel_id, _, video_id = place.partition("/")
    author = row["author"]
    head = {
        "id": row["message_id"],
        "timestampUsec": str(row["timestamp"]),
        "authorName": {"simpleText": author["name"]},
        "authorPhoto": _photo(author["id"]),
        "authorExternalChannelId": author["id"],
        "contextMenuEndpoint": {
            "commandMetadata": {"webCommandMetadata": {"ignoreNavigation": True}},
            "liveChatItemContextMenuEndpoint": {
                "params": _menu(row["message_id"], channel_id, video_id, author["id"])
            },
        },
        "contextMenuAccessibility": {"accessibilityData": {"label": "Chat actions"}},
        "timestampText": {"simpleText": row["time_text"]},
    }
    badges = [_badge(badge["title"]) for badge in author.get("badges", ())]
    return {**head, "authorBadges": badges} if badges else head


def _photo(author_id: str) -> Json:
    return _thumbnails(f"https://yt4.ggpht.com/ytc/{author_id[5:]}=s", (32, 64))


def _badge(title: str) -> Json:
    shown: Json = {"tooltip": title, "accessibility": {"accessibilityData": {"label": title}}}
    if title in ("Moderator", "Owner", "Verified"):
        shown["icon"] = {"iconType": title.upper()}
    else:
        shown["customThumbnail"] = {
            "thumbnails": [{"url": f"{_CHANNEL_ICON}=s{size}-c-k"} for size in (16, 32)]
        }
    return {"liveChatAuthorBadgeRenderer": shown}


def _menu(message_id: str, channel_id: str, video_id: str, author_id: str) -> str:
    """Return the menu's parameters: protocol buffers that name message, channel, video and author."""
    place = b"\n\x18" + channel_id.encode() + b"\x12\x0b" + video_id.encode()
    content = (
        _field(b"\n", _field(b"\n", message_id.encode()))
        + _field(b"\x1a", _field(b"*", place))
        + b" \x01(\x042"
        + bytes([len(author_id) + 2])
        + _field(b"\n", author_id.encode())
    )
    return base64.urlsafe_b64encode(quote(base64.urlsafe_b64encode(content)).encode()).decode()


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + bytes([len(content) & 127]) + content


def _money(row: Json) -> Json:
    amount = row["money"]["amount"]
    colour = next(colour for least, colour in _TIERS if amount >= least)
    return {
        "purchaseAmountText": {"simpleText": row["money"]["text"]},
        "headerBackgroundColor": colour,
        "headerTextColor": 3741319168,
        "bodyBackgroundColor": colour,
        "bodyTextColor": 3741319168,
        "authorNameTextColor": 2315255808,
        "timestampColor": 2147483648,
    }


def _text_message(row: Json, place: str) -> Json:
    message = text_runs(row["message"], place.partition("/")[0])
    return {"liveChatTextMessageRenderer": {"message": message, **_head(row, place)}}


def _paid_message(row: Json, place: str) -> Json:
    content = {**_head(row, place), **_money(row)}
    if row["message"] is not None:
        content["message"] = text_runs(row["message"], place.partition("/")[0])
    return {"liveChatPaidMessageRenderer": content}


def _paid_sticker(row: Json, place: str) -> Json:
    url = "//lh3.googleusercontent.com/" + row["sticker_images"][0]["url"].rpartition("/")[2] if (
        "sticker_images" in row) else "//lh3.googleusercontent.com/sticker"  # fmt: skip
    return {
        "liveChatPaidStickerRenderer": {
            **_head(row, place),
            "sticker": _thumbnails(f"{url}=s", (72, 144), label="Harbour seal clapping"),
            "moneyChipBackgroundColor": 4278248959,
            "moneyChipTextColor": 4278190080,
            "purchaseAmountText": {"simpleText": row["money"]["text"]},
            "stickerDisplayWidth": 72,
            "stickerDisplayHeight": 72,
            "backgroundColor": 4278237396,
            "authorNameTextColor": 3003121664,
        }
    }


def _membership(row: Json, place: str) -> Json:
    content = _head(row, place)
    if "header_primary_text" in row:
        content["headerPrimaryText"] = {
            "runs": [{"text": part} for part in _split_words(row["header_primary_text"])]
        }
        content["headerSubtext"] = {"simpleText": row["header_secondary_text"]}
        if row["message"]:
            content["message"] = text_runs(row["message"], place.partition("/")[0])
        else:
            content["empty"] = True
    else:
        parts = _split_words(row["header_secondary_text"])
        content["headerSubtext"] = {"runs": [{"text": part} for part in parts]}
    return {"liveChatMembershipItemRenderer": content}


def _split_words(text: str) -> list[str]:
    """Cut YouTube's sentence where it puts in what varies, as its runs do."""
    return [part for part in re.split(r"(\d+)|(?<=Welcome to )", text) if part]


def _gift_purchase(row: Json, place: str) -> Json:
    head = _head(row, place)
    kept = {name: head.pop(name) for name in ("id", "timestampUsec", "authorExternalChannelId")}
    clock = head.pop("timestampText")
    bold = [{"text": part, "bold": True} for part in _split_words(row["message"])]
    image = _thumbnails("https://www.gstatic.com/youtube/img/sponsorships/gift.png", ())
    header = {"liveChatSponsorshipsHeaderRenderer": {**head, "primaryText": {"runs": bold}, "image": image}}
    content = {**kept, "timestampText": clock, "header": header}
    return {"liveChatSponsorshipsGiftPurchaseAnnouncementRenderer": content}


def _gift_redemption(row: Json, place: str) -> Json:
    said, _, giver = row["message"].rpartition(" ")
    runs = [{"text": f"{said} ", "italics": True}, {"text": giver, "bold": True, "italics": True}]
    content = {**_head(row, place), "message": {"runs": runs}}
    return {"liveChatSponsorshipsGiftRedemptionAnnouncementRenderer": content}


def _engagement(row: Json, place: str) -> Json:
    return {
        "liveChatViewerEngagementMessageRenderer": {
            "id": row["message_id"],
            "timestampUsec": str(row["timestamp"]),
            "icon": {"iconType": row["icon"]},
            "message": {"runs": [{"text": row["message"]}]},
        }
    }


def _placeholder(row: Json, place: str) -> Json:
    content = {"id": row["message_id"], "timestampUsec": str(row["timestamp"])}
    return {"liveChatPlaceholderItemRenderer": content}


def _build_ticker(kind: str, row: Json, place: str) -> Json:
    item = _BUILDERS[
        kind.removeprefix("ticker_").removesuffix("_item") if "paid" in kind else "membership_item"
    ]
    photo, seconds = _photo(row["author"]["id"]), row["ticker_duration"]
    ticker: Json = {
        "id": row["message_id"],
        "startBackgroundColor": 4294953512,
        "endBackgroundColor": 4294947584,
        "durationSec": seconds,
        "showItemEndpoint": {
            "commandMetadata": {"webCommandMetadata": {"ignoreNavigation": True}},
            "showLiveChatItemEndpoint": {"renderer": item(row, place)},
        },
        "authorExternalChannelId": row["author"]["id"],
        "fullDurationSec": seconds,
    }
    if kind == "ticker_sponsor_item":
        detail = {"detailText": {"runs": [{"text": "Member"}]}, "detailTextColor": 4294967295}
        return {"liveChatTickerSponsorItemRenderer": {**ticker, **detail, "sponsorPhoto": photo}}
    ticker["authorPhoto"] = photo
    if kind == "ticker_paid_sticker_item":
        icons = [_thumbnails("//lh3.googleusercontent.com/pack=s", (32, 64), label="Harbour pack")]
        return {"liveChatTickerPaidStickerItemRenderer": {**ticker, "tickerThumbnails": icons}}
    amount = {"amount": {"simpleText": row["money"]["text"]}, "amountTextColor": 3741319168}
    return {"liveChatTickerPaidMessageItemRenderer": {**ticker, **amount}}


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
