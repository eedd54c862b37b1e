"""Buckets of people know what one machine knows."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.special import expit

from chatlib.collect.files.into_dataset import export_store
from chatlib.dataset import open_dataset
from chatlib.errors import DamagedStore, MissingSource
from chatlib.predict import ARRIVAL, NEXT_STREAM, RETROSPECTIVE, Question
from chatlib.predict.forecast import save_forecaster
from chatlib.predict.viewers.people import load_people
from chatlib.records import Message, Stream
from chatlib.scale.cluster import Ended
from chatlib.scale.history import build_history, load_history, score_history, teach_forecaster
from chatlib.store import open_store

QUESTIONS = [Question(NEXT_STREAM), Question(ARRIVAL), Question(RETROSPECTIVE)]


class Alone:
    """A cluster of this process."""

    def map(self, function, items, **_options):
        for place, item in enumerate(items):
            yield Ended(place, function(item), "")


@pytest.fixture(scope="module")
def history(channel_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    with open_store(channel_path) as store:
        dataset = export_store(store, folder / "set")
    build_history(Alone(), dataset, folder / "out", QUESTIONS, n_buckets=2)
    return folder


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_history_by_buckets_is_that_of_one_machine(history, channel, question):
    check_history(history / "out", channel, question, n_buckets=2)


def test_each_channel_is_asked_about_by_itself_also_one_of_a_single_stream(tmp_path):
    with open_store(tmp_path / "chat.dbs", create=True) as db:
        for n, channel in enumerate("aabaaca"):
            started_at = None if channel == "c" else f"2026-01-0{n + 1}"
            badges = '["Broadcaster"]' if channel == "a" else None
            chat = [
                Message(f"{n}-{i}", "text_message", i * 2.0, f"U{i % 7}", text="hey") for i in range(30)
            ] + [
                Message(f"{n}-p", "subscription", 9.0, "U1", notice="U1 subscribed."),
                Message(f"{n}-o", "subscription", 9.5, "U2", badges=badges, notice="U2 subscribed."),
            ]  # fmt: skip
            db.save_chat(Stream("twitch", str(n), channel_name=channel, started_at=started_at), chat)
        build_history(
            Alone(), export_store(db, tmp_path / "set"), tmp_path / "out", QUESTIONS[:1], n_buckets=2
        )
        check_history(tmp_path / "out", db, QUESTIONS[0], n_buckets=4)


def check_history(out, db, question, *, n_buckets):
    own = load_people(db, question).table
    authors = db.load_authors().set_index("author")["author_id"]
    videos = db.load_streams().set_index("stream_id")["video_id"]
    own["author_id"] = own["author"].map(authors)
    own["video_id"] = own["stream_id"].map(videos).fillna("next")
    paths = sorted((out / question.name).glob("bucket-?????.parquet"))
    parts = [pq.read_table(path).to_pandas() for path in paths]
    found = pd.concat(parts).assign(video_id=lambda table: table["video_id"].fillna("next"))
    assert len(parts) == n_buckets and len(found) == len(own)
    columns = [name for name in own if name not in ("stream_id", "author")]
    keys = ["channel", "video_id", "author_id"]
    own, found = (table.sort_values(keys, ignore_index=True)[columns] for table in (own, found))
    for name in columns:
        if own[name].dtype.kind == "f":
            np.testing.assert_allclose(found[name], own[name], rtol=1e-5, atol=1e-6, err_msg=name)
        else:
            assert found[name].tolist() == own[name].tolist(), name


def test_history_that_is_there_is_not_made_again(history):
    dataset = open_dataset(history / "set")
    before = {path: path.stat().st_mtime_ns for path in (history / "out").rglob("*.parquet")}
    report = build_history(Alone(), dataset, history / "out", QUESTIONS, n_buckets=2)
    assert report.n_known == 6 and report.failed == {}
    kept = {path: path.stat().st_mtime_ns for path in (history / "out").rglob("*.parquet")}
    assert kept == before


def test_a_question_with_a_failed_bucket_is_named_and_not_answered(history, tmp_path):
    class Failing(Alone):
        def map(self, function, items, **options):
            for ended in super().map(function, items, **options):
                yield ended._replace(result=None, error="gone") if self.fails and ended.place == 1 else ended

    cluster, dataset = Failing(), open_dataset(history / "set")
    cluster.fails = False
    build_history(cluster, dataset, tmp_path / "out", QUESTIONS[:1], n_buckets=2)
    cluster.fails = True
    report = build_history(cluster, dataset, tmp_path / "out", QUESTIONS[:2], n_buckets=2)
    assert len(report.failed) == 1 and len(report.results) == 2
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["questions"] == [NEXT_STREAM] and list(manifest["failed"].values()) == ["gone"]


def test_a_forecaster_taught_by_the_history_scores_all_of_it_as_on_one_machine(history, channel, tmp_path):
    question = Question(NEXT_STREAM)
    forecaster = teach_forecaster(history / "out", question)
    save_forecaster(tmp_path / "forecasters", forecaster)
    report = score_history(Alone(), history / "out", tmp_path / "forecasters", tmp_path / "scores")
    assert len(report.results) == 2 and not report.failed
    parts = (tmp_path / "scores" / NEXT_STREAM).glob("*.parquet")
    scores = pd.concat([pq.read_table(path).to_pandas() for path in parts])
    own = load_people(channel, question).table
    own["p_pays"] = expit(forecaster.trees["pays"].score(own))
    own["author_id"] = own["author"].map(channel.load_authors().set_index("author")["author_id"])
    own["video_id"] = own["stream_id"].map(channel.load_streams().set_index("stream_id")["video_id"])
    keys = ["video_id", "author_id"]
    both = own[[*keys, "p_pays"]].fillna("next").merge(scores.fillna({"video_id": "next"}), on=keys)
    assert len(both) == len(own) == len(scores)
    np.testing.assert_allclose(both["p_pays_x"], both["p_pays_y"], atol=1e-6)
    assert len(load_history(history / "out", question, max_rows=200).table) < 300
    with pytest.raises(MissingSource, match="finished history"):
        teach_forecaster(tmp_path, question)
    shutil.copytree(history / "out", tmp_path / "damaged")
    path = next((tmp_path / "damaged" / NEXT_STREAM).glob("bucket-?????.parquet"))
    path.write_bytes(path.read_bytes()[:2000] + bytes(100) + path.read_bytes()[2100:])
    with pytest.raises(DamagedStore):
        teach_forecaster(tmp_path / "damaged", question)
