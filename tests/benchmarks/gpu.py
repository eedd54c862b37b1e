"""What a GPU does here, in one go of under eight minutes, with all that it needs made on the spot.

    python tests/benchmarks/gpu.py [--smallest]

In turn: messages a second of the encoder beside sentence-transformers (goal: 100,000), FLOPs utilisation of
training (goal: 40 %), and `chatlib scale encode --gpus 1` over a data set of a simulated channel. With
`--smallest` it tries on a CPU that all of it runs; its figures then mean nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench_encode

HERE = Path(__file__).resolve().parent
FULL = {
    "simulate": ["--streams", "10", "--messages", "60000", "--viewers", "2000"],
    "bench_encode.py": ["--shape", "distilroberta", "--messages", "500000"],
    "bench_pretrain.py": ["--shape", "distilroberta", "--batch-blocks", "256", "--blocks", "20000",
                          "--messages", "600000"],
}  # fmt: skip
SMALLEST = {
    "simulate": ["--streams", "1", "--messages", "400", "--viewers", "20"],
    "bench_encode.py": ["--messages", "60"],
    "bench_pretrain.py": ["--messages", "300", "--blocks", "8"],
}


def run(*command: str | Path) -> float:
    """Run a command with this Python; return the seconds it took."""
    start = time.monotonic()
    print("$", *command, flush=True)
    subprocess.run([sys.executable, *map(str, command)], check=True, cwd=HERE.parents[1])
    return time.monotonic() - start


def main() -> None:
    """Run all of it, and print the seconds of each part and the messages a second of `scale encode`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smallest", action="store_true", help="on a CPU, to see that all of it runs")
    smallest = parser.parse_args().smallest
    sizes = SMALLEST if smallest else FULL
    with tempfile.TemporaryDirectory(prefix="gpu-") as place:
        chats, dataset, model, out = (Path(place, name) for name in ("chats", "set", "model", "out"))
        seconds = {"simulate": run("-m", "chatlib", "simulate", *sizes["simulate"], "--out", chats)}
        for script in ("bench_encode.py", "bench_pretrain.py"):
            seconds[script] = run(HERE / script, "--chats", chats, *sizes[script])
        run("-m", "chatlib", "import", chats, "--dataset", dataset)
        texts, shape = bench_encode.load_texts(chats, 20_000), "minilm" if smallest else "distilroberta"
        model.symlink_to(bench_encode.find_model(texts, shape=shape))
        gpus = [] if smallest else ["--gpus", "1"]
        seconds["scale encode"] = run("-m", "chatlib", "scale", "encode", dataset, model, out, *gpus)
        n = json.loads((dataset / "manifest.json").read_text())["messages"]
    print(json.dumps({"seconds": seconds, "scale encode, messages/s": n / seconds["scale encode"]}))


if __name__ == "__main__":
    main()
