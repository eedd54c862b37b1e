"""Bursts of known place: planted, found, and scored."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chatlib.analyze.analytics.readers import Talk, read_file, select_talk
from chatlib.analyze.planted import (
    BURST_KINDS,
    Burst,
    calm_talk,
    compare_detectors,
    plant_bursts,
    score_spans,
)
from tests.places import CHANNEL_2023

TEXTS = ["hello there", "what a game", "nice", "LUL", "i think so", "where is it"]


def make_talk(duration_s=7200.0, per_min=40, seed=0, author=True):
    rng = np.random.default_rng(seed)
    n = int(duration_s * per_min / 60)
    spoken = pd.DataFrame({"offset_s": np.sort(rng.uniform(0, duration_s, n))})
    spoken["author"] = rng.integers(0, 300, n) if author else None
    spoken = spoken.assign(text=rng.choice(TEXTS, n), emotes=None)
    return Talk(spoken, np.array([100.0]), np.zeros(0))


def count(talk, start_s, end_s):
    return int(talk.spoken["offset_s"].between(start_s, end_s).sum())


def test_calming_keeps_the_drift_and_takes_a_burst_away():
    talk = make_talk()
    offset_s = talk.spoken["offset_s"]
    burst = replace(talk, spoken=talk.spoken.assign(offset_s=offset_s.where(offset_s >= 300, 100.0)))
    calm = calm_talk(burst, np.random.default_rng(1))
    assert count(calm, 0, 599.999) == (offset_s < 600).sum()
    assert np.histogram(calm.spoken["offset_s"], bins=60, range=(0, 600))[0].max() < 30
    assert calm.spoken["offset_s"].is_monotonic_increasing
    assert not len(calm.hype_s)


def test_planted_bursts_are_where_they_are_said_to_be():
    talk = make_talk()
    planted, bursts = plant_bursts(talk, np.random.default_rng(2), n_bursts=10, factor=5)
    assert [burst.kind for burst in bursts].count("laughter") == 2
    assert {burst.kind for burst in bursts} == set(BURST_KINDS)
    for burst in bursts:
        added = count(planted, burst.start_s, burst.end_s) - count(talk, burst.start_s, burst.end_s)
        assert 40 <= added <= 70  # 40 a minute, 20 s, 5 times: 53 more
    assert min(np.diff(sorted(burst.start_s for burst in bursts))) > 100
    assert planted.spoken["offset_s"].is_monotonic_increasing


def test_a_score_counts_bursts_found_and_spans_elsewhere():
    bursts = [Burst("laughter", at, at + 20.0) for at in (100, 500, 900)]
    spans = [(110, 115), (118, 130), (300, 310), (490, 500), (915, 1000)]
    assert score_spans(spans, bursts, duration_s=1800) == (2 / 3, 4.0)
    assert score_spans([], bursts, duration_s=1800) == (0.0, 0.0)


def test_moments_find_laughter_first_and_spikes_few_false_alarms():
    table = compare_detectors(make_talk(4 * 3600), "youtube", seed=3).set_index(["detector", "setting"])
    moments, spikes = table.loc["moments"], table.loc["spikes"]
    assert moments.loc[3.0, "laughter"] >= 0.75 > moments.loc[3.0, "one emote"]
    assert moments.loc[3.0, "recall"] > table.loc[("busiest 30 s", 3.0), "recall"]
    assert moments.loc[3.0, "false_alarms_per_h"] <= 1
    assert spikes.loc[1.5, "recall"] >= 0.9
    assert spikes.loc[1.5, "false_alarms_per_h"] <= 1.5  # a raid is a rise, too
    for found in (moments, spikes):
        assert found["recall"].is_monotonic_increasing
        assert found["false_alarms_per_h"].is_monotonic_increasing
    assert table.loc[("highlights", 90.0), "false_alarms_per_h"] > 10


def test_the_same_seed_gives_the_same_scores():
    talk = make_talk(3600)
    assert compare_detectors(talk, "twitch", seed=5).equals(compare_detectors(talk, "twitch", seed=5))


def test_in_a_short_or_nameless_stream_nothing_is_compared():
    for talk in (make_talk(400), make_talk(author=False), make_talk(0)):
        table = compare_detectors(talk, "youtube", seed=0)
        assert table.empty
        assert list(table.columns)[:4] == ["detector", "setting", "recall", "false_alarms_per_h"]
    assert plant_bursts(make_talk(400), np.random.default_rng(0))[1] == []


@pytest.mark.real
def test_on_real_chat_moments_are_bursts_more_often_than_the_busiest_half_minutes():
    folder = CHANNEL_2023 / "chat"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data")
    files = sorted(folder.glob("*.json.gz"))[5:160:13]
    talks = [select_talk(read_file(path, with_messages=True).messages) for path in files]
    scores = pd.concat([compare_detectors(talk, "twitch", seed=1) for talk in talks])
    mean = scores.groupby(["detector", "setting"]).mean()
    assert mean.loc[("moments", 3), "recall"] >= 0.5
    assert mean.loc[("moments", 3), "recall"] >= mean.loc[("busiest 30 s", 3), "recall"] + 0.1
    assert mean.loc[("moments", 3), "false_alarms_per_h"] <= 0.5
    assert mean.loc[("moments", 3), "laughter"] >= 0.9
    assert mean.loc[("spikes", 1.5), "recall"] >= 0.8
    assert mean.loc[("spikes", 1.5), "false_alarms_per_h"] <= 1.0
    assert mean.loc[("highlights", 93), "false_alarms_per_h"] >= 10
