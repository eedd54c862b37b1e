"""Masked-language-model training on packed chat."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from chatlib.errors import ModelError, ParameterError
from chatlib.pretrain.checkpoint import load_checkpoint, save_checkpoint
from chatlib.pretrain.corpus import Corpus, pack_blocks
from chatlib.pretrain.device import autocast, pick_device, seed_torch
from chatlib.pretrain.language_model import LanguageModel, MaskedHead
from chatlib.pretrain.perplexity import (
    MaskedSet,
    Score,
    mask_blocks,
    mask_messages,
    score_model,
    score_unigram,
)
from chatlib.pretrain.tokenizer import tokenize
from chatlib.workspace import progress_bar

__all__ = ["LmData", "TrainSettings", "describe_training", "make_data", "score_reference", "train"]

log = logging.getLogger(__name__)

SCRATCH_LR = 2e-3
PRETRAINED_LR = 5e-5


@dataclass(frozen=True)
class TrainSettings:
    """How to train. `lr` 0 means 2e-3 from scratch and 5e-5 from pretrained weights.

    The learning rate rises over the first `warmup` of all steps, then falls to zero linearly.
    `mask_rate` is for training only; evaluation always masks 15 %.
    """

    epochs: int = 3
    lr: float = 0.0
    batch_blocks: int = 8
    mask_rate: float = 0.30
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class LmData:
    """Packed training blocks, and the two held-out sets with their masks drawn."""

    blocks: np.ndarray
    held_out_blocks: MaskedSet
    single_messages: MaskedSet


def make_data(
    corpus: Corpus, tokenizer: PreTrainedTokenizerBase, *, block_len: int = 128, seed: int = 0
) -> LmData:
    """Return a corpus as a language model reads it. A message is cut at `block_len` - 2 tokens.

    Raises: ParameterError for blocks that the tokenizer's model cannot read; NotEnoughData.
    """
    if not 8 <= block_len <= tokenizer.model_max_length:
        raise ParameterError(
            f"BLOCK_LEN is between 8 and the model's {tokenizer.model_max_length}, got {block_len}."
        )
    rules = {"block_len": block_len, "cls_id": tokenizer.cls_token_id, "sep_id": tokenizer.sep_token_id}

    def tokens_of(texts: Sequence[str]) -> list[np.ndarray]:
        return tokenize(tokenizer, texts, max_len=block_len - 2)

    train = _by_stream(corpus.train, tokens_of(corpus.train["text"]))
    held_out_tokens = tokens_of(corpus.held_out["text"])
    singles = tokens_of(corpus.single_messages)
    return LmData(
        blocks=pack_blocks(train, **rules),
        held_out_blocks=mask_blocks(
            pack_blocks(_by_stream(corpus.held_out, held_out_tokens), **rules),
            tokenizer,
            chars_per_token=_chars_per_token(corpus.held_out["text"], held_out_tokens),
            seed=seed,
        ),
        single_messages=mask_messages(
            singles, tokenizer, chars_per_token=_chars_per_token(corpus.single_messages, singles), seed=seed
        ),
    )


def train(
    lm: LanguageModel, data: LmData, settings: TrainSettings, *, checkpoint: str | Path | None = None
) -> pd.DataFrame:
    """Train a language model in place; return one row per evaluation, before training and after each epoch.

    Columns: `epoch` (0: before), `train_loss` (mean over the epoch's steps, nats per masked token),
    `blocks_perplexity`, `blocks_bits_per_char`, `single_perplexity`, `single_bits_per_char`,
    `seconds` (of training alone) and `tokens_per_s`. The model ends on the CPU, in evaluation mode.
    From scratch, the first step starts from token frequencies (the output layer's bias), which
    saves it the time to learn those. The same data, settings and machine give the same weights,
    also when a run was killed and the same run goes on from the folder `checkpoint`, which is
    removed at the end.

    Raises: ModelError if the loss is no number any more.
    """
    _check(settings)
    device = pick_device()
    head = MaskedHead(lm.model.to(device))
    optimizer = _make_optimizer(lm, settings)
    history, mark = [], _fingerprint(lm, data, settings)
    if checkpoint is not None:
        history = load_checkpoint(checkpoint, lm.model, optimizer=optimizer, fingerprint=mark)
    if not history:
        history = [_evaluate(head, data, device, epoch=0)]
        _start_from_frequencies(lm, data.blocks)
    n_steps = _steps_per_epoch(data, settings) * settings.epochs
    n_done = _steps_per_epoch(data, settings) * (len(history) - 1)
    with progress_bar(total=n_steps, initial=n_done, desc="training", unit="step") as progress:
        for epoch in range(len(history), settings.epochs + 1):
            start = time.perf_counter()
            losses = _train_epoch(
                head, lm, data, settings, optimizer=optimizer, epoch=epoch, progress=progress
            )
            seconds = time.perf_counter() - start
            history.append(_evaluate(head, data, device, epoch=epoch, losses=losses, seconds=seconds))
            if checkpoint is not None:
                save_checkpoint(checkpoint, lm.model, optimizer=optimizer, history=history, fingerprint=mark)
    head.close()
    lm.model.to("cpu").eval()
    if checkpoint is not None:
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
        "n_tokens": int(data.blocks.size),
        "block_len": int(data.blocks.shape[1]),
        "n_parameters": lm.n_parameters,
        "vocabulary": len(lm.tokenizer),
        "settings": asdict(settings),
        "seed": settings.seed,
        "device": str(pick_device()),
        "epochs": [
            {key: None if pd.isna(value) else value for key, value in row.items()}
            for row in history.to_dict("records")
        ],
    }


def _check(settings: TrainSettings) -> None:
    if not (settings.epochs >= 1 and settings.batch_blocks >= 1 and 0 < settings.mask_rate < 1):
        raise ParameterError(
            "Training takes at least one epoch and one block a batch, and a mask rate between 0 and 1: "
            f"got {settings.epochs}, {settings.batch_blocks} and {settings.mask_rate}."
        )


def _steps_per_epoch(data: LmData, settings: TrainSettings) -> int:
    return -(-len(data.blocks) // settings.batch_blocks)


def _train_epoch(
    head: MaskedHead,
    lm: LanguageModel,
    data: LmData,
    settings: TrainSettings,
    *,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    progress: tqdm,
) -> list[torch.Tensor]:
    """Train for one epoch; return the loss of each step. All that is random comes from the epoch."""
    seed_torch(settings.seed + epoch)
    head.train()
    device = lm.model.device
    steps_per_epoch = _steps_per_epoch(data, settings)
    losses = []
    batches = _iter_batches(data.blocks, lm.tokenizer, settings, epoch=epoch)
    for step, (ids, positions, labels) in enumerate(batches, steps_per_epoch * (epoch - 1)):
        _set_rate(optimizer, settings, step=step, n_steps=steps_per_epoch * settings.epochs)
        with autocast(device):
            logits = head(ids.to(device), positions.to(device))
        loss = functional.cross_entropy(logits.float(), labels.to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(lm.model.parameters(), settings.clip_norm)
        optimizer.step()
        losses.append(loss.detach())
        progress.update()
    return losses


@torch.no_grad()
def _start_from_frequencies(lm: LanguageModel, blocks: np.ndarray) -> None:
    """Give a model from scratch the token frequencies as its output bias; leave others alone."""
    if not lm.from_scratch:
        return
    bias = lm.model.get_output_embeddings().bias
    counts = np.bincount(blocks.ravel(), minlength=len(bias)) + 0.1
    counts[lm.tokenizer.all_special_ids] = 0.1
    bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))


def _make_optimizer(lm: LanguageModel, settings: TrainSettings) -> torch.optim.Optimizer:
    lr = settings.lr or (SCRATCH_LR if lm.from_scratch else PRETRAINED_LR)
    parameters = list(lm.model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([{**group, "peak_lr": lr} for group in groups], lr=lr, betas=(0.9, 0.98))


def _set_rate(optimizer: torch.optim.Optimizer, settings: TrainSettings, *, step: int, n_steps: int) -> None:
    """Set the learning rate of a step: up to the peak over the warm-up, then down to zero."""
    n_warmup = max(1, round(settings.warmup * n_steps))
    rise, fall = (step + 1) / n_warmup, (n_steps - step) / max(1, n_steps - n_warmup)
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * min(rise, fall, 1.0)


def _fingerprint(lm: LanguageModel, data: LmData, settings: TrainSettings) -> str:
    """Return what tells one training from another: model, data and settings."""
    digest = hashlib.blake2b(data.blocks.tobytes(), digest_size=16)
    digest.update(repr((lm.base, lm.n_parameters, len(lm.tokenizer), asdict(settings))).encode())
    return digest.hexdigest()


def _iter_batches(
    blocks: np.ndarray, tokenizer: PreTrainedTokenizerBase, settings: TrainSettings, *, epoch: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Yield (token ids with masks, flat positions of the masks, hidden tokens), shuffled by epoch.

    Every batch has at least one mask. Of the chosen tokens 80 % become `[MASK]`, 10 % a random
    token, 10 % stay. Source: Devlin et al., BERT, arXiv 1810.04805.
    """
    rng = np.random.default_rng([settings.seed, epoch])
    special = np.zeros(len(tokenizer), dtype=bool)
    special[tokenizer.all_special_ids] = True
    order = rng.permutation(len(blocks))
    for start in range(0, len(order), settings.batch_blocks):
        ids = blocks[order[start : start + settings.batch_blocks]].copy()
        chosen = ~special[ids] & (rng.random(ids.shape) < settings.mask_rate)
        if not chosen.any():
            continue
        labels, fate = ids[chosen], rng.random(chosen.sum())
        random = rng.choice(np.flatnonzero(~special), len(labels))
        ids[chosen] = np.where(fate < 0.8, tokenizer.mask_token_id, np.where(fate < 0.9, random, labels))
        yield torch.from_numpy(ids), torch.from_numpy(np.flatnonzero(chosen)), torch.from_numpy(labels)


def _evaluate(
    head: MaskedHead,
    data: LmData,
    device: torch.device,
    *,
    epoch: int,
    losses: Sequence[torch.Tensor] = (),
    seconds: float = 0.0,
) -> dict[str, float]:
    train_loss = torch.stack(list(losses)).mean().item() if losses else float("nan")
    blocks = score_model(head, data.held_out_blocks, device=device)
    single = score_model(head, data.single_messages, device=device)
    if not np.isfinite(blocks.loss) or (losses and not np.isfinite(train_loss)):
        raise ModelError(
            f"The loss must stay a number, and in epoch {epoch} it is {train_loss}. Lower the learning rate."
        )
    log.info("epoch %d: blocks %.1f, single messages %.1f", epoch, blocks.perplexity, single.perplexity)
    return {
        "epoch": epoch,
        "train_loss": train_loss,
        "blocks_perplexity": blocks.perplexity,
        "blocks_bits_per_char": blocks.bits_per_char,
        "single_perplexity": single.perplexity,
        "single_bits_per_char": single.bits_per_char,
        "seconds": seconds,
        "tokens_per_s": data.blocks.size / seconds if seconds else float("nan"),
    }


def _by_stream(chat: pd.DataFrame, tokens: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    streams = chat["stream_id"].to_numpy()
    for stream in dict.fromkeys(streams):
        yield [tokens[i] for i in np.flatnonzero(streams == stream)]


def _chars_per_token(texts: Sequence[str], tokens: Sequence[np.ndarray]) -> float:
    return sum(map(len, texts)) / max(1, sum(map(len, tokens)))


def _stream_keys(streams: pd.DataFrame) -> list[dict[str, str]]:
    return streams[["platform", "video_id"]].to_dict("records")
