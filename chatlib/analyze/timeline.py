"""A stream's timeline: what was written when, in steps of equal length, with the moments marked on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.format import METRIC_FIELDS
from chatlib.analyze.analytics.readers import analyze_stream, load_spoken
from chatlib.analyze.moments import find_moments
from chatlib.queries import StoredStream
from chatlib.store import Store
from chatlib.text import normalize_text, one_line, split_words

__all__ = ["Mark", "Timeline", "load_timeline"]

_GAP_S = 30  # highlights closer than this are one moment
_SAID_LENGTH = 80
_MOST_TEXTS = 40  # of a step
_Step = tuple[list[str], list[object]]  # texts, and who wrote them


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
    with_texts: bool = True,
) -> Timeline:
    """Return the timeline of a stream, with `per_hour` moments; a step is a sample of `story`, its analytics.

    With `hide_names`, every @name in a text is `@…`; people are left out of the texts by name. Without
    `with_texts`, `top` and `said` are empty, which takes a fifth of the time.
    """
    story = story or analyze_stream(store, stream)
    spoken = load_spoken(store, stream, hide_names=hide_names, leave_out=leave_out)
    steps = _group_steps(spoken, n_steps=len(story.samples), step_s=story.interval)
    said = dict(zip(steps, map(_find_said, steps.values()), strict=True)) if with_texts else {}
    top = {step: _find_top(texts) for step, (texts, _) in steps.items()} if with_texts else {}
    every = range(len(story.samples))
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
        top=[top.get(step, "") for step in every],
        said=[said.get(step, "") for step in every],
        marks=_mark(story, steps, per_hour=per_hour, linked=address is not None),
    )


def _group_steps(spoken: pd.DataFrame, *, n_steps: int, step_s: int) -> dict[int, _Step]:
    """Return texts of each step in which something was written, and who wrote them.

    Of a step with very many, as many as tell what was written are taken, spread evenly.
    """
    steps = np.floor(spoken["offset_s"].to_numpy(dtype=float) / step_s)
    inside = (steps >= 0) & (steps < n_steps)
    steps = steps[inside].astype(int)
    texts, authors = (spoken[name].to_numpy()[inside].tolist() for name in ("text", "author"))
    bounds = np.flatnonzero(np.diff(steps, prepend=-1, append=n_steps)).tolist()
    spans = [(first, end) for first, end in pairwise(bounds) if end > first]
    found = {}
    for first, end in spans:
        every = -(-(end - first) // _MOST_TEXTS)
        found[int(steps[first])] = texts[first:end:every], authors[first:end:every]
    return found


def _find_top(texts: Sequence[str]) -> str:
    counts = Counter(word for text in texts for word in set(split_words(text)))
    return max(counts, key=lambda word: (counts[word], len(word), word)) if counts else ""


def _find_said(step: _Step) -> str:
    """Return the text that most people wrote, the first of those that are alike."""
    people: dict[str, set[object]] = {}
    first: dict[str, str] = {}
    for text, author in zip(*step, strict=True):
        key = normalize_text(text)
        first.setdefault(key, text)
        people.setdefault(key, set()).add(author)
    return one_line(first[max(first, key=lambda key: len(people[key]))], _SAID_LENGTH)


def _count_payments(store: Store, stream: StoredStream, story: ChatAnalytics) -> list[int]:
    offsets = store.load_payment_offsets(stream.stream_id)
    steps = [int(offset_s // story.interval) for offset_s in offsets]
    counts = Counter(min(step, len(story.samples) - 1) for step in steps if step >= 0)
    return [counts[step] for step in range(len(story.samples))]


def _mark(story: ChatAnalytics, steps: Mapping[int, _Step], *, per_hour: float, linked: bool) -> list[Mark]:
    n_moments = max(round(per_hour * story.duration / 3600), 3)
    marks = [
        Mark("moment", m.start_s, m.end_s, m.rank, _title(story, steps, m.start_s, m.end_s), m.link)
        for m in find_moments(story, top=n_moments, gap_s=_GAP_S, linked=linked)
    ]
    marks += [Mark("highlight", h.startTime, h.endTime, 0, "", None) for h in story.highlights]
    return marks + [Mark("spike", s.startTime, s.endTime, 0, "", None) for s in story.spikes]


def _title(story: ChatAnalytics, steps: Mapping[int, _Step], start_s: float, end_s: float) -> str:
    """Return what most people wrote in the busiest step of a moment."""
    within = range(int(start_s // story.interval), int(-(-end_s // story.interval)))
    found = [step for step in within if step in steps]
    return _find_said(steps[max(found, key=lambda step: len(steps[step][0]))]) if found else ""
