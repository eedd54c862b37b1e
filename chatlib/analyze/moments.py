"""The moments of a stream worth a click: highlights merged, ranked and linked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.format import METRIC_FIELDS, format_time
from chatlib.errors import ParameterError

__all__ = ["Moment", "find_best_windows", "find_moments", "link_to_moment"]

_HOSTS = {"www.youtube.com", "youtube.com", "m.youtube.com", "youtu.be", "www.twitch.tv", "twitch.tv"}


@dataclass(frozen=True)
class Moment:
    """A ranked highlight. `peak` and `avg` are of its metric, per second; rank 1 is the best.

    `link` opens the recording some seconds before the moment; None if there is no address.
    """

    rank: int
    start_s: float
    end_s: float
    peak: float
    avg: float
    link: str | None


def find_moments(
    analytics: ChatAnalytics,
    *,
    top: int | None = None,
    gap_s: float = 0,
    lead_s: float = 15,
    linked: bool = True,
) -> list[Moment]:
    """Return the highlights, best first: by their peak, then by their mean, then by time.

    Highlights with at most `gap_s` between them are merged first, and the samples in between
    count in the mean. Links start `lead_s` earlier, because a chat reacts with a delay;
    a simulated stream has none (`linked` is False).
    Raises: ParameterError for a gap below 0.
    """
    if not gap_s >= 0:
        raise ParameterError(f"The gap between merged highlights must be 0 or more seconds, got {gap_s}.")
    address = analytics.mediaSource if linked else ""
    metric_field = METRIC_FIELDS[analytics.highlight_metric]
    spans = _merge([(h.startTime, h.endTime) for h in analytics.highlights], gap_s=gap_s)
    found = []
    for start, end in spans:
        first, last = int(start // analytics.interval), int(-(-end // analytics.interval))
        values = [getattr(sample, metric_field) for sample in analytics.samples[first:last]]
        link = link_to_moment(address, start - lead_s)
        found.append(Moment(0, start, end, max(values), sum(values) / len(values), link))
    found.sort(key=lambda moment: (-moment.peak, -moment.avg, moment.start_s))
    return [replace(moment, rank=rank) for rank, moment in enumerate(found[:top], 1)]


def find_best_windows(
    analytics: ChatAnalytics,
    *,
    lengths_s: Iterable[int] = (60, 300, 600),
    lead_s: float = 15,
    linked: bool = True,
) -> pd.DataFrame:
    """Return the busiest stretch of each length: where it lies and how much was written there.

    Stretches start where a sample does, and last a whole number of samples. A length that the
    stream does not have is left out. The earliest wins where several are equal.
    """
    address = analytics.mediaSource if linked else ""
    counts = np.array([sample.chatMessages for sample in analytics.samples], dtype=float)
    sums = np.concatenate([[0.0], np.cumsum(counts)])
    rows = []
    for length_s in lengths_s:
        n = max(round(length_s / analytics.interval), 1)
        if n > len(counts):
            continue
        first = int((sums[n:] - sums[:-n]).argmax())
        run = analytics.samples[first : first + n]
        start_s, end_s, chats = run[0].startTime, run[-1].endTime, sum(s.chatMessages for s in run)
        link = link_to_moment(address, start_s - lead_s)
        per_min = chats / (end_s - start_s) * 60
        rows.append((length_s / 60, format_time(start_s), format_time(end_s), chats, per_min, link))
    return pd.DataFrame(rows, columns=["minutes", "from", "to", "chats", "chats_per_min", "link"])


def link_to_moment(address: str, offset_s: float) -> str | None:
    """Return the address of a recording, opened at an offset; None unless it is YouTube's or Twitch's."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or parts.netloc.lower() not in _HOSTS:
        return None
    seconds = max(int(offset_s), 0)
    if "twitch" in parts.netloc.lower():
        at = f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}s"
    else:
        at = f"{seconds}s"
    query = [(key, value) for key, value in parse_qsl(parts.query) if key != "t"]
    return urlunsplit(("https", parts.netloc, parts.path, urlencode([*query, ("t", at)]), ""))


def _merge(spans: Iterable[tuple[float, float]], *, gap_s: float) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in spans:
        if merged and start - merged[-1][1] <= gap_s:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
