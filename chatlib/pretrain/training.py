"""Masked-language-model training on packed chat."""

from __future__ import annotations

import hashlib
import itertools
import logging
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from chatlib.errors import ModelError, ParameterError
from chatlib.pretrain.checkpoint import load_checkpoint, save_checkpoint
from chatlib.pretrain.corpus import Corpus
from chatlib.pretrain.data import LmData, iter_batches, make_data
from chatlib.pretrain.device import pick_device, seed_torch
from chatlib.pretrain.early_stop import BestWeights, find_kept, is_over
from chatlib.pretrain.gradients import count_shares, open_gradients
from chatlib.pretrain.language_model import LanguageModel, MaskedHead
from chatlib.pretrain.optimization import SCHEDULES, make_optimizer, set_rate
from chatlib.pretrain.perplexity import Score, score_model, score_unigram
from chatlib.pretrain.processes import Processes, join_processes
from chatlib.workspace import progress_bar

__all__ = [
    "LmData",
    "TrainSettings",
    "describe_training",
    "find_kept",
    "make_data",
    "score_reference",
    "train",
]

log = logging.getLogger(__name__)

SCRATCH_LR = 2e-3
PRETRAINED_LR = 5e-5


@dataclass(frozen=True)
class TrainSettings:
    """How to train. `lr` 0 means 2e-3 from scratch and 5e-5 from pretrained weights.

    The learning rate rises over the first `warmup` of all steps, then follows the `schedule`:
    "linear" or "cosine" to zero, or "constant". A step takes `accumulate` batches of
    `batch_blocks` blocks, with the result of one batch of all of them. With `patience`, training
    ends after so many epochs without a better perplexity on held-out blocks, and the best
    epoch's weights are kept; 0 goes through all epochs and keeps the last.
    `mask_rate` is for training only; evaluation always masks 15 %.
    """

    epochs: int = 3
    lr: float = 0.0
    batch_blocks: int = 8
    accumulate: int = 1
    mask_rate: float = 0.30
    schedule: str = "linear"
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    patience: int = 0
    seed: int = 0


def train(
    lm: LanguageModel, data: LmData, settings: TrainSettings, *, checkpoint: str | Path | None = None
) -> pd.DataFrame:
    """Train a language model in place; return one row per evaluation, before training and after each epoch.

    Columns: `epoch` (0: before), `train_loss` (mean over the epoch's steps, nats per masked token),
    `blocks_perplexity`, `blocks_bits_per_char`, `single_perplexity`, `single_bits_per_char`,
    `seconds` (of training alone) and `tokens_per_s`. The model ends on the CPU, in evaluation mode,
    with the weights of the epoch that is kept (`early_stop`).
    From scratch, the first step starts from token frequencies (the output layer's bias), which
    saves it the time to learn those. The same data, settings and machine give the same weights,
    also when a run was killed and the same run goes on from the folder `checkpoint`, which is
    removed at the end. Started by `accelerate launch` or `torchrun`, processes share each batch.

    Raises: ModelError if the loss is no number any more, or a batch does not fit into memory.
    """
    _check(settings)
    processes = join_processes()
    head = MaskedHead(lm.model.to(pick_device()))
    processes.share_weights(lm.model)
    lr = settings.lr or (SCRATCH_LR if lm.from_scratch else PRETRAINED_LR)
    optimizer = make_optimizer(lm.model, lr=lr, weight_decay=settings.weight_decay)
    files = {"optimizer": optimizer, "fingerprint": _fingerprint(lm, data, settings)}
    history = [] if checkpoint is None else load_checkpoint(checkpoint, lm.model, **files)
    if not history:
        history = [_evaluate(head, data, epoch=0)]
        _start_from_frequencies(lm, data.blocks)
    best = BestWeights(lm.model, history, patience=settings.patience, checkpoint=checkpoint)
    with _open_progress(data, settings, n_epochs_done=len(history) - 1) as progress:
        tools = {"optimizer": optimizer, "progress": progress, "processes": processes}
        while len(history) <= settings.epochs and not is_over(history, patience=settings.patience):
            history.append(_train_and_evaluate(head, lm, data, settings, epoch=len(history), **tools))
            best.look_at(history)
            if checkpoint is not None and processes.is_first:
                kept = find_kept(history, patience=settings.patience)
                save_checkpoint(checkpoint, lm.model, history=history, keep=kept, **files)
            processes.wait()
    head.close()
    best.restore()
    lm.model.to("cpu").eval()
    if checkpoint is not None and processes.is_first:
        shutil.rmtree(checkpoint, ignore_errors=True)
    return pd.DataFrame(history)


