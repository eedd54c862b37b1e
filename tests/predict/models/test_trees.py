from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from chatlib.errors import ModelError
from chatlib.predict.models.trees import TreeModel, fit_trees, map_fits


def make_table(seed):
    """Numbers of 3,000 viewers, a fifth of them missing, of which the product of two decides."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(3000, 5)), columns=list("abcde")).assign(never=np.nan)
    table = table.mask(rng.random(table.shape) < 0.2)
    labels = rng.random(3000) < 1 / (1 + np.exp(2 - 2 * table["a"].fillna(1.5) * (table["b"] > 0)))
    return table, labels.to_numpy()


@pytest.mark.parametrize("seed", range(2))
def test_donors_score_higher_on_rows_that_training_never_saw(seed):
    table, labels = make_table(seed)
    model = fit_trees(table.iloc[:2000], labels[:2000], seed=seed, n_seeds=2)
    assert model.columns == list("abcde") and model.trees.count("Tree=") == 800
    scores, later = model.score(table.iloc[2000:]), labels[2000:]
    assert scores[later].mean() > scores[~later].mean() + 0.5
    assert model.score(table.iloc[:0]).shape == (0,)


def test_a_seed_gives_the_same_trees_and_their_log_odds_are_those_of_the_prevalence():
    table, labels = make_table(0)
    first, again, other = (fit_trees(table, labels, seed=seed, n_seeds=1) for seed in (3, 3, 4))
    assert first.trees == again.trees != other.trees
    quick = fit_trees(table, labels, quick=True)
    assert (quick.n_seeds, quick.trees.count("Tree=")) == (1, 200)
    for model in (first, quick):
        assert expit(model.score(table)).mean() == pytest.approx(labels.mean(), rel=0.05)


def test_fits_come_in_order_and_are_the_same_side_by_side():
    numbers, labels = make_table(0)
    alone = [fit_trees(numbers, labels, seed=seed, n_seeds=1).trees for seed in range(3)]
    assert [*map_fits(lambda seed: fit_trees(numbers, labels, seed=seed, n_seeds=1).trees, range(3))] == alone


def test_of_many_rows_evenly_spread_ones_stand_for_all_and_donors_if_they_are_few(monkeypatch):
    numbers, labels = make_table(0)
    monkeypatch.setattr("chatlib.predict.models.trees._ENOUGH", 1000)
    for few, n_rows in ((len(numbers), 1000 + int(labels[np.arange(3000) % 3 > 0].sum())), (9, 1000)):
        monkeypatch.setattr("chatlib.predict.models.trees._FEW", few)
        model = fit_trees(numbers, labels, n_seeds=1)
        assert model.trees.split("internal_count=")[1].split()[0] == str(n_rows)
        assert expit(model.score(numbers)).mean() == pytest.approx(labels.mean(), rel=0.1)


def test_the_text_that_is_kept_scores_as_lightgbm_does():
    import lightgbm

    table, labels = make_table(1)
    model = fit_trees(table, labels, n_seeds=1)
    data = lightgbm.Dataset(table[model.columns].to_numpy(), labels.astype(float))
    settings = {"objective": "binary", "learning_rate": 0.02, "num_leaves": 16, "min_data_in_leaf": 40,
                "lambda_l2": 5.0, "feature_fraction_bynode": 0.5, "extra_trees": True, "seed": 0,
                "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1}  # fmt: skip
    expected = lightgbm.train(settings, data, num_boost_round=400)
    expected = expected.predict(table[model.columns].to_numpy(), raw_score=True)
    np.testing.assert_allclose(model.score(table), expected, atol=1e-12)


TREE = {
    "num_leaves": "3",
    "num_cat": "0",
    "split_feature": "0 1",
    "threshold": "0.5 1.5",
    "decision_type": "10 2",
    "left_child": "1 -1",
    "right_child": "-2 -3",
    "leaf_value": "1 2 3",
    "leaf_count": "9 8 7",
    "internal_count": "24 16",
    "shrinkage": "1",
}


def build(tree):
    lines = "\n".join(f"{name}={value}" for name, value in tree.items())
    return TreeModel(["a", "b"], f"Tree=0\n{lines}\n\n", 1)


def test_a_small_tree_is_read_as_written_and_what_its_columns_add_makes_the_differences_between_scores():
    rows = pd.DataFrame({"a": [0.0, 0.0, 1.0, np.nan], "b": [1.0, 2.0, 0.0, 0.0]})
    model = build(TREE)
    assert model.score(rows).tolist() == [1.0, 3.0, 2.0, 1.0]
    rest = model.score(rows) - model.explain(rows).sum(axis=1)
    assert list(model.explain(rows)) == ["a", "b"] and np.allclose(rest, rest[0])


def test_a_plain_rule_counts_beside_the_trees_the_less_the_more_have_paid():
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, 4000).astype(float)
    table = pd.DataFrame(
        {"a": rng.normal(size=4000), "paid_visits_lately": np.where(counts > 5, np.nan, counts)}
    )
    labels = rng.random(4000) < expit(1.5 * np.log1p(counts) - 3)
    model = fit_trees(table, labels, n_seeds=1)
    line, n, alone = model.line, labels.sum(), replace(model, line=None)
    assert fit_trees(table, labels, quick=True).line is None
    assert line.column == "paid_visits_lately" and line.share == pytest.approx(0.3 / (1 + n / 1000))
    assert (line.slope, line.shift) == pytest.approx((1.5, -3), abs=0.3)
    by_line = line.slope * np.log1p(table["paid_visits_lately"].fillna(0)) + line.shift
    expected = line.share * by_line + (1 - line.share) * alone.score(table)
    np.testing.assert_allclose(model.score(table), expected)
    rest = model.score(table) - model.explain(table).sum(axis=1)
    assert np.allclose(rest, rest[0])
    for wrong in ({"column": "b"}, {"share": 1.1}, {"slope": np.nan}, {"shift": np.inf}):
        with pytest.raises(ModelError, match="Trees must be"):
            replace(model, line=line._replace(**wrong))


def test_labels_all_alike_give_scores_all_alike():
    rows = pd.DataFrame({"a": np.arange(50.0)})
    for label, sign in ((False, -1), (True, 1)):
        model = fit_trees(rows, np.full(50, label), n_seeds=1)
        assert len(set(model.score(rows))) == 1 and sign * model.score(rows)[0] > 10
        assert (model.explain(rows) == 0).all(axis=None)


@pytest.mark.parametrize(
    "change",
    [
        {"left_child": "0 -1"},  # its own child
        {"left_child": "1 0"},  # a circle
        {"right_child": "1 -3"},  # two parents
        {"right_child": "-2 -9"},  # a leaf that is not there
        {"split_feature": "0 2"},  # a column that is not there
        {"leaf_value": "1 2 nan"},
        {"leaf_value": "1 2"},
        {"leaf_count": "9 8 0"},
        {"internal_count": "24"},
        {"threshold": "0.5"},
        {"threshold": "0.5 nan"},
        {"decision_type": "1 2"},  # a category
        {"num_cat": "1"},
        {"num_leaves": "99999999999"},
        {"num_leaves": ""},
        {"shrinkage": None},
        {"left_child": "1 x"},
    ],
)
def test_a_tree_that_is_not_sound_is_refused(change):
    tree = {name: value for name, value in (TREE | change).items() if value is not None}
    with pytest.raises(ModelError, match="Trees must be"):
        build(tree)
