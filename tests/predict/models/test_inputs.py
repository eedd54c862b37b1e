import tracemalloc

import numpy as np
import pytest

from chatlib.errors import ParameterError
from chatlib.predict import Question
from chatlib.predict.models.transformer import (
    DonorConfig,
    DonorInputs,
    DonorTransformer,
    build_inputs,
    iter_viewer_batches,
    mean_vectors,
    score_donor_model,
)
from chatlib.predict.viewers.table import choose_messages, load_viewers
from tests.predict.channels import FixedEncoder

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
