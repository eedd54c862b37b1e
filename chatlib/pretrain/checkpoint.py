"""A training that was killed goes on from its last complete epoch.

A file of safetensors per epoch, which appears whole, holds the weights and the optimizer's state, and in its
header the history. Only the last epoch stays, and the one whose weights are kept in the end.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from chatlib.files import atomic_path

__all__ = ["Checkpoint"]

log = logging.getLogger(__name__)


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
        target = self._locate(len(history) - 1)
        tensors = {f"model.{name}": weight.clone() for name, weight in self._model.state_dict().items()}
        for i, entry in self._optimizer.state_dict()["state"].items():
            tensors |= {f"{i}.{name}": tensor.contiguous() for name, tensor in entry.items()}
        with atomic_path(target) as part:
            save_file(tensors, part, {"fingerprint": self._fingerprint, "history": json.dumps(history)})
        for other in set(self.folder.glob("epoch_*.safetensors")) - {target, self._locate(keep)}:
            other.unlink()

    def load(self) -> list[dict[str, float]]:
        """Restore model and optimizer of the last epoch that can be read; return its history, else []."""
        for path in sorted(
            self.folder.glob("epoch_*.safetensors"), key=lambda path: (len(path.name), path), reverse=True
        ):
            try:
                history = self._load_epoch(path)
            except Exception as error:  # json, safetensors and torch have no root in common
                log.warning("%s cannot be read (%s); starting anew", path, error)
                continue
            if history:
                log.info("going on after epoch %d", len(history) - 1)
                return history
            log.warning("%s is of another training; starting anew", path)
        return []

    def _load_epoch(self, path: Path) -> list[dict[str, float]]:
        """Load an epoch and return its history; [], with nothing loaded, for another fingerprint."""
        with safe_open(path, "pt") as file:
            if file.metadata()["fingerprint"] != self._fingerprint:
                return []
            history: list[dict[str, float]] = json.loads(file.metadata()["history"])
            entries: dict[int, dict[str, torch.Tensor]] = {}
            for key in file.keys():  # noqa: SIM118
                index, name = key.split(".", 1)
                if index != "model":
                    entries.setdefault(int(index), {})[name] = file.get_tensor(key)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": entries, "param_groups": groups})
        self.load_weights(len(history) - 1)
        return history

    def load_weights(self, epoch: int) -> None:
        """Give the model the weights of a saved epoch."""
        with safe_open(self._locate(epoch), "pt") as file:
            names = self._model.state_dict()
            self._model.load_state_dict({name: file.get_tensor(f"model.{name}") for name in names})

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _locate(self, epoch: int) -> Path:
        return self.folder / f"epoch_{epoch}.safetensors"
