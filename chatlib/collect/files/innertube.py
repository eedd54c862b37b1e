"""YouTube's own chat data: raw responses, yt-dlp's live_chat files, arrays of actions, single ones, pages.

An action adds, replaces or removes something; what is shown comes as a renderer, whose name
gives the kind: `liveChatPaidMessageRenderer` is a `paid_message`. The npm package youtube-chat 2.2.0 makes
items of them, in which no field says the kind: see `ChatItem` in its `dist/types/data.d.ts`.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from chatlib.collect.files.chat_downloader import read_row
from chatlib.collect.files.parsing import (
    Chat,
    IdMaker,
    Notes,
    as_list,
    as_object,
    author_key,
    name_json,
    walk,
)  # fmt: skip
from chatlib.money import read_money
from chatlib.records import YOUTUBE, Message, Stream, find_kinds
from chatlib.text import clean_text, read_name, read_number
from chatlib.times import format_timestamp, read_date, read_offset, read_timestamp, read_timestamp_text

__all__ = [
    "Action", "Runs", "find_actions", "find_chat", "find_items", "find_page", "find_stream_ids",
    "iter_actions", "read_actions", "read_link", "read_renderer", "read_text",
]  # fmt: skip

_REMOVALS = {
    "markChatItemAsDeletedAction": "deleted_message",
    "markChatItemsByAuthorAsDeletedAction": "ban_user",
    "removeBannerForLiveChatCommand": "remove_banner",
    "removeChatItemAction": "deleted_message",
    "removeChatItemByAuthorAction": "ban_user",
}
_ACTIONS = _REMOVALS.keys() | {
    "addBannerToLiveChatCommand",
    "addChatItemAction",
    "addLiveChatTickerItemAction",
    "replaceChatItemAction",
    "replayChatItemAction",
}
_ACTION_NAME = re.compile(r"[a-z][A-Za-z]{2,60}(?:Action|Command|Endpoint)")
_WRAPPERS = (
    "parsedInitialData",
    "continuationContents",
    "contents",
    "liveChatContinuation",
    "liveChatRenderer",
)
# A message's menu holds the channel's and the video's id, base64 in base64 in protocol buffers.
_IDS_IN_MENU = re.compile(rb"\n\x18(UC[\w-]{22})\x12\x0b([\w-]{11})")
_PARAMS = ("contextMenuEndpoint", "liveChatItemContextMenuEndpoint", "params")
_RENDERER = re.compile(r"liveChat([A-Z][A-Za-z]{1,60})Renderer")
_KINDS = find_kinds("youtube")
_SPOKEN = find_kinds("spoken")  # elsewhere `message` is YouTube's sentence
_ADDRESS = re.compile(r"(https?://|www\.)", re.I)
_ROLES = {"isOwner": "Owner", "isVerified": "Verified", "isModerator": "Moderator"}
_HOME = "https://www.youtube.com"
_PLAYERS = ("parsedInitialPlayerResponse", "playerResponse", "ytInitialPlayerResponse")
_NOTICES = ("headerPrimaryText", "headerSubtext", "text", "subtext", "detailText", "primaryText")


# ------------------------------------------------------------------ actions


class Action(NamedTuple):
    """One action, and the stream's offset in milliseconds where a replay gives it."""

    content: object
    offset_ms: object


def find_chat(content: object, notes: Notes) -> Chat | None:
    """Return the chat in parsed JSON if it is YouTube's own."""
    actions = find_actions(content)
    if actions is None:
        return None
    channel_id, video_id = find_stream_ids(actions)
    stream = Stream(YOUTUBE, video_id or "", channel_id=channel_id)
    return Chat("youtube", stream, read_actions(actions, notes), notes)


def find_actions(content: object) -> list[Action] | None:
    """Return the actions in parsed JSON, in their order, or None if it is no chat of YouTube's."""
    if type(content) is dict:
        if _ACTIONS & content.keys():
            return list(iter_actions(content))
        for key in _WRAPPERS:
            if type(content.get(key)) is dict:
                return find_actions(content[key])
        items = as_list(content.get("actions"))
        if "continuations" in content or any(_ACTIONS & as_object(item).keys() for item in items):
            return find_actions(items) or []
        return None
    if type(content) is not list:
        return None
    found, known = [], False
    for item in content:
        actions = find_actions(item) if type(item) is dict else None
        known = known or actions is not None
        found.extend([Action(item, None)] if actions is None else actions)
    return found if known else None


