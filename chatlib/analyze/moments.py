"""The moments of a stream worth a click: highlights merged, ranked, linked, described, listed as chapters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.format import METRIC_FIELDS, format_time
from chatlib.errors import ParameterError
from chatlib.files import atomic_write
from chatlib.text import compare_words, find_typical_messages

__all__ = [
    "Moment",
    "MomentWords",
    "describe_moments",
    "find_best_windows",
    "find_moments",
    "format_chapters",
    "link_to_moment",
    "moments_as_table",
    "save_chapters",
]

_HOSTS = {"www.youtube.com", "youtube.com", "m.youtube.com", "youtu.be", "www.twitch.tv", "twitch.tv"}
_LEAST_CHAPTER_S = 10  # YouTube's rule, as is the chapter at 0:00
_LEAST_Z = 2.0  # below, a word is not clearly the moment's own
_N_WORDS = 5
_MAX_MESSAGE = 80


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
        found.append((max(values), sum(values) / len(values), -start, end))
    found.sort(reverse=True)
    return [
        Moment(
            rank=rank,
            start_s=-minus_start,
            end_s=end,
            peak=peak,
            avg=avg,
            link=link_to_moment(address, -minus_start - lead_s),
        )
        for rank, (peak, avg, minus_start, end) in enumerate(found[:top], 1)
    ]


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
        chats, seconds = sum(s.chatMessages for s in run), run[-1].endTime - run[0].startTime
        rows.append(
            {
                "minutes": length_s / 60,
                "from": format_time(run[0].startTime),
                "to": format_time(run[-1].endTime),
                "chats": chats,
                "chats_per_min": chats / seconds * 60,
                "link": link_to_moment(address, run[0].startTime - lead_s),
            }
        )
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


class MomentWords(NamedTuple):
    """What people wrote in a moment: its characteristic words and typical messages, and how much."""

    n_messages: int = 0
    n_people: int = 0
    words: Sequence[str] = ()
    messages: Sequence[str] = ()


def describe_moments(messages: pd.DataFrame, moments: Sequence[Moment]) -> list[MomentWords]:
    """Return what was written in each moment, as compared with the whole stream.

    `messages` are the chat messages of the stream: columns offset_s, author, text.
    """
    spoken = messages[messages["text"].notna() & (messages["text"] != "")]
    written = []
    for moment in moments:
        inside = spoken[(spoken["offset_s"] >= moment.start_s) & (spoken["offset_s"] < moment.end_s)]
        words = compare_words(inside["text"], spoken["text"])
        typical = find_typical_messages(inside["text"].tolist(), inside["author"].tolist(), words=words)
        own = words.loc[words["z"] >= _LEAST_Z, "word"].head(_N_WORDS).tolist()
        written.append(
            MomentWords(len(inside), inside["author"].nunique(), own, [_shorten(text) for text in typical])
        )
    return written


def moments_as_table(moments: Sequence[Moment], written: Sequence[MomentWords] | None = None) -> pd.DataFrame:
    """Return moments as a table, with what was written in each if it is given."""
    rows = []
    for moment, words in zip(moments, written or [MomentWords()] * len(moments), strict=True):
        row = {"rank": moment.rank, "from": format_time(moment.start_s), "to": format_time(moment.end_s)}
        row |= {"start_s": moment.start_s, "end_s": moment.end_s, "peak": moment.peak, "mean": moment.avg}
        if written is not None:
            row |= {"messages": words.n_messages, "people": words.n_people}
            row |= {"words": ", ".join(words.words), "typical": list(words.messages)}
        rows.append(row | {"link": moment.link})
    word_columns = ["messages", "people", "words", "typical"] if written is not None else []
    columns = ["rank", "from", "to", "start_s", "end_s", "peak", "mean", *word_columns, "link"]
    return pd.DataFrame(rows, columns=columns)


def format_chapters(moments: Sequence[Moment], written: Sequence[MomentWords] | None = None) -> str:
    """Return a chapter list in time order, one line each, as YouTube reads it from a description.

    The first chapter starts at 0:00; a moment less than 10 seconds after the chapter before is
    left out.
    """
    lines = [f"{format_time(0)} Start"]
    last = 0.0
    pairs = zip(moments, written or [MomentWords()] * len(moments), strict=True)
    for moment, words in sorted(pairs, key=lambda pair: pair[0].start_s):
        if moment.start_s - last < _LEAST_CHAPTER_S:
            continue
        title = ", ".join(words.words[:3]) or "Highlight"
        lines.append(f"{format_time(moment.start_s)} {title} (rank {moment.rank})")
        last = moment.start_s
    return "\n".join(lines) + "\n"


def save_chapters(text: str, path: str | Path) -> Path:
    """Write a chapter list; return the path. Raises: UnwritableFile; StoreFull."""
    return atomic_write(path, text)


def _merge(spans: Iterable[tuple[float, float]], *, gap_s: float) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in spans:
        if merged and start - merged[-1][1] <= gap_s:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_MESSAGE else line[: _MAX_MESSAGE - 1] + "…"
