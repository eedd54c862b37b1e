"""Moments judged by the clips that people cut, beside chance, and by bursts of known place."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from chatlib.__main__ import main
from chatlib.analyze.analytics.readers import Talk, read_file, select_talk
from chatlib.analyze.recall import (
    BURST_KINDS,
    Burst,
    calm_talk,
    compare_detectors,
    load_clips,
    measure_recall,
    plant_bursts,
    read_clips,
    score_spans,
)
from chatlib.analyze.streams import learn_channel
from chatlib.errors import MissingSource, NotEnoughData, SourceError
from chatlib.records import Clip, Message, Stream
from chatlib.store import open_store
from tests.places import CHANNEL_2023

BURSTS = (600, 1500, 2400)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A database with a stream of an hour and three bursts, and one without messages."""
    rng = np.random.default_rng(0)
    rows = [
        Message(f"q{i}", "text_message", float(at), f"u{i % 90}", text=f"calm talk {i % 9}")
        for i, at in enumerate(np.sort(rng.uniform(0, 3600, 900)))
    ]
    rows += [
        Message(f"b{at}-{i}", "text_message", at + i / 3, f"v{i}", text="what a goal")
        for at in BURSTS
        for i in range(30)
    ]
    path = tmp_path_factory.mktemp("recall") / "chat.db"
    with open_store(path, create=True) as db:
        db.save_chat(
            Stream("twitch", "123456", "https://www.twitch.tv/videos/123456", duration_s=3600.0), rows
        )
        db.save_chat(Stream("twitch", "654321"))
    return path


@pytest.fixture
def db(path):
    with open_store(path, read_only=True) as db:
        yield db


def read(tmp_path, db, text):
    (tmp_path / "clips.csv").write_text(text, encoding="utf-8")
    return read_clips(tmp_path / "clips.csv", db)


def test_clips_in_bursts_are_found_and_others_are_not(tmp_path, db):
    rows = "".join(f"123456,{at - 10},30\n" for at in BURSTS) + "123456,3000,30\n"
    clips = read(tmp_path, db, "video_id,start,duration\n" + rows)
    table = measure_recall(db, clips.table, words=learn_channel(db)).set_index(["rule", "per_hour"])
    best = table.loc[("moments", 3)]
    assert (best["clips"], best["found"], best["found_share"]) == (4, 3, 0.75)
    assert 0.03 <= best["named_share"] <= 0.05
    # A clip of 30 s overlaps a moment of 58 s if it begins within about 88 s: three of them in an hour.
    assert best["chance_share"] == pytest.approx(3 * 88 / 3570, rel=0.1)
    assert table.loc[("moments", 12), "named_share"] > 3 * best["named_share"]
    assert set(table.index.get_level_values("rule")) == {"moments", "busiest 30 s", "spikes"}


def test_times_and_addresses_are_read_as_people_write_them(tmp_path, db):
    clips = read(
        tmp_path, db,
        "\ufeffAddress;Start;End\nhttps://www.twitch.tv/videos/123456?t=1s;0:10:00;0:10:30\n123456;10:00;630\n"
        "123456;0h10m0s;10m30s\n\n",
    )  # fmt: skip
    assert clips.problems == []
    assert clips.table[["stream_id", "start_s", "end_s"]].values.tolist() == [[1, 600.0, 630.0]] * 3


def test_each_bad_row_is_told_and_the_others_count(tmp_path, db):
    reasons = {
        "999,5,30": "no stream '999'", "123456,soon,30": "not 'soon'", "123456,5": "not ''",
        "123456,9,-3": "end after", "'; DROP TABLE clips,1,1": "DROP", "123456,nan,4": "'nan'",
    }  # fmt: skip
    clips = read(tmp_path, db, "\n".join(["video,start,duration", "123456,600,30", *reasons]))
    assert len(clips.table) == 1
    for number, (problem, says) in enumerate(zip(clips.problems, reasons.values(), strict=True), 3):
        assert problem.startswith(f"clips.csv, row {number}: ") and says in problem


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", NotEnoughData),
        ("video_id,start,duration\n", NotEnoughData),
        ("video_id,start,duration\n9,1,1\n", NotEnoughData),
        ("a,b,c\n1,2,3\n", SourceError),
        ("video_id,start\n123456,2\n", SourceError),
    ],
)
def test_a_list_without_clips_is_one_clear_error(tmp_path, db, text, error):
    with pytest.raises(error, match=r"clips\.csv"):
        read(tmp_path, db, text)


def test_a_list_that_cannot_be_read_is_one_clear_error(tmp_path, db):
    with pytest.raises(MissingSource):
        read_clips(tmp_path / "none.csv", db)
    (tmp_path / "bad.ods").write_bytes(b"video_id,start")
    with pytest.raises(SourceError, match=r"bad\.ods"):
        read_clips(tmp_path / "bad.ods", db)


def test_collected_clips_are_measured_by_the_command(path, tmp_path, capsys):
    copy = tmp_path / "chat.db"
    copy.write_bytes(path.read_bytes())
    assert main(["clips", str(copy)]) == 1
    assert "CLIPS.csv" in capsys.readouterr().err
    with open_store(copy) as db:
        db.save_clips(2, [Clip("of a stream without chat", 5.0, 30.0)])
        db.save_clips(1, [Clip("a", 590.0, 30.0), Clip("b", None, 30.0), Clip("c", 99999.0, 30.0)])
        assert load_clips(db).table["start_s"].tolist() == [590.0, 99999.0, 5.0]
    assert main(["clips", str(copy), "-o", str(copy)]) == 2
    assert main(["clips", str(copy), "-o", str(tmp_path / "out.csv")]) == 0
    assert "overlaps" in capsys.readouterr().out
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[1].startswith("clips,moments,3,1,1,1.0,")


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
