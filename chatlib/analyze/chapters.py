"""Moments told in words: what was written there, and the list of chapters to paste under a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from chatlib.analyze.analytics.words import format_time
from chatlib.analyze.moments import Moment
from chatlib.files import atomic_write
from chatlib.text import compare_words, find_typical_messages

__all__ = [
    "MomentWords",
    "describe_moments",
    "format_chapters",
    "moments_as_table",
    "save_chapters",
]

_LEAST_CHAPTER_S = 10  # YouTube's rule, as is the chapter at 0:00
_LEAST_Z = 2.0  # below, a word is not clearly the moment's own
_MAX_MESSAGE = 80


@dataclass(frozen=True)
class MomentWords:
    """What people wrote in a moment: its own words, typical messages, and how many wrote how much."""

    n_messages: int = 0
    n_people: int = 0
    words: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def describe_moments(
    messages: pd.DataFrame, moments: Sequence[Moment], *, n_words: int = 5, n_messages: int = 3
) -> list[MomentWords]:
    """Return what was written in each moment, compared with the whole stream.

    `messages` are the chat messages of the stream: columns offset_s, author, text.
    """
    spoken = messages[messages["text"].notna() & (messages["text"] != "")]
    found = []
    for moment in moments:
        inside = spoken[(spoken["offset_s"] >= moment.start_s) & (spoken["offset_s"] < moment.end_s)]
        words = compare_words(inside["text"], spoken["text"])
        typical = find_typical_messages(
            inside["text"].tolist(), inside["author"].tolist(), words=words, top=n_messages
        )
        own = words.loc[words["z"] >= _LEAST_Z, "word"].head(n_words).tolist()
        found.append(
            MomentWords(len(inside), inside["author"].nunique(), own, [_shorten(text) for text in typical])
        )
    return found


def moments_as_table(moments: Sequence[Moment], told: Sequence[MomentWords] | None = None) -> pd.DataFrame:
    """Return moments as a table, with what was written there if it is given."""
    rows = []
    for moment, words in zip(moments, told or [MomentWords()] * len(moments), strict=True):
        row = {"rank": moment.rank, "from": format_time(moment.start_s), "to": format_time(moment.end_s)}
        row |= {"start_s": moment.start_s, "end_s": moment.end_s, "peak": moment.peak, "mean": moment.avg}
        if told is not None:
            row |= {"messages": words.n_messages, "people": words.n_people}
            row |= {"words": ", ".join(words.words), "typical": words.messages}
        rows.append(row | {"link": moment.link})
    told_columns = ["messages", "people", "words", "typical"] if told is not None else []
    columns = ["rank", "from", "to", "start_s", "end_s", "peak", "mean", *told_columns, "link"]
    return pd.DataFrame(rows, columns=columns)


def format_chapters(moments: Sequence[Moment], told: Sequence[MomentWords] | None = None) -> str:
    """Return a chapter list in time order, one line each, as YouTube reads it from a description.

    The first chapter is at 0:00, and the next is at least 10 seconds after it; a moment that
    follows the chapter before more closely is left out.
    """
    lines = [f"{format_time(0)} Start"]
    last = 0.0
    pairs = zip(moments, told or [MomentWords()] * len(moments), strict=True)
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


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_MESSAGE else line[: _MAX_MESSAGE - 1] + "…"
