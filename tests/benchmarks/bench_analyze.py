"""What analyzing costs, beside chat-analyzer and as chats grow; and how well bursts are found.

    python tests/benchmarks/bench_analyze.py [--peer PATH_OF_chat_analyzer] [--quick]

The peer is not a requirement of this project; `pip install chat-analyzer==1.0.6b3` in an
environment of its own gives its command. Times are of whole processes where a file is read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from chatlib.analyze import ProcessSettings
from chatlib.analyze.analytics.columns import ChatColumns, analyze_columns, make_analytics
from chatlib.analyze.analytics.detection import compare_detectors
from chatlib.analyze.analytics.readers import analyze_stream, read_file
from chatlib.analyze.channel import analyze_channel
from chatlib.records import Message, Stream
from chatlib.store import open_store
from chatlib.workspace import SAMPLE_DIR

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


def time_process(*command: str | Path) -> tuple[float, float]:
    """Return seconds on the clock and seconds of processor of a command and what it starts."""
    start = time.perf_counter()
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command} failed")
    return wall, usage.ru_utime + usage.ru_stime


def measure_memory(*command: str | Path) -> float:
    """Return MB: the sum of the peaks of a command and the processes it starts, read every 2 ms."""
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks: dict[str, int] = {}
    while child.poll() is None:
        for pid in [str(child.pid), *_read(f"/proc/{child.pid}/task/{child.pid}/children").split()]:
            if found := re.search(r"VmHWM:\s*(\d+) kB", _read(f"/proc/{pid}/status")):
                peaks[pid] = int(found[1])
        time.sleep(0.002)
    return sum(peaks.values()) / 1024


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # the process has ended
        return ""


def bench_file(folder: Path, n_messages: int, peer: str | None, repeats: int = 7) -> None:
    """Print the cost of a whole process from file to JSON, ours and the peer's, alternating."""
    chat = folder / "chat.json"
    write_chat_file(chat, n_messages)
    size = chat.stat().st_size / 1e6
    print(f"\nfile of {n_messages:,} messages, {size:.0f} MB; best of {repeats} (and median)")
    options = [chat, "--mode", "chatfile", "--platform", "youtube", "--print-interval", "0", "-o"]
    commands = {"chatlib": [sys.executable, "-m", "chatlib", "analyze", *options, folder / "ours.json"]}
    if peer:
        commands["chat-analyzer"] = [peer, *options, folder / "theirs.json"]
    runs = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            runs[name].append(time_process(*command))
    best = {}
    for name, rows in runs.items():
        walls, cpus = zip(*rows, strict=True)
        best[name] = min(walls), min(cpus), measure_memory(*commands[name])
        wall, cpu, memory = best[name]
        middle = statistics.median(walls)
        print(f"{name:>15}: {wall:6.2f} s wall ({middle:.2f}), {cpu:6.2f} s processor, {memory:6.0f} MB")
    if peer:
        wall, cpu, memory = (b / a for a, b in zip(best["chatlib"], best["chat-analyzer"], strict=True))
        print(f"{'ratio':>15}: {wall:6.1f} wall,          {cpu:6.1f} processor,   {memory:6.1f} memory")


def bench_database(folder: Path, n_messages: int, n_streams: int) -> None:
    """Print the cost of analyzing a database of many streams, without and with writing the JSON."""
    rng = random.Random(2)
    path = folder / "chat.db"
    each = n_messages // n_streams
    with open_store(path, create=True) as db:
        for stream in range(n_streams):
            authors = [f"u{rng.randrange(2000)}" for _ in range(each)]
            times = sorted(rng.uniform(0, 4 * 3600) for _ in range(each))
            rows = (
                Message(str(i), "text_message", t, author, author, "some words of chat")
                for i, (t, author) in enumerate(zip(times, authors, strict=True))
            )
            db.save_chat(Stream("twitch", f"s{stream}"), rows)
    print(f"\ndatabase of {each * n_streams:,} messages, {n_streams} streams of 4 hours, samples of 5 s")
    with open_store(path) as db:
        start = time.perf_counter(), time.process_time()
        for stream in db.list_streams():
            analyze_stream(db, stream)
        print(f"{'analyzed':>15}: {_since(start)}")
        start = time.perf_counter(), time.process_time()
        analyze_channel(db, folder / "out")
        print(f"{'and written':>15}: {_since(start)}")


def measure_detection(name: str, files: list[Path], platform: str) -> None:
    """Print how many planted bursts are found, and how often an hour nothing is, over streams."""
    tables = [compare_detectors(read_file(path).columns, platform, seed=1) for path in files]
    tables = [table for table in tables if len(table)]  # of 15 minutes and more
    if not tables:
        print(f"\nplanted bursts, {name}: no stream is there")
        return
    means = pd.concat(tables).groupby(["detector", "setting"], sort=False).mean()
    print(f"\nplanted bursts of five times the rate, {name}: mean of {len(tables)} streams")
    print(f"{'detector':>15} {'setting':>8} {'recall':>7} {'false alarms an hour':>21}")
    for (detector, setting), row in means.iterrows():
        print(f"{detector:>15} {setting:>8g} {row['recall']:>7.0%} {row['false_alarms_per_h']:>21.2f}")


def bench_growth(sizes: list[int]) -> None:
    """Print the cost of columns to analytics, for one chat of 5 hours."""
    print("\none chat of 5 hours in memory")
    rng = np.random.default_rng(3)
    settings = ProcessSettings()
    for n in sizes:
        chat = ChatColumns(
            offset_s=np.sort(rng.uniform(0, 18_000, n)),
            kind=(rng.random(n) < 0.02).astype(np.int64),
            kinds=["text_message", "paid_message"],
            author=rng.zipf(1.3, n) % 100_000,
            message_ids={},
        )
        start = time.perf_counter(), time.process_time()
        analyze_columns(chat, make_analytics("youtube", duration_s=18_000.0, settings=settings), settings)
        print(f"{n:>15,}: {_since(start)}, {1e9 * (time.process_time() - start[1]) / n:8,.0f} ns a message")


def _since(start: tuple[float, float]) -> str:
    return f"{time.perf_counter() - start[0]:6.2f} s wall, {time.process_time() - start[1]:6.2f} s processor"


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
        bench_database(Path(folder), 1_000_000 // scale, 100)
    bench_growth([n // scale for n in (10_000, 100_000, 1_000_000, 10_000_000)])
    step = 20 if args.quick else 1
    measure_detection("simulated", sorted(SAMPLE_DIR.glob("*/chat/*.jsonl.gz"))[::step], "youtube")
    measure_detection("real", sorted(REAL.glob("*.json.gz"))[::step], "twitch")


if __name__ == "__main__":
    main()
