"""Twitch comments: from the v5 API, from TwitchDownloader, as pages of GraphQL; events in any Twitch chat.

Since late 2022 Twitch's replays no longer say which comment is a subscription. Its fixed sentence,
which begins with the author's own name, still does, and is cut from the author's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from chatlib.collect.files.parsing import (
    Chat,
    IdMaker,
    Notes,
    as_list,
    as_object,
    author_key,
    name_json,
    read_count,
    walk,
)
from chatlib.errors import SourceError
from chatlib.records import TWITCH, Message, Stream, find_kind_names
from chatlib.text import clean_text, one_line, read_name
from chatlib.times import read_date, read_offset, read_timestamp_text

__all__ = ["count_bits", "find_chat", "find_event", "format_badge", "iter_nodes", "name_kind", "read_nodes"]

_LENGTH = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,4})s)?")
_KINDS = {name: kind for kind, name in find_kind_names("twitch:").items()}
_STREAK = r"They've subscribed for \d+ months?(?:, currently on an? \d+ month streak)?! ?"
_SENTENCES = (
    ("resubscription", rf"subscribed (?:with Prime|at Tier \d)\. {_STREAK}"),
    ("subscription", r"subscribed (?:with Prime|at Tier \d)\. ?"),
    ("mystery_subscription_gift", r"is gifting \d+ Tier \d Subs? to .{1,60}'s community!.*"),
    ("subscription_gift", r"gifted (?:a|\d+ months? of) Tier \d (?:sub )?to .{1,60}!.*"),
    ("prime_paid_upgrade", r"converted from a Prime sub to a Tier \d sub!.*"),
    ("gift_paid_upgrade", r"is continuing the Gift Sub they got from .*"),
    ("community_pay_forward", r"is paying forward the Gift they got from .{1,60} to the community!.*"),
    ("standard_pay_forward", r"is paying forward the Gift they got from .*"),
)
_EVENTS = tuple((kind, re.compile(sentence, re.S)) for kind, sentence in _SENTENCES)
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
    nodes = _find_nodes(content)
    if nodes is not None:
        return Chat("twitch-graphql", _read_nodes_stream(content), read_nodes(nodes, notes), notes)
    comments = _find_comments(content)
    if comments is None:
        return None
    name = "twitch-downloader" if type(content) is dict and "streamer" in content else "twitch-v5"
    return Chat(name, _read_stream(content, comments), _read_comments(comments, notes), notes)


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


def _read_comments(comments: Iterable[object], notes: Notes) -> list[Message]:
    """Return the comments as messages; what is left out is counted."""
    ids = IdMaker()
    messages = (_read_comment(comment, notes) for comment in comments)
    return [ids.complete(message) for message in messages if message is not None]


def _read_comment(comment: object, notes: Notes) -> Message | None:
    if type(comment) is not dict or type(comment.get("message")) is not dict:
        notes["comment without a message" if type(comment) is dict else "row is no object"] += 1
        return None
    content = comment["message"]
    commenter = as_object(comment.get("commenter"))
    name = read_name(commenter.get("display_name")) or read_name(commenter.get("name"))
    fragments = _read_fragments(content)
    body = clean_text(content.get("body"))
    if not body:
        body = "".join(text for text, _ in fragments) or body
    kind, text, notice = find_event(_read_kind(content), body, name)
    offset_s = read_offset(comment.get("content_offset_seconds"))
    if offset_s is None and comment.get("content_offset_seconds") is not None:
        notes.count_field("offset")
    message = Message(
        message_id=read_name(comment.get("_id")) or "",
        kind=kind,
        offset_s=offset_s,
        author_id=author_key(read_name(commenter.get("_id")), name),
        author_name=name,
        text=text,
        notice=notice,
        badges=_read_badges(content),
        bits=read_count(content.get("bits_spent")),
        timestamp_us=read_timestamp_text(comment.get("created_at")),
        emotes=name_json(dict.fromkeys(text for text, is_emote in fragments if is_emote)),
    )
    if not (message.text or message.notice or message.author_id):
        notes["row is empty"] += 1
        return None
    return message


def _read_kind(content: dict) -> str:
    params = as_object(content.get("user_notice_params"))
    return name_kind(read_name(params.get("msg-id")) or read_name(params.get("msg_id")))


def name_kind(name: str | None) -> str:
    """Return chat-downloader's kind for Twitch's name of an event; without a name, a text message."""
    return _KINDS.get(name, name.replace("-", "_")) if name else "text_message"


def _read_fragments(content: dict) -> list[tuple[str, bool]]:
    """Return the message's fragments: text, and whether it is an emote."""
    return [
        (text, type(fragment.get("emoticon")) is dict)
        for fragment in map(as_object, as_list(content.get("fragments")))
        if (text := clean_text(fragment.get("text")))
    ]


def _read_badges(content: dict) -> str | None:
    return name_json(as_object(badge).get("_id") for badge in as_list(content.get("user_badges")))


def find_event(kind: str, body: str | None, name: str | None) -> tuple[str, str | None, str | None]:
    """Return kind, the author's own words, and the platform's sentence at the head of the body.

    A kind other than a text message stays. The sentence counts only if it is about the author: `name`.
    """
    if not body or not name or not body.startswith(f"{name} "):
        return kind, body, None
    rest = body[len(name) + 1 :]
    for event, sentence in _EVENTS:
        if match := sentence.match(rest):
            notice = body[: len(name) + 1 + match.end()].strip()
            return event if kind == "text_message" else kind, rest[match.end() :].strip() or None, notice
    return kind, body, None


# ------------------------------------------------------------------ pages of GraphQL


def _find_nodes(content: object) -> list[object] | None:
    """Return the comments in parsed JSON, in order; one that overlapping pages repeat comes once.

    None if the content holds no answer about a video's comments.
    """
    videos = list(_iter_videos(content))
    edges = (edge for video in videos for edge in as_list(walk(video, "comments", "edges")))
    return list(iter_nodes(edges)) if videos else None


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


def _read_nodes_stream(content: object) -> Stream:
    """Return what the answers say of their stream: its id, and the channel's; '' for an unknown id."""
    video_id = _pick_id(video.get("id") for video in _iter_videos(content))
    creators = (read_name(walk(video, "creator", "id")) for video in _iter_videos(content))
    return Stream(TWITCH, video_id or "", channel_id=next(filter(None, creators), None))


def read_nodes(nodes: Iterable[object], notes: Notes) -> list[Message]:
    """Return comments as messages; what is left out is counted.

    Bits are read from the text, where one of Twitch's own cheermotes stands with its number: a replay
    does not say them in another way.
    """
    return _read_comments(map(_as_comment, nodes), notes)


def _as_comment(node: object) -> object:
    """Return a comment of GraphQL in the shape of the v5 API."""
    message = walk(node, "message")
    if type(node) is not dict or type(message) is not dict:
        return node
    commenter = as_object(node.get("commenter"))
    fragments = [f for f in as_list(message.get("fragments")) if type(f) is dict]
    words = "".join(f["text"] for f in fragments if type(f.get("text")) is str and not f.get("emote"))
    badges = map(as_object, as_list(message.get("userBadges")))
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
            "bits_spent": count_bits(words),
        },
    }


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
