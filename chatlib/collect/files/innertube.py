"""YouTube's own chat data: raw responses, yt-dlp's live_chat files, arrays of actions, single ones.

An action adds, replaces or removes something; what is shown comes as a renderer, whose name
gives the kind: `liveChatPaidMessageRenderer` is a `paid_message`.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from chatlib.collect.files.renderers import read_renderer, read_text
from chatlib.collect.files.rows import (
    Chat,
    IdMaker,
    Notes,
    as_list,
    as_object,
    walk,
)
from chatlib.records import YOUTUBE, Message, Stream
from chatlib.text import read_name
from chatlib.times import read_offset

__all__ = ["Action", "find_actions", "find_chat", "find_stream_ids", "iter_actions", "read_actions"]

_ACTIONS = frozenset(
    {
        "addBannerToLiveChatCommand",
        "addChatItemAction",
        "addLiveChatTickerItemAction",
        "markChatItemAsDeletedAction",
        "markChatItemsByAuthorAsDeletedAction",
        "removeBannerForLiveChatCommand",
        "removeChatItemAction",
        "removeChatItemByAuthorAction",
        "replaceChatItemAction",
        "replayChatItemAction",
    }
)
_REMOVALS = {
    "markChatItemAsDeletedAction": "deleted_message",
    "markChatItemsByAuthorAsDeletedAction": "ban_user",
    "removeBannerForLiveChatCommand": "remove_banner",
    "removeChatItemAction": "deleted_message",
    "removeChatItemByAuthorAction": "ban_user",
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
        actions = content.get("actions")
        if "continuations" in content or (type(actions) is list and _are_actions(actions)):
            return find_actions(as_list(actions)) or []
        return None
    if type(content) is not list:
        return None
    found, known = [], False
    for item in content:
        actions = find_actions(item) if type(item) is dict else None
        known = known or actions is not None
        found.extend([Action(item, None)] if actions is None else actions)
    return found if known else None


def _are_actions(items: list) -> bool:
    return any(type(item) is dict and _ACTIONS & item.keys() for item in items)


def iter_actions(item: dict) -> Iterator[Action]:
    """Yield the actions of one item; live captures have the offset one level higher than replays."""
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
        shown = _read_action(_name_action(action.content), action.content, notes)
        if shown is not None:
            messages.append(ids.complete(_place(shown, action.offset_ms, notes)))
    return messages


def _name_action(content: dict) -> str | None:
    return next((key for key in content if type(key) is str and _ACTION_NAME.fullmatch(key)), None)


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