def score_reference(lm: LanguageModel, data: LmData) -> dict[str, Score]:
    """Return the unigram model's scores on `blocks` and `single`, with this model's tokens."""
    return {
        "blocks": score_unigram(data.blocks, data.held_out_blocks, tokenizer=lm.tokenizer),
        "single": score_unigram(data.blocks, data.single_messages, tokenizer=lm.tokenizer),
    }


def describe_training(
    lm: LanguageModel, corpus: Corpus, data: LmData, *, settings: TrainSettings, history: pd.DataFrame
) -> dict[str, object]:
    """Return the manifest of a training: which streams, which settings, what came of it."""
    return {
        "base": lm.base,
        "streams": _stream_keys(corpus.streams),
        "held_out_streams": _stream_keys(corpus.held_out_streams),
        "first_date": corpus.streams["started_at"].min(),
        "last_date": corpus.streams["started_at"].max(),
        "n_messages": len(corpus.train),
        "n_messages_available": corpus.n_available,
        "n_tokens": int(data.n_tokens),
        "block_len": int(data.blocks.shape[1]),
        "across_messages": data.messages is None,
        "n_parameters": lm.n_parameters,
        "vocabulary": len(lm.tokenizer),
        "settings": asdict(settings),
        "kept_epoch": find_kept(history.to_dict("records"), patience=settings.patience),
        "seed": settings.seed,
        "device": str(pick_device()),
        "epochs": [
            {key: None if pd.isna(value) else value for key, value in row.items()}
            for row in history.to_dict("records")
        ],
    }


def _check(settings: TrainSettings) -> None:
    sizes = (settings.epochs, settings.batch_blocks, settings.accumulate)
    if min(sizes) < 1 or not 0 < settings.mask_rate < 1:
        raise ParameterError(
            "Training takes at least one epoch, one block a batch and one batch a step, and a mask rate "
            f"between 0 and 1: got {settings.epochs}, {settings.batch_blocks}, {settings.accumulate} and "
            f"{settings.mask_rate}."
        )
    if settings.schedule not in SCHEDULES or settings.patience < 0:
        raise ParameterError(
            f"The schedule is one of {', '.join(SCHEDULES)}, and patience a number of epochs, or 0 for "
            f"never: got {settings.schedule!r} and {settings.patience}."
        )


def _steps_per_epoch(data: LmData, settings: TrainSettings) -> int:
    n_batches = len(data.plan_batches(settings.batch_blocks, np.random.default_rng(0)))
    return -(-n_batches // settings.accumulate)


def _open_progress(data: LmData, settings: TrainSettings, *, n_epochs_done: int) -> tqdm:
    n_steps = _steps_per_epoch(data, settings)
    return progress_bar(
        total=n_steps * settings.epochs, initial=n_steps * n_epochs_done, desc="training", unit="step"
    )


def _train_and_evaluate(
    head: MaskedHead, lm: LanguageModel, data: LmData, settings: TrainSettings, *, epoch: int, **tools: object
) -> dict[str, float]:
    """Train for an epoch with these tools; return its row of the history."""
    start = time.perf_counter()
    try:
        loss = _train_epoch(head, lm, data, settings, epoch=epoch, **tools)
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"A batch must fit into the GPU's memory, and {settings.batch_blocks} blocks of "
            f"{data.blocks.shape[1]} tokens do not. Halve the blocks of a batch and double the batches of "
            f"a step, now {settings.accumulate}: the steps stay as large."
        ) from error
    return _evaluate(head, data, epoch=epoch, loss=loss, seconds=time.perf_counter() - start)


