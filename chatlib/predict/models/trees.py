"""Gradient-boosted trees (Friedman 2001) by LightGBM, kept as its text and checked before it is read.

A plain rule, "paid in often lately", is made into log odds and averaged with theirs: where few have paid it
ranks better than trees do, and the mean better than either.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import lightgbm
import numpy as np
import pandas as pd

from chatlib.errors import ModelError
from chatlib.predict.evaluation import are_sane, fit_calibrator

__all__ = ["Line", "TreeModel", "boost", "fit_trees", "map_fits", "predict_boosted"]

_T = TypeVar("_T")

_REPEATABLE = {
    "objective": "binary",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # `map_fits` keeps the other cores busy
    "verbosity": -1,
}
_ENOUGH, _FEW = 200_000, 20_000  # rows to learn from, and positive ones
_SETTINGS = {
    "learning_rate": 0.02,
    "num_leaves": 16,
    "min_data_in_leaf": 40,
    "lambda_l2": 5.0,
    "feature_fraction_bynode": 0.5,  # drawn for each split: the trees of few donors are less alike
    "extra_trees": True,  # random thresholds, for the same reason (Geurts and others 2006)
}
_N_ROUNDS = 400
_QUICK = {"learning_rate": 0.04, "bagging_fraction": 0.51, "bagging_freq": 1}  # of 0.5, rows are copied
_RULE = "paid_visits_lately"
_RULE_SHARE, _RULE_DONORS = 0.3, 1000  # where nobody has paid; and donors with whom it is half of that
_HEADER = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
# What a tree of numbers needs in LightGBM's text: gains are left out; rows are counted for `explain`.
_FIELDS = ("num_leaves", "num_cat", "split_feature", "threshold", "decision_type", "left_child",
           "right_child", "leaf_value", "leaf_count", "internal_count", "shrinkage")  # fmt: skip
_DECISIONS = (0, 2, 8, 10)  # numerical; a missing value goes to either side


class Line(NamedTuple):
    """Log odds by a count alone: `slope * log(1 + count) + shift`, with their `share` in a model."""

    column: str
    share: float
    slope: float
    shift: float

    def rise(self, numbers: pd.DataFrame) -> np.ndarray:
        """Return what the counts add to the model's log odds; not known is 0."""
        counts = np.nan_to_num(numbers[self.column].to_numpy(float))
        return self.share * self.slope * np.log1p(counts)


@dataclass(frozen=True)
class TreeModel:
    """Trees of `n_seeds` models, one behind another, as LightGBM's text; log odds are the models' mean.

    With a `line` they are the mean of the trees' and its own, weighed by its share.

    Raises: ModelError unless the text is trees over the columns, which LightGBM itself does not check.
    """

    columns: list[str]
    trees: str
    n_seeds: int
    line: Line | None = None
    _booster: lightgbm.Booster = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            if not 1 <= self.n_seeds <= 1000 or not 0 < len(self.columns) == len(set(self.columns)):
                raise ValueError(f"{self.n_seeds} models of the columns {self.columns}")
            line = self.line
            if line and not (line.column in self.columns and 0 <= line.share <= 1 and are_sane(line[1:])):
                raise ValueError(f"{line} beside the columns {self.columns}")
            for tree in _split_trees(self.trees):
                _check_tree(tree, len(self.columns))
            header = f"{_HEADER}max_feature_idx={len(self.columns) - 1}\nobjective=binary sigmoid:1\n"
            names = " ".join(f"f{i}" for i in range(len(self.columns)))
            infos = " ".join(["none"] * len(self.columns))
            text = f"{header}feature_names={names}\nfeature_infos={infos}\n\n{self.trees}end of trees\n"
            booster = lightgbm.Booster(model_str=text)
        except (ValueError, TypeError, OverflowError, lightgbm.basic.LightGBMError) as error:
            raise ModelError(f"Trees must be LightGBM's text, and these are not ({error!r}).") from error
        object.__setattr__(self, "_booster", booster)

    def score(self, numbers: pd.DataFrame) -> np.ndarray:
        """Return log odds of all rows, float64. `numbers` has a column for each of `columns`."""
        scores = predict_boosted(self._booster, numbers[self.columns].to_numpy(np.float32)) / self.n_seeds
        if line := self.line:
            scores = (1 - line.share) * scores + line.rise(numbers) + line.share * line.shift
        return scores

    def explain(self, numbers: pd.DataFrame) -> pd.DataFrame:
        """Return what each column adds to each row's log odds (TreeSHAP: Lundberg and others 2020).

        A line adds what the row has more than a count of 0.
        """
        table = numbers[self.columns].to_numpy(np.float32)
        if not len(table):
            return pd.DataFrame(columns=self.columns, dtype=float)
        shares = np.asarray(self._booster.predict(table, pred_contrib=True))[:, :-1]
        added = pd.DataFrame(shares / self.n_seeds, columns=self.columns, index=numbers.index)
        if self.line:
            added *= 1 - self.line.share
            added[self.line.column] += self.line.rise(numbers)
        return added


