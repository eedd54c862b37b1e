import dataclasses

import numpy as np
import pytest

from chatlib.errors import DataError, ModelError, NotEnoughData
from chatlib.predict.evaluation import Calibrator
from chatlib.predict.protocol import split_streams
from chatlib.predict.questions import Question
from chatlib.predict.scorer import Scorer, digest_encoder, load_scorer, save_scorer
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import open_store
from tests.predict.channels import FixedEncoder, day, fit_small_blends, save, say

BEST = "blend: messages, badges, history"
QUESTION = Question("forecast", landmark_min=36)


@pytest.fixture
def encoder_folder(tmp_path):
    folder = tmp_path / "lm"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def blend(channel_path):
    with open_store(channel_path) as db:
        viewers, split = load_viewers(db, QUESTION), split_streams(db)
    blends, tables = fit_small_blends(viewers, split, FixedEncoder(), max_messages=3)
    return blends[BEST], tables[BEST]


@pytest.fixture
def scorer(encoder_folder, blend):
    return Scorer(
        blend=blend[0],
        question=QUESTION,
        calibrator=Calibrator(0.8, -1.0),
        threshold=0.3,
        prevalence=0.04,
        encoder_digest=digest_encoder(encoder_folder),
    )


def test_a_stream_is_scored_as_in_the_evaluation(channel, scorer, blend):
    viewers, split = load_viewers(channel, QUESTION), split_streams(channel)
    stream_id = split.test[-1]
    members = scorer.blend.score_members(blend[1])
    rows = viewers.find_periods(split).scored
    here = np.isin(rows, viewers.find_rows([stream_id]))
    p = scorer.calibrator.apply(scorer.blend.combine(members))[here]
    table = scorer.score(channel, stream_id, FixedEncoder())
    order = np.argsort(-p, kind="stable")
    np.testing.assert_allclose(table["probability"], p[order], rtol=1e-4)
    assert table["author"].tolist() == viewers.table["author"].to_numpy()[rows[here]][order].tolist()
    assert table["named"].tolist() == (table["probability"] >= 0.3).tolist()


def test_saved_and_loaded_it_is_the_same(channel, scorer, encoder_folder, tmp_path):
    loaded = load_scorer(save_scorer(scorer, tmp_path / "donor"), encoder_folder=encoder_folder)
    for field in dataclasses.fields(Scorer):
        if field.name != "blend":
            assert getattr(loaded, field.name) == getattr(scorer, field.name)
    ours, theirs = (s.score(channel, 8, FixedEncoder()) for s in (scorer, loaded))
    assert ours.equals(theirs)


def test_another_language_model_is_refused(channel, scorer, encoder_folder, tmp_path):
    save_scorer(scorer, tmp_path / "donor")
    (encoder_folder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ModelError, match="the language model it was trained with"):
        load_scorer(tmp_path / "donor", encoder_folder=encoder_folder)
    wider = FixedEncoder()
    wider.dim = 17
    with pytest.raises(ModelError, match="reads vectors of 16 numbers"):
        scorer.score(channel, 8, wider)


def test_a_folder_that_is_no_model_is_refused(scorer, encoder_folder, tmp_path):
    with pytest.raises(ModelError, match="has none"):
        digest_encoder(tmp_path)
    save_scorer(scorer, tmp_path / "donor")
    card = tmp_path / "donor" / "donor.json"
    card.write_text(card.read_text().replace('"threshold"', '"treshold"'))
    with pytest.raises(ModelError, match="threshold"):
        load_scorer(tmp_path / "donor", encoder_folder=encoder_folder)


def test_a_stream_that_is_unknown_or_silent_is_one_clear_error(small, scorer):
    with pytest.raises(DataError, match="stream 99 is not"):
        scorer.score(small, 99, FixedEncoder())
    save(small, {"silent": (day(25), [say(1, "ann", "x", kind="paid_message")])})
    with pytest.raises(NotEnoughData):
        scorer.score(small, 5, FixedEncoder())
