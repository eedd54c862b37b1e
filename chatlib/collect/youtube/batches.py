"""A replay as YouTube hands it out: batches of raw actions, each naming the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from chatlib.collect.downloads import Batch
from chatlib.collect.files.innertube import Action, iter_actions
from chatlib.collect.files.renderers import walk
from chatlib.errors import SourceError
from chatlib.records import HeatStep
from chatlib.text import read_number
from chatlib.times import read_offset

__all__ = [
    "ExpiredToken",
    "LiveBatch",
    "Views",
    "find_chat_token",
    "find_last_offset_ms",
    "find_views",
    "iter_batch_actions",
    "iter_batches",
    "read_batch",
    "read_heatmap",
    "read_live_batch",
]

MAX_EMPTY = 30  # empty batches in a row that are followed before the replay counts as broken
MAX_ASKS = 4  # times that an empty batch is asked for before it is believed
MAX_REPEATS = 3  # times that one token may be followed
_BATCH = ("continuationContents", "liveChatContinuation")
_LIVE_KINDS = ("invalidationContinuationData", "timedContinuationData", "reloadContinuationData")
_VIEWS = ("header", "liveChatHeaderRenderer", "viewSelector", "sortFilterSubMenuRenderer", "subMenuItems")
_CHAT = ("contents", "twoColumnWatchNextResults", "conversationBar", "liveChatRenderer", "continuations")


class ExpiredToken(SourceError):
    """The site answers a token with something other than a batch."""


class Views(NamedTuple):
    """The tokens of a chat's two views: every message, and YouTube's choice. None where there is none."""

    every: str | None
    top: str | None


def find_last_offset_ms(batch: Batch) -> float | None:
    """Return the offset of a batch's last item, None if it has none."""
    last = batch.items[-1] if batch.items else None
    return read_offset(walk(last, "replayChatItemAction", "videoOffsetTimeMsec"))


def iter_batch_actions(batch: Batch) -> Iterator[Action]:
    """Yield the actions of all items of a batch."""
    for item in batch.items:
        if isinstance(item, dict):
            yield from iter_actions(item)
        else:
            yield Action(item, None)


class LiveBatch(NamedTuple):
    """Items of a running chat, the token of what follows, None at the end, and how long to wait for it.

    `is_pushed` says that YouTube would push the news before, to who can hear it.
    """

    items: list[object]
    next_token: str | None
    wait_s: float
    is_pushed: bool


def find_chat_token(watch: object) -> str | None:
    """Return the one token of a watch page's data that still opens the chat's own page, or None."""
    return _find_token(walk(watch, *_CHAT), "reloadContinuationData")


def read_heatmap(watch: object) -> list[HeatStep]:
    """Return the most-replayed curve in a watch page's data; empty where YouTube shows none."""
    mutations = walk(watch, "frameworkUpdates", "entityBatchUpdate", "mutations")
    steps: dict[float, HeatStep] = {}
    for mutation in mutations if isinstance(mutations, list) else ():
        markers = walk(mutation, "payload", "macroMarkersListEntity", "markersList")
        items = walk(markers, "markers")
        if walk(markers, "markerType") != "MARKER_TYPE_HEATMAP" or not isinstance(items, list):
            continue
        for item in items:
            start_s = read_offset(walk(item, "startMillis"), scale=1000.0)
            length_s = read_offset(walk(item, "durationMillis"), scale=1000.0)
            value = read_number(walk(item, "intensityScoreNormalized"))
            if start_s is not None and length_s is not None and value is not None and 0 <= value <= 1:
                steps[start_s] = HeatStep(start_s, start_s + length_s, value)
    return [steps[start_s] for start_s in sorted(steps)]


def find_views(chat_page: object) -> Views:
    """Return the tokens of both views that the chat's own page names: top chat first, then every message."""
    menu = walk(chat_page, *_BATCH, *_VIEWS)
    items = menu if isinstance(menu, list) else []
    tokens = [_find_token([walk(item, "continuation")], "reloadContinuationData") for item in items]
    top, every = [*tokens, None, None][:2]
    return Views(every, top)


def read_batch(answer: object) -> Batch | None:
    """Return the batch in an answer of InnerTube, or in the data of the chat's page; None if it is none."""
    content = walk(answer, *_BATCH)
    if not isinstance(content, dict):
        return None
    actions = content.get("actions")
    token = _find_token(content.get("continuations"), "liveChatReplayContinuationData")
    return Batch(actions if isinstance(actions, list) else [], token)


def read_live_batch(answer: object) -> LiveBatch | None:
    """Return the batch in an answer about a running stream, or in its chat's page; None if it is none."""
    content = walk(answer, *_BATCH)
    if not isinstance(content, dict):
        return None
    actions = content.get("actions")
    items = actions if isinstance(actions, list) else []
    for kind in _LIVE_KINDS:
        continuations = content.get("continuations")
        token = _find_token(continuations, kind)
        if token is not None:
            waits = [walk(item, kind, "timeoutMs") for item in continuations]  # type: ignore[union-attr]
            wait_ms = next((w for w in map(read_number, waits) if w is not None), 0.0)
            return LiveBatch(items, token, max(wait_ms, 0.0) / 1000, kind == _LIVE_KINDS[0])
    return LiveBatch(items, None, 0.0, False)


def _find_token(continuations: object, kind: str) -> str | None:
    for continuation in continuations if isinstance(continuations, list) else ():
        token = walk(continuation, kind, "continuation")
        if isinstance(token, str):
            return token
    return None


def iter_batches(
    fetch: Callable[[str, float], object], token: str | None, *, offset_ms: float = 0.0
) -> Iterator[Batch]:
    """Yield the batch of a token and all that follow it, to the replay's own end.

    `fetch` returns the answer for a token and the offset reached so far. An empty batch may be a
    mishap, so it is asked for again before it is believed and the next one followed.

    Raises: ExpiredToken for an answer without a batch; SourceError if tokens lead in a circle or
    through empty batches only; what `fetch` raises.
    """
    followed: Counter[str] = Counter()
    n_empty = 0
    while token is not None:
        followed[token] += 1
        if followed[token] > MAX_REPEATS:
            raise SourceError("YouTube names the same batch as its own successor.")
        batch = _fetch_batch(fetch, token, offset_ms)
        n_empty = 0 if batch.items else n_empty + 1
        if n_empty >= MAX_EMPTY:
            raise SourceError(f"YouTube gave {MAX_EMPTY} empty batches in a row.")
        yield batch
        last_ms = find_last_offset_ms(batch)
        offset_ms = offset_ms if last_ms is None else last_ms
        token = batch.next_token


def _fetch_batch(fetch: Callable[[str, float], object], token: str, offset_ms: float) -> Batch:
    batch = None
    for _ in range(MAX_ASKS):
        batch = read_batch(fetch(token, offset_ms))
        if batch and batch.items:
            break
    if batch is None:
        raise ExpiredToken("YouTube answered without a batch of messages.")
    return batch
