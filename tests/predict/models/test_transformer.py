import dataclasses

import numpy as np
import pytest
import torch

from chatlib.errors import ModelError, ParameterError
from chatlib.predict.models.transformer import (
    DonorConfig,
    DonorTransformer,
    Training,
    _schedule,
    draw_batches,
    fit_donor_models,
    score_donor_model,
)
from tests.predict.channels import make_inputs

TINY = DonorConfig(dim=4, width=16, n_layers=2, n_heads=2)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("head", ["linear", "nonlinear"])
def test_the_first_description_has_these_shapes(shared, head):
    model = DonorTransformer(DonorConfig(dim=4, shared=shared, head=head))
    assert model.cls.shape == (6,), "a message vector and two times"
    assert (model.reduce.in_features, model.reduce.out_features) == (6, 256)
    assert len(model.blocks) == (1 if shared else 8)
    logits = model(torch.randn(3, 5, 4), torch.randn(3, 5, 2), torch.ones(3, 5, dtype=torch.bool))
    assert logits.shape == (3,)


def test_padding_and_company_change_nothing():
    inputs, _ = make_inputs()
    model = DonorTransformer(TINY)
    together = score_donor_model(model, inputs, np.arange(50))
    alone = [score_donor_model(model, inputs, np.array([i]))[0] for i in range(50)]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(
        score_donor_model(model, inputs, np.array([7, 3])), together[[7, 3]], atol=1e-5
    )


def test_times_are_read():
    inputs, _ = make_inputs()
    later = dataclasses.replace(inputs, times=inputs.times + 5)
    model, rows = DonorTransformer(TINY), np.arange(20)
    assert not np.allclose(score_donor_model(model, inputs, rows), score_donor_model(model, later, rows))


def test_untrained_it_says_the_prevalence():
    inputs, _ = make_inputs()
    model = DonorTransformer(TINY)
    model.set_prior(0.02)
    p = 1 / (1 + np.exp(-score_donor_model(model, inputs, np.arange(300))))
    assert p.mean() == pytest.approx(0.02, rel=0.3)


def test_it_finds_who_said_the_word():
    inputs, labels = make_inputs()
    train, validation, test = np.split(np.arange(300), [180, 240])
    training = Training(epochs=8, learning_rate=3e-3, batch_messages=200, others_per_donor=2)
    (model,), epochs = fit_donor_models(
        inputs, labels, train=train, validation=validation, config=TINY, training=training
    )
    logits = score_donor_model(model, inputs, test)
    assert logits[labels[test]].min() > logits[~labels[test]].max()
    p = 1 / (1 + np.exp(-logits))
    assert p.mean() == pytest.approx(0.2, abs=0.05), "the draw of others is corrected for"
    assert epochs["chosen"].sum() == 1
    chosen = epochs[epochs["chosen"]].iloc[0]
    assert chosen["pr_auc"] == epochs["pr_auc"].max()


def test_of_a_large_channel_an_epoch_reads_a_draw():
    inputs, labels = make_inputs()
    training, rng = Training(others_per_donor=2, most_viewers=50), np.random.default_rng(0)
    drawn = np.concatenate(draw_batches(inputs, labels, np.arange(300), training, rng))
    assert len(drawn) == len(set(drawn)) == 50 and 0.2 < labels[drawn].mean() < 0.5


def test_the_model_returned_is_that_of_the_chosen_epoch():
    inputs, labels = make_inputs(80)
    labels = np.random.default_rng(0).random(80) < 0.3  # nothing to learn: epochs differ by chance
    train, validation = np.arange(50), np.arange(50, 80)
    (model,), epochs = fit_donor_models(
        inputs, labels, train=train, validation=validation, config=TINY, training=Training(epochs=4)
    )
    logits = score_donor_model(model, inputs, validation)
    loss = np.logaddexp(0, np.where(labels[validation], -logits, logits)).mean()
    assert loss == pytest.approx(epochs.loc[epochs["chosen"], "validation_loss"].item(), abs=1e-6)


