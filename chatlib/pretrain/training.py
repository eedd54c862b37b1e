"""Masked-language-model training on packed chat, and how well a model knows what is held out.

Perplexity is over masked tokens that all weigh the same, whatever message or block they are in. A training
that was killed goes on from its last complete epoch.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from chatlib.errors import ModelError
from chatlib.files import atomic_path
from chatlib.pretrain import TrainSettings
from chatlib.pretrain.corpus import Corpus
from chatlib.pretrain.data import (
    IGNORED,
    Batch,
    LmData,
    MaskedSet,
    iter_batches,
    iter_token_batches,
    pad_rows,
)
from chatlib.pretrain.device import Processes, autocast, join_processes, pick_device, seed_torch
from chatlib.pretrain.language_model import LanguageModel, MaskedHead
from chatlib.workspace import progress_bar

__all__ = [
    "Checkpoint",
    "Score",
    "Trainer",
    "describe_training",
    "find_kept",
    "make_optimizer",
    "score_model",
    "score_reference",
    "score_unigram",
    "set_learning_rate",
    "train",
]

log = logging.getLogger(__name__)

SCRATCH_LR = 2e-3
PRETRAINED_LR = 5e-5
WEIGHT_DECAY = 0.01
CLIP_NORM = 1.0


class Score(NamedTuple):
    """How well hidden tokens were predicted. `loss` is nats per token, `perplexity` its exponential.

    `bits_per_char` estimates the cost of a character when every token is predicted from its
    context, so models with different tokenizers can be compared.
    """

    perplexity: float
    bits_per_char: float
    loss: float
    n_masked: int


def train(
    lm: LanguageModel, data: LmData, settings: TrainSettings, *, checkpoint: str | Path
) -> pd.DataFrame:
    """Train a language model in place; return one row per evaluation, before training and after each epoch.

    Columns: `epoch` (0: before), `train_loss` (mean over the epoch's steps, nats per masked token),
    `blocks_perplexity`, `blocks_bits_per_char`, `single_perplexity`, `single_bits_per_char`,
    `seconds` (of training alone) and `tokens_per_s`. The model ends on the CPU, in evaluation mode,
    with the weights of the epoch that is kept (`find_kept`).

    The same data, settings and machine give the same weights, also when a run was killed and goes on
    from the folder `checkpoint`, which is removed at the end. Processes that `accelerate launch` or
    `torchrun` started share each batch.

    Raises: ModelError if the loss is not finite any more, or a batch does not fit into memory.
    """
    processes = join_processes()
    lm.model.to(pick_device())
    processes.share_weights(lm.model)
    trainer = Trainer(lm, data, settings, processes)
    saved = Checkpoint(checkpoint, lm.model, trainer.optimizer, fingerprint=_fingerprint(lm, data, settings))
    history = saved.load()
    if not history:
        history = [trainer.evaluate(epoch=0)]
    n_done, n_all = (n * trainer.steps_per_epoch for n in (len(history) - 1, settings.epochs))
    with progress_bar(total=n_all, initial=n_done, desc="training", unit="step") as progress:
        while len(history) <= settings.epochs and not is_over(history, patience=settings.patience):
            epoch, start = len(history), time.perf_counter()
            try:
                loss = trainer.train_epoch(epoch, progress)
            except torch.OutOfMemoryError as error:
                raise ModelError(
                    f"A batch must fit into the GPU's memory, and {settings.batch_blocks} blocks of "
                    f"{settings.block_len} tokens do not. Halve the blocks of a batch and double the batches "
                    f"of a step, now {settings.accumulate}: the steps stay as large."
                ) from error
            history.append(trainer.evaluate(epoch=epoch, loss=loss, seconds=time.perf_counter() - start))
            if processes.is_first:
                saved.save(history, keep=find_kept(history, patience=settings.patience))
            processes.wait()
    trainer.head.close()
    if (kept := find_kept(history, patience=settings.patience)) < len(history) - 1:
        saved.load_weights(kept)
        processes.wait()
    if processes.is_first:
        saved.remove()
    lm.model.to("cpu").eval()
    return pd.DataFrame(history)


class Trainer:
    """A language model with its optimizer, trained an epoch at a time on the device that it is on."""

    def __init__(
        self, lm: LanguageModel, data: LmData, settings: TrainSettings, processes: Processes
    ) -> None:
        self.lm, self.data, self.settings, self.processes = lm, data, settings, processes
        self.device = next(lm.model.parameters()).device
        self.head = MaskedHead(lm.model)
        self.optimizer = make_optimizer(
            lm.model, lr=settings.lr or (SCRATCH_LR if lm.from_scratch else PRETRAINED_LR)
        )
        n_batches = len(data.plan_batches(settings.batch_blocks, np.random.default_rng(0)))
        self.steps_per_epoch = -(-n_batches // settings.accumulate)

    def train_epoch(self, epoch: int, progress: tqdm) -> float:
        """Train for one epoch, from 1 on; return the mean loss of its steps."""
        settings, parameters = self.settings, list(self.lm.model.parameters())
        n_steps = self.steps_per_epoch * settings.epochs
        seed_torch(settings.seed + epoch)
        self.head.train()
        losses = []
        for i, batches in enumerate(self._iter_steps(epoch)):
            step = self.steps_per_epoch * (epoch - 1) + i
            set_learning_rate(self.optimizer, settings, step=step, n_steps=n_steps)
            self.optimizer.zero_grad(set_to_none=True)
            n_masked = sum(batch.n_masked for batch in batches)
            if self.data.n_blocks:
                n_masked = max(1, int(self.processes.sum(torch.tensor(n_masked, device=self.device))))
            losses.append(torch.stack([self.add_gradients(batch, n_masked) for batch in batches]).sum())
            self.processes.sum_gradients(parameters)
            torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
            self.optimizer.step()
            progress.update()
        return self.processes.sum(torch.stack(losses).mean()).item() if losses else math.nan

    def add_gradients(self, batch: Batch, n_masked: int) -> torch.Tensor:
        """Add the gradients of a batch; return its part of the mean loss over the step's `n_masked` masks."""
        if not len(batch.labels):
            return torch.zeros((), device=self.device)
        attention = None if batch.attention is None else batch.attention.to(self.device)
        with autocast(self.device):
            logits = self.head(batch.ids.to(self.device), batch.positions.to(self.device), attention)
        labels = batch.labels.to(self.device)
        loss = functional.cross_entropy(logits.float(), labels, reduction="sum") / n_masked
        loss.backward()
        return loss.detach()

    def evaluate(self, *, epoch: int, loss: float = math.nan, seconds: float = 0.0) -> dict[str, float]:
        """Return the row of the history of an epoch: how well the model knows what is held out.

        Raises: ModelError if a loss is not finite.
        """
        held_out = {"blocks": self.data.held_out_blocks, "single": self.data.single_messages}
        scores = {name: score_model(self.head, part, device=self.device) for name, part in held_out.items()}
        if not math.isfinite(scores["blocks"].loss) or (seconds and not math.isfinite(loss)):
            raise ModelError(
                f"The loss must stay finite, and in epoch {epoch} it is {loss}. Lower the learning rate."
            )
        row = {"epoch": epoch, "train_loss": loss}
        for name, score in scores.items():
            row |= {f"{name}_perplexity": score.perplexity, f"{name}_bits_per_char": score.bits_per_char}
        log.info("epoch %d: %s", epoch, row)
        return row | {
            "seconds": seconds,
            "tokens_per_s": self.data.n_tokens / seconds if seconds else math.nan,
        }

    def _iter_steps(self, epoch: int) -> Iterator[list[Batch]]:
        """Yield the batches of each step, of each this process's rows."""
        share, of = (0, 1) if self.data.n_blocks else (self.processes.rank, self.processes.n)
        batches = iter_batches(self.data, self.lm.tokenizer, self.settings, epoch=epoch, share=share, of=of)
        while together := list(itertools.islice(batches, self.settings.accumulate)):
            yield together


def find_kept(history: Sequence[Mapping[str, float]], *, patience: int) -> int:
    """Return the epoch whose weights are kept: the last, or with patience the best on held-out blocks.

    `history` has a row per evaluation, the one before training first, which is kept only if alone.
    """
    trained = [row for row in history if row["epoch"] > 0]
    if not patience or not trained:
        return int(history[-1]["epoch"])
    return int(min(trained, key=lambda row: row["blocks_perplexity"])["epoch"])


def is_over(history: Sequence[Mapping[str, float]], *, patience: int) -> bool:
    """Return whether training ends: the last `patience` epochs were no better than the best one."""
    return bool(patience) and history[-1]["epoch"] - find_kept(history, patience=patience) >= patience


def make_optimizer(model: nn.Module, *, lr: float) -> torch.optim.Optimizer:
    """Return AdamW over a model's weights. Biases and norms do not decay."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": WEIGHT_DECAY},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([{**group, "peak_lr": lr} for group in groups], lr=lr, betas=(0.9, 0.98))


def set_learning_rate(
    optimizer: torch.optim.Optimizer, settings: TrainSettings, *, step: int, n_steps: int
) -> None:
    """Set the learning rate of a step: up to the peak over the warm-up, then as scheduled."""
    n_warmup = max(1, round(settings.warmup * n_steps))
    done = max(0, step - n_warmup) / max(1, n_steps - n_warmup)
    fall = {"constant": 1.0, "cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1.0 - done}
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * min((step + 1) / n_warmup, fall[settings.schedule], 1.0)


@torch.no_grad()
def score_model(
    head: MaskedHead, masked: MaskedSet, *, device: torch.device, max_tokens: int = 4096
) -> Score:
    """Return how well the model predicts the hidden tokens. It is left in the mode that it was in."""
    was_training = head.training
    head.eval()
    total = 0.0
    lengths = np.fromiter(map(len, masked.rows), np.int64, len(masked.rows))
    for chosen in iter_token_batches(lengths, max_tokens=max_tokens):
        ids, is_token = pad_rows([masked.rows[i] for i in chosen], fill=masked.pad_id)
        labels = pad_rows([masked.labels[i] for i in chosen], fill=IGNORED)[0].ravel()
        positions = np.flatnonzero(labels != IGNORED)
        inputs = (torch.from_numpy(a).to(device) for a in (ids, positions, is_token.astype(np.int64)))
        with autocast(device):
            logits = head(*inputs)
        hidden = torch.from_numpy(labels[positions]).to(device)
        total += functional.cross_entropy(logits.float(), hidden, reduction="sum").item()
    head.train(was_training)
    return _as_score(total / masked.n_masked, masked)


def score_unigram(blocks: np.ndarray, masked: MaskedSet, *, tokenizer: PreTrainedTokenizerBase) -> Score:
    """Return how well token frequencies alone predict the hidden tokens: the reference to beat.

    Counts of the training blocks, each plus one (Laplace), over all tokens that can be masked.
    """
    counts = np.bincount(blocks.ravel(), minlength=len(tokenizer)) + 1.0
    counts[tokenizer.all_special_ids] = 0.0
    labels = np.concatenate(masked.labels)
    hidden = labels[labels != IGNORED]
    return _as_score(float(-np.log(counts[hidden] / counts.sum()).mean()), masked)


def _as_score(loss: float, masked: MaskedSet) -> Score:
    return Score(math.exp(loss), loss / math.log(2) / masked.chars_per_token, loss, masked.n_masked)


def score_reference(lm: LanguageModel, data: LmData) -> dict[str, Score]:
    """Return the unigram model's scores on `blocks` and `single`, with this model's tokens."""
    held_out = {"blocks": data.held_out_blocks, "single": data.single_messages}
    return {name: score_unigram(data.blocks, part, tokenizer=lm.tokenizer) for name, part in held_out.items()}


def describe_training(
    lm: LanguageModel, corpus: Corpus, data: LmData, *, settings: TrainSettings, history: pd.DataFrame
) -> dict[str, object]:
    """Return the manifest of a training: its streams, its settings, its epochs."""
    rows = [{str(key): value for key, value in row.items()} for row in history.to_dict("records")]
    keys = ["platform", "video_id"]
    return {
        "base": lm.base,
        "streams": corpus.streams[keys].to_dict("records"),
        "held_out_streams": corpus.held_out_streams[keys].to_dict("records"),
        "first_date": corpus.streams["started_at"].min(),
        "last_date": corpus.streams["started_at"].max(),
        "n_messages": data.n_messages,
        "n_messages_available": corpus.n_available,
        "n_tokens": int(data.n_tokens),
        "n_parameters": lm.n_parameters,
        "vocabulary": len(lm.tokenizer),
        "settings": asdict(settings),
        "kept_epoch": find_kept(rows, patience=settings.patience),
        "device": str(pick_device()),
        "epochs": [{key: None if pd.isna(value) else value for key, value in row.items()} for row in rows],
    }


def _fingerprint(lm: LanguageModel, data: LmData, settings: TrainSettings) -> str:
    """Return what distinguishes one training from another: model, data and settings."""
    digest = hashlib.blake2b(b"" if data.n_blocks else data.blocks.tobytes(), digest_size=16)
    model = (lm.base, lm.n_parameters, len(lm.tokenizer), data.n_tokens)
    sizes = (data.n_messages,) if data.n_blocks else ()  # shards differ, and share one checkpoint
    digest.update(repr((*model, *sizes, asdict(settings))).encode())
    return digest.hexdigest()


class Checkpoint:
    """A training's saved epochs; those of another `fingerprint` (model, data, settings) are ignored.

    A file of safetensors per epoch, which appears whole, holds the weights and the optimizer's state, and
    in its header the history. Only the last epoch stays, and the one whose weights are kept in the end.
    """

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
