"""What a checkout's command line does, as one JSON of digests; and what differs between two of them.

    python tests/compare_behaviour.py [CHECKOUT] [--out a.json] [--report] [--python PATH]
    python tests/compare_behaviour.py --diff a.json b.json

Only `python -m chatlib` and the files that it writes are looked at, so that checkouts of any layout
compare: imports of real chat, the chat database, ChatAnalytics JSON, simulated channels, error
messages, and with `--report` every number of the sample's report. Real chat is read from
`../shared/data` beside the checkout; without it those commands are left out.

Left out, since they depend on the clock or on the place: `updated_at`, `imported_at`, `listed_at`,
the surrogate keys of streams and authors, the digests of `imports` (they contain the reader's version),
and the report's `seconds`, `training_seconds` and `tokens_per_s`. Paths are replaced by names.
"""

from __future__ import annotations

import argparse
import difflib
import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Columns of the second schema that neither the clock nor the order of insertion decides.
_FIRST_VERSION = (
    "URL, TypeofMessages, ListofTimes, ListofBadges, ListofAuthors, ListofMessages, DonationAmount, "
    "DonationCurrency"
)
QUERIES = {
    "streams": "SELECT platform, video_id, url, title, channel_id, channel_name, started_at, ended_at, "
    "duration_s, state, view, simulated, n_messages, last_offset_s, views, reason FROM streams ORDER BY 1, 2",
    "authors": "SELECT platform, author_id, name FROM authors ORDER BY 1, 2",
    "imports": "SELECT s.platform, s.video_id, i.file_name, i.format, i.n_rows, i.skipped FROM imports i "
    "JOIN streams s USING (stream_id) ORDER BY 1, 2, 3, 4, 5, 6",
    "channels": "SELECT url, channel_id, name, spreadsheet, n_listed FROM channels ORDER BY url",
    "DBdb": f"SELECT id, {_FIRST_VERSION} FROM DBdb ORDER BY id",
    "messages": "SELECT s.platform, s.video_id, m.position, m.message_id, m.kind, m.offset_s, a.platform, "
    "a.author_id, m.text, m.notice, m.badges, m.amount_text, m.amount, m.currency, m.bits, m.timestamp_us, "
    "m.emotes, m.target_id FROM streams s JOIN messages m USING (stream_id) LEFT JOIN authors a "
    "ON a.author = m.author ORDER BY 1, 2, m.message_id, m.kind",
}
MADE_UP = """
simulate --streams 24 --viewers 300 --messages 1800 --seed 0 --out readme
simulate --streams 5 --viewers 40 --messages 200 --seed 7 --new 2 --out small
import small/first --db small.dbs
import small/first --db small.dbs
import small --db small.dbs
analyze small.dbs -o small_analytics
"""
MISTAKES = """
import nowhere --db new.dbs
import empty --db new.dbs
import broken.json --db new.dbs
import small/first --db letter.txt
analyze nowhere.json
analyze broken.json
analyze nowhere.dbs --mode db
analyze small.dbs --mode db --stream nobody
analyze small.dbs --save-chatfile-output raw.json
simulate --streams 0 --out new
pretrain nowhere.dbs new
run --name a/b
run -p 03.NOTHING=1
"""
CHANNEL = "real/twitch/channel_2023"
OPTIONS = (
    "--interval 30 --highlight-percentile 97 --highlight-metric chatsPSec --spike-sensitivity 3 "
    "--spike-metric activityPSec --description words --highlights-csv options.csv --chapters options.txt"
)
REAL = f"""
import {CHANNEL} --db channel.dbs
import {CHANNEL} --db channel.dbs
import {CHANNEL} --db oldest.dbs --limit 3
analyze channel.dbs -o channel_analytics
analyze CHAT {OPTIONS} -o options.json
analyze options.json -em activityPSec -o anew.json
"""
TIMINGS = {"seconds", "training_seconds", "tokens_per_s"}


