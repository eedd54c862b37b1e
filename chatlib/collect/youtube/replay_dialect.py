"""YouTube's actions spelled so that chat-downloader's parser loses nothing that our own reader keeps.

It writes two texts of one notice into the same field, so that the first is lost, leaves out a
banner's header and what a replacement replaces, takes a removal of one message for a ban, reads
only one of the forms that a text can have, and puts the address behind a hashtag in its place.
"""

from __future__ import annotations

from chatlib.collect.files.renderers import find_kind, read_text, walk
from chatlib.collect.files.rows import Notes

__all__ = ["spell_out"]

_ITEMS = {
    "addChatItemAction": "item",
    "addLiveChatTickerItemAction": "item",
    "replaceChatItemAction": "replacementItem",
}
_SIMPLE = frozenset({"amount", "authorName", "purchaseAmountText", "timestampText"})
_RUNS = frozenset(
    {
        "deletedStateMessage", "detailText", "headerPrimaryText", "headerSubtext", "message", "primaryText",
        "subtext", "text",
    }
)  # fmt: skip
_TEXTS = _SIMPLE | _RUNS
_REPEATED = ("showItemEndpoint", "showLiveChatItemEndpoint", "renderer")


def spell_out(action: dict) -> None:
    """Change an action of one known name, as `make_plain` returns it, in place."""
    ((name, body),) = action.items()
    if name == "addBannerToLiveChatCommand":
        _spell_banner(body)
    elif name in _ITEMS:
        renderer = _spell_item(body[_ITEMS[name]])
        if name == "replaceChatItemAction":
            renderer["targetItemId"] = body.get("targetItemId")
    else:
        _spell_texts(body)
        if name == "removeChatItemAction":
            action["markChatItemAsDeletedAction"] = action.pop(name)


def _spell_item(item: dict) -> dict:
    """Leave an item the one renderer that is known, spelled out, and return that."""
    _, name = find_kind(item, Notes())
    renderer = item[name]
    item.clear()
    item[name] = renderer
    _spell_texts(renderer)
    for header in renderer["header"].values() if type(renderer.get("header")) is dict else ():
        if type(header) is dict:
            _spell_texts(header)
    repeated = walk(renderer, *_REPEATED)
    if type(repeated) is dict and find_kind(repeated, Notes()):
        _spell_item(repeated)
    return renderer


def _spell_texts(renderer: dict) -> None:
    for key in [key for key in renderer if key in _TEXTS]:
        text = renderer[key]
        if _is_spelled_out(key, text):
            continue
        plain = read_text(text).text
        if plain is None:
            del renderer[key]
        elif key in _SIMPLE:
            renderer[key] = {"simpleText": plain}
        else:
            runs = walk(text, "runs")
            renderer[key] = {"runs": [{"text": plain}] if type(runs) is not list else _spell_runs(runs)}
    if "text" in renderer and "subtext" in renderer:
        renderer["headerPrimaryText"] = renderer.pop("text")


def _is_spelled_out(key: str, text: object) -> bool:
    """Return whether a text, as most are, has the form already that chat-downloader reads."""
    if type(text) is not dict:
        return False
    if key in _SIMPLE:
        return len(text) == 1 and type(text.get("simpleText")) is str
    runs = text.get("runs")
    return type(runs) is list and all(map(_is_plain_run, runs))


def _spell_runs(runs: list) -> list:
    return [run if _is_plain_run(run) else {"text": read_text({"runs": [run]}).text} for run in runs]


def _is_plain_run(run: object) -> bool:
    """Return whether chat-downloader reads a run as it is shown: words that link nowhere, or an emoji."""
    if type(run) is not dict or "navigationEndpoint" in run:
        return False
    return type(run.get("text")) is str or (type(run.get("emoji")) is dict and "text" not in run)


def _spell_banner(body: dict) -> None:
    banner = body["bannerRenderer"]["liveChatBannerRenderer"]
    if find_kind(banner.get("contents"), Notes()) is None:
        banner["contents"] = {"liveChatTextMessageRenderer": {"id": banner.get("actionId")}}
    renderer = _spell_item(banner["contents"])
    header = read_text(walk(banner, "header", "liveChatBannerHeaderRenderer", "text")).text
    if header:
        renderer.pop("headerSubtext", None)
        renderer["headerPrimaryText"] = {"runs": [{"text": header}]}
