import dataclasses
import tracemalloc

import numpy as np
import pytest
import torch

from chatlib.errors import ModelError, ParameterError
from chatlib.predict import Question
from chatlib.predict.models.transformer import (
    DonorConfig,
    DonorInputs,
    DonorTransformer,
    Training,
    _schedule,
    build_inputs,
    draw_batches,
    fit_donor_models,
    iter_viewer_batches,
    mean_vectors,
    score_donor_model,
)
from chatlib.predict.viewers.table import choose_messages, load_viewers
from tests.predict.channels import FixedEncoder, make_inputs

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


@pytest.mark.parametrize("name", ["epochs", "n_seeds", "others_per_donor", "batch_messages", "most_viewers"])
def test_a_training_that_cannot_be_is_refused(name):
    with pytest.raises(ParameterError, match=f"^{name} must be at least 1, got 0"):
        Training(**{name: 0})


STARTS = np.array([0, 3, 10])  # a viewer of 3 messages, and one of 7


def test_messages_are_chosen_evenly_with_both_ends():
    assert choose_messages(STARTS, max_messages=3).tolist() == [0, 1, 2, 3, 6, 9]
    assert choose_messages(STARTS, max_messages=1).tolist() == [0, 3]
    assert choose_messages(STARTS, max_messages=99).tolist() == list(range(10))


def test_of_each_viewer_at_most_so_many_messages_are_kept(channel):
    every, few = load_viewers(channel), load_viewers(channel, max_messages=2)
    chosen = choose_messages(every.starts, max_messages=2)
    assert few.table.equals(every.table) and len(chosen) < len(every.offsets_s)
    assert np.array_equal(few.offsets_s, every.offsets_s[chosen])
    assert np.array_equal(few.starts, np.append(0, np.cumsum(np.minimum(np.diff(every.starts), 2))))
    said = [[v.texts[code] for code in v.text_codes[at]] for v, at in ((few, slice(None)), (every, chosen))]
    assert said[0] == said[1]
    with pytest.raises(ParameterError, match="1 or more, got 0"):
        load_viewers(channel, max_messages=0)


def test_each_distinct_text_is_encoded_once(small):
    encoder = FixedEncoder()
    inputs = build_inputs(load_viewers(small), encoder)
    assert sorted(encoder.asked) == ["bye", "early", "hello again", "hi", "nice"]
    assert inputs.lengths.tolist() == [2, 2, 2, 1, 2, 1]
    bob = slice(inputs.starts[1], inputs.starts[2])
    assert np.array_equal(inputs.vectors[inputs.codes[bob]], FixedEncoder().encode(["hi", "bye"]))
    assert inputs.times[bob].tolist() == [[10, 100], [100, 100]]


def test_padding_is_masked():
    inputs = DonorInputs(
        vectors=np.eye(3, dtype=np.float32),
        starts=np.array([0, 1, 4]),
        codes=np.array([2, 0, 1, 2]),
        times=np.arange(8, dtype=np.float32).reshape(4, 2),
    )
    codes, times, mask = inputs.pad(np.array([1, 0]))
    assert codes.tolist() == [[0, 1, 2], [2, 0, 0]]
    assert mask.tolist() == [[True] * 3, [True, False, False]]
    assert times[1].tolist() == [[0, 1], [0, 0], [0, 0]]


def test_scaling_is_that_of_the_training_messages_alone():
    inputs = DonorInputs(
        vectors=np.array([[1.0], [3.0], [100.0]], np.float32),
        starts=np.array([0, 2, 3]),
        codes=np.array([0, 1, 2]),
        times=np.array([[0, 10], [10, 10], [999, 999]], np.float32),
    )
    model = DonorTransformer(DonorConfig(dim=1, width=8))
    model.set_scaling(inputs, np.array([0]))
    assert model.mean.tolist() == [2, 5, 10]
    assert model.spread.tolist() == [1, 5, 1], "what never changes is left as it is"


def test_scaling_takes_no_memory_of_the_size_of_all_vectors():
    vectors = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    inputs = DonorInputs(vectors, np.arange(20_001), np.arange(20_000), np.ones((20_000, 2), np.float32))
    model = DonorTransformer(DonorConfig(dim=64, width=8))
    tracemalloc.start()
    model.set_scaling(inputs, np.arange(20_000))
    assert tracemalloc.get_traced_memory()[1] < vectors.nbytes / 2
    tracemalloc.stop()
    np.testing.assert_allclose(model.spread[:64], vectors.std(axis=0), rtol=1e-5)


def test_mean_vectors_of_many_viewers():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 5, 9000)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    inputs = DonorInputs(
        rng.normal(size=(50, 4)).astype(np.float32), starts, rng.integers(0, 50, starts[-1]), None
    )
    means = mean_vectors(inputs)
    said = inputs.vectors[inputs.codes]
    expected = np.add.reduceat(said, starts[:-1]) / lengths[:, None]
    np.testing.assert_allclose(means, expected, rtol=1e-4, atol=1e-6)


def test_batches_hold_every_viewer_once_with_room_for_the_cls_token():
    lengths, rows = np.random.default_rng(1).integers(1, 65, 500), np.arange(0, 500, 2)
    inputs = DonorInputs(None, np.concatenate([[0], np.cumsum(lengths)]), None, None)
    batches = list(iter_viewer_batches(inputs, rows, max_messages=256))
    assert sorted(np.concatenate(batches)) == rows.tolist()
    assert max(len(b) * (lengths[b].max() + 1) for b in batches) <= 256


def test_where_the_end_would_tell_the_future_the_offset_is_alone(small):
    question = Question("forecast", landmark_min=0.5)
    inputs = build_inputs(load_viewers(small, question), FixedEncoder())
    assert inputs.times[:, 0].max() <= 30 and inputs.times.shape[1] == 1
    model = DonorTransformer(DonorConfig(FixedEncoder.dim, n_times=1, width=8, n_layers=1))
    model.set_scaling(inputs, np.array([0, 1]))
    assert np.isfinite(score_donor_model(model, inputs, np.array([0, 1]))).all()
