"""A training that was killed goes on from its last whole epoch.

One folder per epoch: weights and the optimizer's state as safetensors, and last a JSON with
the history, so that its existence means that the epoch is whole. Only the last epoch is kept,
and the one to be kept in the end.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, load_model, save_file, save_model

from chatlib.files import atomic_write

__all__ = ["load_checkpoint", "load_epoch", "save_checkpoint"]

log = logging.getLogger(__name__)

_STATE = "checkpoint.json"


def save_checkpoint(
    folder: str | Path,
    model: torch.nn.Module,
    *,
    optimizer: torch.optim.Optimizer,
    history: list[dict[str, float]],
    fingerprint: str,
    keep: int,
) -> None:
    """Save the state after an epoch, which the history's last row names; drop others but epoch `keep`."""
    target = _epoch_folder(folder, history[-1]["epoch"])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    save_model(model, str(target / "model.safetensors"))
    state = optimizer.state_dict()["state"]
    tensors = {
        f"{i}.{name}": value.contiguous() for i, entry in state.items() for name, value in entry.items()
    }
    save_file(tensors, target / "optimizer.safetensors")
    atomic_write(target / _STATE, json.dumps({"fingerprint": fingerprint, "history": history}))
    for other in Path(folder).glob("epoch_*"):
        if other not in (target, _epoch_folder(folder, keep)):
            shutil.rmtree(other, ignore_errors=True)


def load_checkpoint(
    folder: str | Path, model: torch.nn.Module, *, optimizer: torch.optim.Optimizer, fingerprint: str
) -> list[dict[str, float]]:
    """Bring model and optimizer to the last whole epoch; return its history, empty if there is none.

    A checkpoint of other data or settings has another fingerprint and is left alone.
    """
    paths = Path(folder).glob(f"epoch_*/{_STATE}")
    for state_path in sorted(paths, key=lambda path: -int(path.parent.name.removeprefix("epoch_"))):
        state = json.loads(state_path.read_text(encoding="utf-8"))
        if state["fingerprint"] != fingerprint:
            log.warning("%s is of another training; starting anew", state_path.parent)
            continue
        load_model(model, str(state_path.parent / "model.safetensors"))
        entries: dict[int, dict[str, torch.Tensor]] = {}
        for key, tensor in load_file(state_path.parent / "optimizer.safetensors").items():
            index, name = key.split(".", 1)
            entries.setdefault(int(index), {})[name] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": entries, "param_groups": groups})
        log.info("going on after epoch %d", state["history"][-1]["epoch"])
        return state["history"]
    return []


def load_epoch(folder: str | Path, model: torch.nn.Module, *, epoch: int) -> None:
    """Give a model the weights of a saved epoch."""
    load_model(model, str(_epoch_folder(folder, epoch) / "model.safetensors"))


def _epoch_folder(folder: str | Path, epoch: int) -> Path:
    return Path(folder) / f"epoch_{epoch}"
