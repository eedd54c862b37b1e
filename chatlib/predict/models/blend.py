"""The strongest model here: transformers, words and trees, their log odds added up.

The weight of each member comes from validation; one that learned nothing, or only repeats the others,
counts for little. On disk a blend is weights as safetensors, trees as LightGBM's text, and the rest as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file
from scipy import sparse

from chatlib.errors import ModelError
from chatlib.files import atomic_path, atomic_write
from chatlib.predict.evaluation import are_sane, fit_weights
from chatlib.predict.models.transformer import (
    DonorInputs,
    DonorTransformer,
    load_donor_model,
    save_donor_model,
    score_donor_model,
)
from chatlib.predict.models.trees import TreeModel, fit_trees
from chatlib.predict.models.words import Vocabulary, WordModel, fit_words, learn_vocabulary
from chatlib.predict.viewers.features import BADGE_FEATURES, BEHAVIOUR_FEATURES, build_features
from chatlib.predict.viewers.history import HISTORY_COLUMNS, RHYTHM_COLUMNS
from chatlib.predict.viewers.notices import NOTICE_COLUMNS
from chatlib.predict.viewers.table import Periods, Viewers

__all__ = [
    "BLENDS",
    "EVIDENCE",
    "MEMBERS",
    "MESSAGE_COLUMNS",
    "Blend",
    "fit_blends",
    "group_columns",
    "list_columns",
    "load_blend",
    "save_blend",
    "score_transformers",
]

BLENDS = {"blend: messages": False, "blend: messages, badges, history": True}
MEMBERS = ("transformer", "words", "trees")
EVIDENCE = ("transformer", "words of this stream", "words of earlier streams")
_HABITS = (*RHYTHM_COLUMNS, *NOTICE_COLUMNS)  # for trees: a linear model does not gain by them
# From attendance alone, without badges and payments; a stream in which somebody only paid is attended.
MESSAGE_COLUMNS = (
    "past_streams",
    "past_messages",
    "days_since_first_seen",
    "days_since_seen",
    "past_streams_of_channel",
    "attended_last_week",
    "attended_last_30_days",
    "attended_last_60_days",
)


@dataclass(frozen=True)
class Blend:
    """Members and how they are added up.

    `known_before` is whether badges and past payments are read, or messages and times alone.
    `weights` has one for each member, and `shift` is added to their sum.
    """

    transformers: tuple[DonorTransformer, ...]
    vocabulary: Vocabulary
    words: WordModel
    trees: TreeModel
    known_before: bool
    weights: dict[str, float]
    shift: float

    def __post_init__(self) -> None:
        """Raise ModelError unless the members fit each other."""
        known, n_terms = list_columns(known_before=self.known_before), sum(map(len, self.vocabulary.terms))
        if len({(model.config.dim, model.config.max_messages) for model in self.transformers}) != 1:
            raise ModelError("A blend has transformers, and all of them read the same inputs.")
        if unknown := sorted(set(self.words.columns + self.trees.columns) - set(known)):
            raise ModelError(f"A blend reads columns that this version computes, and {unknown[0]!r} is none.")
        if self.words.weights.shape != (n_terms + len(self.words.columns),):
            raise ModelError("A blend has a weight for each term and each column of its model of words.")
        if set(self.weights) != set(MEMBERS) or not are_sane(*self.weights.values(), self.shift):
            raise ModelError(f"A blend has finite weights for {', '.join(MEMBERS)}, got {self.weights}.")

    def tabulate(
        self, viewers: Viewers, logits: np.ndarray, *, terms: sparse.csr_matrix | None = None
    ) -> pd.DataFrame:
        """Return all that the score rests on, a row per viewer: numbers, and the columns of EVIDENCE.

        `logits` are the transformers' log odds of the viewers; `terms` their rows of the vocabulary,
        if they are known already.
        """
        table = _build_numbers(viewers, known_before=self.known_before)
        terms = self.vocabulary.transform(viewers) if terms is None else terms
        weighed = self.words.weigh(terms, len(self.vocabulary.terms[0]))
        return table.assign(**dict(zip(EVIDENCE, (logits, *weighed.T), strict=True)))

    def score_members(self, table: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return log odds of the viewers of `tabulate` by each member alone."""
        return {
            "transformer": table[EVIDENCE[0]].to_numpy(float),
            "words": self.words.score(table[list(EVIDENCE[1:])].to_numpy(float), table),
            "trees": self.trees.score(table),
        }

    def combine(self, members: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return log odds of the members together: the weighted sum of theirs."""
        return self.shift + np.sum([self.weights[name] * x for name, x in members.items()], axis=0)

    def score_table(self, table: pd.DataFrame) -> np.ndarray:
        """Return log odds of the viewers of `tabulate`, float64; not yet calibrated as a whole."""
        return self.combine(self.score_members(table))

    def score(self, viewers: Viewers, inputs: DonorInputs) -> np.ndarray:
        """Return log odds of all viewers, as `score_table`."""
        logits = score_transformers(self.transformers, inputs, np.arange(len(viewers)))
        return self.score_table(self.tabulate(viewers, logits))


def fit_blends(
    viewers: Viewers,
    transformers: Sequence[DonorTransformer],
    logits: np.ndarray,
    *,
    periods: Periods,
    seed: int = 0,
) -> tuple[dict[str, Blend], dict[str, pd.DataFrame]]:
    """Fit BLENDS: words and trees on the viewers of training, weights of all members on validation.

    `logits` are the transformers' log odds of the viewers `periods.scored`. Returned with the blends is
    what each rests on for those viewers (`Blend.tabulate`).

    Raises: NotEnoughData without donors in validation.
    """
    train = periods.train
    vocabulary = learn_vocabulary(viewers, train=train)
    terms, scored = vocabulary.transform(viewers), viewers.take(periods.scored)
    labels = viewers.paid[periods.validation]
    blends, tables = {}, {}
    for name, known_before in BLENDS.items():
        numbers = _build_numbers(viewers, known_before=known_before).iloc[train]
        plain = [column for column in numbers if not known_before or column not in _HABITS]
        words = fit_words(terms[train], numbers[plain], viewers.paid[train])
        trees = fit_trees(numbers, viewers.paid[train], seed=seed)
        equal = dict.fromkeys(MEMBERS, 1.0)
        blend = Blend(tuple(transformers), vocabulary, words, trees, known_before, equal, 0.0)
        tables[name] = blend.tabulate(scored, logits, terms=terms[periods.scored])
        members = blend.score_members(tables[name].iloc[: len(labels)])
        *weights, shift = fit_weights(labels, np.stack(list(members.values()), axis=1)).tolist()
        blends[name] = replace(blend, weights=dict(zip(members, weights, strict=True)), shift=shift)
    return blends, tables


def group_columns(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of `Blend.tabulate` by what they are about, for a reader."""
    groups: dict[str, list[str]] = {}
    for column in table.columns:
        groups.setdefault(_name_group(column), []).append(column)
    return groups


def _name_group(column: str) -> str:
    if column in EVIDENCE:
        return column
    if column in BADGE_FEATURES:
        return "badges of earlier streams"
    if (
        "paid" in column
        or column in NOTICE_COLUMNS
        or column in ("past_payments", "past_gifts", "days_between_payments")
    ):
        return "earlier payments"
    if column in ("stream_min", "n_viewers", "past_streams_of_channel"):
        return "the stream itself"
    if column in HISTORY_COLUMNS or column in RHYTHM_COLUMNS:
        return "earlier streams attended"
    if column.endswith("_mean") or column == "distinct_share":
        return "manner of writing"
    if column in ("n_messages", "share_of_stream", "chars_sum", "chars_max"):
        return "how much they wrote"
    return "when they wrote"


def score_transformers(
    models: Sequence[DonorTransformer], inputs: DonorInputs, rows: np.ndarray
) -> np.ndarray:
    """Return log odds of the viewers `rows`, the mean over models of several seeds."""
    return np.mean([score_donor_model(model, inputs, rows) for model in models], axis=0)


def list_columns(*, known_before: bool) -> list[str]:
    """Return the names of the numbers that a blend may read of a viewer."""
    if known_before:
        return [*BEHAVIOUR_FEATURES, *BADGE_FEATURES, *HISTORY_COLUMNS, *RHYTHM_COLUMNS, *NOTICE_COLUMNS]
    return [*BEHAVIOUR_FEATURES, *MESSAGE_COLUMNS]


def _build_numbers(viewers: Viewers, *, known_before: bool) -> pd.DataFrame:
    if known_before:
        return build_features(viewers, known_before=True, habits=True)
    behaviour = build_features(viewers)
    return behaviour.join(viewers.table[list(MESSAGE_COLUMNS)].astype(np.float64))


_CARD, _TERMS, _WEIGHTS, _TREES = "donor.json", "terms.json", "words.safetensors", "trees.txt"


def save_blend(folder: str | Path, blend: Blend, card: Mapping[str, object]) -> Path:
    """Write the members, and then donor.json: its presence means complete.

    `card` is what else is to be known of the blend (question, threshold, calibration, prevalence, encoder).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CARD).unlink(missing_ok=True)
    for i, model in enumerate(blend.transformers):
        save_donor_model(folder / f"transformer_{i}", model)
    words, trees = blend.words, blend.trees
    arrays = {
        "idf": blend.vocabulary.idf[0],
        "earlier_idf": blend.vocabulary.idf[1],
        "mean": words.mean,
        "spread": words.spread,
        "weights": words.weights,
    }
    with atomic_path(folder / _WEIGHTS) as part:
        save_file({name: np.ascontiguousarray(a, np.float64) for name, a in arrays.items()}, str(part))
    atomic_write(folder / _TREES, trees.trees)
    terms = dict(zip(("stream", "earlier"), blend.vocabulary.terms, strict=True))
    atomic_write(folder / _TERMS, json.dumps(terms, ensure_ascii=False))
    members = {
        "n_transformers": len(blend.transformers),
        "known_before": blend.known_before,
        "weights": blend.weights,
        "shift": blend.shift,
        "words": {"columns": words.columns, "intercept": words.intercept},
        "trees": {"columns": trees.columns, "n_seeds": trees.n_seeds},
    }
    text = json.dumps({**card, "members": members}, indent=2, ensure_ascii=False)
    atomic_write(folder / _CARD, text + "\n")
    return folder


def load_blend(folder: str | Path) -> tuple[Blend, dict[str, Any]]:
    """Return a saved blend, ready to score, and its card.

    Raises: ModelError if the folder holds no complete blend.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        terms = json.loads((folder / _TERMS).read_text(encoding="utf-8"))
        arrays, members = load_file(str(folder / _WEIGHTS)), card["members"]
        blend = Blend(
            transformers=tuple(
                load_donor_model(folder / f"transformer_{i}") for i in range(members["n_transformers"])
            ),
            vocabulary=Vocabulary(
                (terms["stream"], terms["earlier"]), (arrays["idf"], arrays["earlier_idf"])
            ),
            words=WordModel(
                columns=members["words"]["columns"],
                intercept=float(members["words"]["intercept"]),
                mean=arrays["mean"],
                spread=arrays["spread"],
                weights=arrays["weights"],
            ),
            trees=TreeModel(trees=(folder / _TREES).read_text(encoding="ascii"), **members["trees"]),
            known_before=members["known_before"] is True,
            weights={name: float(weight) for name, weight in members["weights"].items()},
            shift=float(members["shift"]),
        )
    except Exception as error:
        raise ModelError(
            f"A donor model is a folder with {_CARD}, {_TERMS}, {_WEIGHTS}, {_TREES} and its transformers, "
            f"and {folder} cannot be read as one ({error!r}). Run notebook 04 again."
        ) from error
    return blend, card
