"""Training of the language model: padding, and tokens per second beside a plain way.

    python tests/benchmarks/bench_pretrain.py [--chats PATH] [--messages N] [--shape scratch]

The plain way is what tutorials do: a message per row, padded to the longest of its batch, the
head computed at every position. Both sides train the same
architecture on the same messages, about as many tokens a step, in turns in this one process;
only real tokens count. On a GPU, `--shape distilroberta --batch-blocks 256 --blocks 20000
--messages 600000`; the utilisation is then against the bfloat16 peak, seen and stated.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import bench_encode
import pandas as pd
import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM, DataCollatorForLanguageModeling

from chatlib.pretrain import TrainSettings
from chatlib.pretrain.corpus import normalize_for_model, tokenize, train_tokenizer
from chatlib.pretrain.data import LmData, iter_batches, pack_blocks
from chatlib.pretrain.device import Processes, autocast, pick_device, seed_torch
from chatlib.pretrain.language_model import LanguageModel, new_language_model
from chatlib.pretrain.training import Trainer, make_optimizer
from chatlib.workspace import progress_bar

N_TURNS = 4  # the first one warms up and is not counted
BLOCK_LEN = 128
MASK_RATE = 0.3


def main() -> None:
    """Run both sides in turns and print a table, and its numbers as JSON at the end."""
    args = read_arguments()
    texts = [
        text for text in map(normalize_for_model, bench_encode.load_texts(args.chats, args.messages)) if text
    ]
    seed_torch(0)
    lm = make_model(texts, shape=args.shape)
    tokens = tokenize(lm.tokenizer, texts, max_len=BLOCK_LEN - 2)
    data = LmData(pack_blocks([tokens], lm.tokenizer, block_len=BLOCK_LEN), None, None)
    plain = copy.deepcopy(lm.model).to(pick_device())
    lm.model.to(pick_device())
    settings = TrainSettings(batch_blocks=args.batch_blocks, mask_rate=MASK_RATE)
    n_rows = round(args.batch_blocks * BLOCK_LEN * len(texts) / data.n_tokens)
    print(
        f"{len(texts):,} messages, {data.n_tokens:,} tokens, {lm.n_parameters:,} weights, {lm.model.device}"
    )
    print(f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    ours, theirs = [], []
    for turn in range(N_TURNS):
        part = replace(data, blocks=take(data.blocks, turn, args.blocks))
        ours.append(time_ours(lm, part, settings))
        n_texts = round(len(part.blocks) * BLOCK_LEN * len(texts) / data.n_tokens)
        theirs.append(time_plain(plain, lm, take(texts, turn, n_texts), n_rows=n_rows))
    result = {"device": str(lm.model.device), "shape": args.shape, "weights": lm.n_parameters}
    result |= summarize(pd.DataFrame(ours[1:]).sum(), pd.DataFrame(theirs[1:]).sum())
    result |= measure_utilisation(lm, tokens_per_s=result["ours_tokens_per_s"])
    result["load_at_the_end"] = os.getloadavg()[0]
    for name, value in result.items():
        print(f"{name:38} {value:>12,.4g}" if isinstance(value, float) else f"{name:38} {value:>12}")
    print(json.dumps(result))


def read_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=Path, default=bench_encode.CHANNEL)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--shape", choices=["scratch", *bench_encode.SHAPES], default="scratch")
    parser.add_argument("--batch-blocks", type=int, default=8)
    parser.add_argument("--blocks", type=int, default=400, help="blocks of each turn")
    return parser.parse_args()


def take(items: Sequence, turn: int, n: int) -> Sequence:
    """Return the n items of a turn; where there are fewer, from the start again."""
    start = turn * n % max(1, len(items) - n + 1)
    return items[start : start + n]


def make_model(texts: Sequence[str], *, shape: str) -> LanguageModel:
    """Return the default model from scratch, or a BERT of a shape, with random weights."""
    if shape == "scratch":
        return new_language_model(texts, TrainSettings())
    tokenizer = train_tokenizer(texts, vocabulary=30_000)
    config = BertConfig(vocab_size=len(tokenizer), num_hidden_layers=6, **bench_encode.SHAPES[shape])
    return LanguageModel(BertForMaskedLM(config), tokenizer, shape)


def time_ours(lm: LanguageModel, data: LmData, settings: TrainSettings) -> dict[str, float]:
    """Return tokens, seconds and padded tokens of an epoch."""
    trainer = Trainer(lm, data, settings, Processes())
    with progress_bar(total=1, disable=True) as progress:
        start = time.perf_counter()
        trainer.train_epoch(1, progress)
        seconds = time.perf_counter() - start
    trainer.head.close()
    n_places = sum(batch.ids.numel() for batch in iter_batches(data, lm.tokenizer, settings, epoch=1))
    return {"tokens": data.n_tokens, "seconds": seconds, "places": n_places}


def time_plain(model: nn.Module, lm: LanguageModel, texts: Sequence[str], *, n_rows: int) -> dict[str, float]:
    """Return tokens, seconds and padded tokens of a plain training on these texts."""
    collate = DataCollatorForLanguageModeling(lm.tokenizer, mlm_probability=MASK_RATE)
    optimizer = make_optimizer(model, lr=1e-4)
    rows = lm.tokenizer(list(texts), truncation=True, max_length=BLOCK_LEN)["input_ids"]
    order = torch.randperm(len(rows)).tolist()
    model.train()
    n_tokens = n_places = 0
    start = time.perf_counter()
    for first in range(0, len(order), n_rows):
        batch = collate([{"input_ids": rows[i]} for i in order[first : first + n_rows]]).to(model.device)
        with autocast(model.device):
            loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        n_tokens += int(batch["attention_mask"].sum())
        n_places += batch["input_ids"].numel()
    bench_encode.synchronize(model.device)
    return {"tokens": n_tokens, "seconds": time.perf_counter() - start, "places": n_places}


def summarize(ours: pd.Series, theirs: pd.Series) -> dict[str, float]:
    """Return rates, shares and how many times as fast ours is, of the sums over all turns."""
    rates = {"ours": ours["tokens"] / ours["seconds"], "plain": theirs["tokens"] / theirs["seconds"]}
    return {
        "ours_tokens_per_s": rates["ours"],
        "plain_tokens_per_s": rates["plain"],
        "times_plain": rates["ours"] / rates["plain"],
        "ours_padding_share": 1 - ours["tokens"] / ours["places"],
        "plain_padding_share": 1 - theirs["tokens"] / theirs["places"],
    }


def measure_utilisation(lm: LanguageModel, *, tokens_per_s: float) -> dict[str, float]:
    """Return the operations per second that training needs, and its shares of the peaks.

    Three times the forward pass: two per weight of the layers and token, attention's two
    products over a block, and the head at the masked positions.
    """
    config = lm.model.config
    body = sum(m.weight.numel() for m in lm.model.base_model.modules() if isinstance(m, nn.Linear))
    every = sum(m.weight.numel() for m in lm.model.modules() if isinstance(m, nn.Linear))
    attention = 4 * config.num_hidden_layers * config.hidden_size * BLOCK_LEN
    gflops = 3 * (2 * body + attention + 2 * (every - body) * MASK_RATE) * tokens_per_s / 1e9
    peaks = bench_encode.measure_peaks(lm.model.device)
    shares = {f"share_of_peak_{name}": gflops / rate for name, rate in peaks.items()}
    return {"training_gflops": gflops} | shares


if __name__ == "__main__":
    main()
