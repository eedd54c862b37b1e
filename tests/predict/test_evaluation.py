import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from chatlib.errors import NotEnoughData
from chatlib.predict.evaluation import (
    Calibrator,
    bootstrap_metrics,
    choose_threshold,
    compare_models,
    compute_metrics,
    fit_calibrator,
    fit_weights,
    rank_metrics,
    rank_within_streams,
    to_logit,
)


@pytest.mark.parametrize("seed", range(5))
def test_areas_equal_those_of_scikit_learn_with_ties(seed):
    rng = np.random.default_rng(seed)
    labels, scores = rng.random(200) < 0.1, rng.integers(0, 12, 200).astype(float)
    expected = average_precision_score(labels, scores), roc_auc_score(labels, scores)
    assert rank_metrics(labels, scores) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_a_draw_has_the_areas_of_its_streams_each_as_often_as_drawn(seed):
    rng = np.random.default_rng(seed)
    labels, scores = rng.random(200) < 0.2, rng.integers(0, 12, 200).astype(float)
    streams = rng.integers(0, 5, 200)
    draws = bootstrap_metrics(labels, {"a": scores}, streams, n_draws=1, rng=np.random.default_rng(seed))
    times = np.random.default_rng(seed).multinomial(5, np.full(5, 0.2), size=1)[0][streams]
    expected = [f(labels, scores, sample_weight=times) for f in (average_precision_score, roc_auc_score)]
    assert draws["a"][0].tolist() == pytest.approx(expected)


def test_areas_without_donors_are_unknown():
    none = np.zeros(3, bool)
    assert np.isnan(rank_metrics(none, np.arange(3.0))).all()
    assert np.isnan(rank_metrics(~none, np.arange(3.0))[1])
    assert np.isnan(rank_metrics(none[:0], np.array([]))).all()


def test_measures_of_ten_viewers():
    labels = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0], bool)
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    result = compute_metrics(labels, p, threshold=0.65)
    assert result["pr_auc"] == pytest.approx((1 + 2 / 3) / 2)
    assert result["lift"] == pytest.approx(result["pr_auc"] / 0.2)
    assert result["roc_auc"] == pytest.approx(15 / 16)
    assert (result["precision_top_5"], result["recall_top_5"]) == (1.0, 0.5)
    assert (result["n_named"], result["f1"]) == (3, pytest.approx(4 / 5))
    assert result["brier"] == pytest.approx(np.mean((p - labels) ** 2))


def test_viewers_that_tie_at_the_edge_count_in_proportion():
    labels = np.array([1] + [0] * 99, bool)
    assert compute_metrics(labels, np.full(100, 0.01), threshold=1)["recall_top_5"] == pytest.approx(0.05)
    assert compute_metrics(labels, np.append(1.0, np.full(99, np.nan)))["recall_top_5"] == 1


def test_within_streams_ignores_what_differs_between_them():
    labels = np.array([1, 0, 1, 0, 0], bool)
    scores = np.array([0.2, 0.1, 0.9, 0.8, 0.5])
    streams = np.array([1, 1, 2, 2, 3])
    assert rank_within_streams(labels, scores, streams) == (1.0, 1.0)
    assert rank_metrics(labels, scores)[1] < 1


def test_a_stream_counts_within_streams_with_its_number_of_donors():
    labels, streams = np.array([1, 0, 1, 1, 0], bool), np.array([1, 1, 2, 2, 2])
    assert rank_within_streams(labels, np.array([0.1, 0.9, 0.9, 0.8, 0.1]), streams)[1] == 2 / 3


@pytest.mark.parametrize("drawn", ["streams", "people"])
def test_streams_and_people_are_both_drawn(drawn):
    labels, codes = np.array([1, 0, 1, 0] * 5, bool), np.arange(20) // 2
    scores = np.where(codes % 2 == 0, labels, ~labels).astype(float)  # right in half of them, else wrong
    keys = {"streams": np.zeros(20, int), "people": np.zeros(20, int)} | {drawn: codes}
    draws = bootstrap_metrics(labels, {"m": scores}, **keys, n_draws=20, rng=np.random.default_rng(0))
    assert np.nanstd(draws["m"][:, 1]) > 0.05


def test_calibration_finds_the_line_that_made_the_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(-2, 1.5, 20_000)
    labels = rng.random(20_000) < Calibrator(0.5, -1.0).apply(logits)
    found = fit_calibrator(labels, logits)
    assert found.slope == pytest.approx(0.5, abs=0.05) and found.shift == pytest.approx(-1.0, abs=0.1)


def test_calibration_with_one_donor_keeps_the_order_and_the_rate():
    logits = np.linspace(-3, 3, 100)
    labels = np.zeros(100, bool)
    labels[3] = True  # the model ranks the only donor near the bottom
    calibrated = fit_calibrator(labels, logits).apply(logits)
    assert np.all(np.diff(calibrated) > 0)
    assert calibrated.mean() == pytest.approx(0.01, rel=0.2)