def _train_epoch(
    head: MaskedHead,
    lm: LanguageModel,
    data: LmData,
    settings: TrainSettings,
    *,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    progress: tqdm,
    processes: Processes,
) -> float:
    """Train for one epoch; return the mean loss of its steps. All that is random comes from the epoch."""
    seed_torch(settings.seed + epoch)
    head.train()
    parameters = list(lm.model.parameters())
    steps_per_epoch = _steps_per_epoch(data, settings)
    n_shares = count_shares(lm.model, most=settings.batch_blocks)
    batches = iter_batches(
        data,
        lm.tokenizer,
        batch_blocks=settings.batch_blocks,
        mask_rate=settings.mask_rate,
        seed=settings.seed,
        epoch=epoch,
        shares=range(processes.number * n_shares, (processes.number + 1) * n_shares),
        of=processes.count * n_shares,
    )
    losses = []
    with open_gradients(head, n_shares=n_shares) as add_gradients:
        for step in itertools.count(steps_per_epoch * (epoch - 1)):
            together = list(itertools.islice(batches, settings.accumulate))
            if not together:
                break
            rule = {"warmup": settings.warmup, "schedule": settings.schedule}
            set_rate(optimizer, step=step, n_steps=steps_per_epoch * settings.epochs, **rule)
            optimizer.zero_grad(set_to_none=True)
            n_masked = sum(shares[0].n_masked for shares in together)
            losses.append(sum(add_gradients(shares, n_masked) for shares in together))
            processes.sum_gradients(parameters)
            torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimizer.step()
            progress.update()
    return processes.sum(torch.stack(losses).mean()).item() if losses else float("nan")


@torch.no_grad()
def _start_from_frequencies(lm: LanguageModel, blocks: np.ndarray) -> None:
    """Give a model from scratch the token frequencies as its output bias; leave others alone."""
    if not lm.from_scratch:
        return
    bias = lm.model.get_output_embeddings().bias
    counts = np.bincount(blocks.ravel(), minlength=len(bias)) + 0.1
    counts[lm.tokenizer.all_special_ids] = 0.1
    bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))


def _fingerprint(lm: LanguageModel, data: LmData, settings: TrainSettings) -> str:
    """Return what tells one training from another: model, data and settings."""
    digest = hashlib.blake2b(data.blocks.tobytes(), digest_size=16)
    digest.update(
        repr((lm.base, lm.n_parameters, len(lm.tokenizer), data.n_tokens, asdict(settings))).encode()
    )
    return digest.hexdigest()


def _evaluate(
    head: MaskedHead,
    data: LmData,
    *,
    epoch: int,
    loss: float = float("nan"),
    seconds: float = 0.0,
) -> dict[str, float]:
    device = pick_device()
    blocks = score_model(head, data.held_out_blocks, device=device)
    single = score_model(head, data.single_messages, device=device)
    if not np.isfinite(blocks.loss) or (seconds and not np.isfinite(loss)):
        raise ModelError(
            f"The loss must stay a number, and in epoch {epoch} it is {loss}. Lower the learning rate."
        )
    log.info("epoch %d: blocks %.1f, single messages %.1f", epoch, blocks.perplexity, single.perplexity)
    return {
        "epoch": epoch,
        "train_loss": loss,
        "blocks_perplexity": blocks.perplexity,
        "blocks_bits_per_char": blocks.bits_per_char,
        "single_perplexity": single.perplexity,
        "single_bits_per_char": single.bits_per_char,
        "seconds": seconds,
        "tokens_per_s": data.n_tokens / seconds if seconds else float("nan"),
    }


def _stream_keys(streams: pd.DataFrame) -> list[dict[str, str]]:
    return streams[["platform", "video_id"]].to_dict("records")
