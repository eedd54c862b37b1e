"""Twitch comments: from the v5 API, from TwitchDownloader, as pages of GraphQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from chatlib.collect.files.chat_downloader import read_row
from chatlib.collect.files.parsing import Chat, IdMaker, Notes, as_list, as_object, walk
from chatlib.errors import SourceError
from chatlib.records import TWITCH, Message, Stream, find_kind_names
from chatlib.text import clean_text, one_line, read_name
from chatlib.times import read_date, read_offset, read_timestamp_text

__all__ = ["count_bits", "find_chat", "format_badge", "iter_nodes", "name_kind", "read_nodes"]

_LENGTH = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,4})s)?")
_KINDS = {name: kind for kind, name in find_kind_names("twitch:").items()}


class _Keys(NamedTuple):
    """By which names a format of comments has what both have."""

    id: str
    offset: str
    created: str
    name: str
    shown: str
    emote: str
    badges: str


_V5 = _Keys(
    "_id", "content_offset_seconds", "created_at", "name", "display_name", "emoticon", "user_badges"
)  # fmt: skip
_PAGES = _Keys("id", "contentOffsetSeconds", "createdAt", "login", "displayName", "emote", "userBadges")
_MAX_DEPTH = 4  # lists within lists: a file of answers, an answer of operations
# Twitch's own cheermotes; a channel's own ones cannot be told from words.
_CHEER = re.compile(
    r"(?:cheer|doodlecheer|biblethump|cheerwhal|corgo|uni|showlove|party|seemsgood|pride|kappa|frankerz|"
    r"heyguys|dansgame|elegiggle|trihard|kreygasm|4head|swiftrage|notlikethis|failfish|vohiyo|pjsalt|"
    r"mrdestructoid|bday|ripcheer|shamrock|bitboss|streamlabs|muxy|holidaycheer|goal|anon|charity)"
    r"([1-9]\d{0,4})",
    re.I,
)


def find_chat(content: object, notes: Notes) -> Chat | None:
    """Return the chat in parsed JSON if it is Twitch's: pages of GraphQL, or comments."""
    if videos := list(_iter_videos(content)):
        edges = (edge for video in videos for edge in as_list(walk(video, "comments", "edges")))
        return Chat("twitch-graphql", _read_nodes_stream(videos), read_nodes(iter_nodes(edges), notes), notes)
    comments = _find_comments(content)
    if comments is None:
        return None
    name = "twitch-downloader" if type(content) is dict and "streamer" in content else "twitch-v5"
    return Chat(name, _read_stream(content, comments), _read_comments(comments, _V5, notes), notes)


def _find_comments(content: object) -> list | None:
    """Return the comments in parsed JSON: a list of them, pages of them, or an object around them."""
    if type(content) is dict:
        comments = content.get("comments")
        is_chat = bool(comments) or "video" in content or "streamer" in content
        return comments if type(comments) is list and is_chat and _look_like_comments(comments) else None
    if type(content) is not list:
        return None
    pages = [
        item["comments"] for item in content if type(item) is dict and type(item.get("comments")) is list
    ]
    comments = [comment for page in pages for comment in page] if pages else content
    return comments if _look_like_comments(comments) and (comments or pages) else None


def _look_like_comments(items: list) -> bool:
    return not items or any(
        type(item) is dict and ("content_offset_seconds" in item or "commenter" in item)
        for item in items[:200]
    )


def _read_stream(content: object, comments: list) -> Stream:
    """Return what the file says of its stream; the id may be unknown ('')."""
    file = as_object(content)
    video, streamer = as_object(file.get("video")), as_object(file.get("streamer"))
    first: dict = next((comment for comment in comments if type(comment) is dict), {})
    content_id = _pick_id(comment.get("content_id") for comment in map(as_object, comments))
    video_id = read_name(video.get("id")) or read_name(video.get("_id")) or content_id
    return Stream(
        platform=TWITCH,
        video_id=(video_id or "").removeprefix("v"),
        title=clean_text(video.get("title")) or None,
        channel_id=read_name(video.get("user_id"))
        or read_name(streamer.get("id"))
        or read_name(first.get("channel_id")),
        channel_name=read_name(video.get("user_name")) or read_name(streamer.get("name")),
        started_at=read_date(video.get("created_at")),
        duration_s=_read_length(video.get("duration")) or _read_length(video.get("length")),
    )


