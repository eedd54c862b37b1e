"""How many of the clips that people cut lie in the moments named: clips from a list, or collected.

A clip is found if a named moment overlaps it, by however little. Beside the share found stand the
share of the streams' time that is named, and chance: how often a clip of that length, put anywhere into
its stream, would be found by the same moments. So naming much is no merit.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.readers import analyze_stream, load_talk
from chatlib.analyze.analytics.sections import iter_runs, rank_spikes
from chatlib.analyze.moments import ReactionWords, find_moments
from chatlib.collect.address import find_video_id
from chatlib.collect.sheets import load_tables
from chatlib.errors import NotEnoughData, SourceError
from chatlib.queries import StoredStream
from chatlib.store import Store
from chatlib.times import read_offset

__all__ = [
    "PER_HOUR",
    "Clips",
    "count_named",
    "find_busiest",
    "load_clips",
    "measure_recall",
    "read_clips",
    "score_named",
]

PER_HOUR = (3, 6, 12)
_CLIP_S = 30.0  # where a clip's length is unknown
_WINDOW_S = 30  # of the plainest rule
_MOST_REPLAYED = 0.95  # of a curve's steps lie below
_LONGEST_CELL = 10_000
# What a column may be called, in lower case with `_` for everything else.
_NAMES = {
    "video": ("video_id", "video", "vod", "vod_id", "stream", "id", "address", "url", "link"),
    "start": ("start", "start_s", "start_seconds", "offset", "offset_s", "vod_offset", "from", "in", "begin"),
    "duration": ("duration", "duration_s", "length", "length_s", "seconds"),
    "end": ("end", "end_s", "end_seconds", "to", "out"),
}
_TWITCH_CLOCK = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.I)


class Clips(NamedTuple):
    """Clips of a run's streams: columns source, stream_id, start_s, end_s; and why rows were left out."""

    table: pd.DataFrame
    problems: list[str]


def read_clips(path: str | Path, store: Store) -> Clips:
    """Return the clips of a CSV or ODS file: columns for video id or address, start, and duration or end.

    Times are seconds or h:mm:ss. Rows that can't be read, and streams that the database does not have,
    are left out, and told one by one.
    Raises: MissingSource, SourceError for a file that is no such table; NotEnoughData if no row is left.
    """
    path = Path(path)
    rows = [[str(cell) for cell in row] for row in load_tables(path)[0].cells]
    if not rows:
        raise NotEnoughData(f"A list of clips must have a row of column names, and {path.name} is empty.")
    places = _find_columns(rows[0], path.name)
    by_id = {stream.video_id: stream for stream in store.list_streams()}
    found, problems = [], []
    for number, row in enumerate(rows[1:], 2):
        cells = {name: row[at].strip() for name, at in places.items() if at < len(row)}
        if not any(cells.values()):
            continue
        try:
            found.append(("listed", *_read_clip(cells, by_id)))
        except ValueError as error:
            problems.append(f"{path.name}, row {number}: {error}")
    if not found:
        why = f" ({problems[0]})" if problems else ""
        raise NotEnoughData(
            f"At least one row of {path.name} must be a clip of a stream in this run; none of "
            f"{len(rows) - 1} is{why}."
        )
    return Clips(_as_table(found), problems)


def load_clips(store: Store) -> Clips:
    """Return the clips that collecting brought, and the most replayed parts as clips of their own source.

    Of a most-replayed curve, those steps count that are above its 95th percentile; neighbours are one.
    """
    found: list[tuple[str, int, float, float]] = []
    clips = store.load_clips().dropna(subset=["offset_s"])
    lengths = clips["duration_s"].fillna(_CLIP_S)
    for stream_id, start_s, length_s in zip(clips["stream_id"], clips["offset_s"], lengths, strict=True):
        found.append(("clips", int(stream_id), float(start_s), float(start_s + length_s)))
    for key, curve in store.load_heatmaps().groupby("stream_id"):
        is_high = (curve["value"] > curve["value"].quantile(_MOST_REPLAYED)).to_numpy()
        start_s, end_s = curve["start_s"].to_numpy(), curve["end_s"].to_numpy()
        runs = iter_runs(is_high)
        found += [("most replayed", int(str(key)), start_s[first], end_s[end - 1]) for first, end in runs]
    return Clips(_as_table(found), [])


def measure_recall(
    store: Store, clips: pd.DataFrame, *, words: ReactionWords, per_hour: Sequence[int] = PER_HOUR
) -> pd.DataFrame:
    """Return how many clips are found by moments, by the busiest 30 s, and by spikes.

    `clips` is a table of `read_clips` or `load_clips`. One row per source, rule and number an hour;
    columns: source, rule, per_hour, clips, found, found_share, chance_share, named_share (of the time of
    the streams that have clips). A stream has at least one moment. Clips outside their stream, and those of a
    stream whose chat has no times, don't count.
    """
    streams = {stream.stream_id: stream for stream in store.list_streams()}
    sums: dict[tuple[str, str, int], np.ndarray] = defaultdict(lambda: np.zeros(5))
    for key, of_stream in clips.groupby("stream_id"):
        stream = streams[int(str(key))]
        if stream.last_offset_s is None or stream.last_offset_s < 0:
            continue
        duration_s, named = _name_spans(store, stream, words, most=max(per_hour))
        for (rule, spans), n_hour in ((pair, n) for pair in named.items() for n in per_hour):
            best = spans[: count_named(n_hour, duration_s)]
            for source, own in of_stream.groupby("source"):
                sums[str(source), rule, n_hour] += score_named(own, best, duration_s=duration_s)
    rows = [
        (source, rule, n_hour, int(n), int(found), found / max(n, 1), chance / max(n, 1), named_s / total_s)
        for (source, rule, n_hour), (n, found, chance, named_s, total_s) in sums.items()
    ]
    columns = ["source", "rule", "per_hour", "clips", "found", "found_share", "chance_share", "named_share"]
    return pd.DataFrame(rows, columns=columns)


