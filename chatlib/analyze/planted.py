"""How well moments, spikes and highlights find bursts that were planted into a chat.

A chat is first calmed: each message moves to a random time within its ten minutes, which keeps the slow
drift and removes every burst. Then bursts of five kinds are planted at known places, and things that
are none: one person who floods the chat, calls of a bot, and a raid. What is named elsewhere, or there,
is a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.columns import analyze_columns, make_analytics
from chatlib.analyze.analytics.format import METRIC_FIELDS, ProcessSettings
from chatlib.analyze.analytics.readers import Talk
from chatlib.analyze.analytics.sections import find_highlights, find_spikes
from chatlib.analyze.moments import ReactionWords, find_moments, is_laughter
from chatlib.analyze.recall import find_busiest
from chatlib.columns import ChatColumns, Codes

__all__ = ["BURST_KINDS", "Burst", "Score", "calm_talk", "compare_detectors", "plant_bursts", "score_spans"]

BURST_KINDS = ("laughter", "one emote", "surprise", "many talk", "slow rise")
_DECOYS = ("flood", "commands", "raid")
_SURPRISE = ("WHAT", "omg", "no way", "oh no", "wtf", "!!!", "NOOO", "holy")
_WINDOW_S = 600  # of the drift that calming keeps
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
    moved = (offset_s // _WINDOW_S + rng.random(len(offset_s))) * _WINDOW_S
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