def iter_actions(item: object) -> Iterator[Action]:
    """Yield the actions of one item; live captures have the offset one level higher than replays."""
    if type(item) is not dict:
        yield Action(item, None)
        return
    replay = item.get("replayChatItemAction")
    if type(replay) is not dict:
        yield Action(item, item.get("videoOffsetTimeMsec"))
        return
    offset_ms = replay.get("videoOffsetTimeMsec", item.get("videoOffsetTimeMsec"))
    actions = replay.get("actions")
    for action in actions if type(actions) is list else [None]:
        yield Action(action, offset_ms)


def read_actions(actions: Iterable[Action], notes: Notes) -> list[Message]:
    """Return the messages that actions add, replace or remove; other actions are counted by their names."""
    ids = IdMaker()
    messages = []
    for action in actions:
        if type(action.content) is not dict:
            notes["row is no object"] += 1
            continue
        names = (key for key in action.content if type(key) is str and _ACTION_NAME.fullmatch(key))
        shown = _read_action(next(names, None), action.content, notes)
        if shown is not None:
            messages.append(ids.complete(_place(shown, action.offset_ms, notes)))
    return messages


def find_stream_ids(actions: list[Action]) -> tuple[str | None, str | None]:
    """Return the ids of the channel and the video in the first messages' menus, or None."""
    for action in actions[:100]:
        item = walk(action.content, "addChatItemAction", "item")
        for renderer in as_object(item).values():
            ids = _IDS_IN_MENU.search(_decode_menu(walk(renderer, *_PARAMS)))
            if ids:
                return ids[1].decode(), ids[2].decode()
    return None, None


def _decode_menu(params: object) -> bytes:
    data = params.encode("utf-8", "replace") if type(params) is str else b""
    try:
        for _ in range(2):
            data = urlsafe_b64decode(unquote_to_bytes(data))
    except ValueError:
        return b""
    return data


def _read_action(name: str | None, content: dict, notes: Notes) -> Message | None:
    body = content.get(name) if name else None
    if type(body) is not dict:
        notes["row is no chat action"] += 1
        return None
    if name in _REMOVALS:
        target = body.get("targetItemId") or body.get("targetActionId")
        return Message(
            message_id="",
            kind=_REMOVALS[name],
            notice=read_text(body.get("deletedStateMessage")).text,
            target_id=read_name(target),
            author_id=read_name(body.get("externalChannelId")),
        )
    if name in ("addChatItemAction", "addLiveChatTickerItemAction"):
        return read_renderer(body.get("item"), notes)
    if name == "replaceChatItemAction":
        shown = read_renderer(body.get("replacementItem"), notes)
        return shown and shown._replace(target_id=read_name(body.get("targetItemId")))
    if name == "addBannerToLiveChatCommand":
        return _read_banner(body, notes)
    notes.count_name("no message", name)
    return None


def _read_banner(body: dict, notes: Notes) -> Message | None:
    banner = walk(body, "bannerRenderer", "liveChatBannerRenderer")
    if type(banner) is not dict:
        notes["row is no chat action"] += 1
        return None
    notice = read_text(walk(banner, "header", "liveChatBannerHeaderRenderer", "text")).text
    shown = read_renderer(banner.get("contents"), Notes()) or Message(
        read_name(banner.get("actionId")) or "", "banner"
    )
    return shown._replace(kind="banner", notice=notice or shown.notice)


def _place(message: Message, offset_ms: object, notes: Notes) -> Message:
    """Return a message at its action's offset; before the start, where that is 0, it tells its own."""
    offset_s = read_offset(offset_ms, scale=1000.0)
    if offset_s is None and offset_ms is not None:
        notes.count_field("offset")
    return message._replace(offset_s=offset_s or (offset_s if message.offset_s is None else message.offset_s))


# ------------------------------------------------------------------ renderers


class Runs(NamedTuple):
    """A text of YouTube's: as plain text, and the names of the emoji in it."""

    text: str | None
    emotes: tuple[str, ...] = ()


def read_text(node: object) -> Runs:
    """Return a text that came as `simpleText`, as runs of text and emoji, or as `content`."""
    if type(node) is str:
        return Runs(clean_text(node))
    if type(node) is not dict:
        return Runs(None)
    runs = node.get("runs")
    if type(runs) is not list:
        plain = clean_text(node.get("simpleText"))
        return Runs(clean_text(node.get("content")) if plain is None else plain)
    parts: list[str] = []
    emotes: list[str] = []
    for run in map(as_object, runs):
        if type(run.get("emoji")) is dict:
            name = _emoji_name(run["emoji"])
            parts.append(name)
            emotes.append(name)
        else:
            parts.append(read_link(run) or "")
    return Runs("".join(parts), tuple(emotes))


