"""Recall: people's clips against what is named, beside chance; and lists of clips with mistakes in them."""

import numpy as np
import pytest

from chatlib.__main__ import main
from chatlib.analyze.channel import learn_channel
from chatlib.analyze.recall import load_clips, measure_recall, read_clips
from chatlib.errors import MissingSource, NotEnoughData, SourceError
from chatlib.records import Clip, Message, Stream
from chatlib.store import open_store

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
    rows = [
        "123456,600,30",
        "999,5,30",
        "123456,soon,30",
        "123456,5",
        "123456,9,-3",
        "'; DROP TABLE clips,1,1",
        "123456,nan,4",
    ]
    clips = read(tmp_path, db, "\n".join(["video,start,duration", *rows]))
    assert len(clips.table) == 1
    assert [problem.split(": ")[0] for problem in clips.problems] == [
        f"clips.csv, row {n}" for n in range(3, 9)
    ]
    for problem, says in zip(
        clips.problems,
        ["no stream '999'", "not 'soon'", "not ''", "end after", "DROP", "'nan'"],
        strict=True,
    ):
        assert says in problem


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
