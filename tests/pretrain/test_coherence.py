"""Similarity against distance: what is planted is found, what is not is not."""

import numpy as np
import pandas as pd
import pytest

from chatlib.errors import NotEnoughData, ParameterError
from chatlib.pretrain import coherence
from chatlib.pretrain.coherence import find_neighbours, measure_coherence, reduce_to_plane, sample_messages


@pytest.fixture(autouse=True)
def set_edges(monkeypatch):
    """Set the bins in seconds; few at first."""

    def change(*edges):
        monkeypatch.setitem(coherence.EDGES, "seconds", edges)

    change(0, 10, 100, 1000, 10000)
    return change


def make_chat(n_streams=6, n=200, *, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "stream_id": np.repeat(np.arange(n_streams), n),
            "offset_s": np.concatenate([np.sort(rng.uniform(0, 5000, n)) for _ in range(n_streams)]),
            "author": rng.integers(0, 50, n_streams * n),
            "text": [f"text {i}" for i in range(n_streams * n)],
        }
    )


def vectors_of(topics, *, noise=1.0, dim=16, seed=0):
    """Return noise around a direction of each topic's own."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(topics.max() + 1, dim))
    return (directions[topics] + noise * rng.normal(size=(len(topics), dim))).astype(np.float32)


def test_topics_of_100_seconds_are_alike_for_100_seconds():
    chat = make_chat()
    topics = (chat["stream_id"] * 50 + chat["offset_s"] // 100).astype(int).to_numpy()
    result = measure_coherence(chat, vectors_of(topics))
    near, middle, far, farthest = result.table["similarity"]
    assert near > 0.3
    assert near > middle > 0.1
    assert abs(far) < 0.02 and abs(farthest) < 0.02
    assert (result.table["low"] <= result.table["similarity"]).all()
    assert (result.table["similarity"] <= result.table["high"]).all()
    assert result.gone_after == 100
    assert "the band first reaches 0 after 2 min" in result.describe("It")


def test_noise_is_alike_at_no_distance():
    chat = make_chat()
    vectors = vectors_of(np.zeros(len(chat), int))  # all around one direction: centring must remove it
    result = measure_coherence(chat, vectors)
    assert result.table["similarity"].abs().max() < 0.02
    assert abs(result.baseline) < 0.02
    assert result.describe("It").endswith("; at no distance is the band above 0.")


def test_what_a_whole_stream_has_in_common_is_the_baseline():
    chat = make_chat()
    result = measure_coherence(chat, vectors_of(chat["stream_id"].to_numpy()))
    assert result.baseline > 0.3
    assert result.table["similarity"].abs().max() < 0.03


def test_pairs_of_one_author_or_one_text_are_left_out(set_edges):
    set_edges(0, 100)
    chat = pd.DataFrame(
        {
            "stream_id": 0,
            "offset_s": [float(i) for i in range(40)],
            "author": [i % 20 for i in range(40)],
            "text": ["Same" if i < 10 else "same" if i < 20 else f"text {i}" for i in range(40)],
        }
    )
    result = measure_coherence(chat, vectors_of(np.arange(40)))
    all_pairs, same_text, same_author = 40 * 39 // 2, 20 * 19 // 2, 20
    assert result.table["n_pairs"].tolist() == [all_pairs - same_text - same_author]
    unknown = measure_coherence(chat.assign(author=[-1] * 20 + list(range(20))), vectors_of(np.arange(40)))
    assert unknown.table["n_pairs"].tolist() == [all_pairs - same_text]


def test_a_distance_belongs_to_the_bin_that_begins_there(set_edges):
    set_edges(0, 10, 20)
    chat = make_chat(n_streams=1, n=80).assign(offset_s=[0.0] * 40 + [10.0] * 40, author=range(80))
    table = measure_coherence(chat, vectors_of(np.arange(80))).table
    assert table["n_pairs"].tolist() == [2 * 40 * 39 // 2, 40 * 40]
    assert table["low_edge"].tolist() == [0, 10]


def test_distance_in_messages_is_in_messages_whatever_the_time_between():
    chat = sample_messages(make_chat(n=300).assign(offset_s=7.0), per_stream=300)
    topics = (chat["stream_id"] * 100 + chat["position"] // 20).to_numpy()  # twenty messages each
    result = measure_coherence(chat, vectors_of(topics), unit="messages")
    table = result.table.set_index("low_edge")
    assert table.loc[1, "n_pairs"] <= 6 * 299
    assert table.loc[1, "similarity"] > 0.3 > table.loc[9, "similarity"] > 0.05
    assert table.loc[33:, "similarity"].abs().max() < 0.06
    assert result.gone_after in (17, 33)
    assert table["distance"].iloc[:3].tolist() == pytest.approx([1, 2, 12**0.5])
    assert "at most 1 message apart" in result.describe("It")
    assert f"after {result.gone_after:.0f} messages." in result.describe("It")
    assert result.to_results()["gone_after_messages"] == result.gone_after


def test_two_streams_have_no_band():
    chat = make_chat(n_streams=2)
    result = measure_coherence(chat, vectors_of(np.arange(len(chat))))
    assert result.table[["low", "high"]].isna().all(axis=None)
    assert result.gone_after is None
    assert "2 streams are too few for a band" in result.describe("It")


def test_the_sample_is_the_same_for_a_seed_and_in_order():
    chat = make_chat(n_streams=2, n=100)
    sample = sample_messages(chat, per_stream=30, seed=1)
    assert sample.groupby("stream_id").size().tolist() == [30, 30]
    assert sample.groupby("stream_id")["offset_s"].is_monotonic_increasing.all()
    pd.testing.assert_frame_equal(sample, sample_messages(chat, per_stream=30, seed=1))
    everything = sample_messages(chat, per_stream=1000)
    pd.testing.assert_frame_equal(everything.drop(columns="position"), chat)
    assert everything["position"].tolist() == [*range(100)] * 2
    drawn = sample.merge(everything, on=["stream_id", "offset_s"])
    assert drawn["position_x"].equals(drawn["position_y"])  # its number among all, not among those drawn


def test_the_plane_keeps_the_two_widest_directions():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 5)) * [1, 10, 1, 5, 1] + 100
    plane = reduce_to_plane(vectors)
    assert plane.std(0) == pytest.approx([10, 5], rel=0.1)
    assert abs(np.corrcoef(plane[:, 0], vectors[:, 1])[0, 1]) > 0.99
    assert np.array_equal(plane, reduce_to_plane(vectors))


def test_too_little_is_refused():
    few = make_chat(n_streams=1, n=5)
    with pytest.raises(NotEnoughData, match="30 pairs"):
        measure_coherence(few, vectors_of(np.arange(5)))
    with pytest.raises(ParameterError, match="COHERENCE_MESSAGES must be at least 1, got 0"):
        sample_messages(few, per_stream=0)
    with pytest.raises(NotEnoughData, match="there are none"):
        sample_messages(few.iloc[:0])
    with pytest.raises(ParameterError, match="got 4 for 5"):
        measure_coherence(few, vectors_of(np.arange(4)))
    with pytest.raises(ParameterError, match="seconds or messages, got 'hours'"):
        measure_coherence(few, vectors_of(np.arange(5)), unit="hours")


def test_the_nearest_texts_are_of_the_same_topic_and_never_the_same_text():
    topics = np.arange(200) % 20
    texts = [f"topic {t} {'again' if i < 100 else i}" for i, t in enumerate(topics)]
    table = find_neighbours(texts, vectors_of(topics, noise=0.1))
    assert table.shape == (6, 5)
    assert list(table.columns) == ["message", "nearest", "2nd", "3rd", "4th"]
    for row in table.to_numpy():
        assert len(set(row)) == 5
        assert len({text.split()[1] for text in row}) == 1
    assert find_neighbours(["a", "A", "b"], np.eye(3)).shape == (2, 2)