def read_link(run: dict) -> str | None:
    """Return a run's text; where it shows an address, the whole one, which the text may shorten."""
    shown = clean_text(run.get("text"))
    url = walk(run, "navigationEndpoint", "commandMetadata", "webCommandMetadata", "url")
    if not shown or type(url) is not str or not _ADDRESS.match(shown):  # words that link, such as hashtags
        return shown
    path = url.removeprefix(_HOME)
    if path.startswith("/redirect?"):
        url = dict(parse_qsl(path.partition("?")[2])).get("q", "")
    elif path.startswith("/"):
        url = ("https:" if path.startswith("//") else _HOME) + path
    return clean_text(url) or shown


def _emoji_name(emoji: dict) -> str:
    first = clean_text(next(iter(as_list(emoji.get("shortcuts"))), None))
    return first or clean_text(emoji.get("emojiId")) or ""


def read_renderer(item: object, notes: Notes) -> Message | None:
    """Return what an item shows, or None, counted by the renderer's name, if it is no message."""
    if type(item) is not dict:
        notes["row is no chat action"] += 1
        return None
    for name, body in item.items():
        kind = _kind_of(name)
        if kind in _KINDS and type(body) is dict:
            return _read_body(str(kind), body, notes)
    notes.count_name("unknown renderer", next(iter(item), ""))
    return None


@lru_cache(maxsize=1024)
def _kind_of(name: str) -> str | None:
    """Return the kind that a renderer's name stands for: its name in snake case."""
    match = _RENDERER.fullmatch(name)
    return match and re.sub(r"(?<!^)([A-Z])", r"_\1", match[1]).lower()


def _read_body(kind: str, body: dict, notes: Notes) -> Message:
    both = _inner(body["header"]) | body if "header" in body else body  # gifts have their author there
    message = read_text(body.get("message"))
    notices = [text for key in _NOTICES if key in both and (text := read_text(both[key]).text)]
    spoken = kind in _SPOKEN
    if not spoken and message.text:
        notices.append(message.text)
    amounts = (read_text(body[key]).text for key in ("purchaseAmountText", "amount") if key in body)
    money = read_money(next(filter(None, amounts), None))
    name = read_text(both.get("authorName")).text or None
    timestamp = read_timestamp(body.get("timestampUsec"))
    if timestamp is None and body.get("timestampUsec") not in (None, 0, "0"):
        notes.count_field("timestamp")
    # Before the start YouTube shows a clock such as -3:51. Live, the clock is the time of day.
    clock = read_text(body.get("timestampText")).text or ""
    shown = Message(
        message_id=read_name(body.get("id")) or "",
        kind=kind,
        offset_s=read_offset(clock) if clock.lstrip().startswith("-") else None,
        author_id=author_key(read_name(both.get("authorExternalChannelId")), name),
        author_name=name,
        text=message.text if spoken else None,
        notice=" · ".join(dict.fromkeys(notices)) or None,
        badges=name_json(_inner(badge).get("tooltip") for badge in as_list(both.get("authorBadges"))),
        **money._asdict(),
        timestamp_us=timestamp,
        emotes=name_json(dict.fromkeys(message.emotes)) if spoken else None,
    )
    return _join_ticker(shown, body, notes) if kind.startswith("ticker_") else shown


def _inner(node: object) -> dict:
    """Return the one renderer inside an object, or an empty one."""
    return next((value for value in as_object(node).values() if type(value) is dict), {})


def _join_ticker(ticker: Message, body: dict, notes: Notes) -> Message:
    """Fill what a ticker leaves out from the item that it repeats."""
    renderer = walk(body, "showItemEndpoint", "showLiveChatItemEndpoint", "renderer")
    if type(renderer) is not dict or any("Ticker" in name for name in renderer):
        return ticker
    item = read_renderer(renderer, notes)
    if item is None:
        return ticker
    repeated = {name: value for name, value in item._asdict().items() if value and name != "kind"}
    return ticker._replace(**repeated)


# ------------------------------------------------------------------ items of youtube-chat


def find_items(content: object, notes: Notes) -> Chat | None:
    """Return the chat in parsed JSON if it holds youtube-chat's items, as JSON or JSON Lines."""
    items = [content] if type(content) is dict else content
    if type(items) is not list or not any(map(_is_item, items[:200])):
        return None
    ids = IdMaker()
    rows = map(_as_row, items)
    messages = [message for row in rows if (message := read_row(row, notes, ids)) is not None]
    return Chat("youtube-chat", Stream(YOUTUBE, ""), messages, notes)