@dataclass(frozen=True)
class Checkout:
    """A checkout whose command line runs in a scratch folder; `said` is what each command said."""

    root: Path
    python: str
    scratch: Path
    said: dict[str, object]

    def run(self, *words: str) -> None:
        """Run a command and keep its exit code and its lines, with names for paths."""
        command = " ".join(words)
        print(f"chatlib {command[:100]}", file=sys.stderr)
        env = os.environ | {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [self.python, "-m", "chatlib", *words],
            cwd=self.scratch, env=env, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        text = f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        real = (self.root.parent / "shared" / "data").resolve()
        for path, name in ((self.scratch, "SCRATCH"), (real, "REAL"), (self.root, "CHECKOUT")):
            text = text.replace(str(path), name)
        number = sum(key.startswith(command) for key in self.said)
        self.said[f"{command}{f' (time {number + 1})' if number else ''}"] = text.splitlines()


def main() -> None:
    """Digest a checkout, or compare two files of digests."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkout", nargs="?", type=Path, default=ROOT, help="default: the one it stands in")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the JSON to write (default: print it)")
    parser.add_argument("--report", action="store_true", help="run the sample's report, too (minutes)")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="default: this one")
    parser.add_argument("--diff", nargs=2, type=Path, metavar=("A", "B"), help="compare two such JSON files")
    args = parser.parse_args()
    if args.diff:
        sys.exit(print_differences(*(json.loads(path.read_text(encoding="utf-8")) for path in args.diff)))
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(args.checkout.resolve(), args.python, Path(folder).resolve(), {})
        digests = digest_checkout(checkout, report=args.report)
    text = json.dumps(digests, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def digest_checkout(checkout: Checkout, *, report: bool) -> dict[str, object]:
    """Return what every command said, the digests of all files it left, and the report's results."""
    scratch, real = checkout.scratch, checkout.root.parent / "shared" / "data"
    (scratch / "empty").mkdir()
    (scratch / "broken.json").write_text('[{"message": "hel')
    (scratch / "letter.txt").write_text("Dear all,\nthis is no chat.\n")
    for line in (MADE_UP + MISTAKES).split("\n"):
        if line:
            checkout.run(*line.split())
    with closing(sqlite3.connect(scratch / "first_version.db")) as db:
        db.execute("ATTACH ? AS newer", (str(scratch / "small.dbs"),))
        db.execute(f"CREATE TABLE main.DBdb AS SELECT id, {_FIRST_VERSION} FROM newer.DBdb ORDER BY id")
        db.commit()
    checkout.run("import", "first_version.db", "--db", "newer.dbs")
    if real.is_dir():
        (scratch / "real").symlink_to(real.resolve())
        run_on_real_chat(checkout)
    results = run_report(checkout) if report else {}
    files = [path for path in sorted(scratch.rglob("*")) if path.is_file() and "real" not in path.parts]
    digests = {path.relative_to(scratch).as_posix(): digest_file(path) for path in files}
    return {"said": checkout.said, "files": digests, "report": results}


def run_on_real_chat(checkout: Checkout) -> None:
    """Import and analyze a channel's year, and every other file alone and all in one database."""
    scratch = checkout.scratch
    chats = [path.relative_to(scratch).as_posix() for path in sorted((scratch / CHANNEL / "chat").iterdir())]
    for line in filter(None, REAL.replace("CHAT", chats[0]).split("\n")):
        checkout.run(*line.split())
    folders = (scratch / "real" / "youtube", scratch / "real" / "twitch")
    names = sorted(p.relative_to(scratch).as_posix() for f in folders for p in f.rglob("*") if p.is_file())
    others = [name for name in names if not name.startswith(CHANNEL)]
    for number, name in enumerate(others):
        checkout.run("import", name, "--db", f"file_{number}.dbs")
    for number, name in enumerate([*chats[:: max(1, len(chats) // 10)], *others]):
        checkout.run("analyze", name, "-o", f"analyzed_{number}.json")
    checkout.run("import", *others, "--db", "together.dbs")


def run_report(checkout: Checkout) -> dict[str, object]:
    """Return all results of a run of the sample, in the checkout's own `data/runs`, which is removed."""
    run_dir = checkout.root / "data" / "runs" / f"compare-behaviour-{os.getpid()}"
    try:
        checkout.run("run", "--name", run_dir.name)
        results = {p.stem: json.loads(p.read_bytes()) for p in sorted((run_dir / "results").glob("*.json"))}
        kept = {" > ".join(key): value for key, value in flatten(results) if not TIMINGS & set(key)}
        return kept | {"database": digest_file(run_dir / "Db_file.dbs") if results else "no results"}
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


def digest_file(path: Path) -> object:
    """Return the SHA-256 of a file's bytes, unzipped; of a database that of each query's rows."""
    if path.suffix not in {".dbs", ".db"}:
        content = path.read_bytes()
        return hashlib.sha256(gzip.decompress(content) if path.suffix == ".gz" else content).hexdigest()
    digests = {}
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        db.text_factory = bytes  # also for text that is no UTF-8
        for name, query in QUERIES.items():
            digest, n_rows = hashlib.sha256(), 0
            try:
                for row in db.execute(query):
                    digest.update(repr(row).encode())
                    n_rows += 1
                digests[name] = f"{n_rows} rows, {digest.hexdigest()}"
            except sqlite3.Error as error:  # a table or column of another version
                digests[name] = f"unreadable: {error}"
    return digests


def flatten(value: object, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every leaf of nested dicts with the path to it; a list of lines is one leaf."""
    if not isinstance(value, dict) or not value:
        yield key, value
        return
    for name, item in value.items():
        yield from flatten(item, (*key, str(name)))


def print_differences(old: dict[str, object], new: dict[str, object]) -> int:
    """Print each key whose value differs, old and new; return 1 if there are any, else 0."""
    before, after = ({" > ".join(key): value for key, value in flatten(side)} for side in (old, new))
    differing = [key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
    for key in differing:
        print(key)
        pair = before.get(key, "absent"), after.get(key, "absent")
        lines = ([str(line) for line in (value if isinstance(value, list) else [value])] for value in pair)
        changes = list(difflib.unified_diff(*lines, n=0, lineterm=""))[2:]
        print("\n".join(f"    {change}" for change in changes if not change.startswith("@@")))
    print(f"keys that differ: {len(differing)} of {len(before | after)}")
    return int(bool(differing))


if __name__ == "__main__":
    main()
