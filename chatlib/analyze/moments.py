"""The moments of a stream worth a click: highlights merged, ranked and linked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pandas as pd

from chatlib.analyze.analytics import ChatAnalytics
from chatlib.analyze.words import METRIC_FIELDS, format_time

__all__ = ["Moment", "RenderedTable", "find_moments", "link_to_moment", "moments_as_table", "render_moments"]

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
    analytics: ChatAnalytics, *, top: int | None = None, gap_s: float = 0, lead_s: float = 15
) -> list[Moment]:
    """Return the highlights, best first: by their peak, then by their mean, then by time.

    Highlights with at most `gap_s` between them are merged first, and the samples in between
    count in the mean. Links start `lead_s` earlier, because a chat reacts with a delay.
    """
    metric_field = METRIC_FIELDS[analytics.highlight_metric]
    spans = _merge([(h.startTime, h.endTime) for h in analytics.highlights], gap_s=gap_s)
    found = []
    for start, end in spans:
        first, last = int(start // analytics.interval), int(-(-end // analytics.interval))
        values = [getattr(sample, metric_field) for sample in analytics.samples[first:last]]
        found.append((max(values), sum(values) / len(values), -start, end))
    found.sort(reverse=True)
    return [
        Moment(
            rank=rank,
            start_s=-minus_start,
            end_s=end,
            peak=peak,
            avg=avg,
            link=link_to_moment(analytics.mediaSource, -minus_start - lead_s),
        )
        for rank, (peak, avg, minus_start, end) in enumerate(found[:top], 1)
    ]


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


def moments_as_table(moments: Sequence[Moment]) -> pd.DataFrame:
    """Return moments as a table, times as text beside the seconds."""
    rows = [
        {"rank": m.rank, "from": format_time(m.start_s), "to": format_time(m.end_s)} | asdict(m)
        for m in moments
    ]
    columns = ["rank", "from", "to", "start_s", "end_s", "peak", "avg", "link"]
    return pd.DataFrame(rows, columns=columns)


def render_moments(table: pd.DataFrame) -> RenderedTable:
    """Return a table that a notebook shows with its `link` column clickable, all else escaped."""
    return RenderedTable(table)


@dataclass(frozen=True)
class RenderedTable:
    """A table that shows itself in a notebook."""

    table: pd.DataFrame

    def __repr__(self) -> str:
        return self.table.to_string(index=False)

    def _repr_html_(self) -> str:
        shown = self.table.astype(object)
        for column in shown.columns:
            shown[column] = [_render_cell(value, as_link=column == "link") for value in shown[column]]
        return shown.to_html(index=False, escape=False)


def _render_cell(value: object, *, as_link: bool) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    text = escape(f"{value:.3g}" if isinstance(value, float) else str(value))
    return f'<a href="{text}">watch</a>' if as_link else text


def _merge(spans: Iterable[tuple[float, float]], *, gap_s: float) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in spans:
        if merged and start - merged[-1][1] <= gap_s:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged
