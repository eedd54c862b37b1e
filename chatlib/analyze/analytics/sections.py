"""Samples of a stream, and the sections found in them: highlights and spikes.

Field names are the ChatAnalytics format's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

from chatlib.analyze.analytics.format import format_time
from chatlib.columns import find_rises

__all__ = [
    "Highlight",
    "Sample",
    "Section",
    "Spike",
    "TwitchSample",
    "YoutubeSample",
    "as_dicts",
    "find_highlights",
    "find_spikes",
    "iter_runs",
    "rank_spikes",
]


@dataclass(slots=True)
class Sample:
    """The chat within [startTime, endTime), in seconds from the start of the stream."""

    startTime: float
    endTime: float
    sampleDuration: float = -1
    startTime_text: str = ""
    endTime_text: str = ""
    activity: int = 0
    chatMessages: int = 0
    firstTimeChatters: int = 0
    uniqueUsers: int = 0
    avgActivityPerSecond: float = 0
    avgChatMessagesPerSecond: float = 0
    avgUniqueUsersPerSecond: float = 0
    _userChats: dict[str, int] = field(default_factory=dict)  # author -> chat messages in this sample

    def __post_init__(self) -> None:
        if self.sampleDuration < 0:  # else read from a file, with its texts
            self.sampleDuration = self.endTime - self.startTime
            self.startTime_text = format_time(self.startTime)
            self.endTime_text = format_time(self.endTime)

    def sample_post_process(self) -> None:
        """Compute unique users and averages, and drop what is not written out.

        May be called again: without new messages nothing changes.
        """
        if self._userChats:
            self.uniqueUsers = len(self._userChats)
        if self.sampleDuration > 0:
            self.avgActivityPerSecond = self.activity / self.sampleDuration
            self.avgChatMessagesPerSecond = self.chatMessages / self.sampleDuration
            self.avgUniqueUsersPerSecond = self.uniqueUsers / self.sampleDuration
        self._userChats.clear()


@dataclass(slots=True)
class YoutubeSample(Sample):
    """A sample of a YouTube chat. A Super Chat and its ticker count once."""

    superchats: int = 0
    memberships: int = 0


@dataclass(slots=True)
class TwitchSample(Sample):
    """A sample of a Twitch chat."""

    subscriptions: int = 0
    giftSubscriptions: int = 0
    upgradeSubscriptions: int = 0


@dataclass
class Section:
    """A part of a stream, [startTime, endTime), with peak and mean of the metric `type`, a sample's field.

    The fields after `avg` follow from the rest.
    """

    startTime: float
    endTime: float
    description: str
    type: str
    peak: float
    avg: float
    duration: float = field(default=0.0, init=False)
    duration_text: str = field(default="", init=False)
    startTime_text: str = field(default="", init=False)
    endTime_text: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.duration = self.endTime - self.startTime
        self.duration_text = format_time(self.duration)
        self.startTime_text = format_time(self.startTime)
        self.endTime_text = format_time(self.endTime)


class Highlight(Section):
    """A contiguous time in which a metric stays at or above a percentile of the stream."""


class Spike(Section):
    """A sharp rise of a metric over its local baseline, sustained for at least two samples.

    `rank` 1 rose to the most times its baseline; 0 is unknown, since the format has no such field.
    """

    rank: int = 0


_AnySection = TypeVar("_AnySection", bound=Section)


def as_dicts(items: Sequence[Sample] | Sequence[Section]) -> list[dict[str, Any]]:
    """Return samples or sections of one class as plain dictionaries, keys in the format's order."""
    if not items:
        return []
    names = [f.name for f in fields(items[0])]
    values = attrgetter(*names)
    return [dict(zip(names, values(item), strict=True)) for item in items]


def find_highlights(samples: Sequence[Sample], metric_field: str, *, percentile: float) -> list[Highlight]:
    """Return the maximal runs of samples whose metric is at or above its percentile, and above 0.

    The percentile is numpy's, linear between samples. In time order.
    """
    if not samples:
        return []
    values = _read_metric(samples, metric_field)
    cutoff = np.percentile(values, [percentile])
    description = f"{metric_field} sustained at or above {cutoff}"
    return [
        _make_section(Highlight, samples[first:end], metric_field, description)
        for first, end in iter_runs((values >= cutoff[0]) & (values > 0))
    ]


def find_spikes(samples: Sequence[Sample], metric_field: str, *, sensitivity: float) -> list[Spike]:
    """Return the sharp, sustained rises of a metric (`find_rises`), in time order.

    Spikes are ranked by how many times their baseline they reach.
    """
    if not samples:
        return []
    spikes: list[tuple[float, Spike]] = []
    sample_s = samples[0].sampleDuration
    for rise in find_rises(_read_metric(samples, metric_field), sample_s, sensitivity=sensitivity):
        about = f"{metric_field} rose to {rise.times:.1f} times its local baseline [{rise.baseline:.3g}]"
        run = samples[rise.first : rise.end]
        spikes.append((rise.times, _make_section(Spike, run, metric_field, about)))
    for rank, (_, spike) in enumerate(sorted(spikes, key=lambda pair: -pair[0]), 1):
        spike.rank = rank
        spike.description += f", rank {rank} of {len(spikes)}"
    return [spike for _, spike in spikes]


def rank_spikes(spikes: Iterable[Spike]) -> list[Spike]:
    """Return spikes by their rank, the best first."""
    return sorted(spikes, key=attrgetter("rank"))


def _read_metric(samples: Sequence[Sample], metric_field: str) -> np.ndarray:
    return np.array([getattr(sample, metric_field) for sample in samples], dtype=float)


def iter_runs(inside: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _make_section(
    kind: type[_AnySection], run: Sequence[Sample], metric_field: str, description: str
) -> _AnySection:
    values = [getattr(sample, metric_field) for sample in run]
    return kind(
        startTime=run[0].startTime,
        endTime=run[-1].endTime,
        description=description,
        type=metric_field,
        peak=max(values),
        avg=sum(values) / len(values),
    )
