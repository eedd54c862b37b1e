"""How well highlights and spikes detect bursts that were planted into a chat.

A chat is first calmed: each message moves to a random time within its ten minutes, which keeps
the slow drift and removes every burst. Then bursts are planted at known places. A detection
elsewhere is a false alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from chatlib.analyze.analytics.columns import analyze_columns, make_analytics
from chatlib.analyze.analytics.format import METRIC_FIELDS, ProcessSettings
from chatlib.analyze.analytics.sections import Section, find_highlights, find_spikes
from chatlib.columns import ChatColumns
from chatlib.records import NOBODY

__all__ = ["Burst", "Score", "calm_chat", "compare_detectors", "plant_bursts", "score_sections"]

_WINDOW_S = 600  # of the drift that calming keeps
_APART_S = 300  # between two planted bursts
_LENGTH_S = 20.0  # of a burst
_INTERVAL_S = 5
_SENSITIVITIES = (0.5, 1, 1.5, 2, 4)
_PERCENTILES = (90, 93, 97, 99, 99.5)
_METRIC = METRIC_FIELDS["usersPSec"]


class Burst(NamedTuple):
    """Where a burst was planted."""

    start_s: float
    end_s: float


class Score(NamedTuple):
    """The share of bursts found, and the number of other detections an hour."""

    recall: float
    false_alarms_per_h: float


def calm_chat(chat: ChatColumns, rng: np.random.Generator) -> ChatColumns:
    """Return the chat with each message at a random time within its ten minutes, in time order."""
    offset = (chat.offset_s // _WINDOW_S + rng.random(len(chat.offset_s))) * _WINDOW_S
    offset = np.minimum(offset, np.nanmax(chat.offset_s, initial=0.0))
    order = np.argsort(offset, kind="stable")
    return ChatColumns(offset[order], chat.kind[order], chat.kinds, chat.author[order], {})


def plant_bursts(
    chat: ChatColumns, rng: np.random.Generator, *, n_bursts: int = 20, factor: float = 5.0
) -> tuple[ChatColumns, list[Burst]]:
    """Return a chat in time order with bursts in it, and where they are.

    In a burst the rate rises to `factor` times that of the minutes around it, at least by one
    message in two seconds; the messages are by authors of the chat. Bursts lie at random places,
    minutes apart, after the first five minutes; there are none in a stream of under 15 minutes.
    """
    n_places = max(_count_places(chat), 0)
    places = np.sort(rng.choice(n_places, size=min(n_bursts, n_places), replace=False) + 1)
    starts = (places + rng.random(len(places)) / 2) * _APART_S
    near = np.diff(np.searchsorted(chat.offset_s, [starts - _APART_S / 2, starts + _APART_S / 2]), axis=0)[0]
    sizes = np.maximum(near / _APART_S * (factor - 1), 0.5) * _LENGTH_S
    burst = np.repeat(np.arange(len(starts)), sizes.round().astype(int))
    added = starts[burst] + rng.random(len(burst)) * _LENGTH_S
    authors = rng.choice(np.unique(chat.author[chat.author != NOBODY]), size=len(burst))
    offset = np.concatenate([chat.offset_s, added])
    order = np.argsort(offset, kind="stable")
    planted = ChatColumns(
        offset_s=offset[order],
        kind=np.concatenate([chat.kind, np.full(len(burst), len(chat.kinds))])[order],
        kinds=[*chat.kinds, "text_message"],
        author=np.concatenate([chat.author, authors])[order],
        message_ids={},
    )
    return planted, [Burst(start, start + _LENGTH_S) for start in starts.tolist()]


def score_sections(sections: Sequence[Section], bursts: Sequence[Burst], *, duration_s: float) -> Score:
    """Return how many bursts a section overlaps, and how many sections overlap no burst."""
    overlap = np.array(
        [[s.startTime < b.end_s and s.endTime > b.start_s for b in bursts] for s in sections], dtype=bool
    ).reshape(len(sections), len(bursts))
    false_alarms = int((~overlap.any(axis=1)).sum())
    return Score(float(overlap.any(axis=0).mean()) if bursts else 0.0, false_alarms / duration_s * 3600)


def compare_detectors(chat: ChatColumns, platform: str, *, seed: int) -> pd.DataFrame:
    """Return how well spikes and highlights find planted bursts: one row per detector and setting.

    Columns: detector, setting, recall, false_alarms_per_h. The metric is unique users, in
    samples of 5 seconds. No rows for a stream of under 15 minutes, or without authors.
    """
    columns = ["detector", "setting", *Score._fields]
    timed = _drop_untimed(chat)
    if _count_places(timed) < 1 or not (timed.author != NOBODY).any():
        return pd.DataFrame(columns=columns)
    rng = np.random.default_rng(seed)
    in_time = calm_chat(timed, rng)
    planted, bursts = plant_bursts(in_time, rng)
    duration_s = float(planted.offset_s[-1])
    settings = ProcessSettings(interval_s=_INTERVAL_S)
    analytics = make_analytics(platform, duration_s=duration_s, settings=settings)
    samples = analyze_columns(planted, analytics, settings).samples
    found: list[tuple[str, float, Sequence[Section]]] = [
        *(("spikes", x, find_spikes(samples, _METRIC, sensitivity=x)) for x in _SENSITIVITIES),
        *(("highlights", x, find_highlights(samples, _METRIC, percentile=x)) for x in _PERCENTILES),
    ]
    rows = [
        (detector, setting, *score_sections(sections, bursts, duration_s=duration_s))
        for detector, setting, sections in found
    ]
    return pd.DataFrame(rows, columns=columns)


def _count_places(chat: ChatColumns) -> int:
    return int(np.nanmax(chat.offset_s, initial=0.0) // _APART_S) - 2


def _drop_untimed(chat: ChatColumns) -> ChatColumns:
    kept = np.flatnonzero(chat.offset_s >= 0)
    return ChatColumns(chat.offset_s[kept], chat.kind[kept], chat.kinds, chat.author[kept], {})