def fit_trees(
    numbers: pd.DataFrame,
    labels: np.ndarray,
    *,
    rows: np.ndarray | None = None,
    seed: int = 0,
    n_seeds: int = 3,
    quick: bool = False,
) -> TreeModel:
    """Fit boosted trees on training viewers; log odds are averaged over `n_seeds` draws of columns.

    `numbers` are the viewers' features, NaN for what is not known; columns never known are left out. `rows`
    are those to learn from, by default all; of 400,000 or more, evenly spread ones stand for all, but of
    20,000 donors or fewer each is read. Where all labels are the same, so are all scores. Beside the trees
    stands a line through the count "paid in often lately", with the less weight the more donors. `quick` is
    for whether people come, which is common: one draw of half the rounds, on half of the rows, and no line.
    """
    rows = np.arange(len(labels)) if rows is None else rows
    n_seeds = 1 if quick else n_seeds
    labels, step = np.asarray(labels, bool)[rows], max(len(rows) // _ENOUGH, 1)
    line = None if quick or _RULE not in numbers else _fit_line(numbers[_RULE].iloc[rows], labels)
    settings, n_rounds = (_SETTINGS | _QUICK, _N_ROUNDS // 2) if quick else (_SETTINGS, _N_ROUNDS)
    few = labels.sum() <= _FEW
    kept = (labels & few) | (np.arange(len(rows)) % step == 0)
    weights = np.where(labels, 1.0, step)[kept] if few and step > 1 else None
    numbers, labels = numbers.iloc[rows[kept]], labels[kept]
    columns = numbers.columns[numbers.notna().any()].tolist()
    table = numbers[columns].to_numpy(np.float32)  # as the features are
    models = [
        boost(table, labels, settings, n_rounds=n_rounds, seed=seed + i, weights=weights)
        for i in range(n_seeds)
    ]
    trees = [_shorten(tree) for model in models for tree in _split_trees(model.model_to_string())]
    text = "".join(f"Tree={i}\n{tree}\n\n" for i, tree in enumerate(trees))
    return TreeModel(columns, text, n_seeds, line if _RULE in columns else None)


def _fit_line(counts: pd.Series, labels: np.ndarray) -> Line | None:
    if labels.all() or not labels.any():
        return None
    slope, shift = fit_calibrator(labels, np.log1p(np.nan_to_num(counts.to_numpy(float))))
    return Line(str(counts.name), _RULE_SHARE / (1 + int(labels.sum()) / _RULE_DONORS), slope, shift)


def map_fits(fit: Callable[..., _T], *items: Iterable[object]) -> Iterator[_T]:
    """Yield `fit` of the first of all `items`, of the second, ..., on all cores: a fit of trees uses one."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(fit, *items)


def boost(
    table: np.ndarray,
    labels: np.ndarray,
    settings: dict[str, float],
    *,
    n_rounds: int,
    seed: int,
    weights: np.ndarray | None = None,
) -> lightgbm.Booster:
    """Return LightGBM's model of the labels, the same for a seed on any machine and number of cores."""
    data = lightgbm.Dataset(table, np.asarray(labels, float), weight=weights)
    return lightgbm.train(_REPEATABLE | {"seed": seed} | settings, data, num_boost_round=n_rounds)


def predict_boosted(booster: lightgbm.Booster, table: np.ndarray, *, n_rounds: int = -1) -> np.ndarray:
    """Return log odds of all rows by the first rounds of a model, or by all of them."""
    if not len(table):
        return np.zeros(0)
    return np.asarray(booster.predict(table, raw_score=True, num_iteration=n_rounds, num_threads=1))


def _split_trees(text: str) -> list[str]:
    """Return the lines of each tree, without its number."""
    text = text.partition("end of trees")[0]
    return [tree.partition("\n")[2].strip("\n") for tree in ("\n" + text).split("\nTree=")[1:]]


def _shorten(tree: str) -> str:
    fields = dict(line.split("=", 1) for line in tree.splitlines())
    return "\n".join(f"{name}={fields[name]}" for name in _FIELDS)


def _check_tree(tree: str, n_columns: int) -> None:
    """Raise ValueError unless each node below the root has one parent, before it, and all is finite."""
    lines = [line.partition("=") for line in tree.splitlines()]
    if tuple(name for name, _, _ in lines) != _FIELDS:
        raise ValueError(f"a tree has the fields {_FIELDS}")
    text = {name: values.split() for name, _, values in lines}
    (n_leaves,), (n_cat,) = (list(map(int, text[name])) for name in ("num_leaves", "num_cat"))
    integers = ("split_feature", "decision_type", "left_child", "right_child", "leaf_count", "internal_count")
    feature, decision, left, right, *counts = (np.array(text[name], np.int64) for name in integers)
    threshold, value = (np.array(text[name], float) for name in ("threshold", "leaf_value"))
    n, children = n_leaves - 1, np.concatenate([left, right])
    sound = (
        n >= 0
        and n_cat == 0
        and len(value) == len(counts[0]) == n_leaves
        and len(counts[1]) == n
        and all((count > 0).all() for count in counts)
        and all(len(x) == n for x in (feature, decision, left, right, threshold))
        and sorted(children) == [*range(-n_leaves, 0), *range(1, n)] * (n > 0)
        and (np.maximum(children, n) > np.tile(np.arange(n), 2)).all()
        and ((feature >= 0) & (feature < n_columns)).all()
        and np.isin(decision, _DECISIONS).all()
        and are_sane(value)
        and not np.isnan(threshold).any()
    )
    if not sound:
        raise ValueError(f"a tree of {n_leaves} leaves is not sound")
