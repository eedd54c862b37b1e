"""A training that was killed goes on from its last complete epoch.

A folder per epoch holds the weights and the optimizer's state as safetensors and, written last, a JSON
with the history. Only the last epoch stays, and the one whose weights are kept in the end.
"""

from __future__ import annotations

import copy
import json
import logging
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, load_model, save_file, save_model

from chatlib.files import atomic_write, map_write_errors

__all__ = ["Checkpoint"]

log = logging.getLogger(__name__)

_STATE, _WEIGHTS, _OPTIMIZER = "checkpoint.json", "model.safetensors", "optimizer.safetensors"


class Checkpoint:
    """A training's saved epochs; those of another `fingerprint` (model, data, settings) are ignored."""

    def __init__(
        self,
        folder: str | Path,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        fingerprint: str,
    ) -> None:
        self.folder = Path(folder)
        self._model, self._optimizer, self._fingerprint = model, optimizer, fingerprint

    def save(self, history: list[dict[str, float]], *, keep: int) -> None:
        """Save the epoch that the history ends with; drop all others but epoch `keep`.

        Raises: StoreFull or UnwritableFile.
        """
        target = self._epoch_folder(len(history) - 1)
        shutil.rmtree(target, ignore_errors=True)
        with map_write_errors(target):
            target.mkdir(parents=True)
            save_model(self._model, str(target / _WEIGHTS))
            state = self._optimizer.state_dict()["state"]
            entries = ((i, name, tensor) for i, entry in state.items() for name, tensor in entry.items())
            tensors = {f"{i}.{name}": tensor.contiguous() for i, name, tensor in entries}
            save_file(tensors, target / _OPTIMIZER)
        atomic_write(target / _STATE, json.dumps({"fingerprint": self._fingerprint, "history": history}))
        for other in self.folder.glob("epoch_*"):
            if other not in (target, self._epoch_folder(keep)):
                shutil.rmtree(other, ignore_errors=True)

    def load(self) -> list[dict[str, float]]:
        """Restore model and optimizer of the last epoch that can be read; return its history, else []."""
        before = copy.deepcopy(self._model.state_dict())
        paths = self.folder.glob(f"epoch_*/{_STATE}")
        for path in sorted(paths, key=lambda path: -int(path.parent.name.removeprefix("epoch_"))):
            try:
                history = self._load_epoch(path)
            except Exception as error:  # json, safetensors and torch have no root in common
                log.warning("%s cannot be read (%s); starting anew", path.parent, error)
                self._model.load_state_dict(before)
                continue
            if history:
                log.info("going on after epoch %d", len(history) - 1)
                return history
            log.warning("%s is of another training; starting anew", path.parent)
        return []

    def _load_epoch(self, path: Path) -> list[dict[str, float]]:
        """Load an epoch and return its history; [], with nothing loaded, for another fingerprint."""
        state = json.loads(path.read_text(encoding="utf-8"))
        if state["fingerprint"] != self._fingerprint:
            return []
        entries: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in load_file(path.parent / _OPTIMIZER).items():
            index, name = key.split(".", 1)
            entries.setdefault(int(index), {})[name] = tensor
        history: list[dict[str, float]] = state["history"]
        self.load_weights(len(history) - 1)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": entries, "param_groups": groups})
        return history

    def load_weights(self, epoch: int) -> None:
        """Give the model the weights of a saved epoch."""
        load_model(self._model, str(self._epoch_folder(epoch) / _WEIGHTS))

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _epoch_folder(self, epoch: int) -> Path:
        return self.folder / f"epoch_{epoch}"
