"""How fast chat files come into a new database, how much memory that takes, and the second time.

    python tests/benchmarks/bench_import.py [PATH] [--times N] [--streams N]

The first streams are also imported as JSON Lines, CSV and Parquet, as `chatlib convert` writes them.

Each import is `chatlib import`, a process from the start of the interpreter to the closed database.
"""

import argparse
import os
import tempfile
from pathlib import Path

from bench_scale import CHATLIB, ROOT, run_step

from chatlib.collect.files.chat_downloader import convert_chat_file
from chatlib.collect.lists import find_chat_files
from chatlib.store import open_store

CHANNEL = ROOT.parent / "shared" / "data" / "twitch" / "channel_2023"


def convert_streams(source, folder, *, n_streams):
    """Write the first chats of a channel in each format; return the folders."""
    found = find_chat_files([source])[0][:n_streams]
    for suffix in ("jsonl", "csv", "parquet"):
        for chat in found:
            convert_chat_file(chat.path, folder / suffix / f"{chat.path.name.partition('.')[0]}.{suffix}")
    return [folder / suffix for suffix in ("jsonl", "csv", "parquet")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", nargs="?", default=CHANNEL, type=Path)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--streams", type=int, default=40)
    args = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        paths = [args.path, *convert_streams(args.path, Path(folder), n_streams=args.streams)]
        for path in paths[:1] * args.times + paths[1:] * args.times:
            with tempfile.TemporaryDirectory() as place:
                for name in ("first", "again") if path == args.path else ("first",):
                    import_once(f"{path.name} {name}", path.absolute(), Path(place) / "chat.dbs")


def import_once(name, path, db_path):
    took = run_step(
        [*CHATLIB, "import", str(path), "--db", str(db_path)], db_path.with_suffix(".log"), every_s=0.05
    )
    with open_store(db_path) as db:
        rows = int(db.load_streams()["n_messages"].sum())
    print(
        f"{name:>19}: {rows:>9,} rows in {took['wall_s']:6.2f} s, {rows / took['wall_s']:>9,.0f} rows/s; "
        f"CPU {took['cpu_s']:.1f} s, {rows / took['cpu_s']:,.0f} rows/s of CPU; memory {took['mb']:.0f} MB"
    )


if __name__ == "__main__":
    main()
