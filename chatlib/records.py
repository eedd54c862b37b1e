"""Frozen records that cross the borders between packages, and the words they use.

`Message` is flat and a tuple on purpose: a million of them are made in seconds.
Kinds are chat-downloader's `message_type`, unchanged; `kinds.txt` lists them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "AMOUNT_KINDS",
    "CHAT_KINDS",
    "DONATION_KINDS",
    "GIFT_RECEIVED_KINDS",
    "MEMBERSHIP_KINDS",
    "MEMBER_NOTICES",
    "NAME_PREFIX",
    "NOBODY",
    "STATES",
    "TICKER_KINDS",
    "TWITCH",
    "TWITCH_PAID_KINDS",
    "VIEWS",
    "YOUTUBE",
    "YOUTUBE_PAID_KINDS",
    "Clip",
    "HeatStep",
    "Message",
    "Stream",
    "find_kind_names",
    "find_kinds",
    "is_member",
]

YOUTUBE = "youtube"
TWITCH = "twitch"

# How far a stream's chat got, and which view of it was taken.
STATES = ("complete", "partial", "no_replay", "members_only", "blocked", "failed")
VIEWS = ("live", "top", "file", "captured")

# A name that stands in for an author id is prefixed, so that it cannot collide with one.
NAME_PREFIX = "name:"

NOBODY = -1  # where authors are numbers: the author of a message that has none


@cache
def _read_marks() -> dict[str, list[str]]:
    lines = Path(__file__).with_name("kinds.txt").read_text(encoding="utf-8").splitlines()
    return {kind: marks for kind, *marks in map(str.split, lines) if kind != "#"}


def find_kinds(mark: str) -> frozenset[str]:
    """Return the kinds with a mark in `kinds.txt`, which says what the marks mean."""
    return frozenset(kind for kind, marks in _read_marks().items() if mark in marks)


def find_kind_names(mark: str) -> dict[str, str]:
    """Return by kind the names that follow a mark in `kinds.txt`, such as `twitch:`."""
    pairs = (
        (kind, m.removeprefix(mark)) for kind, ms in _read_marks().items() for m in ms if m.startswith(mark)
    )
    return dict(pairs)


CHAT_KINDS = find_kinds("chat")
YOUTUBE_PAID_KINDS, TWITCH_PAID_KINDS = find_kinds("pays-youtube"), find_kinds("pays-twitch")
DONATION_KINDS = YOUTUBE_PAID_KINDS | TWITCH_PAID_KINDS  # `bits` on any message pay, too
TICKER_KINDS, AMOUNT_KINDS = find_kinds("ticker"), find_kinds("amount")
MEMBERSHIP_KINDS, GIFT_RECEIVED_KINDS = find_kinds("membership"), find_kinds("received")
MEMBER_NOTICES = MEMBERSHIP_KINDS | GIFT_RECEIVED_KINDS  # say who is a member, and pay nothing in the chat


class Message(NamedTuple):
    """One row of a chat. None is absence; offsets are seconds from the stream's start.

    `badges` and `emotes` are JSON arrays of text, or None. `amount` is a decimal as text.
    `notice` is the platform's fixed sentence about an event, `text` the user's own words.
    """

    message_id: str
    kind: str
    offset_s: float | None = None
    author_id: str | None = None
    author_name: str | None = None
    text: str | None = None
    notice: str | None = None
    badges: str | None = None
    amount_text: str | None = None
    amount: str | None = None
    currency: str | None = None
    bits: int | None = None
    timestamp_us: int | None = None  # UTC, microseconds since 1970
    emotes: str | None = None
    target_id: str | None = None  # the message that a deletion removes


class Stream(NamedTuple):
    """One livestream or its recording. `platform` and `video_id` identify it.

    Dates are UTC ISO 8601; a date without a time stands for the start of the day.
    """

    platform: str
    video_id: str
    url: str | None = None
    title: str | None = None
    channel_id: str | None = None
    channel_name: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    duration_s: float | None = None
    state: str = "complete"
    view: str = "file"
    simulated: bool = False
    views: int | None = None  # of the recording, when it was last asked for
    reason: str | None = None  # why the state is not `complete`, or what to know of one that is


class Clip(NamedTuple):
    """What somebody cut out of a stream; `offset_s` is where it begins, `views` how often it was seen."""

    clip_id: str
    offset_s: float | None = None
    duration_s: float | None = None
    title: str | None = None
    views: int | None = None
    created_at: str | None = None
    creator: str | None = None


class HeatStep(NamedTuple):
    """A step of YouTube's most-replayed curve: `value` is 1 at its peak."""

    start_s: float
    end_s: float
    value: float


# YouTube's titles are in the language of who saved the chat; `Member (6 months)` shows by its brackets.
_MEMBER_BADGE = re.compile(
    r"new member|member\b|subscriber|founder|\d+-(?:month|year) subscriber|.*\(\d+ ?[^\d()]+\)$"
    r"|新規メンバー|新會員|新会员|신규 회원|nuevo miembro|novo membro|nouveau membre|neues mitglied|новый",
    re.I,
)


@cache
def is_member(badges: str | None) -> bool:
    """Return whether badges (a JSON array of titles, or None) say member or subscriber."""
    return badges is not None and any(_MEMBER_BADGE.match(title) for title in json.loads(badges))
