"""A chat as YouTube hands it out: its tokens in the pages' data, and batches of raw actions."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator

from chatlib.collect.files.innertube import Action, iter_actions
from chatlib.collect.files.parsing import as_list, walk
from chatlib.collect.sites import Batch
from chatlib.errors import SourceError
from chatlib.records import HeatStep
from chatlib.text import read_number
from chatlib.times import read_offset

__all__ = [
    "ExpiredToken",
    "find_chat_token",
    "find_initial_data",
    "find_last_offset_ms",
    "find_unfiltered_token",
    "iter_batch_actions",
    "iter_batches",
    "read_batch",
    "read_heatmap",
]

MAX_EMPTY = 30  # empty batches in a row that are followed before the replay counts as broken
MAX_ASKS = 4  # times that an empty batch is asked for before it is believed
MAX_REPEATS = 3  # times that one token may be followed
_BATCH = ("continuationContents", "liveChatContinuation")
_PUSHED = "invalidationContinuationData"
_NEXT_KINDS = (
    "liveChatReplayContinuationData", _PUSHED, "timedContinuationData", "reloadContinuationData",
)  # fmt: skip
_VIEWS = ("header", "liveChatHeaderRenderer", "viewSelector", "sortFilterSubMenuRenderer", "subMenuItems")
_CHAT = ("contents", "twoColumnWatchNextResults", "conversationBar", "liveChatRenderer", "continuations")

_INITIAL = re.compile(r"""(?:\bvar\s+ytInitialData|\bwindow\s*\[\s*["']ytInitialData["']\s*\])\s*=\s*""")


class ExpiredToken(SourceError):
    """The site answers a token with something other than a batch."""


def find_initial_data(text: str) -> dict | None:
    """Return `ytInitialData` of a page's text, or None if the text holds none that can be read."""
    decoder = json.JSONDecoder()
    for match in _INITIAL.finditer(text):
        try:
            data, _ = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict) and data:
            return data
    return None


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


def find_chat_token(watch: object) -> str | None:
    """Return the one token of a watch page's data that still opens the chat's own page, or None."""
    return _find_token(walk(watch, *_CHAT))


def read_heatmap(watch: object) -> list[HeatStep]:
    """Return the most-replayed curve in a watch page's data; empty where YouTube shows none."""
    mutations = walk(watch, "frameworkUpdates", "entityBatchUpdate", "mutations")
    steps: dict[float, HeatStep] = {}
    for mutation in as_list(mutations):
        markers = walk(mutation, "payload", "macroMarkersListEntity", "markersList")
        is_heatmap = walk(markers, "markerType") == "MARKER_TYPE_HEATMAP"
        for item in as_list(walk(markers, "markers")) if is_heatmap else ():
            start_s = read_offset(walk(item, "startMillis"), scale=1000.0)
            length_s = read_offset(walk(item, "durationMillis"), scale=1000.0)
            value = read_number(walk(item, "intensityScoreNormalized"))
            if start_s is not None and length_s is not None and value is not None and 0 <= value <= 1:
                steps[start_s] = HeatStep(start_s, start_s + length_s, value)
    return [steps[start_s] for start_s in sorted(steps)]


def find_unfiltered_token(chat_page: object) -> str | None:
    """Return the token of the view with every message, which stands in the menu behind YouTube's choice.

    None where the chat's own page lets nobody choose.
    """
    items = as_list(walk(chat_page, *_BATCH, *_VIEWS))
    return _find_token([walk(items[1], "continuation")]) if len(items) > 1 else None


def read_batch(answer: object) -> Batch | None:
    """Return the batch in an answer of InnerTube, or in the data of the chat's page; None if it is none."""
    content = walk(answer, *_BATCH)
    if not isinstance(content, dict):
        return None
    items, continuations = as_list(content.get("actions")), as_list(content.get("continuations"))
    for kind in _NEXT_KINDS:
        for following in (walk(continuation, kind) for continuation in continuations):
            if isinstance(token := walk(following, "continuation"), str):
                wait_ms = read_number(walk(following, "timeoutMs")) or 0.0
                return Batch(items, token, max(wait_ms, 0.0) / 1000, kind == _PUSHED)
    return Batch(items, None)


def _find_token(continuations: object) -> str | None:
    tokens = (walk(item, "reloadContinuationData", "continuation") for item in as_list(continuations))
    return next((token for token in tokens if isinstance(token, str)), None)


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
