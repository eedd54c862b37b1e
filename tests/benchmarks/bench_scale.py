"""What messages cost as they become more: simulated channels from 10^5 messages on, through every step.

    python tests/benchmarks/bench_scale.py [--largest 100000000] [--alone] [--folder DIR] [--out FILE.json]
    python tests/benchmarks/bench_scale.py --workers [--chats ../shared/data/twitch/channel_2023]

Each step is a process of its own: its seconds of CPU and its peak memory, both summed over its children, and
what it leaves on disk. A channel has at most ten million messages; more are copies of it under other ids of
streams, channel and authors. With `--alone` the steps run in one process, without Ray. A message needs 150
bytes of disk. `--workers` sets instead two workers against one, with and without what Ray takes to start.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from matplotlib.figure import Figure

from chatlib.plots.style import house_style, new_panels

ROOT = Path(__file__).resolve().parents[2]
CHATLIB = [sys.executable, "-m", "chatlib"]
# Messages in all: channels, and the streams, messages of a stream and viewers of a stream in each.
SIZES = {100_000: (1, 9, 11_000, 500), 1_000_000: (1, 20, 50_000, 2_000), 10_000_000: (1, 200, 50_000, 2_500),
         30_000_000: (3, 200, 50_000, 2_500), 100_000_000: (10, 200, 50_000, 2_500)}  # fmt: skip
_OF_A_CHANNEL = 10_000_000  # messages at most
_ALONE = """
import sys
from chatlib.__main__ import main
from chatlib.scale.cluster import Cluster, Ended
Cluster.map = lambda self, run, items, **_: (Ended(place, run(item), "") for place, item in enumerate(items))
sys.exit(main(sys.argv[1:]))
"""
# What one of two processes reads of a data set before it trains.
_SHARD = """
import sys
from chatlib.dataset import open_dataset
from chatlib.pretrain import TrainSettings, command, corpus, data, device, language_model
dataset, settings = open_dataset(sys.argv[1]), TrainSettings(messages=0)
chat = corpus.build_corpus(dataset, settings, most=command._SAMPLE)
lm = language_model.new_language_model(chat.train["text"].tolist(), settings)
device.Processes.sum = lambda self, value: value
data.make_shard(dataset, chat, lm.tokenizer, settings, device.Processes(0, 2))
"""


def run_step(command: list[str], log: Path, *, every_s: float = 0.5) -> dict[str, float]:
    """Run a command; return its seconds of CPU and of wall time, and the peak of its memory in MB.

    The memory of it and its children is read `every_s`; what they share counts once.
    """
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        process = psutil.Popen(command, stdout=output, stderr=output, env=environment, cwd=ROOT)
    peak, seen_s = 0, {}  # the CPU of each process, as last seen: Ray's are nobody's children at the end
    while process.poll() is None:
        with suppress(psutil.Error):
            family = [process, *process.children(recursive=True)]
            seen_s |= {p.pid: sum(p.cpu_times()[:2]) for p in family}
            peak = max(peak, sum(p.memory_full_info().pss for p in family))
        with suppress(psutil.TimeoutExpired):
            process.wait(every_s)
    wall_s, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed: see {log}\n{log.read_text()[-2000:]}")
    waited_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": max(waited_s, sum(seen_s.values())), "wall_s": wall_s, "mb": peak / 1e6}


def make_chats(n: int, folder: Path) -> Path:
    """Return a folder with chat files of `n` messages, made once in `folder`."""
    n_channels, *size = SIZES[n]
    target = folder / f"chats-{n}"
    if target.is_dir():
        return target
    part = folder / "part"
    shutil.rmtree(part, ignore_errors=True)
    if n_channels == 1:
        options = zip(("--streams", "--messages", "--viewers"), map(str, size), strict=True)
        command = [*CHATLIB, "simulate", *(text for option in options for text in option), "--out", str(part)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    else:
        source = make_chats(_OF_A_CHANNEL, folder)
        for number in range(n_channels):
            copy_channel(source, part / f"channel-{number:02}", number)
    part.rename(target)
    return target


def copy_channel(source: Path, target: Path, number: int) -> None:
    """Copy a simulated channel under ids of its own: streams, channel and authors."""
    (target / "chat").mkdir(parents=True)
    streams = pd.read_csv(source / "streams.csv", dtype=str)
    for old in streams["video_id"]:
        content = gzip.decompress((source / "chat" / f"{old}.jsonl.gz").read_bytes())
        content = content.replace(b'"id":"UCsim', f'"id":"UCs{number:02}'.encode())
        (target / "chat" / f"{number:02}{old[2:]}.jsonl.gz").write_bytes(gzip.compress(content, 1))
    streams["video_id"] = f"{number:02}" + streams["video_id"].str[2:]
    streams["url"] = "https://www.youtube.com/watch?v=" + streams["video_id"]
    streams["channel_id"] = streams["channel_id"].str.replace("UCsim", f"UCs{number:02}")
    streams.to_csv(target / "streams.csv", index=False)


def measure(n: int, folder: Path, *, alone: bool) -> dict[str, dict[str, float]]:
    """Return the cost of each step for `n` messages."""
    chats, log = make_chats(n, folder), folder / "log.txt"
    scale = [sys.executable, "-c", _ALONE, "scale"] if alone else [*CHATLIB, "scale"]
    costs = {}
    for step in ("import", "analyze", "history", "shard"):
        given, made = chats if step == "import" else folder / "import", folder / step
        made.mkdir(exist_ok=True)
        run = [sys.executable, "-c", _SHARD] if step == "shard" else [*scale, step]
        costs[step] = run_step([*run, str(given), str(made)], log)
        costs[step]["disk_mb"] = int(subprocess.check_output(["du", "-sk", made]).split()[0]) / 1e3
        numbers = "{cpu_s:9.1f} s CPU {wall_s:9.1f} s {mb:8,.0f} MB {disk_mb:8,.0f} MB on disk"
        print(f"{n:>12,} scale {step:<8} {numbers.format(**costs[step])}", flush=True)
    for step in costs:
        shutil.rmtree(folder / step)
    return costs


@house_style
def plot_costs(costs: dict[int, dict[str, dict[str, float]]], *, up_to: float = 1e9) -> Figure:
    """Draw seconds of CPU and peak memory against messages; dashed: growth as between the two largest."""
    figure, panels = new_panels(1, 2, height_in=4.2)
    for axes, key, what in zip(panels, ("cpu_s", "mb"), ("Seconds of CPU", "Peak memory in MB"), strict=True):
        for i, step in enumerate(dict.fromkeys(step for measured in costs.values() for step in measured)):
            points = [(n, measured[step][key]) for n, measured in sorted(costs.items()) if step in measured]
            axes.plot(*zip(*points, strict=True), "o-", color=f"C{i}", label=step)
            if len(points) > 1:
                (a, cost_a), (b, cost_b) = points[-2:]
                beyond = cost_b * (up_to / b) ** (np.log(cost_b / cost_a) / np.log(b / a))
                axes.plot([b, up_to], [cost_b, beyond], "--", color=f"C{i}", lw=1)
        axes.set(xscale="log", yscale="log", xlabel="Messages", ylabel=what)
    panels[0].set_title("What messages cost; dashed: as between the two largest")
    panels[0].legend(loc="upper left")
    return figure


def compare_workers(chats: Path, folder: Path, *, repeats: int = 3) -> None:
    """Print how much faster two workers are than one: the whole command, and without its constant part.

    The constant part is what the same command takes for next to nothing, the smallest of the chat files.
    """
    few, log = folder / "few", folder / "log.txt"
    few.mkdir()
    shutil.copy(min((chats / "chat").iterdir(), key=lambda path: path.stat().st_size), few)
    for command in ("import", "analyze"):
        wall_s: dict[tuple[Path, int], list[float]] = {}
        for _ in range(repeats):
            for source, workers in itertools.product((chats, few), (1, 2)):
                dataset, out = folder / f"set-{source.name}", folder / "out"
                given = (source, dataset) if command == "import" else (dataset, out)
                shutil.rmtree(given[1], ignore_errors=True)
                step = [*CHATLIB, "scale", command, *map(str, given), "--workers", str(workers)]
                wall_s.setdefault((source, workers), []).append(run_step(step, log)["wall_s"])
        one, two, start_1, start_2 = (statistics.median(times) for times in wall_s.values())
        print(
            f"scale {command}: {one:.1f} s by one worker, {two:.1f} s by two, {one / two:.2f} times; without "
            f"the constant {start_1:.1f} and {start_2:.1f} s {(one - start_1) / (two - start_2):.2f} times"
        )


def main() -> None:
    """Print the table of costs, and write it with a figure if wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--smallest", type=int, default=100_000)
    parser.add_argument(
        "--folder", type=Path, help="to work in, and keep the chat files (default: temporary)"
    )
    parser.add_argument("--out", type=Path, help="write the costs as JSON, and a figure beside it")
    parser.add_argument(
        "--alone", action="store_true", help="the steps of `scale` in one process, without Ray"
    )
    parser.add_argument("--workers", action="store_true", help="two workers against one")
    parser.add_argument("--chats", type=Path, help="with --workers: these chat files (default: simulated)")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="scale-"))
    try:
        if args.workers:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                compare_workers((args.chats or make_chats(1_000_000, folder)).absolute(), Path(place))
            return
        sizes = [n for n in SIZES if args.smallest <= n <= args.largest]
        costs = {n: measure(n, folder, alone=args.alone) for n in sizes}
    finally:
        if not args.folder:
            shutil.rmtree(folder)
    if args.out:
        args.out.write_text(json.dumps(costs, indent=2) + "\n")
        plot_costs(costs).savefig(args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
