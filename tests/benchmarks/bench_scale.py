"""What messages cost as they become more: a simulated channel from 10^5 messages on, through every step.

    python tests/benchmarks/bench_scale.py [--largest 10000000] [--folder DIR] [--ray] [--out FILE.json]

Each step is a process of its own: its seconds of CPU and its peak memory, children included. With `--ray`
also the data set made and analyzed by `chatlib scale`, on all cores. Needs 150 bytes of disk a message.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from chatlib.plots.scale import plot_costs

ROOT = Path(__file__).resolve().parents[2]
# Messages in all: streams, messages of a stream, viewers of a stream.
SIZES = {100_000: (2, 50_000, 500), 1_000_000: (20, 50_000, 2_000), 10_000_000: (200, 50_000, 2_500),
         100_000_000: (2_000, 50_000, 2_500)}  # fmt: skip
_PEOPLE = """
import sys
from chatlib.predict.viewers.people import load_people
from chatlib.store import open_store

with open_store(sys.argv[1], read_only=True) as db:
    print(len(load_people(db).table), "rows")
"""


def run_step(command: list[str], log: Path) -> dict[str, float]:
    """Run a command; return its seconds of CPU and of wall time, and the peak of its memory in MB."""
    peak, done = 0, threading.Event()
    start = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=ROOT)

        def watch() -> None:
            nonlocal peak
            parent = psutil.Process(process.pid)
            while not done.wait(0.05):
                try:
                    family = [parent, *parent.children(recursive=True)]
                    peak = max(peak, sum(p.memory_full_info().uss for p in family))
                except psutil.Error:
                    continue

        threading.Thread(target=watch, daemon=True).start()
        _, status, usage = os.wait4(process.pid, 0)
        done.set()
    if status:
        raise SystemExit(f"{' '.join(command)} failed: see {log}\n{log.read_text()[-2000:]}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return {"cpu_s": cpu_s, "wall_s": time.monotonic() - start, "mb": max(peak / 1e6, usage.ru_maxrss / 1e3)}


def measure(n: int, folder: Path, *, with_ray: bool) -> dict[str, dict[str, float]]:
    """Return the cost of each step for a channel of `n` messages."""
    chatlib = [sys.executable, "-m", "chatlib"]
    streams, messages, viewers = map(str, SIZES[n])
    chats, db, log = folder / "chats", folder / "chat.dbs", folder / "log.txt"
    size = ["--streams", streams, "--messages", messages, "--viewers", viewers]
    steps = {
        "simulate": [*chatlib, "simulate", *size, "--out", str(chats)],
        "import": [*chatlib, "import", str(chats), "--db", str(db)],
        "analyze": [*chatlib, "analyze", str(db), "-o", str(folder / "analytics")],
        "people": [sys.executable, "-c", _PEOPLE, str(db)],
        "export": [*chatlib, "export", str(db), str(folder / "set")],
    }
    if with_ray:
        steps["scale import"] = [*chatlib, "scale", "import", str(chats), str(folder / "set2")]
        steps["scale analyze"] = [*chatlib, "scale", "analyze", str(folder / "set"), str(folder / "out")]
    costs = {}
    for name, command in steps.items():
        costs[name] = run_step(command, log)
        print(f"{n:>12,} {name:<14} {costs[name]['cpu_s']:9.1f} s {costs[name]['mb']:8,.0f} MB", flush=True)
    return costs


def main() -> None:
    """Print the table of costs, and write it with a figure if wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--largest", type=int, default=1_000_000)
    parser.add_argument("--smallest", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="to work in (default: the temporary folder)")
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--out", type=Path, help="write the costs as JSON, and a figure beside it")
    args = parser.parse_args()
    costs = {}
    for n in SIZES:
        if args.smallest <= n <= args.largest:
            folder = Path(tempfile.mkdtemp(prefix="scale-", dir=args.folder))
            try:
                costs[n] = measure(n, folder, with_ray=args.ray)
            finally:
                shutil.rmtree(folder)
    if args.out:
        args.out.write_text(json.dumps(costs, indent=2) + "\n")
        plot_costs(costs).savefig(args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
