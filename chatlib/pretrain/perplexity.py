"""How well a masked language model knows held-out chat: perplexity and bits per character.

Every masked token weighs the same, whatever the message or block that it is in.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from chatlib.pretrain.data import IGNORED, MaskedSet, iter_token_batches, pad_rows
from chatlib.pretrain.device import autocast
from chatlib.pretrain.language_model import MaskedHead

__all__ = ["Score", "score_model", "score_unigram"]


class Score(NamedTuple):
    """The answer to a masked set. `loss` is nats per masked token, `perplexity` its exponential.

    `bits_per_char` estimates the cost of a character when every token is predicted from its
    context, so models with different tokenizers can be compared.
    """

    perplexity: float
    bits_per_char: float
    loss: float
    n_masked: int


@torch.no_grad()
def score_model(
    head: MaskedHead, masked: MaskedSet, *, device: torch.device, max_tokens: int = 4096
) -> Score:
    """Return how well the model fills the masks. The model is left in the mode it was in."""
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
    """Return how well token frequencies alone fill the masks: the reference to beat.

    Counts of the training blocks, each plus one (Laplace), over all tokens that can be masked.
    """
    counts = np.bincount(blocks.ravel(), minlength=len(tokenizer)) + 1.0
    counts[tokenizer.all_special_ids] = 0.0
    labels = np.concatenate(masked.labels)
    hidden = labels[labels != IGNORED]
    return _as_score(float(-np.log(counts[hidden] / counts.sum()).mean()), masked)


def _as_score(loss: float, masked: MaskedSet) -> Score:
    return Score(math.exp(loss), loss / math.log(2) / masked.chars_per_token, loss, masked.n_masked)