def test_calibration_needs_both_classes():
    with pytest.raises(NotEnoughData, match="0 donors among 3"):
        fit_calibrator(np.zeros(3, bool), np.zeros(3))


def test_calibration_of_a_constant_is_the_prevalence():
    labels = np.arange(100) < 7
    assert fit_calibrator(labels, np.full(100, -5.0)).apply(np.array([-5.0])) == pytest.approx(0.07)


def test_threshold_is_where_f1_is_best():
    labels = np.array([1, 1, 0, 1, 0, 0], bool)
    assert choose_threshold(labels, np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])) == 0.6


def test_bootstrap_draws_streams_and_the_same_for_all_models():
    labels = np.array([1, 0, 0, 1, 0, 0], bool)
    streams = np.array([1, 1, 1, 2, 2, 2])
    good = np.array([0.9, 0.1, 0.2, 0.1, 0.8, 0.9])  # right in stream 1, wrong in stream 2
    draws = bootstrap_metrics(
        labels, {"a": good, "b": good + 1}, streams, n_draws=50, rng=np.random.default_rng(0)
    )
    assert np.array_equal(draws["a"], draws["b"])
    both = rank_metrics(labels, good)[1]
    assert set(np.round(draws["a"][:, 1], 6)) == {0.0, round(both, 6), 1.0}, "stream 2, both, stream 1"


def test_models_are_compared_in_pairs():
    rng = np.random.default_rng(1)
    streams = np.repeat(np.arange(10), 50)
    labels = rng.random(500) < 0.1
    good = np.where(labels, 0.6, 0.1) + rng.normal(0, 0.2, 500)
    scores = {"good": good, "chance": rng.random(500)}
    draws = bootstrap_metrics(labels, scores, streams, n_draws=200, rng=rng)
    table = compare_models(labels, scores, draws, reference="chance")
    assert table.loc["good", "gain_low"] > 0
    assert table.loc["chance", ["gain", "gain_low", "gain_high"]].tolist() == [0, 0, 0]
    assert table.loc["good", "pr_auc_low"] < table.loc["good", "pr_auc"] < table.loc["good", "pr_auc_high"]


def test_one_donor_in_test_still_gives_numbers_and_says_what_it_cannot():
    labels, streams = np.zeros(20, bool), np.repeat([0, 1, 2, 3], 5)
    labels[0] = True
    scores = {"model": np.linspace(1, 0, 20)}
    draws = bootstrap_metrics(labels, scores, streams, n_draws=100, rng=np.random.default_rng(0))
    assert compare_models(labels, scores, draws, reference="model").loc["model", "roc_auc"] == 1.0
    streams[1:] = 9  # now only one stream of many has the donor: most draws miss it, or have it alone
    draws = bootstrap_metrics(labels, scores, streams, n_draws=100, rng=np.random.default_rng(0))
    assert np.isnan(compare_models(labels, scores, draws, reference="model").loc["model", "roc_auc_low"])


def test_logits_of_certainty_are_finite():
    assert np.isfinite(to_logit(np.array([0.0, 1.0]))).all()


def test_weights_are_those_of_independent_witnesses_and_never_negative():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 20_000))
    labels = rng.random(20_000) < 1 / (1 + np.exp(2 - first - 0.5 * second))
    *weights, shift = fit_weights(labels, np.stack([first, second, first, -first], axis=1), strength=1.0)
    assert weights[0] + weights[2] == pytest.approx(1.0, abs=0.1)  # a repetition shares the weight
    assert weights[1] == pytest.approx(0.5, abs=0.1) and 0 <= weights[3] < 0.01
    assert shift == pytest.approx(-2.0, abs=0.1)
    *weights, _ = fit_weights(labels, np.stack([first, -second], axis=1))
    assert weights[1] == 0.0  # who says the contrary is not believed backwards
    with pytest.raises(NotEnoughData, match="0 donors among 5"):
        fit_weights(np.zeros(5), np.ones((5, 2)))


def test_a_draw_of_people_counts_their_rows_together():
    labels, scores = np.array([True, False] * 20), np.linspace(0, 1, 40)
    streams, one = np.zeros(40), np.zeros(40)
    rng = np.random.default_rng(0)
    same = bootstrap_metrics(labels, {"a": scores}, streams, people=one, n_draws=5, rng=rng)["a"]
    assert np.allclose(same, rank_metrics(labels, scores))  # one stream and one person: nothing varies
    wide = bootstrap_metrics(labels, {"a": scores}, streams, people=np.arange(40), n_draws=200, rng=rng)["a"]
    assert wide[:, 0].std() > 0.02
