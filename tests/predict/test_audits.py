"""The audits of the protocol: each holds on honest data, and catches the leak it is there for."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from chatlib.errors import DataError, ModelError
from chatlib.predict import QUESTIONS, Question
from chatlib.predict.audits import (
    audit,
    check_encoder_streams,
    check_features,
    check_inputs,
    check_periods,
    limit_purity,
    measure_purity,
)
from chatlib.predict.models.baselines import fit_boosting
from chatlib.predict.protocol import select_everything, split_streams
from chatlib.predict.viewers.people import NEXT, load_people
from chatlib.predict.viewers.table import load_viewers
from chatlib.records import DONATION_KINDS, TICKER_KINDS
from chatlib.store import open_store
from chatlib.times import DateSplit
from tests.predict.channels import make_channel, save

RETROSPECT = Question("retrospective")


def write_manifest(folder, streams):
    folder.mkdir()
    (folder / "training.json").write_text(json.dumps({"streams": streams}))
    return folder


def keys_of(db, ids):
    rows = db.load_streams().set_index("stream_id").loc[ids, ["platform", "video_id"]]
    return rows.to_dict("records")


def test_every_check_passes_on_honest_data(channel, tmp_path):
    split = split_streams(channel)
    folder = write_manifest(tmp_path / "lm", keys_of(channel, split.train))
    viewers, people = load_viewers(channel), load_people(channel, RETROSPECT)
    table = audit(channel, viewers, people, split, encoder_folder=folder)
    assert table["looked at"].tolist() == [
        f"messages: {len(viewers.positions):,}",
        "streams: 12",
        "streams: 7",
        f"features: {len(people.columns)}",
    ]


def test_no_paid_row_is_in_any_input(channel):
    rows = channel.load_messages(columns=("stream_id", "position", "kind", "bits", "amount_text"))
    kinds = rows.set_index(["stream_id", "position"])
    for question in (Question("retrospective"), Question("forecast", landmark_min=30)):
        viewers = load_viewers(channel, question)
        streams = viewers.table["stream_id"].to_numpy()[viewers.message_viewers()]
        used = kinds.loc[list(zip(streams, viewers.positions, strict=True))]
        assert not used["kind"].isin(DONATION_KINDS | TICKER_KINDS).any()
        assert used["bits"].isna().all() and used["amount_text"].isna().all()


def test_a_planted_payment_is_caught(small):
    with pytest.raises(DataError, match="5 rows pay"):
        check_inputs(small, load_viewers(small, select=select_everything))


def test_a_message_after_the_landmark_is_caught(small):
    viewers = load_viewers(small)
    early = dataclasses.replace(viewers, table=viewers.table.assign(input_end_s=50.0))
    with pytest.raises(DataError, match="0 rows pay and 4 are late"):
        check_inputs(small, early)


def test_no_test_date_is_before_a_training_date(channel):
    streams, split = channel.load_streams(), split_streams(channel)
    dates = streams.set_index("stream_id")["started_at"]
    assert dates[split.train].max() < dates[split.validation].min()
    assert dates[split.validation].max() < dates[split.test].min()
    check_periods(streams, split)
    with pytest.raises(DataError, match="must be later"):
        check_periods(streams, DateSplit(split.test, split.validation, split.train))
    with pytest.raises(DataError, match="must be later"):
        check_periods(streams.assign(started_at="2026-01-01"), split)


def test_streams_that_the_language_model_saw_are_of_training(channel, tmp_path):
    split, streams = split_streams(channel), channel.load_streams()
    saw = keys_of(channel, split.train[:2])
    assert check_encoder_streams(write_manifest(tmp_path / "fine", saw), streams, split) == 2
    saw += keys_of(channel, split.test[:1])
    with pytest.raises(DataError, match=r"it saw 1 other\(s\), youtube/stream-09 among them"):
        check_encoder_streams(write_manifest(tmp_path / "leaky", saw), streams, split)
    with pytest.raises(ModelError, match=r"has a training\.json; there is no whole one"):
        check_encoder_streams(tmp_path / "none", streams, split)
    with pytest.raises(DataError, match=r"trained on in training\.json"):
        check_encoder_streams(write_manifest(tmp_path / "old", None), streams, split)


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_feature_of_any_question_knows_the_answer(channel, name):
    people = load_people(channel, Question(name, landmark_min=20))
    assert check_features(people) == len(people.columns)


@pytest.mark.parametrize("leak", ["missing", "value", "few"])
def test_a_planted_feature_stops_the_audit(channel, leak):
    people = load_people(channel, RETROSPECT)
    paid, rng = people.table["paid"].to_numpy(bool), np.random.default_rng(0)
    values = {
        "missing": np.where(paid, np.nan, 1.0),
        "value": paid + rng.normal(0, 0.2, len(paid)),
        "few": np.where(paid & (rng.random(len(paid)) < 0.4), -9.0, rng.normal(size=len(paid))),
    }[leak]
    leaky = dataclasses.replace(people, table=people.table.assign(usual_last_s=values))
    with pytest.raises(DataError, match="; usual_last_s does"):
        check_features(leaky)


@pytest.mark.parametrize(
    ("share", "found"), [(1.0, True), (0.3, True), (0.1, True), (0.05, True), (0.0, False)]
)
@pytest.mark.parametrize("wrong", [0, 1])
def test_a_leak_about_a_few_is_found_where_the_area_under_the_curve_is_blind(share, found, wrong):
    """2 % pay. The leak marks a share of them, and as many others, as `wrong` says."""
    rng = np.random.default_rng(1)
    labels = rng.random(30_000) < 0.02
    values, authors = rng.normal(size=30_000), rng.integers(0, 4000, 30_000)
    payers, others = np.flatnonzero(labels), np.flatnonzero(~labels)
    n = round(share * len(payers))
    values[[*rng.choice(payers, n, replace=False), *rng.choice(others, n * wrong, replace=False)]] += 9.0
    assert (measure_purity(values, labels, authors) >= limit_purity(labels.mean())) is found
    assert share == 1.0 or roc_auc_score(labels, values) < 0.95


def test_one_persons_habit_is_no_leak(channel):
    people = load_people(channel, RETROSPECT)
    one = people.table["author"] == people.table["author"][people.table["paid"]].iloc[0]
    table = people.table.assign(paid=one, usual_last_s=one.astype(float))
    assert check_features(dataclasses.replace(people, table=table)) == 0
    authors = np.repeat(np.arange(100), 20)
    labels = authors < 4  # four people pay each time
    assert measure_purity(-authors.astype(float), labels, authors) == 0.0


def test_habits_of_many_are_no_leak():
    """Of 400 people 40 pay in every second stream; of who has paid often already, half pay again."""
    authors, rng = np.tile(np.arange(400), 60), np.random.default_rng(0)
    labels = (authors < 40) & (rng.random(len(authors)) < 0.5)
    past = pd.Series(labels).groupby(authors).cumsum().to_numpy() - labels
    assert measure_purity(past.astype(float), labels, authors) < 0.2 < limit_purity(labels.mean())


def test_shuffled_labels_give_chance(channel):
    people = load_people(channel, RETROSPECT)
    viewers, split = load_viewers(channel), split_streams(channel)
    periods, numbers = viewers.find_periods(split), viewers.align(people.table)[list(people.columns)]
    aucs = []
    for seed in range(5):
        labels = np.random.default_rng(seed).permutation(viewers.paid)
        logits = fit_boosting(numbers, labels, periods)[len(periods.validation) :]
        aucs.append(roc_auc_score(labels[periods.test], logits))
    assert abs(np.mean(aucs) - 0.5) < 0.08, aucs


@pytest.mark.parametrize("name", QUESTIONS)
def test_history_recomputed_from_the_past_alone_is_equal(tmp_path, name):
    streams = make_channel(seed=3, n_streams=8, n_viewers=12)
    starts = sorted(start for start, _ in streams.values())
    tables = []
    for n in (5, 8):
        with open_store(tmp_path / f"{n}.dbs", create=True) as db:
            save(db, {k: v for k, v in streams.items() if v[0] <= starts[n - 1]})
            people = load_people(db, Question(name, landmark_min=20))
            names = db.load_authors().set_index("author")["author_id"]
        table = people.table[people.table["stream_id"] != NEXT]
        table = table.assign(name=names[table["author"]].to_numpy()).set_index(["started_at", "name"])
        tables.append(table[["paid", *people.columns]].sort_index())
    past, full = tables
    pd.testing.assert_frame_equal(past, full[full.index.get_level_values("started_at") <= starts[4]])
