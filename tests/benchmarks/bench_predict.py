"""Training of the donor model: viewers per second and memory, beside padding all to the longest viewer.

    python tests/benchmarks/bench_predict.py [--db PATH] [--viewers N] [--peer-share S] [--epoch-share S]

The first version padded every viewer to the longest of all. Both sides train the same model on the
same viewers with the same step and on average as many viewers in each, in turns in this one
process; only real messages count. The longest viewer is that of all as they are read, at most
`--max-messages`, and then that of the chat as it stands, there with one viewer a step. Memory is
measured in processes of their own. Seconds of the processor beside those of the clock tell what
a machine that does other things too has kept back. Vectors are random unless a language model is
given: what is measured does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import bench_encode
import numpy as np
import pandas as pd
import torch

from chatlib.collect.files.importing import import_chats
from chatlib.predict.models.transformer import (
    DonorConfig,
    DonorInputs,
    DonorTransformer,
    Training,
    build_inputs,
    draw_batches,
    iter_viewer_batches,
    score_donor_model,
    train_step,
)
from chatlib.predict.viewers.table import Viewers, load_viewers
from chatlib.pretrain.device import pick_device
from chatlib.pretrain.encoder import load_encoder
from chatlib.simulate.channel import simulate_channel
from chatlib.store import open_store

N_TURNS = 4  # the first one warms up and is not counted
LONG = 100_000  # messages of the viewer that is added


@dataclass(frozen=True)
class PaddedInputs(DonorInputs):
    """Inputs as the first version had them: all viewers padded to one length."""

    pad_to: int

    def pad(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return codes, times and mask of these viewers, padded to the longest of all."""
        codes, times, mask = super().pad(rows)
        more = ((0, 0), (0, self.pad_to - mask.shape[1]))
        return np.pad(codes, more), np.pad(times, (*more, (0, 0))), np.pad(mask, more)


class RandomEncoder:
    """A language model that has read nothing."""

    dim = 128

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.random.default_rng(0).standard_normal((len(texts), self.dim), dtype=np.float32)


class Trainer:
    """A donor model in training, fed with batches of viewers."""

    def __init__(self, inputs: DonorInputs, labels: np.ndarray) -> None:
        torch.manual_seed(0)
        self.inputs, self.labels = inputs, labels
        self.model = DonorTransformer(DonorConfig(dim=inputs.vectors.shape[1]))
        self.model.to(pick_device()).train()
        self.vectors = torch.from_numpy(inputs.vectors).to(self.model.cls.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)

    def train(self, batches: list[np.ndarray]) -> float:
        """Train on these batches; return the seconds."""
        start = time.perf_counter()
        for batch in batches:
            train_step(self.model, self.vectors, self.inputs, self.labels, batch, 0.5, self.optimizer)
        bench_encode.synchronize(self.model.cls.device)
        return time.perf_counter() - start


def main() -> None:
    """Measure all and print a table, and its numbers as JSON at the end."""
    args = read_arguments()
    print(f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}", flush=True)
    viewers, result = load(args)
    rng = np.random.default_rng(0)
    if args.viewers and args.viewers < len(viewers):
        viewers = viewers.take(np.sort(rng.choice(len(viewers), args.viewers, replace=False)))
    encoder = load_encoder(args.model) if args.model else RandomEncoder()
    inputs = build_inputs(viewers, encoder, max_messages=args.max_messages)
    longest = int(np.diff(viewers.starts).max())
    result |= {
        "viewers": len(viewers),
        "donors": int(viewers.paid.sum()),
        "messages_read": int(inputs.lengths.sum()),
        "longest_viewer": longest,
        "longest_viewer_as_read": int(inputs.lengths.max()),
    }
    show(result)
    batches = draw_batches(inputs, viewers.paid, np.arange(len(viewers)), Training(), rng)
    share = {"share": args.peer_share, "rng": rng}
    result |= show(compare_padding(inputs, viewers.paid, batches, longest=longest, **share))
    result |= show(time_passes(inputs, viewers.paid, batches, share=args.epoch_share, rng=rng))
    result |= show(measure_long_viewer(viewers, args.max_messages))
    result |= show({"load_at_the_end": os.getloadavg()[0]})
    print(json.dumps(result))


