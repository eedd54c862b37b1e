"""The audits of the protocol: each holds on honest data, and catches the leak it is there for."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from chatlib.errors import DataError, ModelError
from chatlib.predict.audits import (
    audit,
    check_earlier,
    check_encoder_streams,
    check_inputs,
    check_periods,
    find_leaking_features,
)
from chatlib.predict.models.baselines import fit_boosting
from chatlib.predict.protocol import select_everything, split_streams
from chatlib.predict.questions import Question
from chatlib.predict.viewers.features import build_features
from chatlib.predict.viewers.history import HISTORY_COLUMNS, RHYTHM_COLUMNS
from chatlib.predict.viewers.notices import NOTICE_COLUMNS
from chatlib.predict.viewers.table import load_viewers
from chatlib.records import DONATION_KINDS, TICKER_KINDS
from chatlib.splits import DateSplit
from chatlib.store import open_store
from tests.predict.channels import make_channel, save


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
    viewers = load_viewers(channel)
    table = audit(channel, viewers, split, encoder_folder=folder)
    assert table["looked at"].tolist()[:4] == [
        f"{len(viewers.positions):,} messages",
        f"{len(viewers.earlier.positions):,} messages",
        "12 streams",
        "7 streams",
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


def test_planted_earlier_words_are_caught(small):
    honest = load_viewers(small)
    assert check_earlier(small, honest) == len(honest.earlier.text_codes) == 8
    with pytest.raises(DataError, match=r"[1-9] rows pay, 0 are not earlier"):
        check_earlier(small, load_viewers(small, select=select_everything))
    late = dataclasses.replace(honest, table=honest.table.assign(started_at=honest.table["started_at"].min()))
    with pytest.raises(DataError, match="0 rows pay, 8 are not earlier"):
        check_earlier(small, late)
    foreign = dataclasses.replace(
        honest, table=honest.table.assign(author=honest.table["author"][::-1].array)
    )
    with pytest.raises(DataError, match=r"and [1-9] are somebody else's"):
        check_earlier(small, foreign)


def test_a_message_after_the_landmark_is_caught(small):
    viewers = load_viewers(small)
    early = dataclasses.replace(viewers, table=viewers.table.assign(input_end_s=50.0))
    with pytest.raises(DataError, match="0 rows pay and 4 are late"):
        check_inputs(small, early)


def test_a_planted_feature_is_caught_and_no_other(channel, tmp_path):
    viewers = load_viewers(channel)
    features = build_features(viewers, known_before=True)
    assert find_leaking_features(features, viewers.paid) == []
    leak = np.where(viewers.paid, np.nan, 1.0)
    noisy = viewers.paid + np.random.default_rng(0).normal(0, 0.2, len(viewers))
    planted = features.assign(missing_says_it=leak, almost_the_label=-noisy)
    assert find_leaking_features(planted, viewers.paid) == ["missing_says_it", "almost_the_label"]


def test_a_leak_in_the_history_stops_the_audit(channel, tmp_path):
    split, viewers = split_streams(channel), load_viewers(channel)
    folder = write_manifest(tmp_path / "lm", keys_of(channel, split.train))
    leaky = dataclasses.replace(viewers, table=viewers.table.assign(past_payments=viewers.paid.astype(float)))
    with pytest.raises(DataError, match="past_payments does"):
        audit(channel, leaky, split, encoder_folder=folder)


def test_shuffled_labels_give_chance(channel):
    viewers, split = load_viewers(channel), split_streams(channel)
    periods = viewers.find_periods(split)
    features = build_features(viewers, known_before=True)
    aucs = []
    for seed in range(5):
        labels = np.random.default_rng(seed).permutation(viewers.paid)
        logits = fit_boosting(features, labels, periods)[len(periods.validation) :]
        aucs.append(roc_auc_score(labels[periods.test], logits))
    assert abs(np.mean(aucs) - 0.5) < 0.08, aucs


def test_no_test_date_is_before_a_training_date(channel):
    streams, split = channel.load_streams(), split_streams(channel)
    dates = streams.set_index("stream_id")["started_at"]
    assert dates[split.train].max() < dates[split.validation].min()
    assert dates[split.validation].max() < dates[split.test].min()
    check_periods(streams, split)
    with pytest.raises(DataError, match="must be later"):
        check_periods(streams, DateSplit(split.test, split.validation, split.train))


def test_history_recomputed_from_the_past_alone_is_equal(tmp_path):
    streams = make_channel(seed=3, n_streams=8, n_viewers=12)
    starts = sorted(start for start, _ in streams.values())
    with open_store(tmp_path / "all.dbs", create=True) as db:
        save(db, streams)
        full = history_of(db)
    for n in (1, 4, 7):
        with open_store(tmp_path / f"{n}.dbs", create=True) as db:
            save(db, {k: v for k, v in streams.items() if v[0] <= starts[n - 1]})
            past = history_of(db)
        expected = full[full.index.get_level_values("started_at") <= starts[n - 1]]
        pd.testing.assert_frame_equal(past, expected)


def history_of(db):
    table = load_viewers(db).table
    names = db.query("SELECT author, author_id FROM authors").set_index("author")["author_id"]
    table["name"] = names[table["author"]].to_numpy()
    return table.set_index(["started_at", "name"])[
        [*HISTORY_COLUMNS, *RHYTHM_COLUMNS, *NOTICE_COLUMNS, "badges"]
    ].sort_index()


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
