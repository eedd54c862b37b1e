"""A blend on disk: weights as safetensors, trees as LightGBM's text, terms and settings as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from chatlib.errors import ModelError
from chatlib.files import atomic_path, atomic_write
from chatlib.predict.models.blend import Blend
from chatlib.predict.models.transformer import load_donor_model, save_donor_model
from chatlib.predict.models.trees import TreeModel
from chatlib.predict.models.words import Vocabulary, WordModel

__all__ = ["load_blend", "save_blend"]

_CARD, _TERMS, _WEIGHTS, _TREES = "donor.json", "terms.json", "words.safetensors", "trees.txt"


def save_blend(folder: str | Path, blend: Blend, card: dict[str, object]) -> Path:
    """Write the members, and then what they are as donor.json: its presence means complete.

    `card` says how the blend came about (encoder, task, threshold, calibration, prevalence).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CARD).unlink(missing_ok=True)
    for i, model in enumerate(blend.transformers):
        save_donor_model(_transformer_folder(folder, i), model, {})
    words, trees = blend.words, blend.trees
    arrays = {
        "idf": np.asarray(blend.vocabulary.idf[0], np.float64),
        "earlier_idf": np.asarray(blend.vocabulary.idf[1], np.float64),
        "words_mean": words.mean,
        "words_spread": words.spread,
        "words_weights": words.weights,
    }
    with atomic_path(folder / _WEIGHTS) as part:
        save_file({name: np.ascontiguousarray(a) for name, a in arrays.items()}, str(part))
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


def load_blend(folder: str | Path) -> tuple[Blend, dict[str, object]]:
    """Return a saved blend, ready to score, and its card.

    Raises: ModelError if the folder holds no complete blend.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        terms = json.loads((folder / _TERMS).read_text(encoding="utf-8"))
        arrays = load_file(str(folder / _WEIGHTS))
        members = card["members"]
        blend = Blend(
            transformers=tuple(
                load_donor_model(_transformer_folder(folder, i))[0] for i in range(members["n_transformers"])
            ),
            vocabulary=Vocabulary(
                (terms["stream"], terms["earlier"]), (arrays["idf"], arrays["earlier_idf"])
            ),
            words=WordModel(
                mean=arrays["words_mean"],
                spread=arrays["words_spread"],
                weights=arrays["words_weights"],
                **members["words"],
            ),
            trees=TreeModel(trees=(folder / _TREES).read_text(encoding="ascii"), **members["trees"]),
            known_before=bool(members["known_before"]),
            weights={name: float(weight) for name, weight in members["weights"].items()},
            shift=float(members["shift"]),
        )
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"A donor model is a folder with {_CARD}, {_TERMS}, {_WEIGHTS}, {_TREES} and its transformers, "
            f"and {folder} cannot be read as one ({error!r}). Run notebook 04 again."
        ) from error
    return blend, card


def _transformer_folder(folder: Path, i: int) -> Path:
    return folder / f"transformer_{i}"