def show(result: dict[str, float]) -> dict[str, float]:
    """Print what was measured, a line each, and return it."""
    for name, value in result.items():
        text = f"{value:>12,.4g}" if isinstance(value, float) else f"{value:>12,}"
        print(f"{name:44} {text}", flush=True)
    return result


def read_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path, help="a database, instead of importing --chats")
    parser.add_argument("--chats", type=Path, default=bench_encode.CHANNEL)
    parser.add_argument("--model", default="", help="folder of a language model")
    parser.add_argument("--max-messages", type=int, default=64)
    parser.add_argument("--viewers", type=int, default=0, help="that many, drawn; 0: all")
    parser.add_argument("--peer-share", type=float, default=0.05, help="of an epoch, for the comparison")
    parser.add_argument("--epoch-share", type=float, default=1.0, help="of its batches; the rest is inferred")
    return parser.parse_args()


def load(args: argparse.Namespace) -> tuple[Viewers, dict[str, float]]:
    """Return the viewers, and how long they took from the database."""
    with tempfile.TemporaryDirectory() as folder:
        path = args.db or fill_database(args.chats, Path(folder))
        with open_store(path) as db:
            n_messages = int(db.query("SELECT count(*) AS n FROM messages")["n"][0])
            viewers, seconds = bench_encode.clock(lambda: load_viewers(db))
    return viewers, {
        "messages_in_database": n_messages,
        "load_viewers_s": seconds,
        "load_viewers_s_per_million_messages": seconds / n_messages * 1e6,
    }


def fill_database(chats: Path, folder: Path) -> Path:
    """Return a database of these chats; of a simulated channel where they are not there."""
    if not chats.exists():
        chats = folder / "chats"
        simulate_channel(chats, progress=False)
    with open_store(folder / "chat.dbs", create=True) as db:
        import_chats(db, [chats], progress=False)
    return folder / "chat.dbs"


def compare_padding(
    inputs: DonorInputs,
    labels: np.ndarray,
    batches: list[np.ndarray],
    *,
    longest: int,
    share: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Return rates and peak memory of ours, of all padded as read, and of all padded to the longest."""
    drawn = rng.permutation(np.concatenate(batches))
    n = max(8, round(len(drawn) * share / N_TURNS))
    parts = [drawn[np.arange(turn * n, (turn + 1) * n) % len(drawn)] for turn in range(N_TURNS)]
    max_messages = Training().batch_messages
    buckets = [list(iter_viewer_batches(inputs, part, max_messages=max_messages, rng=rng)) for part in parts]
    size = max(1, N_TURNS * n // sum(map(len, buckets)))
    as_read, of_all = (pad_all(inputs, length) for length in (int(inputs.lengths.max()), longest))
    sides = {
        "ours": (inputs, buckets),
        "padded_as_read": (as_read, [split(part, size) for part in parts]),
        "padded_to_longest": (of_all, [split(part[:2], 1) for part in parts]),  # one at a time: memory
    }
    trainers = {name: Trainer(side, labels) for name, (side, _) in sides.items()}
    seconds = dict.fromkeys(sides, 0.0)
    for turn in range(N_TURNS):
        for name, (_, chosen) in sides.items():
            took = trainers[name].train(chosen[turn])
            seconds[name] += took if turn else 0.0
    result: dict[str, float] = {"viewers_per_step": size}
    per_viewer = float(inputs.lengths[np.concatenate(parts[1:])].mean())
    for name, (side, chosen) in sides.items():
        rate = sum(len(b) for turn in chosen[1:] for b in turn) / seconds[name]
        heaviest = max(chosen[0], key=lambda batch: side.pad(batch)[2].size)
        result |= {
            f"{name}_viewers_per_s": rate,
            f"{name}_messages_per_s": rate * per_viewer,
            f"{name}_peak_MB_of_a_step": measure_memory(train_once, side, labels, heaviest),
        }
    for name in ("padded_as_read", "padded_to_longest"):
        result[f"times_{name}"] = result["ours_viewers_per_s"] / result[f"{name}_viewers_per_s"]
    return result


def pad_all(inputs: DonorInputs, pad_to: int) -> PaddedInputs:
    """Return the same inputs, all padded to one length."""
    return PaddedInputs(inputs.vectors, inputs.starts, inputs.codes, inputs.times, pad_to)


def split(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Return these viewers in batches of `size`."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def train_once(inputs: DonorInputs, labels: np.ndarray, batch: np.ndarray) -> None:
    """Train one step."""
    Trainer(inputs, labels).train([batch])


def build_and_train(viewers: Viewers, max_messages: int) -> None:
    """Build the inputs of all viewers, and train on the longest of them."""
    inputs = build_inputs(viewers, RandomEncoder(), max_messages=max_messages)
    *_, last = iter_viewer_batches(inputs, np.arange(len(viewers)), max_messages=Training().batch_messages)
    train_once(inputs, viewers.paid, last)


def measure_memory(call: Callable[..., None], *args: object) -> float:
    """Return by how many MB a call raises the peak memory of a new process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure_here, (call, args))