def _is_item(item: object) -> bool:
    if type(item) is not dict or type(item.get("message")) is not list:
        return False
    return type(item.get("author")) is dict and "channelId" in item["author"]


def _as_row(item: object) -> object:
    """Return an item as chat-downloader would write it."""
    if type(item) is not dict:
        return item
    author, chat = as_object(item.get("author")), as_object(item.get("superchat"))
    roles = [title for flag, title in _ROLES.items() if item.get(flag) is True]
    words, emotes = _read_words(item.get("message"))
    text, amount = "".join(words), clean_text(chat.get("amount"))
    # YouTube's sentence about a new member; a person's words are one part.
    is_welcome = len(words) > 2 and words[0] == "Welcome to " and words[-1].endswith("!") and not amount
    has_joined = item.get("isMembership") is True and is_welcome
    is_sticker = bool(amount) and type(chat.get("sticker")) is dict
    return {
        "message_id": item.get("id"),
        "message_type": "membership_item" if has_joined else "paid_sticker" if is_sticker else None,
        "system_message" if has_joined else "message": text or None,
        "author": {"id": author.get("channelId"), "name": author.get("name"),
                   "badges": [*roles, as_object(author.get("badge")).get("label")]},
        "amount": amount,
        "timestamp": read_timestamp_text(item.get("timestamp")) or item.get("timestamp"),
        "emotes": list(dict.fromkeys(emotes)),
    }  # fmt: skip


def _read_words(parts: object) -> tuple[list[str], list[str]]:
    """Return a message's parts as text, and the names of the emoji among them."""
    words, emotes = [], []
    for part in map(as_object, as_list(parts)):
        emoji = clean_text(part.get("alt")) or clean_text(part.get("emojiText"))
        if emoji:
            emotes.append(emoji)
        words.append(emoji or read_link(part) or "")
    return [word for word in words if word], emotes


# ------------------------------------------------------------------ pages


def find_page(content: object, notes: Notes) -> Chat | None:
    """Return a chat without messages, of the stream that a watch page or yt-dlp's info JSON describes."""
    stream = _read_page(content)
    if stream is None:
        return None
    notes["page of a video, without its chat"] += 1
    return Chat("video-page", stream._replace(state="partial"), [], notes)


def _read_page(content: object) -> Stream | None:
    if type(content) is not dict:
        return None
    if content.get("_type", "video") == "video" and "extractor_key" in content:
        return _read_info(content)
    for player in (content, *(content.get(key) for key in _PLAYERS)):
        details = walk(player, "videoDetails")
        if type(details) is dict and read_name(details.get("videoId")):
            return _read_player(details, walk(player, "microformat", "playerMicroformatRenderer"))
    return None


def _read_player(details: dict, micro: object) -> Stream:
    live = walk(micro, "liveBroadcastDetails")
    return Stream(
        platform=YOUTUBE,
        video_id=read_name(details.get("videoId")) or "",
        title=clean_text(details.get("title")) or read_text(walk(micro, "title")).text,
        channel_id=read_name(details.get("channelId")),
        channel_name=read_name(details.get("author")),
        started_at=read_date(walk(live, "startTimestamp")) or read_date(walk(micro, "publishDate")),
        ended_at=read_date(walk(live, "endTimestamp")),
        duration_s=_positive(details.get("lengthSeconds")),
    )


def _read_info(info: dict) -> Stream | None:
    video_id = read_name(info.get("id"))
    if video_id is None:
        return None
    extractor = (clean_text(info.get("extractor_key")) or "").lower()
    started = read_timestamp(info.get("release_timestamp")) or read_timestamp(info.get("timestamp"))
    return Stream(
        platform="twitch" if extractor.startswith("twitch") else extractor[:40],
        video_id=video_id.removeprefix("v") if extractor.startswith("twitch") else video_id,
        url=clean_text(info.get("webpage_url")),
        title=clean_text(info.get("title")),
        channel_id=read_name(info.get("channel_id")),
        channel_name=read_name(info.get("channel")) or read_name(info.get("uploader")),
        started_at=format_timestamp(started),
        duration_s=_positive(info.get("duration")),
    )


def _positive(value: object) -> float | None:
    number = read_number(value)
    return number if number and 0 < number < 1e8 else None
