"""YouTube's actions spelled so that chat-downloader's parser loses nothing that our own reader keeps.

It writes two texts of one notice into the same field, so that the first is lost, leaves out a
banner's header and what a replacement replaces, takes a removal of one message for a ban, reads
only one of the forms that a text can have, and puts the address behind a hashtag in its place.
"""

from __future__ import annotations

from chatlib.collect.renderers import find_kind, read_link, read_text, walk
from chatlib.collect.rows import Notes

__all__ = ["spell_out"]

_ITEMS = {
    "addChatItemAction": "item",
    "addLiveChatTickerItemAction": "item",
    "replaceChatItemAction": "replacementItem",
}
_RUNS = ("detailText", "headerPrimaryText", "headerSubtext", "message", "primaryText", "subtext", "text")
_SIMPLE = ("amount", "authorName", "purchaseAmountText", "timestampText")
_REPEATED = ("showItemEndpoint", "showLiveChatItemEndpoint", "renderer")


def spell_out(action: dict) -> None:
    """Change an action of one known name, as `iter_plain_actions` yields it, in place."""
    ((name, body),) = action.items()
    if name == "removeChatItemAction":
        action["markChatItemAsDeletedAction"] = action.pop(name)
    elif name == "addBannerToLiveChatCommand":
        _spell_banner(body)
    elif name in _ITEMS:
        renderer = _spell_item(body[_ITEMS[name]])
        if name == "replaceChatItemAction":
            renderer["targetItemId"] = body.get("targetItemId")


def _spell_item(item: dict) -> dict:
    """Leave an item the one renderer that is known, spelled out, and return that."""
    _, name = find_kind(item, Notes())
    renderer = item[name]
    if len(item) > 1:
        item.clear()
        item[name] = renderer
    _spell_texts(renderer)
    if type(renderer.get("header")) is dict:
        for header in renderer["header"].values():
            _spell_texts(header)
    repeated = walk(renderer, *_REPEATED)
    if type(repeated) is dict and find_kind(repeated, Notes()):
        _spell_item(repeated)
    return renderer


def _spell_texts(renderer: object) -> None:
    if type(renderer) is not dict:
        return
    for key in _RUNS:
        if key in renderer:
            renderer[key] = _spell_runs(renderer[key])
    for key in _SIMPLE:
        if key in renderer and type(walk(renderer[key], "simpleText")) is not str:
            renderer[key] = {"simpleText": read_text(renderer[key]).text}
    if "text" in renderer and "subtext" in renderer:
        renderer["headerPrimaryText"] = renderer.pop("text")


def _spell_runs(text: object) -> dict:
    runs = walk(text, "runs")
    if type(runs) is not list:
        return {"runs": [{"text": read_text(text).text or ""}]}
    for run in runs:
        if type(run) is dict and "navigationEndpoint" in run:
            run["text"] = read_link(run) or ""
            del run["navigationEndpoint"]
    return text


def _spell_banner(body: dict) -> None:
    banner = walk(body, "bannerRenderer", "liveChatBannerRenderer")
    if type(banner) is not dict:
        return
    contents = banner.get("contents")
    if find_kind(contents, Notes()) is None:
        contents = banner["contents"] = {"liveChatTextMessageRenderer": {"id": banner.get("actionId")}}
    renderer = _spell_item(contents)
    header = read_text(walk(banner, "header", "liveChatBannerHeaderRenderer", "text")).text
    if header:
        renderer.pop("headerSubtext", None)
        renderer["headerPrimaryText"] = {"runs": [{"text": header}]}
