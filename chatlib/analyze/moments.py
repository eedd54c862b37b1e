"""The moments of a stream worth a click: highlights merged, ranked, linked, described, listed as chapters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.chat_analytics import ChatAnalytics
from chatlib.analyze.analytics.format import METRIC_FIELDS, format_time
from chatlib.errors import ParameterError
from chatlib.files import atomic_write
from chatlib.text import compare_words, find_typical_messages, normalize_text, read_emotes, split_words

__all__ = [
    "Moment",
    "MomentWords",
    "clips_as_table",
    "describe_moments",
    "find_best_windows",
    "find_moments",
    "format_chapters",
    "link_to_moment",
    "moments_as_table",
    "save_chapters",
]

_HOSTS = {"www.youtube.com", "youtube.com", "m.youtube.com", "youtu.be", "www.twitch.tv", "twitch.tv"}
_LEAST_CHAPTER_S, _LEAST_CHAPTERS = 10, 3  # YouTube's rules, as is the chapter at 0:00
_AFTER_MOMENT = "And on"
_CLIP_LEAD_S, _CLIP_TAIL_S, _LEAST_CLIP_S = 15.0, 10.0, 20.0
# What a title must not hold: links, names, commands, times, brackets (YouTube refuses them), controls.
_NOT_IN_TITLE = re.compile(
    r"https?://|www\.|@|^!|\d:\d\d|[<>\x00-\x1f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_PLAIN_WORD = re.compile(r"\W*(?!\w*[a-z][A-Z])[^\W\d_]")  # an inner capital is an emote's
_PHRASE = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]{4}")  # of a script without spaces
_LONGEST_TITLE = 50
_LEAST_PEOPLE = 2  # who wrote a title
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
    """What people wrote in a moment: its characteristic words and typical messages, and how much.

    `title` is a readable message that several people wrote, else the words.
    """

    n_messages: int = 0
    n_people: int = 0
    words: Sequence[str] = ()
    messages: Sequence[str] = ()
    title: str = "Highlight"


def describe_moments(messages: pd.DataFrame, moments: Sequence[Moment]) -> list[MomentWords]:
    """Return what was written in each moment, as compared with the whole stream.

    `messages` are the chat messages of the stream: columns offset_s, author, text, emotes.
    """
    spoken = messages[messages["text"].notna() & (messages["text"] != "")]
    written = []
    for moment in moments:
        inside = spoken[(spoken["offset_s"] >= moment.start_s) & (spoken["offset_s"] < moment.end_s)]
        words = compare_words(inside["text"], spoken["text"])
        typical = find_typical_messages(inside["text"].tolist(), inside["author"].tolist(), words=words)
        own = words.loc[words["z"] >= _LEAST_Z, "word"].head(_N_WORDS).tolist()
        title = _pick_title(inside, words) or ", ".join(own[:3]) or MomentWords().title
        n_people = inside["author"].nunique()
        written.append(MomentWords(len(inside), n_people, own, [_shorten(text) for text in typical], title))
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


def format_chapters(
    moments: Sequence[Moment], written: Sequence[MomentWords] | None = None, *, duration_s: float
) -> str:
    """Return a chapter list as YouTube accepts it in a description; empty if there can't be one.

    YouTube wants a chapter at 0:00, at least three in all, each 10 seconds long or longer: a moment
    too close to its neighbour or to the end is left out, and if moments are too few, the time after
    one is a chapter, too.
    """
    pairs = zip(moments, written or [MomentWords()] * len(moments), strict=True)
    starts = [(int(moment.start_s), words.title) for moment, words in pairs]
    chapters = _space_chapters(starts, duration_s)
    if len(chapters) < _LEAST_CHAPTERS:
        ends = [(int(moment.end_s), _AFTER_MOMENT) for moment in moments]
        chapters = _space_chapters(starts + ends, duration_s)
    if len(chapters) < _LEAST_CHAPTERS:
        return ""
    return "".join(f"{format_time(start_s)} {title}\n" for start_s, title in chapters)


def clips_as_table(
    moments: Sequence[Moment], written: Sequence[MomentWords] | None = None, *, duration_s: float
) -> pd.DataFrame:
    """Return moments as clips to cut, best first: 15 s of lead, 10 s of tail, 20 s or longer.

    Columns: rank, in, out, in_s, out_s, title, link.
    """
    rows = []
    for moment, words in zip(moments, written or [MomentWords()] * len(moments), strict=True):
        in_s = max(moment.start_s - _CLIP_LEAD_S, 0.0)
        out_s = min(max(moment.end_s + _CLIP_TAIL_S, in_s + _LEAST_CLIP_S), duration_s)
        times = (format_time(in_s), format_time(out_s), in_s, out_s)
        rows.append((moment.rank, *times, words.title, moment.link and link_to_moment(moment.link, in_s)))
    return pd.DataFrame(rows, columns=["rank", "in", "out", "in_s", "out_s", "title", "link"])


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


def _pick_title(inside: pd.DataFrame, words: pd.DataFrame) -> str | None:
    """Return the most typical of the readable messages that several people wrote; None without any.

    It has a word that is characteristic of the moment.
    """
    emotes = inside["emotes"] if "emotes" in inside else [None] * len(inside)
    own = set(words.loc[words["z"] >= _LEAST_Z, "word"])
    readable = inside[
        [
            _is_readable(text, names) and not own.isdisjoint(split_words(text))
            for text, names in zip(inside["text"], emotes, strict=True)
        ]
    ]
    if readable.empty:
        return None
    n_people = readable["author"].groupby(readable["text"].map(normalize_text)).transform("nunique")
    repeated = readable[n_people >= _LEAST_PEOPLE]
    typical = find_typical_messages(
        repeated["text"].tolist(), repeated["author"].tolist(), words=words, top=1
    )
    return _shorten(typical[0]) if typical else None


def _is_readable(text: str, emotes: object) -> bool:
    """Return whether a message makes a title: short, of several words, nothing that YouTube would parse."""
    if len(text) > _LONGEST_TITLE or _NOT_IN_TITLE.search(text):
        return False
    names = set(read_emotes(emotes, None))
    tokens = text.split()
    words = {word.casefold() for word in tokens if word not in names and _PLAIN_WORD.match(word)}
    return (len(words) >= 2 and 3 * len(words) >= 2 * len(tokens)) or bool(_PHRASE.search(text))


def _space_chapters(starts: Iterable[tuple[int, str]], duration_s: float) -> list[tuple[int, str]]:
    chapters = [(0, "Start")]
    for start_s, title in sorted(starts):
        if min(start_s - chapters[-1][0], duration_s - start_s) >= _LEAST_CHAPTER_S:
            chapters.append((start_s, title))
    return chapters
