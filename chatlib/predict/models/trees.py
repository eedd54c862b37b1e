"""Gradient-boosted trees that are kept as plain numbers: fitted by scikit-learn, saved without pickle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from chatlib.errors import ModelError

__all__ = ["TreeModel", "fit_trees"]

_SETTINGS = {
    "learning_rate": 0.02,
    "max_iter": 300,
    "max_leaf_nodes": 6,
    "min_samples_leaf": 40,
    "l2_regularization": 5.0,
    "max_features": 0.2,  # of the columns, drawn for each split: the trees of few donors are less alike
    "early_stopping": False,
}
_PORTION = 1024  # rows that go down all trees at once
_FIELDS = ("feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "is_leaf", "value")


@dataclass(frozen=True)
class TreeModel:
    """Trees, all nodes of all trees behind one another; `roots` says where each begins.

    Columns of `nodes`: as in _FIELDS; `left` and `right` count from the first node of all.
    """

    columns: list[str]
    nodes: np.ndarray
    roots: np.ndarray
    base: float
    n_seeds: int

    def score(self, numbers: pd.DataFrame) -> np.ndarray:
        """Return log odds of all rows, float64. `numbers` has a column for each of `columns`."""
        table = numbers[self.columns].to_numpy(float)
        sums = [self._sum(table[start : start + _PORTION]) for start in range(0, len(table), _PORTION)]
        return self.base + np.concatenate([*sums, np.zeros(0)]) / self.n_seeds

    def _sum(self, table: np.ndarray) -> np.ndarray:
        """Return the sum over trees of the leaves that rows end in; all go down all trees at once."""
        feature, threshold, missing_left, left, right, leaf, value = self.nodes.T
        feature, left, right = (column.astype(np.int64) for column in (feature, left, right))
        rows, at = np.arange(len(table))[:, None], np.tile(self.roots, (len(table), 1))
        while not (done := leaf[at] > 0).all():
            x = table[rows, feature[at]]
            goes_left = np.where(np.isnan(x), missing_left[at] > 0, x <= threshold[at])
            at = np.where(done, at, np.where(goes_left, left[at], right[at]))
        return value[at].sum(axis=1)


def fit_trees(numbers: pd.DataFrame, labels: np.ndarray, *, seed: int = 0, n_seeds: int = 3) -> TreeModel:
    """Fit boosted trees (Friedman 2001; scikit-learn's histogram boosting) on training viewers.

    `numbers` are their features, NaN for what is not known; columns never known are left out.
    Log odds are averaged over `n_seeds` draws of columns.

    Raises: ModelError if the trees as plain numbers do not say what scikit-learn's say.
    """
    columns = numbers.columns[numbers.notna().any()].tolist()
    table = numbers[columns].to_numpy(float)
    models = [
        HistGradientBoostingClassifier(random_state=seed + i, **_SETTINGS).fit(table, labels)
        for i in range(n_seeds)
    ]
    trees = [stage[0].nodes for model in models for stage in model._predictors]
    roots = np.cumsum([0, *map(len, trees[:-1])])
    nodes = np.concatenate([_flatten(tree, root) for tree, root in zip(trees, roots, strict=True)])
    base = float(np.mean([model._baseline_prediction.item() for model in models]))
    result = TreeModel(columns, nodes, roots, base, n_seeds)
    expected = np.mean([model.decision_function(table[:256]) for model in models], axis=0)
    if not np.allclose(result.score(numbers.iloc[:256]), expected, atol=1e-6):
        raise ModelError(
            "Trees must say the same once they are plain numbers, and they do not: this scikit-learn keeps "
            "them otherwise than the tested ones. Install the version in constraints.txt."
        )
    return result


def _flatten(tree: np.ndarray, root: int) -> np.ndarray:
    nodes = np.stack([tree[name].astype(float) for name in _FIELDS], axis=1)
    nodes[:, [3, 4]] += root
    return nodes
