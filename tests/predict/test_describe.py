import dataclasses
from functools import partial

import numpy as np
import pytest
import torch

from chatlib.errors import NotEnoughData
from chatlib.predict.describe import attribute_messages, chosen_texts, find_log_odds, picture_viewers
from chatlib.predict.evaluation import Calibrator
from chatlib.predict.models.transformer import (
    DonorConfig,
    DonorInputs,
    DonorTransformer,
    Training,
    build_inputs,
    fit_donor_models,
    represent_viewers,
    score_donor_model,
)
from chatlib.predict.viewers.table import load_viewers
from tests.predict.channels import WORD, make_inputs


def make_model(inputs, *, seed=0, **config):
    torch.manual_seed(seed)
    model = DonorTransformer(DonorConfig(dim=4, **{"width": 16, "n_layers": 3, "n_heads": 2, **config}))
    model.set_scaling(inputs, np.arange(len(inputs.lengths)))
    return model.eval()


@pytest.fixture(scope="module")
def trained():
    """A model that has learned the word, its inputs and labels."""
    inputs, labels = make_inputs(200, one_in=4)
    rows = np.arange(200)
    (model,), _ = fit_donor_models(
        inputs,
        labels,
        train=rows[:150],
        validation=rows[150:],
        config=DonorConfig(dim=4, width=16, n_layers=2, n_heads=2),
        training=Training(epochs=8, learning_rate=3e-3, batch_messages=200, others_per_donor=3),
    )
    return model, inputs, labels


def test_the_word_that_decides_is_found_by_integrated_gradients(trained):
    model, inputs, labels = trained
    asked = np.flatnonzero(labels & (inputs.lengths > 2))[:12]
    for row in asked:
        codes = inputs.codes[inputs.starts[row] : inputs.starts[row + 1]]
        table = attribute_messages(model, inputs, row)
        assert codes[table["integrated_gradients"].argmax()] == WORD
    assert len(asked) == 12


@pytest.mark.parametrize("head", ["linear", "nonlinear", "trained"])
def test_gradients_add_up_to_the_change_in_log_odds_from_average_messages(trained, head):
    inputs, _ = make_inputs(200, one_in=4)
    model = trained[0] if head == "trained" else make_model(inputs, head=head)
    average = dataclasses.replace(
        inputs,
        vectors=np.tile(model.mean[:-2].numpy(), (4, 1)),
        times=np.tile(model.mean[-2:].numpy(), (len(inputs.times), 1)),
    )
    rows = np.array([0, 5, 8, 9])
    change = score_donor_model(model, inputs, rows) - score_donor_model(model, average, rows)
    added = [attribute_messages(model, inputs, row)["integrated_gradients"].sum() for row in rows]
    np.testing.assert_allclose(added, change, atol=1e-2 if head == "trained" else 1e-4)


def test_a_row_per_message_that_was_read(trained):
    model, inputs, _ = trained
    start, end = inputs.starts[3:5]
    assert attribute_messages(model, inputs, 3)["offset_s"].tolist() == inputs.times[start:end, 0].tolist()


def test_the_texts_are_those_of_the_rows(channel):
    viewers = load_viewers(channel, max_messages=3)

    class Lengths:
        dim = 1

        def encode(self, texts):
            return np.array([[len(text)] for text in texts], np.float32)

    inputs = build_inputs(viewers, Lengths())
    for row in range(0, len(viewers), 17):
        read = inputs.vectors[inputs.codes[inputs.starts[row] : inputs.starts[row + 1]], 0]
        assert [len(text) for text in chosen_texts(viewers, row)] == read.tolist()


def test_viewers_right_of_the_line_are_exactly_those_whom_the_model_names(trained):
    model, inputs, labels = trained
    rows, log_odds = np.arange(150, 200), -0.7
    plane = picture_viewers(model, inputs, labels, rows=rows, log_odds=log_odds, rng=np.random.default_rng(0))
    named = score_donor_model(model, inputs, rows) >= log_odds
    assert 0 < named.sum() < len(named)
    assert ((plane.after[:, 0] >= plane.line) == named).all()
    assert (plane.labels == labels[rows]).all()
    weight = float(model.head[0].weight.detach().norm())
    logits = log_odds + (plane.after[:, 0] - plane.line) * weight
    np.testing.assert_allclose(logits, score_donor_model(model, inputs, rows), atol=1e-4)


def test_the_second_axis_is_at_right_angles_to_the_line():
    inputs, labels = make_inputs(200, one_in=4)
    model = make_model(inputs)
    plane = picture_viewers(model, inputs, labels, rows=np.arange(200), rng=np.random.default_rng(0))
    weight = model.head[0].weight.detach().numpy()[0].astype(float)
    weight /= np.linalg.norm(weight)
    after = represent_viewers(model, inputs, plane.rows)
    np.testing.assert_allclose(plane.after[:, 0], after @ weight, rtol=1e-5)
    rest = after - np.outer(after @ weight, weight)
    rest -= rest.mean(axis=0)
    second = np.linalg.svd(rest)[2][0]
    assert abs(second @ weight) < 1e-5
    np.testing.assert_allclose(np.abs(plane.after[:, 1]), np.abs(rest @ second), atol=1e-5)


def test_a_head_that_is_not_linear_has_no_line():
    inputs, labels = make_inputs(200, one_in=4)
    model = make_model(inputs, head="nonlinear")
    rng = np.random.default_rng(0)
    plane = picture_viewers(model, inputs, labels, rows=np.arange(200), rng=rng)
    assert plane.line is None
    assert (plane.labels.sum(), len(plane.labels)) == (labels.sum(), 200)
    assert plane.before.shape == plane.after.shape == (200, 2)


def test_viewers_all_alike_are_one_point_and_two_are_no_picture():
    inputs = DonorInputs(
        np.ones((1, 4), np.float32), np.arange(6), np.zeros(5, int), np.ones((5, 2), np.float32)
    )
    draw = partial(picture_viewers, make_model(inputs), inputs, np.zeros(5), rng=np.random.default_rng(0))
    plane = draw(rows=np.arange(5))
    assert not plane.before.any() and np.abs(plane.after - plane.after[0]).max() < 1e-6
    with pytest.raises(NotEnoughData, match="three viewers, got 2"):
        draw(rows=np.arange(2))


def test_viewers_are_represented_alike_in_any_batch(trained):
    model, inputs, _ = trained
    rows = np.array([7, 3, 150])
    together = represent_viewers(model, inputs, rows)
    alone = [represent_viewers(model, inputs, np.array([row]))[0] for row in rows]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    logits = together @ model.head[0].weight.detach().numpy()[0] + float(model.head[0].bias.detach())
    np.testing.assert_allclose(logits, score_donor_model(model, inputs, rows), atol=1e-5)


def test_the_threshold_goes_back_through_the_calibration():
    calibrator = Calibrator(slope=0.5, shift=-1.0)
    log_odds = find_log_odds(calibrator, 0.1)
    assert calibrator.apply(np.array([log_odds]))[0] == pytest.approx(0.1)
