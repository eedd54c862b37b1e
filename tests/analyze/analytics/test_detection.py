"""Bursts of known place: planted, found, and scored."""

import numpy as np
import pandas as pd
import pytest

from chatlib.analyze import Spike
from chatlib.analyze.analytics.detection import (
    Burst,
    calm_chat,
    compare_detectors,
    plant_bursts,
    score_sections,
)
from chatlib.analyze.analytics.readers import read_file
from chatlib.columns import ChatColumns
from tests.places import CHANNEL_2023


def make_chat(duration_s=7200.0, per_min=40, seed=0):
    rng = np.random.default_rng(seed)
    n = int(duration_s * per_min / 60)
    return ChatColumns(
        offset_s=np.sort(rng.uniform(0, duration_s, n)),
        kind=np.zeros(n, dtype=np.int64),
        kinds=["text_message"],
        author=rng.integers(0, 300, n),
        message_ids={},
    )


def test_calming_keeps_the_drift_and_takes_a_burst_away():
    chat = make_chat()
    burst = chat._replace(offset_s=np.where(chat.offset_s < 300, 100.0, chat.offset_s))
    calmed = calm_chat(burst, np.random.default_rng(1))
    assert np.bincount((calmed.offset_s // 600).astype(int))[0] == np.sum(burst.offset_s < 600)
    assert np.histogram(calmed.offset_s, bins=60, range=(0, 600))[0].max() < 30
    assert (np.diff(calmed.offset_s) >= 0).all()


def test_planted_bursts_are_where_they_are_said_to_be():
    chat = make_chat()
    planted, bursts = plant_bursts(chat, np.random.default_rng(2), n_bursts=10, factor=5)
    assert len(bursts) == 10
    for burst in bursts:
        before = ((chat.offset_s >= burst.start_s) & (chat.offset_s < burst.end_s)).sum()
        after = ((planted.offset_s >= burst.start_s) & (planted.offset_s < burst.end_s)).sum()
        assert 40 <= after - before <= 70  # 40 a minute, 20 s, 5 times: 53 more
    assert min(np.diff([burst.start_s for burst in bursts])) > 100
    assert (np.diff(planted.offset_s) >= 0).all()


def test_a_score_counts_bursts_found_and_sections_elsewhere():
    def section(start, end):
        return Spike(start, end, "", "", 1, 1)

    bursts = [Burst(100, 120), Burst(500, 520), Burst(900, 920)]
    sections = [
        section(110, 115),
        section(118, 130),
        section(300, 310),
        section(490, 500),
        section(915, 1000),
    ]
    assert score_sections(sections, bursts, duration_s=1800) == (2 / 3, 4.0)
    assert score_sections([], bursts, duration_s=1800) == (0.0, 0.0)


def test_spikes_find_planted_bursts_with_few_false_alarms():
    table = compare_detectors(make_chat(), "youtube", seed=3)
    spikes = table[table["detector"] == "spikes"].set_index("setting")
    assert spikes.loc[1.5, "recall"] >= 0.9
    assert spikes.loc[1.5, "false_alarms_per_h"] <= 1
    assert spikes["recall"].is_monotonic_increasing
    assert spikes["false_alarms_per_h"].is_monotonic_increasing
    highlights = table[table["detector"] == "highlights"]
    assert highlights["false_alarms_per_h"].iloc[0] > 10


def test_the_same_seed_gives_the_same_scores():
    chat = make_chat(3600)
    assert compare_detectors(chat, "twitch", seed=5).equals(compare_detectors(chat, "twitch", seed=5))


def test_in_a_short_or_nameless_stream_nothing_is_compared():
    nameless = make_chat()._replace(author=np.full(4800, -1))
    for chat in (make_chat(400), nameless):
        table = compare_detectors(chat, "youtube", seed=0)
        assert table.empty
        assert list(table.columns) == ["detector", "setting", "recall", "false_alarms_per_h"]
    assert plant_bursts(make_chat(400), np.random.default_rng(0))[1] == []


@pytest.mark.real
def test_on_real_chat_spikes_find_most_planted_bursts_and_little_else(tmp_path):
    folder = CHANNEL_2023 / "chat"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data")
    files = sorted(folder.glob("*.json.gz"))[5:160:13]
    tables = [compare_detectors(read_file(path).columns, "twitch", seed=1) for path in files]
    scores = pd.concat(tables).groupby(["detector", "setting"]).mean()
    assert scores.loc[("spikes", 1.5), "recall"] >= 0.85
    assert scores.loc[("spikes", 1.5), "false_alarms_per_h"] <= 0.5
    assert scores.loc[("highlights", 93), "false_alarms_per_h"] >= 10
