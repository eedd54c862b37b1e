"""A stream's timeline: what was written when, in steps of equal length, with the moments marked on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.format import METRIC_FIELDS
from chatlib.analyze.analytics.readers import analyze_stream, load_spoken
from chatlib.analyze.clips import find_typical_messages
from chatlib.analyze.moments import find_moments
from chatlib.queries import StoredStream
from chatlib.store import Store
from chatlib.text import one_line, split_words

__all__ = ["Mark", "Timeline", "load_timeline"]

_GAP_S = 30  # highlights closer than this are one moment
_SAID_LENGTH = 80
_NO_SCORES = pd.DataFrame({"word": pd.Series(dtype=str), "z": pd.Series(dtype=float)})


class Mark(NamedTuple):
    """A stretch of a stream. `kind`: moment, highlight, spike or clip; rank 1 is best, 0 is no rank.

    `title` is chat text, or a clip's title; `link` opens the recording there, None where there is none.
    """

    kind: str
    start_s: float
    end_s: float
    rank: int
    title: str
    link: str | None


class Timeline(NamedTuple):
    """A stream in steps of `step_s` seconds: lists of equal length, an entry a step; no author is named.

    `address` is the recording's, None for a simulated stream. `messages` are chat messages, `people` those
    who wrote them; `score` is the measure that ranks the moments. `top` is the word or emote
    that most people wrote, `said` the most typical message, both "" where nothing was written.
    """

    video_id: str
    title: str
    started_at: str | None
    platform: str
    address: str | None
    simulated: bool
    duration_s: float
    step_s: int
    messages: list[int]
    people: list[int]
    payments: list[int]
    score: list[float]
    top: list[str]
    said: list[str]
    marks: list[Mark]


def load_timeline(
    store: Store,
    stream: StoredStream,
    *,
    story: ChatAnalytics | None = None,
    per_hour: float = 6.0,
    hide_names: bool = True,
    leave_out: Iterable[str] = (),
) -> Timeline:
    """Return the timeline of a stream, with `per_hour` moments; a step is a sample of `story`, its analytics.

    With `hide_names`, every @name in a text is `@…`; people are left out of the texts by name.
    """
    story = story or analyze_stream(store, stream)
    spoken = load_spoken(store, stream, hide_names=hide_names, leave_out=leave_out)
    top, said = _read_steps(spoken, n_steps=len(story.samples), step_s=story.interval)
    address = None if stream.simulated else stream.url
    metric = METRIC_FIELDS[story.highlight_metric]
    return Timeline(
        video_id=stream.video_id,
        title=story.mediaTitle,
        started_at=stream.started_at,
        platform=stream.platform,
        address=address,
        simulated=stream.simulated,
        duration_s=float(story.duration),
        step_s=story.interval,
        messages=[sample.chatMessages for sample in story.samples],
        people=[sample.uniqueUsers for sample in story.samples],
        payments=_count_payments(store, stream, story),
        score=[round(getattr(sample, metric), 2) for sample in story.samples],
        top=top,
        said=said,
        marks=_mark(story, said, per_hour=per_hour, linked=address is not None),
    )


def _read_steps(spoken: pd.DataFrame, *, n_steps: int, step_s: int) -> tuple[list[str], list[str]]:
    """Return the word that most people wrote, and the most typical message, of each step."""
    top, said = [""] * n_steps, [""] * n_steps
    steps = np.floor(spoken["offset_s"].to_numpy(dtype=float) / step_s)
    inside = (steps >= 0) & (steps < n_steps)
    texts = spoken["text"].to_numpy()[inside].tolist()
    steps = steps[inside].astype(int)
    authors = spoken["author"].to_numpy()[inside].tolist()
    bounds = np.flatnonzero(np.diff(steps, prepend=-1, append=n_steps))
    for first, end in pairwise(bounds.tolist()):
        step = int(steps[first])
        top[step] = _find_top(texts[first:end])
        said[step] = _find_said(texts[first:end], authors[first:end])
    return top, said


def _find_top(texts: Sequence[str]) -> str:
    counts = Counter(word for text in texts for word in set(split_words(text)))
    return max(counts, key=lambda word: (counts[word], len(word), word)) if counts else ""


def _find_said(texts: Sequence[str], authors: Sequence[object]) -> str:
    text = texts[0]
    if len(texts) > 1:
        (text,) = find_typical_messages(texts, authors, words=_NO_SCORES, top=1)
    return one_line(text, _SAID_LENGTH)


def _count_payments(store: Store, stream: StoredStream, story: ChatAnalytics) -> list[int]:
    offsets = store.load_payment_offsets(stream.stream_id)
    steps = [int(offset_s // story.interval) for offset_s in offsets]
    counts = Counter(min(step, len(story.samples) - 1) for step in steps if step >= 0)
    return [counts[step] for step in range(len(story.samples))]


def _mark(story: ChatAnalytics, said: Sequence[str], *, per_hour: float, linked: bool) -> list[Mark]:
    n_moments = max(round(per_hour * story.duration / 3600), 3)
    marks = [
        Mark("moment", m.start_s, m.end_s, m.rank, _title(story, said, m.start_s, m.end_s), m.link)
        for m in find_moments(story, top=n_moments, gap_s=_GAP_S, linked=linked)
    ]
    marks += [Mark("highlight", h.startTime, h.endTime, 0, "", None) for h in story.highlights]
    return marks + [Mark("spike", s.startTime, s.endTime, 0, "", None) for s in story.spikes]


def _title(story: ChatAnalytics, said: Sequence[str], start_s: float, end_s: float) -> str:
    """Return what is typical of the busiest step of a moment."""
    first, last = int(start_s // story.interval), max(int(end_s // story.interval), 1)
    steps = range(first, min(max(last, first + 1), len(said)))
    return said[max(steps, key=lambda step: story.samples[step].chatMessages)] if steps else ""
