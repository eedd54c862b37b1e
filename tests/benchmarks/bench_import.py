"""How fast chat files come into a new database, how much memory that takes, and the second time.

    python tests/benchmarks/bench_import.py [PATH] [--times N] [--streams N]

The first streams are also imported as JSON Lines, CSV and Parquet, as `chatlib convert` writes them.

Each import runs in a process of its own, from the start of the interpreter to the closed database.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHANNEL = ROOT.parent / "shared" / "data" / "twitch" / "channel_2023"


def import_once(path, db_path):
    """Import here; print what it took as JSON."""
    from chatlib.collect.files.importing import import_chats
    from chatlib.store import open_store

    started = time.perf_counter()
    with open_store(db_path, create=True) as db:
        report = import_chats(db, [path])
    seconds = time.perf_counter() - started
    own, child = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    result = {
        "rows": report.totals["messages"],
        "added": report.n_added,
        "seconds": seconds,
        "cpu": own.ru_utime + own.ru_stime,
        "reader cpu": child.ru_utime + child.ru_stime,
        "MB": own.ru_maxrss / 1024,
        "reader MB": child.ru_maxrss / 1024,
    }
    print(json.dumps(result))


def convert_streams(source, folder, *, n_streams):
    """Write the first chats of a channel in each format; return the folders."""
    from chatlib.collect.files.chat_downloader import convert_chat_file
    from chatlib.collect.lists import find_chat_files

    found = find_chat_files([source])[0][:n_streams]
    for suffix in ("jsonl", "csv", "parquet"):
        for chat in found:
            convert_chat_file(chat.path, folder / suffix / f"{chat.path.name.partition('.')[0]}.{suffix}")
    return [folder / suffix for suffix in ("jsonl", "csv", "parquet")]


def measure(path, db_path):
    command = [sys.executable, __file__, str(path), "--into", str(db_path)]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout) | {"with start": time.perf_counter() - started}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", default=CHANNEL, type=Path)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.into:
        import_once(args.path, args.into)
        return
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        paths = [args.path, *convert_streams(args.path, Path(folder), n_streams=args.streams)]
        for path in paths[:1] * args.times + paths[1:] * args.times:
            with tempfile.TemporaryDirectory() as place:
                for name in ("first", "again") if path == args.path else ("first",):
                    report(f"{path.name} {name}", measure(path, Path(place) / "chat.dbs"))


def report(name, took):
    cpu = took["cpu"] + took["reader cpu"]
    print(
        f"{name:>19}: {took['added']:>9,} rows of {took['rows']:,} in {took['seconds']:6.2f} s, "
        f"{took['rows'] / took['seconds']:>9,.0f} rows/s ({took['with start']:.2f} s with the interpreter); "
        f"CPU {took['cpu']:.1f} + {took['reader cpu']:.1f} s, {took['rows'] / cpu:,.0f} rows/s of CPU; "
        f"memory {took['MB']:.0f} + {took['reader MB']:.0f} MB"
    )


if __name__ == "__main__":
    main()