def _measure_here(call: Callable[..., None], args: tuple[object, ...]) -> float:
    reset = Path("/proc/self/clear_refs")
    if reset.exists():  # what it took to get here is no part of it
        reset.write_text("5")
    before = _read_peak()
    call(*args)
    return _read_peak() - before


def _read_peak() -> float:
    """Return this process's peak memory in MB; on Linux, since it was last reset."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def time_passes(
    inputs: DonorInputs,
    labels: np.ndarray,
    batches: list[np.ndarray],
    *,
    share: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Return seconds of a training epoch as it is drawn, of one over every viewer, and of scoring all."""
    rows = np.arange(len(labels))
    every = list(iter_viewer_batches(inputs, rows, max_messages=Training().batch_messages, rng=rng))
    result = {}
    for name, chosen in (("epoch", batches), ("pass_over_everyone", every)):
        part = chosen[: max(1, round(len(chosen) * share))]  # in random order
        places = [sum(len(b) * (inputs.lengths[b].max() + 1) for b in some) for some in (part, chosen)]
        trainer, cpu = Trainer(inputs, labels), time.process_time()
        seconds, scale = trainer.train(part), places[1] / places[0]
        result |= {
            f"{name}_viewers": sum(map(len, chosen)),
            f"{name}_padding_share": 1 - sum(inputs.lengths[b].sum() + len(b) for b in chosen) / places[1],
            f"{name}_s": seconds * scale,
            f"{name}_processor_s": (time.process_time() - cpu) * scale,
        }
    model = Trainer(inputs, labels).model
    part = rows if share >= 1 else rng.choice(rows, max(1, round(len(rows) * share)), replace=False)
    _, seconds = bench_encode.clock(lambda: score_donor_model(model, inputs, part))
    return result | {"scoring_everyone_s": seconds * inputs.lengths.sum() / inputs.lengths[part].sum()}


def measure_long_viewer(viewers: Viewers, max_messages: int) -> dict[str, float]:
    """Return the peak memory of inputs and a step, without and with a viewer of LONG messages."""
    few = viewers.take(np.argsort(np.diff(viewers.starts), kind="stable")[-2000:])
    return {
        "without_long_viewer_peak_MB": measure_memory(build_and_train, few, max_messages),
        "with_long_viewer_peak_MB": measure_memory(build_and_train, add_long_viewer(few), max_messages),
    }


def add_long_viewer(viewers: Viewers) -> Viewers:
    """Return the viewers and one more, who said each of LONG things once."""
    table = pd.concat([viewers.table, viewers.table.iloc[-1:]], ignore_index=True)
    end, first = float(viewers.table["stream_end_s"].iloc[-1]), len(viewers.texts)
    return replace(
        viewers,
        table=table,
        starts=np.append(viewers.starts, viewers.starts[-1] + LONG),
        positions=np.append(viewers.positions, np.arange(LONG)),
        offsets_s=np.append(viewers.offsets_s, np.linspace(0, end, LONG)),
        text_codes=np.append(viewers.text_codes, np.arange(first, first + LONG)),
        texts=[*viewers.texts, *(f"message {i}" for i in range(LONG))],
    )


if __name__ == "__main__":
    main()
