import dataclasses

import numpy as np
import pytest

from chatlib.errors import ModelError, StoreFull
from chatlib.predict.evaluation import average_precision, fit_weights
from chatlib.predict.models import blend as module
from chatlib.predict.models.blend import BLENDS, EVIDENCE, Blend, group_columns, load_blend, save_blend
from chatlib.predict.models.transformer import build_inputs
from chatlib.predict.protocol import split_streams
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import open_store
from tests.predict.channels import FixedEncoder, fit_small_blends

MESSAGES, EVERYTHING = BLENDS


@pytest.fixture(scope="module")
def fitted(channel_path):
    """Viewers of test, the blends, and what each rests on for them."""
    with open_store(channel_path) as db:
        viewers, split = load_viewers(db), split_streams(db)
    blends, tables = fit_small_blends(viewers, split, FixedEncoder())
    periods = viewers.find_periods(split)
    tables = {name: table.iloc[len(periods.validation) :] for name, table in tables.items()}
    return viewers.take(periods.test), blends, tables


def test_a_blend_finds_donors_that_words_and_habits_give_away(fitted):
    viewers, blends, tables = fitted
    for name, blend in blends.items():
        score = blend.score_table(tables[name])
        assert average_precision(viewers.paid, score) > 2.5 * viewers.paid.mean(), name


def test_messages_alone_means_messages_alone(fitted):
    _, blends, tables = fitted
    assert not blends[MESSAGES].known_before and blends[EVERYTHING].known_before
    telling = [c for c in tables[MESSAGES] if "paid" in c or "pay" in c or "badge" in c or "member" in c]
    assert telling == []
    assert {"past_payments", "days_since_paid", "member"} <= set(tables[EVERYTHING])


def test_scored_anew_the_scores_are_the_same(fitted):
    viewers, blends, tables = fitted
    inputs = build_inputs(viewers, FixedEncoder(), max_messages=64)
    for name, blend in blends.items():
        np.testing.assert_allclose(blend.score(viewers, inputs), blend.score_table(tables[name]), rtol=1e-4)


def test_members_together_know_what_each_knows(fitted):
    rng = np.random.default_rng(0)
    first, second, noise = rng.normal(size=(3, 6000))
    labels = rng.random(6000) < 1 / (1 + np.exp(3 - first - second))
    members = {
        "transformer": first - 3,
        "words": 5 * second,
        "trees": noise,
    }  # on scales of their own, one knows nothing
    *weights, shift = fit_weights(labels[:3000], np.stack(list(members.values()), axis=1)[:3000])
    blend = dataclasses.replace(
        fitted[1][MESSAGES], weights=dict(zip(members, weights, strict=True)), shift=shift
    )
    assert weights[0] == pytest.approx(5 * weights[1], rel=0.4) and weights[2] < 0.1
    together = average_precision(labels, blend.combine(members))
    assert together > 1.3 * max(average_precision(labels, x) for x in members.values())
    assert together == pytest.approx(average_precision(labels, first + second), rel=0.05)


def test_every_column_belongs_to_one_group(fitted):
    groups = group_columns(fitted[2][EVERYTHING])
    columns = [column for group in groups.values() for column in group]
    assert sorted(columns) == sorted(fitted[2][EVERYTHING].columns)
    assert set(EVIDENCE) <= set(groups)
    assert "days_since_paid" in groups["earlier payments"]
    assert "attended_last_week" in groups["earlier streams attended"]


def test_a_saved_blend_scores_the_same(fitted, tmp_path):
    viewers, blends, _ = fitted
    inputs = build_inputs(viewers, FixedEncoder(), max_messages=64)
    loaded, card = load_blend(save_blend(tmp_path, blends[EVERYTHING], {"made": "here"}))
    assert isinstance(loaded, Blend) and card["made"] == "here"
    np.testing.assert_array_equal(loaded.score(viewers, inputs), blends[EVERYTHING].score(viewers, inputs))


_FILES = ("donor.json", "terms.json", "words.safetensors", "trees.txt", "transformer_0/model.json")


@pytest.mark.parametrize("name", _FILES)
def test_an_incomplete_blend_is_refused(fitted, tmp_path, name):
    save_blend(tmp_path, fitted[1][MESSAGES], {})
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match="Run notebook 04 again"):
        load_blend(tmp_path)


def test_a_blend_cut_short_while_saving_is_none(fitted, tmp_path, monkeypatch):
    save_blend(tmp_path, fitted[1][MESSAGES], {})
    monkeypatch.setattr(module, "save_file", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "disk full")))
    with pytest.raises(StoreFull):
        save_blend(tmp_path, fitted[1][MESSAGES], {})
    monkeypatch.undo()
    with pytest.raises(ModelError):
        load_blend(tmp_path)
