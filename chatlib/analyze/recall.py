"""How well moments are found: the clips that people cut, and bursts planted at known places.

*Clips*, from a list or collected: a clip is found if a named moment overlaps it, by however little. Beside
the share found stand the share of the streams' time that is named, and chance: how often a clip of that
length, put anywhere into its stream, would be found by the same moments. So naming much is no merit.

*Planted bursts*: a chat is first calmed: each message moves to a random time within its ten minutes, which
keeps the slow drift and removes every burst. Then bursts of five kinds are planted, and things that are none:
one person who floods the chat, calls of a bot, and a raid. What is named there, or elsewhere, is false.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.columns import analyze_columns, make_analytics
from chatlib.analyze.analytics.format import METRIC_FIELDS, ProcessSettings
from chatlib.analyze.analytics.readers import Talk, analyze_stream, load_talk
from chatlib.analyze.analytics.sections import find_highlights, find_spikes, iter_runs, rank_spikes
from chatlib.analyze.moments import ReactionWords, find_moments, is_laughter
from chatlib.collect.address import find_video_id
from chatlib.collect.sheets import load_tables
from chatlib.columns import ChatColumns, Codes
from chatlib.errors import NotEnoughData, SourceError
from chatlib.queries import StoredStream
from chatlib.store import Store
from chatlib.times import read_offset

__all__ = [
    "BURST_KINDS",
    "PER_HOUR",
    "Burst",
    "Clips",
    "Score",
    "calm_talk",
    "compare_detectors",
    "count_named",
    "find_busiest",
    "load_clips",
    "measure_recall",
    "plant_bursts",
    "read_clips",
    "score_named",
    "score_spans",
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


BURST_KINDS = ("laughter", "one emote", "surprise", "many talk", "slow rise")
_DECOYS = ("flood", "commands", "raid")
_SURPRISE = ("WHAT", "omg", "no way", "oh no", "wtf", "!!!", "NOOO", "holy")
_DRIFT_S = 600  # that calming keeps
_APART_S = 300  # between two places
_LENGTH_S, _SLOW_S = 20.0, 60.0
_INTERVAL_S = 5
_PER_HOUR = (1.5, 3, 6, 12)
_SENSITIVITIES = (0.5, 1, 1.5, 2, 4)
_PERCENTILES = (90, 93, 97, 99, 99.5)
_METRIC = METRIC_FIELDS["usersPSec"]
_Spans = Sequence[tuple[float, float]]


class Burst(NamedTuple):
    """Where a burst was planted; `kind` is of `BURST_KINDS`."""

    kind: str
    start_s: float
    end_s: float


class Score(NamedTuple):
    """The share of bursts found, and the number of other things named an hour."""

    recall: float
    false_alarms_per_h: float


def calm_talk(talk: Talk, rng: np.random.Generator) -> Talk:
    """Return the talk with each message at a random time within its ten minutes; no hype, no clip is left."""
    names_clip = talk.spoken["text"].str.contains("clip", case=False, regex=False)
    spoken = talk.spoken[(talk.spoken["offset_s"] >= 0) & ~names_clip]
    offset_s = spoken["offset_s"].to_numpy(dtype=float)
    moved = (offset_s // _DRIFT_S + rng.random(len(offset_s))) * _DRIFT_S
    moved = np.minimum(moved, offset_s.max(initial=0.0))
    calm = spoken.assign(offset_s=moved).sort_values("offset_s", kind="stable", ignore_index=True)
    return Talk(calm, np.zeros(0), np.zeros(0))


def plant_bursts(
    talk: Talk, rng: np.random.Generator, *, n_bursts: int = 20, factor: float = 5.0
) -> tuple[Talk, list[Burst]]:
    """Return a talk with bursts and decoys in it, and where the bursts are, kinds in turn.

    In a burst of 20 s the rate rises to `factor` times that of the minutes around it, at least by one
    message in two seconds, by people of the chat; a slow rise has as many messages in a minute, most of
    them late. For four bursts there is a decoy of the same size. All lie minutes apart, after the first
    five minutes; there are none in a stream of under 15 minutes.
    """
    spoken = talk.spoken
    offset_s = spoken["offset_s"].to_numpy()
    n_places = _count_places(talk)
    n = min(n_bursts + n_bursts // 4, n_places)
    places = rng.choice(n_places, size=n, replace=False) + 1
    kinds = cycle([*BURST_KINDS[:4], "decoy", BURST_KINDS[4]])
    decoys, people = cycle(_DECOYS), spoken["author"].dropna().unique()
    texts = _choose_texts(spoken, rng)
    tables, bursts, hype_s = [spoken], [], []
    for place, kind in zip(places.tolist(), kinds, strict=False):
        start_s = (place + rng.random() / 2) * _APART_S
        near = np.diff(np.searchsorted(offset_s, [start_s - _APART_S / 2, start_s + _APART_S / 2]))[0]
        size = round(max(near / _APART_S * (factor - 1), 0.5) * _LENGTH_S)
        length_s = _SLOW_S if kind == "slow rise" else _LENGTH_S
        at = start_s + length_s * np.sort(rng.random(size)) ** (1 / 3 if kind == "slow rise" else 1)
        author, name = rng.choice(people, size=size), kind
        if kind == "decoy":
            name = next(decoys)
            author = author[:1].repeat(size) if name == "flood" else author
            hype_s += [start_s] if name == "raid" else []
        else:
            bursts.append(Burst(kind, start_s, start_s + length_s))
        said = rng.choice(np.array(texts[name], dtype=object), size=size)
        tables.append(pd.DataFrame({"offset_s": at, "author": author, "text": said, "emotes": None}))
    planted = pd.concat(tables).sort_values("offset_s", kind="stable", ignore_index=True)
    return Talk(planted, np.array(hype_s), talk.paid_s), bursts


def score_spans(spans: _Spans, bursts: Sequence[Burst], *, duration_s: float) -> Score:
    """Return how many bursts a span overlaps, and how many spans overlap no burst."""
    overlap = np.array(
        [[start < b.end_s and end > b.start_s for b in bursts] for start, end in spans], dtype=bool
    ).reshape(len(spans), len(bursts))
    false_alarms = int((~overlap.any(axis=1)).sum())
    return Score(float(overlap.any(axis=0).mean()) if bursts else 0.0, false_alarms / duration_s * 3600)


def compare_detectors(
    talk: Talk, platform: str, *, seed: int, words: ReactionWords | None = None
) -> pd.DataFrame:
    """Return how well planted bursts are found: one row per detector and setting.

    Columns: detector, setting, recall, false_alarms_per_h, and the recall of each of `BURST_KINDS`. The
    setting is the number an hour for moments and the busiest 30 s, else the sensitivity or percentile of
    people a second. No rows for a stream of under 15 minutes, or without authors.
    """
    columns = ["detector", "setting", *Score._fields, *BURST_KINDS]
    rng = np.random.default_rng(seed)
    calm = calm_talk(talk, rng)
    if _count_places(calm) < 1 or not calm.spoken["author"].notna().any():
        return pd.DataFrame(columns=columns)
    planted, bursts = plant_bursts(calm, rng)
    duration_s = float(planted.spoken["offset_s"].iloc[-1])
    rows = []
    for detector, setting, spans in _detect(planted, platform, duration_s=duration_s, words=words):
        of_kind = [
            score_spans(spans, [b for b in bursts if b.kind == kind], duration_s=duration_s).recall
            for kind in BURST_KINDS
        ]
        rows.append((detector, setting, *score_spans(spans, bursts, duration_s=duration_s), *of_kind))
    return pd.DataFrame(rows, columns=columns)


def _detect(
    talk: Talk, platform: str, *, duration_s: float, words: ReactionWords | None
) -> list[tuple[str, float, _Spans]]:
    hours = duration_s / 3600
    counts = [max(round(n * hours), 1) for n in _PER_HOUR]
    moments = find_moments(talk, duration_s=duration_s, top=counts[-1], words=words)
    busiest = find_busiest(talk.spoken["offset_s"], duration_s, top=counts[-1])
    offset_s, author = talk.spoken["offset_s"].to_numpy(), Codes().encode(talk.spoken["author"].tolist())
    settings = ProcessSettings(interval_s=_INTERVAL_S)
    analytics = make_analytics(platform, duration_s=duration_s, settings=settings)
    kinds = [*analytics.rules.chat_kinds][:1]
    chat = ChatColumns(offset_s, np.zeros(len(author), dtype=np.int64), kinds, author, {})
    samples = analyze_columns(chat, analytics, settings).samples
    found: list[tuple[str, float, _Spans]] = []
    for per_hour, n in zip(_PER_HOUR, counts, strict=True):
        found.append(("moments", per_hour, [(m.start_s, m.end_s) for m in moments[:n]]))
        found.append(("busiest 30 s", per_hour, busiest[:n]))
    for x in _SENSITIVITIES:
        spikes = find_spikes(samples, _METRIC, sensitivity=x)
        found.append(("spikes", x, [(s.startTime, s.endTime) for s in spikes]))
    for x in _PERCENTILES:
        highlights = find_highlights(samples, _METRIC, percentile=x)
        found.append(("highlights", x, [(h.startTime, h.endTime) for h in highlights]))
    return found


def _choose_texts(spoken: pd.DataFrame, rng: np.random.Generator) -> dict[str, Sequence[str]]:
    """Return what is written in bursts of each kind: the chat's own words where it has them."""
    texts = spoken["text"].drop_duplicates()
    some = texts.sample(min(len(texts), 3000), random_state=int(rng.integers(2**31))).tolist()
    laughing = [text for text in some if len(text) < 20 and any(map(is_laughter, text.split()))]
    single = spoken.loc[spoken["text"].str.fullmatch(r"\w{3,}"), "text"].value_counts()
    emotes = [text for text in single.index[:20] if not is_laughter(text)]
    return {
        "laughter": laughing or ["lol"],
        "one emote": emotes[:1] or ["wow"],
        "surprise": _SURPRISE,
        "many talk": some,
        "slow rise": some,
        "flood": some,
        "commands": ["!song", "!points", "!uptime"],
        "raid": ["raid", "hello raiders", "welcome in", "hi"],
    }


def _count_places(talk: Talk) -> int:
    return max(int(talk.spoken["offset_s"].max() // _APART_S) - 2 if len(talk.spoken) else 0, 0)
