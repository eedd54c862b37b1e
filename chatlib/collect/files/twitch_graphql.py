"""Comment pages of Twitch's GraphQL, as the web player asks for them, one answer or many in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from chatlib.collect.files.rows import Notes
from chatlib.collect.files.twitch import read_comments
from chatlib.records import TWITCH, Message, Stream
from chatlib.text import read_name

__all__ = ["as_list", "find_nodes", "format_badge", "iter_nodes", "read_nodes", "read_stream"]

_MAX_DEPTH = 4  # lists within lists: a file of answers, an answer of operations
# Twitch's own cheermotes; a channel's own ones cannot be told from words.
_CHEER = re.compile(
    r"(?:cheer|doodlecheer|biblethump|cheerwhal|corgo|uni|showlove|party|seemsgood|pride|kappa|frankerz|"
    r"heyguys|dansgame|elegiggle|trihard|kreygasm|4head|swiftrage|notlikethis|failfish|vohiyo|pjsalt|"
    r"mrdestructoid|bday|ripcheer|shamrock|bitboss|streamlabs|muxy|holidaycheer|goal|anon|charity)"
    r"([1-9]\d{0,4})",
    re.I,
)


def find_nodes(content: object) -> list[object] | None:
    """Return the comments in parsed JSON, in order; one that overlapping pages repeat comes once.

    None if the content holds no answer about a video's comments.
    """
    videos = list(_iter_videos(content))
    return list(iter_nodes(edge for video in videos for edge in _edges_of(video))) if videos else None


def iter_nodes(edges: Iterable[object]) -> Iterator[object]:
    """Yield the comments of edges, each id once; an edge without a comment comes as it is."""
    seen = set()
    for edge in edges:
        node = edge.get("node") if type(edge) is dict else None
        if type(node) is not dict:
            yield edge
            continue
        key = read_name(node.get("id"))
        if key is None or key not in seen:
            seen.add(key)
            yield node


def _iter_videos(content: object, depth: int = _MAX_DEPTH) -> Iterator[dict]:
    """Yield the objects `data.video` that say something of comments."""
    if type(content) is list and depth:
        for item in content:
            yield from _iter_videos(item, depth - 1)
    elif type(content) is dict:
        data = content.get("data")
        video = data.get("video") if type(data) is dict else None
        if type(video) is dict and "comments" in video:
            yield video


def _edges_of(video: Mapping[str, object]) -> list[object]:
    comments = video.get("comments")
    return as_list(comments.get("edges")) if type(comments) is dict else []


def read_stream(content: object) -> Stream:
    """Return what the answers say of their stream: its id, and the channel's; '' for an unknown id."""
    video = next((v for v in _iter_videos(content) if read_name(v.get("id"))), {})
    creator = video.get("creator")
    channel_id = read_name(creator.get("id")) if type(creator) is dict else None
    return Stream(TWITCH, read_name(video.get("id")) or "", channel_id=channel_id)


def read_nodes(nodes: Iterable[object], notes: Notes) -> list[Message]:
    """Return comments as messages; what is left out is counted.

    Bits are read from the text, where one of Twitch's own cheermotes stands with its number: a replay
    does not say them in another way.
    """
    return read_comments(map(_as_comment, nodes), notes)


def _as_comment(node: object) -> object:
    """Return a comment of GraphQL in the shape of the v5 API."""
    if type(node) is not dict or type(node.get("message")) is not dict:
        return node
    commenter = node["commenter"] if type(node.get("commenter")) is dict else {}
    message = node["message"]
    fragments = [f for f in as_list(message.get("fragments")) if type(f) is dict]
    words = "".join(f["text"] for f in fragments if type(f.get("text")) is str and not f.get("emote"))
    badges = [b for b in as_list(message.get("userBadges")) if type(b) is dict]
    return {
        "_id": node.get("id"),
        "created_at": node.get("createdAt"),
        "content_offset_seconds": node.get("contentOffsetSeconds"),
        "commenter": {
            "_id": commenter.get("id"),
            "display_name": commenter.get("displayName"),
            "name": commenter.get("login"),
        },
        "message": {
            "fragments": [{"text": f.get("text"), "emoticon": f.get("emote")} for f in fragments],
            "user_badges": [{"_id": format_badge(b.get("setID"), b.get("version"))} for b in badges],
            "bits_spent": _count_bits(words),
        },
    }


def as_list(value: object) -> list:
    """Return the value if it is a list, else an empty one."""
    return value if type(value) is list else []


def _count_bits(words: str) -> int | None:
    matches = [match for word in words.split() if (match := _CHEER.fullmatch(word))]
    return sum(int(match[1]) for match in matches) or None


def format_badge(name: object, version: object, *, months: object = None) -> str | None:
    """Return a badge's title from its name and version, as the chat shows it, or None if it has no name.

    A subscriber's version is the months, with thousands for the tier: `6-Month Subscriber`, `12-Month
    Subscriber (Tier 3)`; `months` are the exact ones, where they are known. Elsewhere a version that
    says something follows the name: `bits/1000`.
    """
    title, level = read_name(name), read_name(version)
    if title != "subscriber":
        return f"{title}/{level}" if title and level not in (None, "0", "1") else title
    shown = int(level) if level and re.fullmatch(r"\d{1,4}", level) else 0
    exact = read_name(months) or ""
    n_months = int(exact) if re.fullmatch(r"\d{1,4}", exact) else shown % 1000
    tier = f" (Tier {shown // 1000})" if shown >= 2000 else ""
    return f"{n_months}-Month Subscriber{tier}" if n_months else f"{title}{tier}"
