"""Twitch comments: the v5 API's JSON and what TwitchDownloader writes, which keeps its shape."""

from __future__ import annotations

import re
from collections.abc import Iterable

from chatlib.collect.files.rows import IdMaker, Notes, author_key, name_json, read_count
from chatlib.collect.files.twitch_events import kind_of_notice, tell_event
from chatlib.records import TWITCH, Message, Stream
from chatlib.text import clean_text, read_name
from chatlib.times import read_date, read_offset, read_timestamp_text

__all__ = ["find_comments", "read_comments", "read_stream"]

_LENGTH = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,4})s)?")


def find_comments(content: object) -> list | None:
    """Return the comments in parsed JSON: a list of them, pages of them, or an object around them."""
    if type(content) is dict:
        comments = content.get("comments")
        told = bool(comments) or "video" in content or "streamer" in content
        return comments if type(comments) is list and told and _looks_like_comments(comments) else None
    if type(content) is not list:
        return None
    pages = [
        item["comments"] for item in content if type(item) is dict and type(item.get("comments")) is list
    ]
    comments = [comment for page in pages for comment in page] if pages else content
    return comments if _looks_like_comments(comments) and (comments or pages) else None


def _looks_like_comments(items: list) -> bool:
    return not items or any(
        type(item) is dict and ("content_offset_seconds" in item or "commenter" in item)
        for item in items[:200]
    )


def read_stream(content: object, comments: list) -> Stream:
    """Return what the file says of its stream; the id and platform may be unknown ('')."""
    about = content if type(content) is dict else {}
    video = about["video"] if type(about.get("video")) is dict else {}
    streamer = about["streamer"] if type(about.get("streamer")) is dict else {}
    first = next((c for c in comments if type(c) is dict), {})
    video_id = read_name(video.get("id")) or read_name(video.get("_id")) or read_name(first.get("content_id"))
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


def _read_length(value: object) -> float | None:
    """Return seconds above zero from a number, a clock, or `1h2m3s`."""
    length = _LENGTH.fullmatch(value) if type(value) is str and value else None
    if length:
        hours, minutes, seconds = (int(part or 0) for part in length.groups())
        return float(hours * 3600 + minutes * 60 + seconds) or None
    length_s = read_offset(value)
    return length_s if length_s is not None and length_s > 0 else None


def read_comments(comments: Iterable[object], notes: Notes) -> list[tuple]:
    """Return the comments as tuples in the order of `Message`; what is left out is counted."""
    ids = IdMaker()
    rows = (_read_comment(comment, notes, ids) for comment in comments)
    return [row for row in rows if row is not None]


def _read_comment(comment: object, notes: Notes, ids: IdMaker) -> tuple | None:
    if type(comment) is not dict or type(comment.get("message")) is not dict:
        notes["comment without a message" if type(comment) is dict else "row is no object"] += 1
        return None
    message = comment["message"]
    commenter = comment["commenter"] if type(comment.get("commenter")) is dict else {}
    name = read_name(commenter.get("display_name")) or read_name(commenter.get("name"))
    fragments = _read_fragments(message)
    body = clean_text(message.get("body"))
    if not body:
        body = "".join(text for text, _ in fragments) or body
    kind, text, notice = tell_event(_read_kind(message), body, name)
    offset_s = read_offset(comment.get("content_offset_seconds"))
    if offset_s is None and comment.get("content_offset_seconds") is not None:
        notes.field("offset")
    row = Message(
        read_name(comment.get("_id")) or "",
        kind,
        offset_s,
        author_key(read_name(commenter.get("_id")), name),
        name,
        text,
        notice,
        _read_badges(message),
        bits=read_count(message.get("bits_spent")),
        timestamp_us=read_timestamp_text(comment.get("created_at")),
        emotes=name_json(dict.fromkeys(text for text, is_emote in fragments if is_emote)),
    )
    if not (row.text or row.notice or row.author_id):
        notes["row is empty"] += 1
        return None
    return tuple(row if row.message_id else row._replace(message_id=ids.make_id(row, kind=kind)))


def _read_kind(message: dict) -> str:
    params = message.get("user_notice_params")
    if type(params) is not dict:
        return "text_message"
    return kind_of_notice(read_name(params.get("msg-id")) or read_name(params.get("msg_id")))


def _read_fragments(message: dict) -> list[tuple[str, bool]]:
    """Return the message's parts: text, and whether it is an emote."""
    fragments = message.get("fragments")
    return [
        (text, type(fragment.get("emoticon")) is dict)
        for fragment in (fragments if type(fragments) is list else ())
        if type(fragment) is dict and (text := clean_text(fragment.get("text")))
    ]


def _read_badges(message: dict) -> str | None:
    badges = message.get("user_badges")
    if type(badges) is not list:
        return None
    return name_json(badge.get("_id") for badge in badges if type(badge) is dict)
