"""Training the donor model: length-bucketed batches, the epoch chosen on validation."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from tqdm import tqdm

from chatlib.errors import ModelError, ParameterError
from chatlib.predict.evaluation import average_precision, roc_auc
from chatlib.predict.models.inputs import DonorInputs, fit_scaling, iter_batches
from chatlib.predict.models.transformer import DonorConfig, DonorTransformer
from chatlib.pretrain.device import pick_device

__all__ = ["Training", "fit_donor_model", "fit_donor_models", "score_donor_model"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """How long and how a donor model is trained. Raises: ParameterError.

    Each epoch reads every donor and, drawn anew, `others_per_donor` others for each of them;
    the loss corrects for the draw, so that log odds stay those of the natural prevalence.
    """

    epochs: int = 4
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    others_per_donor: int = 20
    batch_messages: int = 2048
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.others_per_donor < 1 or self.batch_messages < 1:
            raise ParameterError(
                "EPOCHS, others per donor and messages per batch must be at least 1; "
                f"got {self.epochs}, {self.others_per_donor} and {self.batch_messages}."
            )


def fit_donor_model(
    inputs: DonorInputs,
    labels: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    config: DonorConfig,
    training: Training,
) -> tuple[DonorTransformer, pd.DataFrame]:
    """Train on the rows `train`; return the model of the best epoch, and all epochs.

    The best epoch has the highest PR-AUC on `validation`, the lower loss where two are equal
    or there is no donor to rank.
    The table has one row per epoch: train_loss, validation_loss, pr_auc and roc_auc of
    validation, and `chosen`. Deterministic for a seed on one device.

    Raises: ModelError if training makes the model say what is no number.
    """
    rng = np.random.default_rng(training.seed)
    device = pick_device()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(training.seed)
        model = DonorTransformer(config)
        model.set_scaling(fit_scaling(inputs, train))
        model.set_prior(labels[train].mean())
        model.to(device)
        return _run_epochs(model, inputs, labels, train, validation, training, rng)


def fit_donor_models(
    inputs: DonorInputs,
    labels: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    config: DonorConfig,
    training: Training,
    n_seeds: int = 1,
) -> tuple[list[DonorTransformer], pd.DataFrame]:
    """Train one model per seed, from `training.seed` on; return them, and all epochs with a column `seed`.

    Raises: as `fit_donor_model`; ParameterError without a seed.
    """
    if n_seeds < 1:
        raise ParameterError(f"N_SEEDS must be at least 1, got {n_seeds}.")
    models, tables = [], []
    for seed in range(training.seed, training.seed + n_seeds):
        model, epochs = fit_donor_model(
            inputs,
            labels,
            train=train,
            validation=validation,
            config=config,
            training=replace(training, seed=seed),
        )
        models.append(model)
        tables.append(epochs.assign(seed=seed))
    return models, pd.concat(tables)


def _run_epochs(
    model: DonorTransformer,
    inputs: DonorInputs,
    labels: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    training: Training,
    rng: np.random.Generator,
) -> tuple[DonorTransformer, pd.DataFrame]:
    vectors = _to_device(inputs, model)
    rate = _rate_of_others(labels[train], training.others_per_donor)
    plan = [_draw_batches(inputs, labels, train, training, rng) for _ in range(training.epochs)]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    n_steps = sum(len(batches) for batches in plan)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _schedule(step, n_steps))
    rows, best, best_state = [], (-np.inf, -np.inf), copy.deepcopy(model.state_dict())
    with tqdm(total=n_steps, desc="donor model", unit="batch", disable=None) as bar:
        for epoch, batches in enumerate(plan, 1):
            model.train()
            total, seen = 0.0, 0
            for batch in batches:
                loss = _step(model, vectors, inputs, labels, batch, rate, optimizer)
                schedule.step()
                total, seen = total + loss * len(batch), seen + len(batch)
                bar.update()
            logits = score_donor_model(model, inputs, validation, vectors=vectors)
            _check_finite(logits, epoch)
            row = _judge_epoch(epoch, total / max(seen, 1), labels[validation], logits)
            rows.append(row)
            log.info("epoch %d: %s", epoch, row)
            quality = (np.nan_to_num(row["pr_auc"], nan=0.0), -row["validation_loss"])
            if quality > best:
                best, best_epoch, best_state = quality, epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    table = pd.DataFrame(rows).set_index("epoch")
    table["chosen"] = table.index == best_epoch
    return model.eval(), table


def score_donor_model(
    model: DonorTransformer,
    inputs: DonorInputs,
    rows: np.ndarray,
    *,
    batch_messages: int = 2048,
    vectors: torch.Tensor | None = None,
) -> np.ndarray:
    """Return log odds of these viewers, float64, in the order of `rows`."""
    vectors = _to_device(inputs, model) if vectors is None else vectors
    place = np.empty(len(inputs.lengths), np.int64)
    place[rows] = np.arange(len(rows))
    result = np.empty(len(rows))
    model.eval()
    with torch.inference_mode():
        for batch in iter_batches(inputs.lengths, rows, max_tokens=batch_messages):
            result[place[batch]] = model(*_gather(vectors, inputs, batch)).cpu().double().numpy()
    return result


def _schedule(step: int, n_steps: int) -> float:
    """Return the share of the learning rate: up over the first tenth of all steps, down to zero."""
    n_warm = max(1.0, n_steps / 10)
    return min((step + 1) / n_warm, max(0.0, (n_steps - step) / max(n_steps - n_warm, 1.0)), 1.0)


def _step(
    model: DonorTransformer,
    vectors: torch.Tensor,
    inputs: DonorInputs,
    labels: np.ndarray,
    batch: np.ndarray,
    rate: float,
    optimizer: torch.optim.Optimizer,
) -> float:
    target = torch.from_numpy(labels[batch].astype(np.float32)).to(vectors.device)
    # Among the drawn, donors are 1 / rate times as frequent as among all.
    logits = model(*_gather(vectors, inputs, batch)) - float(np.log(rate))
    loss = F.binary_cross_entropy_with_logits(logits, target)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _gather(
    vectors: torch.Tensor, inputs: DonorInputs, batch: np.ndarray
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    codes, times, mask = (torch.from_numpy(a).to(vectors.device) for a in inputs.pad(batch))
    return vectors[codes], times, mask


def _to_device(inputs: DonorInputs, model: DonorTransformer) -> torch.Tensor:
    return torch.from_numpy(inputs.vectors).to(model.cls.device)


def _rate_of_others(labels: np.ndarray, others_per_donor: int) -> float:
    donors = int(labels.sum())
    return min(1.0, donors * others_per_donor / max(len(labels) - donors, 1))


def _draw_batches(
    inputs: DonorInputs,
    labels: np.ndarray,
    train: np.ndarray,
    training: Training,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    donors, others = train[labels[train]], train[~labels[train]]
    n = min(len(others), len(donors) * training.others_per_donor)
    drawn = np.concatenate([donors, rng.choice(others, n, replace=False)])
    return list(iter_batches(inputs.lengths, drawn, max_tokens=training.batch_messages, rng=rng))


def _check_finite(logits: np.ndarray, epoch: int) -> None:
    if not np.isfinite(logits).all():
        raise ModelError(
            f"What the donor model says must be numbers, and after epoch {epoch} it is not. "
            "Lower the learning rate."
        )


def _judge_epoch(epoch: int, train_loss: float, labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    loss = np.logaddexp(0.0, np.where(labels, -logits, logits)).mean()
    return {
        "epoch": epoch,
        "train_loss": train_loss,
        "validation_loss": float(loss),
        "pr_auc": average_precision(labels, logits),
        "roc_auc": roc_auc(labels, logits),
    }