def test_without_a_donor_in_validation_the_loss_decides():
    inputs, labels = make_inputs(80)
    validation = np.flatnonzero(~labels)[:20]
    _, epochs = fit_donor_models(
        inputs,
        labels,
        train=np.arange(40, 80),
        validation=validation,
        config=TINY,
        training=Training(epochs=3),
    )
    assert epochs["chosen"].sum() == 1
    assert epochs.loc[epochs["chosen"], "validation_loss"].item() == epochs["validation_loss"].min()


def test_a_score_that_is_no_number_is_one_clear_error():
    inputs, labels = make_inputs(60)
    broken = dataclasses.replace(inputs, vectors=np.full_like(inputs.vectors, np.nan))
    rows = np.arange(60)
    with pytest.raises(ModelError, match="after epoch 1 they are not"):
        fit_donor_models(
            broken, labels, train=rows, validation=rows, config=TINY, training=Training(epochs=1)
        )


@pytest.mark.parametrize("n_batches", [1, 2, 5, 10, 30])
def test_any_number_of_steps_changes_every_weight_that_is_read(n_batches):
    inputs, labels = make_inputs(60)
    training = Training(epochs=1, batch_messages=-(-7 * 60 // n_batches), others_per_donor=4)
    rows = np.arange(60)
    (model,), epochs = fit_donor_models(
        inputs, labels, train=rows, validation=rows, config=TINY, training=training
    )
    torch.manual_seed(0)
    start = DonorTransformer(TINY).state_dict()
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, start[name])}
    assert {name for name in start if name.endswith("weight")} - changed <= {"norm.weight"}
    assert np.isfinite(epochs["train_loss"]).all()


def test_the_learning_rate_rises_and_falls_to_nearly_nothing():
    for n in (1, 2, 7, 10, 100):
        rates = [_schedule(step, n) for step in range(n + 1)]
        assert all(0 < rate <= 1 for rate in rates[:-1]), rates
        assert rates[-1] == 0 and (n < 7 or max(rates) > 0.85)
        assert rates[n // 2 :] == sorted(rates[n // 2 :], reverse=True)


def test_a_seed_gives_the_same_model_and_leaves_other_randomness_alone():
    inputs, labels = make_inputs(60)
    rows = np.arange(60)

    def scores(seed):
        (model,), _ = fit_donor_models(
            inputs, labels, train=rows, validation=rows, config=TINY, training=Training(epochs=1, seed=seed)
        )
        return score_donor_model(model, inputs, rows)

    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    first = scores(1)
    assert torch.equal(torch.rand(1), before)
    assert np.array_equal(first, scores(1))
    assert not np.array_equal(first, scores(2))


def test_seeds_give_models_of_their_own():
    inputs, labels = make_inputs()
    fit = {"train": np.arange(200), "validation": np.arange(200, 300), "config": TINY}
    training = Training(epochs=2, n_seeds=2, seed=5)
    models, epochs = fit_donor_models(inputs, labels, training=training, **fit)
    assert epochs["seed"].tolist() == [5, 5, 6, 6]
    assert epochs.groupby("seed")["chosen"].sum().tolist() == [1, 1]
    alone, _ = fit_donor_models(inputs, labels, training=Training(epochs=2, seed=5), **fit)
    scores = [score_donor_model(model, inputs, np.arange(50)) for model in (*models, *alone)]
    assert np.array_equal(scores[0], scores[2]) and not np.allclose(scores[0], scores[1])


@pytest.mark.parametrize("wrong", [{"head": "round"}, {"n_layers": 0}, {"width": 250}, {"dropout": 1}])
def test_a_shape_that_cannot_be_is_refused(wrong):
    with pytest.raises(ParameterError):
        DonorConfig(dim=4, **wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"n_seeds": 0}, {"others_per_donor": 0}, {"batch_messages": 0}, {"most_viewers": 0}],
)
def test_a_training_that_cannot_be_is_refused(wrong):
    with pytest.raises(ParameterError):
        Training(**wrong)
