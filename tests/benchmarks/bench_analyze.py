"""What analyzing a chat file costs, beside chat-analyzer; and how well bursts are found.

    python tests/benchmarks/bench_analyze.py [--peer PATH_OF_chat_analyzer] [--quick]

The peer is not a requirement of this project; `pip install chat-analyzer==1.0.6b3` in an
environment of its own gives its command. Times are of whole processes where a file is read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import pandas as pd
from bench_scale import CHATLIB, run_step

from chatlib.analyze.analytics.readers import read_file, select_talk
from chatlib.analyze.recall import compare_detectors
from chatlib.workspace import RUNS_DIR, SAMPLE_DIR

REAL = Path(__file__).parents[3] / "shared" / "data" / "twitch" / "channel_2023" / "chat"
WORDS = ["lol", "wow", "nice", "stream", "hello", "what", "how", "great", "yes", "no", "clip", "again"]


def write_chat_file(path: Path, n_messages: int) -> None:
    """Write a YouTube chat of 5 hours in chat-downloader's schema, about 280 bytes a message."""
    rng = random.Random(1)
    offset = 0.0
    with path.open("w", encoding="utf-8") as file:
        for i in range(n_messages):
            offset += rng.expovariate(n_messages / 18_000)
            author = rng.randrange(20_000)
            row = {
                "author": {"badges": [], "id": f"UC{author:022d}", "name": f"@viewer-{author}"},
                "message": " ".join(rng.choices(WORDS, k=rng.randint(1, 8))),
                "message_id": f"Ci{i:026d}",
                "message_type": "text_message" if i % 50 else "paid_message",
                "time_in_seconds": round(offset, 3),
                "time_text": f"{int(offset // 3600)}:{int(offset // 60 % 60):02}:{int(offset % 60):02}",
                "timestamp": 1_600_000_000_000_000 + int(offset * 1e6),
            }
            file.write(("[\n" if i == 0 else ",\n") + json.dumps(row))
        file.write("\n]\n")


def bench_file(folder: Path, n_messages: int, peer: str | None, repeats: int = 7) -> None:
    """Print the cost of a whole process from file to JSON, ours and the peer's, alternating."""
    chat = folder / "chat.json"
    write_chat_file(chat, n_messages)
    size = chat.stat().st_size / 1e6
    print(f"\nfile of {n_messages:,} messages, {size:.0f} MB; best of {repeats} (and median)")
    options = [chat, "--mode", "chatfile", "--platform", "youtube", "--print-interval", "0", "-o"]
    commands = {"chatlib": [*CHATLIB, "analyze", *options, folder / "ours.json"]}
    if peer:
        commands["chat-analyzer"] = [peer, *options, folder / "theirs.json"]
    runs = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            runs[name].append(run_step(list(map(str, command)), folder / "log.txt"))
    best = {}
    for name, rows in runs.items():
        walls, cpus = ([row[unit] for row in rows] for unit in ("wall_s", "cpu_s"))
        memory = run_step(list(map(str, commands[name])), folder / "log.txt", every_s=0.005)["mb"]
        best[name] = min(walls), min(cpus), memory
        wall, cpu, memory = best[name]
        middle = statistics.median(walls)
        print(f"{name:>15}: {wall:6.2f} s wall ({middle:.2f}), {cpu:6.2f} s processor, {memory:6.0f} MB")
    if peer:
        wall, cpu, memory = (b / a for a, b in zip(best["chatlib"], best["chat-analyzer"], strict=True))
        print(f"{'ratio':>15}: {wall:6.1f} wall,          {cpu:6.1f} processor,   {memory:6.1f} memory")


def bench_report(folder: Path, n_messages: int) -> None:
    """Print the cost of a file's pages: `chatlib report FILE --only analyze`, as a whole process."""
    command = [*CHATLIB, "report", str(folder / "chat.json"), "--only", "analyze", "--no-open", "--name"]
    name = folder.name  # a run of its own
    try:
        took = run_step([*command, name], folder / "log.txt", every_s=0.05)
    finally:
        shutil.rmtree(RUNS_DIR / name, ignore_errors=True)
    print(
        f"\npages of {n_messages:,} messages: {took['wall_s']:.2f} s wall, {took['cpu_s']:.2f} s processor, "
        f"{took['mb']:.0f} MB"
    )


def measure_detection(name: str, files: list[Path], platform: str) -> None:
    """Print how many planted bursts are found, and how often an hour nothing is, over streams."""
    chats = (read_file(path, with_messages=True).messages for path in files)
    tables = [compare_detectors(select_talk(messages), platform, seed=1) for messages in chats]
    tables = [table for table in tables if len(table)]  # of 15 minutes and more
    if not tables:
        print(f"\nplanted bursts, {name}: no stream is there")
        return
    means = pd.concat(tables).groupby(["detector", "setting"], sort=False).mean()
    print(f"\nplanted bursts of five times the rate, {name}: mean of {len(tables)} streams")
    print(f"{'detector':>15} {'setting':>8} {'recall':>7} {'false alarms an hour':>21}")
    for (detector, setting), row in means.iterrows():
        print(f"{detector:>15} {setting:>8g} {row['recall']:>7.0%} {row['false_alarms_per_h']:>21.2f}")


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", help="path of the command chat_analyzer, to be run beside")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the messages")
    args = parser.parse_args()
    scale = 100 if args.quick else 1
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        bench_file(Path(folder), 400_000 // scale, args.peer)
        bench_report(Path(folder), 400_000 // scale)
    step = 20 if args.quick else 1
    measure_detection("simulated", sorted(SAMPLE_DIR.glob("*/chat/*.jsonl.gz"))[::step], "youtube")
    measure_detection("real", sorted(REAL.glob("*.json.gz"))[::step], "twitch")


if __name__ == "__main__":
    main()
