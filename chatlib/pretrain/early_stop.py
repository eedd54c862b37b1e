"""When to stop training, and which epoch's weights to keep.

With a patience of n epochs, training ends when n epochs in a row were no better on held-out
blocks than the best before them, and that best epoch is kept. Patience 0 never ends early and
keeps the last epoch.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from chatlib.pretrain.checkpoint import load_epoch

__all__ = ["BestWeights", "find_kept", "is_over"]

History = Sequence[Mapping[str, float]]


def find_kept(history: History, *, patience: int) -> int:
    """Return the epoch whose weights are kept. `history` has a row per evaluation, before training first."""
    trained = [row for row in history if row["epoch"] > 0]
    if not patience or not trained:
        return int(history[-1]["epoch"])
    return int(min(trained, key=lambda row: row["blocks_perplexity"])["epoch"])


def is_over(history: History, *, patience: int) -> bool:
    """Return whether so many epochs were no better that training ends."""
    return bool(patience) and history[-1]["epoch"] - find_kept(history, patience=patience) >= patience


class BestWeights:
    """The weights of the best epoch so far; of a training that goes on, from its checkpoint."""

    def __init__(
        self, model: torch.nn.Module, history: History, *, patience: int, checkpoint: str | Path | None
    ) -> None:
        self._model, self._patience = model, patience
        self._weights: dict[str, torch.Tensor] | None = None
        kept = find_kept(history, patience=patience)
        if kept == history[-1]["epoch"]:
            self.look_at(history)
        else:
            latest = copy.deepcopy(model.state_dict())
            load_epoch(checkpoint, model, epoch=kept)
            self._weights = copy.deepcopy(model.state_dict())
            model.load_state_dict(latest)

    def look_at(self, history: History) -> None:
        """Keep the model's weights if the last epoch is the best."""
        if self._patience and find_kept(history, patience=self._patience) == history[-1]["epoch"]:
            self._weights = copy.deepcopy(self._model.state_dict())

    def restore(self) -> None:
        """Give the model the weights that are kept."""
        if self._weights is not None:
            self._model.load_state_dict(self._weights)
