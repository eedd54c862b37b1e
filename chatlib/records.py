"""Frozen records that cross the borders between packages, the words they use, and which two are the same.

`Message` is flat and a tuple on purpose: a million of them are made in seconds.
Kinds are chat-downloader's `message_type`, unchanged; `kinds.txt` lists them.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import median
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
    "find_twins",
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


# ------------------------------------------------------------------ two recordings of one stream

# A capture and its replay: the ids tell which messages are the same, where the site gives both the same.
# Where it does not, author, content and time do, each message once, so that what a spammer repeats stays as
# often as it was said.
_APART_S = 2.0  # between the two moments of one message


def find_twins(captured: Sequence[Message], replayed: Sequence[Message]) -> dict[int, Message]:
    """Return the captured message that a replayed one is, by the replayed one's place.

    Both by id and kind; by an id alone that has another kind on either side, as events have in Twitch's
    replays; else by author, content and moments at most two seconds apart, earliest first.
    """
    by_key = {(seen.message_id, seen.kind): seen for seen in captured}
    found = {
        i: by_key[m.message_id, m.kind] for i, m in enumerate(replayed) if (m.message_id, m.kind) in by_key
    }
    used = {id(seen) for seen in found.values()}
    rest = [i for i in range(len(replayed)) if i not in found]
    by_id: dict[str, list[Message]] = defaultdict(list)
    for seen in captured:
        if id(seen) not in used:
            by_id[seen.message_id].append(seen)
    for i in rest:
        same = by_id.get(replayed[i].message_id, [])
        if len(same) == 1 and id(same[0]) not in used:
            found[i] = same[0]
            used.add(id(same[0]))
    left = [seen for seen in captured if id(seen) not in used]
    rest = [i for i in rest if i not in found]
    return found | _match_by_content(left, replayed, rest)


def _match_by_content(
    captured: Sequence[Message], replayed: Sequence[Message], places: Sequence[int]
) -> dict[int, Message]:
    moments = _find_moments(captured), _find_moments([replayed[i] for i in places])
    if None in moments:
        moments = [seen.offset_s for seen in captured], [replayed[i].offset_s for i in places]
    pools: dict[tuple, deque[tuple[float, Message]]] = defaultdict(deque)
    timed = ((at, seen) for at, seen in zip(moments[0] or (), captured, strict=True) if at is not None)
    for at, seen in sorted(timed, key=lambda pair: pair[0]):
        for key in _iter_keys(seen):
            pools[key].append((at, seen))
    found: dict[int, Message] = {}
    used: set[int] = set()
    due = ((at, i) for at, i in zip(moments[1] or (), places, strict=True) if at is not None)
    for at, i in sorted(due):
        for key in _iter_keys(replayed[i]):
            pool = pools.get(key, deque())
            while pool and (id(pool[0][1]) in used or pool[0][0] < at - _APART_S):
                pool.popleft()
            if pool and pool[0][0] <= at + _APART_S:
                found[i] = pool.popleft()[1]
                used.add(id(found[i]))
                break
    return found


def _find_moments(messages: Sequence[Message]) -> list[float | None] | None:
    """Return when each was said, in seconds since 1970; None if none of them tells.

    A message that tells only its offset is placed by the others.
    """
    starts = [
        m.timestamp_us / 1e6 - m.offset_s
        for m in messages
        if m.timestamp_us is not None and m.offset_s is not None
    ]
    if not starts:
        return None
    start = median(starts)
    return [
        m.timestamp_us / 1e6
        if m.timestamp_us is not None
        else (None if m.offset_s is None else m.offset_s + start)
        for m in messages
    ]


def _iter_keys(message: Message) -> Iterator[tuple]:
    """Yield what two recordings of one message have in common.

    A replay may show an event's sentence as the words of a plain message.
    """
    author = message.author_id
    if message.target_id is not None:
        yield ("removal", message.target_id)
    elif message.kind in DONATION_KINDS or message.bits:
        yield ("payment", author, message.kind, message.amount, message.currency, message.bits)
    words = [" ".join(part.split()) for part in (message.notice, message.text) if part]
    for said in dict.fromkeys([" ".join(words), *words]):
        yield ("words", author, said)
    if not words and message.target_id is None:
        yield ("silent", author, message.kind)
