"""A trained donor model in use: the viewers of a stream, the most likely donor first."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chatlib.errors import ModelError, ParameterError
from chatlib.predict.evaluation import Calibrator, are_sane
from chatlib.predict.models.blend import Blend, load_blend, save_blend
from chatlib.predict.models.transformer import Encoder, build_inputs
from chatlib.predict.questions import Question
from chatlib.predict.viewers.table import load_viewers
from chatlib.store import Store

__all__ = ["Scorer", "digest_encoder", "load_scorer", "save_scorer"]

_ENCODER_FILES = ("config.json", "*.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class Scorer:
    """Everything that scoring a stream needs; from `load_scorer`, or made after training.

    `calibrator` is of the blend as a whole. `prevalence` is the share of donors in the training
    period; `encoder_digest` identifies the language model that it was trained with.
    """

    blend: Blend
    question: Question
    calibrator: Calibrator
    threshold: float
    prevalence: float
    encoder_digest: str

    def score(self, db: Store, stream_id: int, encoder: Encoder) -> pd.DataFrame:
        """Return the viewers of a stream, most likely donor first.

        Columns: author (a key of the table `authors`), probability, named (is it beyond the
        threshold?), n_messages. Labels are not read.

        Raises: DataError for a stream that is not there or has no date; NotEnoughData if nobody
        wrote in it; ModelError for an encoder of another width, or if a probability is not a number.
        """
        viewers = load_viewers(db, self.question, only=[stream_id])
        config = self.blend.transformers[0].config
        if encoder.dim != config.dim:
            raise ModelError(
                f"The donor model reads vectors of {config.dim} numbers, and this language model "
                f"makes {encoder.dim}. Use the one it was trained with, or run notebook 04 again."
            )
        inputs = build_inputs(viewers, encoder, max_messages=config.max_messages)
        logits = self.blend.score(viewers, inputs)
        table = viewers.table[["author", "n_messages"]].assign(probability=self.calibrator.apply(logits))
        if not np.isfinite(table["probability"]).all():
            raise ModelError("The donor model's probabilities must be numbers. Run notebook 04 again.")
        table["named"] = table["probability"] >= self.threshold
        table = table.sort_values("probability", ascending=False, kind="stable", ignore_index=True)
        return table[["author", "probability", "named", "n_messages"]]


def save_scorer(scorer: Scorer, folder: str | Path) -> Path:
    """Write the weights as safetensors and all else as JSON; return the folder."""
    card = {
        "question": asdict(scorer.question),
        "calibrator": scorer.calibrator._asdict(),
        "threshold": scorer.threshold,
        "prevalence": scorer.prevalence,
        "encoder_digest": scorer.encoder_digest,
    }
    return save_blend(folder, scorer.blend, card)


def load_scorer(folder: str | Path, *, encoder_folder: str | Path) -> Scorer:
    """Return a saved scorer. Raises: ModelError if it is not whole, or of another language model."""
    blend, card = load_blend(folder)
    found = digest_encoder(encoder_folder)
    try:
        scorer = Scorer(
            blend=blend,
            question=Question(**card["question"]),
            calibrator=Calibrator(float(card["calibrator"]["slope"]), float(card["calibrator"]["shift"])),
            threshold=float(card["threshold"]),
            prevalence=float(card["prevalence"]),
            encoder_digest=str(card["encoder_digest"]),
        )
        if not are_sane(*scorer.calibrator, scorer.threshold, scorer.prevalence):
            raise ValueError("a number is not finite")
    except (KeyError, TypeError, ValueError, OverflowError, ParameterError) as error:
        raise ModelError(
            f"The card of a donor model has its question, threshold and calibration, and that in {folder} "
            f"does not ({error!r}). Run notebook 04 again."
        ) from error
    if scorer.encoder_digest != found:
        raise ModelError(
            f"A donor model works with the language model it was trained with, and {encoder_folder} is "
            f"another one (digest {found}, not {scorer.encoder_digest}). Run notebook 04 again."
        )
    return scorer


def digest_encoder(folder: str | Path) -> str:
    """Return a hash of a language model's weights and tokenizer. Raises: ModelError without weights."""
    folder = Path(folder)
    files = [path for pattern in _ENCODER_FILES for path in sorted(folder.glob(pattern))]
    if not any(path.suffix == ".safetensors" for path in files):
        raise ModelError(
            f"A language model is a folder with weights as safetensors, and {folder} has none. "
            "Run notebook 03 first."
        )
    hasher = hashlib.blake2b(digest_size=8)
    for path in files:
        hasher.update(path.name.encode() + path.read_bytes())
    return hasher.hexdigest()