def _find_columns(head: Sequence[str], name: str) -> dict[str, int]:
    plain = [re.sub(r"\W+", "_", cell.strip().casefold()).strip("_") for cell in head]
    places = {
        column: min(found)
        for column, names in _NAMES.items()
        if (found := [plain.index(known) for known in names if known in plain])
    }
    if "video" in places and "start" in places and places.keys() & {"duration", "end"}:
        return places
    raise SourceError(
        f"A list of clips needs columns video_id (or address), start, and duration or end; {name} has "
        f"{', '.join(head)[:200] or 'none'}. Name them so in its first row."
    )


def _read_clip(cells: Mapping[str, str], by_id: Mapping[str, StoredStream]) -> tuple[int, float, float]:
    """Return stream, start and end of a clip. Raises: ValueError that says what is wrong."""
    video = cells["video"][:_LONGEST_CELL]
    stream = by_id.get(video) or by_id.get(find_video_id(video) or "")
    if stream is None:
        raise ValueError(f"the run has no stream {video[:80]!r}")
    start_s = _read_time(cells, "start")
    end_s = _read_time(cells, "end") if cells.get("end") else start_s + _read_time(cells, "duration")
    if not 0 <= start_s < end_s:
        raise ValueError(
            f"a clip must begin at 0 or later and end after it begins, not {start_s:g} to {end_s:g} s"
        )
    return stream.stream_id, start_s, end_s


def _read_time(cells: Mapping[str, str], column: str) -> float:
    text = cells.get(column, "")[:_LONGEST_CELL]
    seconds = read_offset(text)
    if seconds is None and text and (clock := _TWITCH_CLOCK.fullmatch(text)):
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        seconds = float(hours * 3600 + minutes * 60 + rest)
    if seconds is None:
        raise ValueError(f"{column} must be seconds or h:mm:ss, not {text[:40]!r}")
    return seconds


def _as_table(rows: Sequence[tuple[str, int, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["source", "stream_id", "start_s", "end_s"])


def _name_spans(
    store: Store, stream: StoredStream, words: ReactionWords, *, most: int
) -> tuple[float, dict[str, list[tuple[float, float]]]]:
    """Return a stream's duration and what each rule names in it, the best first."""
    story, talk = analyze_stream(store, stream), load_talk(store, stream)
    top = count_named(most, story.duration)
    moments = find_moments(talk, duration_s=story.duration, top=top, words=words)
    return story.duration, {
        "moments": [(m.start_s, m.end_s) for m in moments],
        f"busiest {_WINDOW_S} s": find_busiest(talk.spoken["offset_s"], story.duration, top=top),
        "spikes": [(s.startTime, s.endTime) for s in rank_spikes(story.spikes)],
    }


def find_busiest(offset_s: pd.Series, duration_s: float, *, top: int) -> list[tuple[float, float]]:
    """Return the plainest rule's moments, the best first: the half minutes with most messages."""
    inside = offset_s[(offset_s >= 0) & (offset_s <= duration_s)]
    counts = np.bincount((inside // _WINDOW_S).astype(np.int64))
    best = np.argsort(-counts, kind="stable")[:top].tolist()
    return [(at * _WINDOW_S, min((at + 1) * _WINDOW_S, duration_s)) for at in best]


def count_named(per_hour: int, duration_s: float) -> int:
    """Return how many moments a stream has at so many an hour: at least one."""
    return max(round(per_hour * duration_s / 3600), 1)


def score_named(
    clips: pd.DataFrame, named: Sequence[tuple[float, float]], *, duration_s: float
) -> np.ndarray:
    """Return the numbers of clips, found ones and those found by chance, the seconds named and in all.

    `clips` are of one stream, and have columns start_s and end_s; `named` are (start, end) in it.
    """
    covered = np.zeros(max(int(duration_s), 1), dtype=bool)
    for start_s, end_s in named:
        covered[int(start_s) : int(np.ceil(end_s))] = True
    sums = np.concatenate([[0], np.cumsum(covered)])
    total = len(covered)
    n_clips, n_found, by_chance = 0, 0, 0.0
    for start_s, end_s in zip(clips["start_s"], clips["end_s"], strict=True):
        if start_s >= total:
            continue
        first, end = max(int(start_s), 0), min(int(np.ceil(end_s)), total)
        length = min(max(end - first, 1), total)
        n_clips += 1
        n_found += bool(sums[max(end, first)] > sums[first])
        by_chance += float((sums[length:] > sums[: len(sums) - length]).mean())
    return np.array([n_clips, n_found, by_chance, covered.sum(), total])
