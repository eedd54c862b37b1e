"""A replay as YouTube hands it out: a page with tokens, then batch after batch, each naming the next.

Both sources of chat take a batch without messages for the end, and a token that comes again for
a new one. What is here stands between them and the site, and neither notices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from chatlib.collect.files.innertube import find_action_name, iter_actions
from chatlib.collect.files.renderers import walk
from chatlib.collect.files.rows import Notes, read_offset
from chatlib.errors import SourceRefused

__all__ = [
    "Batches",
    "Views",
    "find_chat_token",
    "find_refusal",
    "find_views",
    "has_actions",
    "make_plain",
]

MAX_EMPTY = 30  # batches without a message that are followed before the chat counts as ended
MAX_ASKS = 4  # times that a batch without a message is asked for before it is believed
MAX_REPEATS = 3  # times that one token may be asked for
_BATCH = ("continuationContents", "liveChatContinuation")
_VIEWS = ("header", "liveChatHeaderRenderer", "viewSelector", "sortFilterSubMenuRenderer", "subMenuItems")
_BAR = ("contents", "twoColumnWatchNextResults", "conversationBar")

_BOT_CHECK = re.compile(r"not a bot|confirm you.re human|unusual traffic", re.I)
_MEMBERS = re.compile(r"members[- ]only|join this channel|available to this channel.s members", re.I)
_NO_REPLAY = re.compile(r"chat replay|chat is disabled|chat was disabled|no chat|chat is not available", re.I)
_TOO_MANY = re.compile(r"too many requests|HTTP Error 429|rate.?limit", re.I)


class Views(NamedTuple):
    """The tokens of a chat's two views: every message, and YouTube's choice. None where there is none."""

    every: str | None
    top: str | None


def find_refusal(reason: str) -> SourceRefused:
    """Return the error for what the site, or a source in its words, says instead of a chat."""
    for pattern, state, advice in (
        (_BOT_CHECK, "blocked", "wait, come from another address, or give a cookies file (COOKIES)"),
        (_TOO_MANY, "blocked", "wait some hours, and ask less often (REQUESTS_PER_S)"),
        (_MEMBERS, "members_only", "give the cookies file of a member (COOKIES)"),
        (_NO_REPLAY, "no_replay", "there is nothing to fetch"),
    ):
        if pattern.search(reason):
            return SourceRefused(f"{_shorten(reason)} ({advice})", state=state)
    return SourceRefused(_shorten(reason), state="failed")


def _shorten(reason: str) -> str:
    return " ".join(reason.split())[:300] or "the site gave no reason"


def find_chat_token(watch: object) -> str | None:
    """Return the one token of a watch page's data that still opens the chat's own page, or None."""
    continuations = walk(watch, *_BAR, "liveChatRenderer", "continuations")
    for continuation in continuations if type(continuations) is list else ():
        token = walk(continuation, "reloadContinuationData", "continuation")
        if type(token) is str:
            return token
    return None


def find_views(chat_page: object) -> Views:
    """Return the tokens of both views that the chat's own page names: top chat first, then every message."""
    items = walk(chat_page, *_BATCH, *_VIEWS)
    tokens = [
        token if type(token := walk(item, "continuation", "reloadContinuationData", "continuation")) is str
        else None
        for item in (items if type(items) is list else ())
    ]  # fmt: skip
    top, every = [*tokens, None, None][:2]
    return Views(every, top)


class Batches:
    """One stream's replay, batch by batch; `post` sends a request's body and returns the answer.

    An answer's items are made plain: see `make_plain`; `notes` counts what is left out.
    `ended` says whether the last batch named no further one, as it does at the true end. `tell` is
    called with the offset in seconds that each batch reached.
    """

    def __init__(
        self, post: Callable[[dict], dict], notes: Notes, *, tell: Callable[[float], None] | None = None
    ) -> None:
        self._post = post
        self._notes = notes
        self._tell = tell
        self._asked: Counter[str] = Counter()
        self.next_token: str | None = None
        self.ended = False

    def fetch(self, body: dict) -> dict:
        """Return the next answer that holds a message, or the last one."""
        answer: dict = {}
        self.ended = False
        for _ in range(MAX_EMPTY):
            token = body.get("continuation")
            self._asked[token] += 1
            if self._asked[token] > MAX_REPEATS:  # the site leads in a circle
                self.next_token = None
                return {}
            answer = self.insist(lambda body=body: self._post(body))
            if has_actions(answer) or self.next_token is None:
                break
            body = body | {"continuation": self.next_token}
        return answer

    def insist(self, ask: Callable[[], dict]) -> dict:
        """Return an answer with messages, or the last of several without: an empty one may be a mishap."""
        for _ in range(MAX_ASKS):
            answer = ask()
            self.look_at(answer)
            if has_actions(answer):
                break
        batch = walk(answer, *_BATCH)
        if type(batch) is dict:
            batch["actions"] = make_plain(batch.get("actions"), self._notes)
        return answer

    def look_at(self, answer: object) -> None:
        """Keep what an answer says of the next one."""
        batch = walk(answer, *_BATCH)
        self.next_token = find_next_token(batch)
        self.ended = type(batch) is dict and self.next_token is None
        if self._tell and (offset_s := _last_offset(batch)) is not None:
            self._tell(offset_s)


def has_actions(answer: object) -> bool:
    """Return whether an answer holds at least one message or other action."""
    return bool(walk(answer, *_BATCH, "actions"))


def find_next_token(batch: object) -> str | None:
    """Return the token of the batch after this one, or None at the end."""
    continuations = walk(batch, "continuations")
    for continuation in continuations if type(continuations) is list else ():
        token = walk(continuation, "liveChatReplayContinuationData", "continuation")
        if type(token) is str:
            return token
    return None


def _last_offset(batch: object) -> float | None:
    actions = walk(batch, "actions")
    if type(actions) is not list or not actions:
        return None
    return read_offset(walk(actions[-1], "replayChatItemAction", "videoOffsetTimeMsec"), scale=1000.0)


def make_plain(actions: object, notes: Notes) -> list[dict]:
    """Return the items of a batch with one known action each; others are counted by their name.

    An item without an offset that can be used is the bare action, as in live captures.
    """
    plain: list[dict] = []
    for item in actions if type(actions) is list else ():
        if type(item) is not dict:
            notes["row is no object"] += 1
            continue
        for action in iter_actions(item):
            name = find_action_name(action.content, notes)
            if name:
                plain.append(_wrap({name: action.content[name]}, action.offset_ms, notes))
    return plain


def _wrap(action: dict, offset_ms: object, notes: Notes) -> dict:
    offset_s = read_offset(offset_ms, scale=1000.0)
    if offset_s is None:
        if offset_ms is not None:
            notes.field("offset")
        return action
    whole_ms = str(round(offset_s * 1000))
    return {"replayChatItemAction": {"actions": [action], "videoOffsetTimeMsec": whole_ms}}
