"""Adapt a BERT-like masked language model to chat, evaluate it, and encode messages with it."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

from tqdm import TqdmWarning

from chatlib.errors import ParameterError
from chatlib.options import check_settings, option

__all__ = ["SCHEDULES", "SCRATCH", "THREADS", "TrainSettings"]

# Threads that wait by spinning make torch a hundred times slower where other programs want the same cores;
# those that sleep at once, 1.4 times slower where none does. So they spin for microseconds (GNU's OpenMP;
# others sleep). It counts only if set before torch is loaded; a value from outside is kept.
THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "3000"}
for _name, _value in THREADS.items():
    os.environ.setdefault(_name, _value)

with warnings.catch_warnings():  # in a notebook without ipywidgets, whose bars are not used here
    warnings.simplefilter("ignore", TqdmWarning)
    import tqdm.auto  # noqa: F401

SCRATCH = "scratch"
SCHEDULES = ("linear", "cosine", "constant")


@dataclass(frozen=True)
class TrainSettings:
    """What a language model is, what it reads and how it is trained. Raises: ParameterError.

    The learning rate rises over the first `warmup` of all steps, then follows the `schedule`:
    "linear" or "cosine" to zero, or "constant". A step takes `accumulate` batches of
    `batch_blocks` blocks, with the result of one batch of all of them. With `patience`, training
    ends after so many epochs without a better perplexity on held-out blocks, and the best
    epoch's weights are kept; 0 goes through all epochs and keeps the last.
    `mask_rate` is for training only; evaluation always masks 15 %.
    """

    base: str = option(SCRATCH, '"scratch", a folder, or a hub id', metavar="X")
    streams: int = option(0, "train on so many streams, sampled; 0 is all")
    messages: int = option(100_000, "train on at most so many messages; 0 is all")
    block_len: int = option(128, "tokens of a block")
    alone: bool = option(False, "in training, no message sees another one")
    emotes: int = option(0, "make so many of the most frequent emotes single tokens")
    vocabulary: int = option(6000, "from scratch: tokens of the tokenizer")
    layers: int = option(3, "from scratch: layers")
    width: int = option(128, "from scratch: width, a multiple of 32")
    epochs: int = option(3, "passes over the chat")
    lr: float = option(0.0, "peak learning rate; 0 is 0.002 from scratch, else 0.00005")
    schedule: str = option("linear", "of the learning rate", choices=SCHEDULES)
    warmup: float = option(0.1, "share of the steps in which the learning rate rises")
    batch_blocks: int = option(8, "blocks of a batch, over all processes")
    accumulate: int = option(1, "batches of a step")
    mask_rate: float = option(0.3, "share of tokens masked in training")
    patience: int = option(0, "stop after so many epochs without improvement; 0 is never")
    seed: int = option(0, "of everything that is random")

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("streams", "messages", "emotes", "patience", "vocabulary", "lr", "seed"), 0)
        check_settings(self, **counts, epochs=1, batch_blocks=1, accumulate=1)
        if not 0 < self.mask_rate < 1 or not 0 <= self.warmup <= 1:
            raise ParameterError(
                "mask_rate must be between 0 and 1, and warmup a share of the steps: "
                f"got {self.mask_rate} and {self.warmup}."
            )
        if self.schedule not in SCHEDULES:
            raise ParameterError(f"schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}.")