def _pick_id(ids: Iterable[object]) -> str | None:
    """Return the only id of a stream among values, or None. Raises: SourceError for several."""
    found = sorted({name for name in map(read_name, ids) if name})
    if len(found) > 1:
        raise SourceError(
            f"A file of comments must be of one stream, and this one is of {len(found):,}: "
            f"{one_line(', '.join(found), 60)}. Save each stream's in a file of its own."
        )
    return found[0] if found else None


def _read_length(value: object) -> float | None:
    """Return seconds above zero from a number, a clock, or `1h2m3s`."""
    length = _LENGTH.fullmatch(value) if type(value) is str and value else None
    if length:
        hours, minutes, seconds = (int(digits or 0) for digits in length.groups())
        return float(hours * 3600 + minutes * 60 + seconds) or None
    length_s = read_offset(value)
    return length_s if length_s is not None and length_s > 0 else None


def _read_comments(comments: Iterable[object], keys: _Keys, notes: Notes) -> list[Message]:
    """Return the comments as messages; what is left out is counted."""
    ids = IdMaker()
    rows = filter(None, (_as_row(comment, keys, notes) for comment in comments))
    return [message for row in rows if (message := read_row(row, notes, ids)) is not None]


def _as_row(comment: object, keys: _Keys, notes: Notes) -> dict[str, object] | None:
    """Return a comment as chat-downloader would write it; None for what is none, which is counted."""
    if type(comment) is not dict or type(comment.get("message")) is not dict:
        notes["comment without a message" if type(comment) is dict else "row is no object"] += 1
        return None
    content, commenter = comment["message"], as_object(comment.get("commenter"))
    badges = map(as_object, as_list(content.get(keys.badges)))
    fragments = [f for f in map(as_object, as_list(content.get("fragments"))) if clean_text(f.get("text"))]
    words = "".join(f["text"] for f in fragments if not f.get(keys.emote))
    params = as_object(content.get("user_notice_params"))
    event = read_name(params.get("msg-id")) or read_name(params.get("msg_id"))
    body = clean_text(content.get("body"))
    return {
        "message_id": comment.get(keys.id),
        "message_type": name_kind(event) if event else None,
        "message": body or "".join(fragment["text"] for fragment in fragments) or body,
        "time_in_seconds": comment.get(keys.offset),
        "timestamp": read_timestamp_text(comment.get(keys.created)),
        "author": {
            "id": commenter.get(keys.id),
            "name": commenter.get(keys.name),
            "display_name": commenter.get(keys.shown),
            "badges": [b.get("_id") or format_badge(b.get("setID"), b.get("version")) for b in badges],
        },
        "bits": content.get("bits_spent") if keys is _V5 else count_bits(words),
        "emotes": list(dict.fromkeys(f["text"] for f in fragments if type(f.get(keys.emote)) is dict)),
    }


def name_kind(name: str | None) -> str:
    """Return chat-downloader's kind for Twitch's name of an event; without a name, a text message."""
    return _KINDS.get(name, name.replace("-", "_")) if name else "text_message"


# ------------------------------------------------------------------ pages of GraphQL


def iter_nodes(edges: Iterable[object]) -> Iterator[object]:
    """Yield the comments of edges, each id once; an edge without a comment comes as it is."""
    seen = set()
    for edge in edges:
        node = walk(edge, "node")
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
    else:
        video = walk(content, "data", "video")
        if type(video) is dict and "comments" in video:
            yield video


def _read_nodes_stream(videos: Sequence[dict]) -> Stream:
    """Return what the answers say of their stream: its id, and the channel's; '' for an unknown id."""
    creators = (read_name(walk(video, "creator", "id")) for video in videos)
    video_id = _pick_id(video.get("id") for video in videos)
    return Stream(TWITCH, video_id or "", channel_id=next(filter(None, creators), None))


def read_nodes(nodes: Iterable[object], notes: Notes) -> list[Message]:
    """Return comments as messages; what is left out is counted.

    Bits are read from the text, where one of Twitch's own cheermotes stands with its number: a replay
    does not say them in another way.
    """
    return _read_comments(nodes, _PAGES, notes)


def count_bits(words: str) -> int | None:
    """Return the bits in a text: the numbers behind Twitch's own cheermotes; None if there are none."""
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
