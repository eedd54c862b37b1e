"""What a checkout's command line does, as one JSON of digests; and what differs between two of them.

    python tests/compare_behaviour.py [CHECKOUT] [--out a.json] [--report] [--python PATH]
    python tests/compare_behaviour.py --diff a.json b.json

Only `python -m chatlib` and the files that it writes are looked at, so that checkouts of any layout
compare: imports of real chat, the chat database, ChatAnalytics JSON, simulated channels, error
messages, and with `--report` every number of the sample's report. Real chat is read from
`../shared/data` beside the checkout; without it those parts are skipped, and `skipped` says so.

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
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TABLES = ("streams", "authors", "messages", "imports", "channels")
# Columns of the second schema that neither the clock nor the order of insertion decides.
_STREAM = (
    "platform, video_id, url, title, channel_id, channel_name, started_at, ended_at, duration_s, state, "
    "view, simulated, n_messages, last_offset_s, views, reason"
)
_MESSAGE = (
    "m.position, m.message_id, m.kind, m.offset_s, a.platform, a.author_id, m.text, m.notice, m.badges, "
    "m.amount_text, m.amount, m.currency, m.bits, m.timestamp_us, m.emotes, m.target_id"
)
_FIRST_VERSION = (
    "URL, TypeofMessages, ListofTimes, ListofBadges, ListofAuthors, ListofMessages, DonationAmount, "
    "DonationCurrency"
)
QUERIES = {
    "streams": f"SELECT {_STREAM} FROM streams ORDER BY platform, video_id",
    "authors": "SELECT platform, author_id, name FROM authors ORDER BY platform, author_id",
    "imports": "SELECT s.platform, s.video_id, i.file_name, i.format, i.n_rows, i.skipped FROM imports i "
    "JOIN streams s USING (stream_id) ORDER BY 1, 2, 3, 4, 5, 6",
    "channels": "SELECT url, channel_id, name, spreadsheet, n_listed FROM channels ORDER BY url",
    "DBdb": f"SELECT id, {_FIRST_VERSION} FROM DBdb ORDER BY id",
    # Equal while `DBdb` differs: the same rows in another order.
    "DBdb without id, sorted": f"SELECT {_FIRST_VERSION} FROM DBdb ORDER BY 1, 2, 3, 4, 5, 6, 7, 8",
}
STREAM_MESSAGES = (
    f"SELECT {_MESSAGE} FROM messages m LEFT JOIN authors a ON a.author = m.author "
    "WHERE m.stream_id = ? ORDER BY m.message_id, m.kind"
)
CHANNEL = "twitch/channel_2023"
SIZES = {
    "as in the README": "--streams 24 --viewers 300 --messages 1800 --seed 0",
    "small": "--streams 5 --viewers 40 --messages 200 --seed 7 --new 2",
}
ANALYZE_OPTIONS = (
    "--interval 30 --highlight-percentile 97 --highlight-metric chatsPSec --spike-sensitivity 3 "
    "--spike-metric activityPSec --description words --highlights-csv options.csv "
    "--chapters options.txt"
)
MISTAKES = (
    "import nowhere --db new.dbs",
    "import empty --db new.dbs",
    "import broken.json --db new.dbs",
    "import letter.txt --db new.dbs",
    "import small/first --db letter.txt",
    "import small/first --db new.dbs --limit -1",
    "analyze nowhere.json",
    "analyze broken.json",
    "analyze letter.txt --mode chatfile",
    "analyze nowhere.dbs --mode db",
    "analyze small.dbs --mode db --stream nobody",
    "analyze small.dbs --mode reanalyze",
    "analyze small.dbs --save-chatfile-output raw.json",
    "simulate --streams 0 --out new",
    "simulate --viewers 5 --out new",
    "simulate --out empty/..",
    "pretrain nowhere.dbs new",
    "forecast nowhere",
    "run --name a/b",
    "run --chats nowhere",
    "run -p 03.NOTHING=1",
    "run --only 09",
)
TIMINGS = {"seconds", "training_seconds", "tokens_per_s"}
WITH_TIMINGS = {"03_perplexity.csv"}
N_FILES_ANALYZED = 10


@dataclass(frozen=True)
class Checkout:
    """A checkout whose command line runs in a scratch folder, where `real` is a link to the real chat."""

    root: Path
    python: str
    scratch: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def real(self) -> Path:
        """The folder of real chat beside the checkout; it may be missing."""
        return self.root.parent / "shared" / "data"

    def run(self, *args: str) -> dict[str, object]:
        """Return exit code and lines of output of `python -m chatlib ARGS`, with names for paths."""
        print(f"{time.monotonic() - self.started:5.0f} s  chatlib {' '.join(args)[:90]}", file=sys.stderr)
        done = self._start("-m", "chatlib", *args)
        lines = {"stdout": self._name_paths(done.stdout), "stderr": self._name_paths(done.stderr)}
        return {"exit": done.returncode} | {name: text.splitlines() for name, text in lines.items() if text}

    def describe(self) -> dict[str, object]:
        """Return the commit and the versions beneath it. Raises: SystemExit if another chatlib would run."""
        code = (
            "import chatlib, json, platform, sqlite3, importlib.metadata as m; print(json.dumps({'package': "
            "chatlib.__file__, 'python': platform.python_version(), 'sqlite': sqlite3.sqlite_version, "
            "**{n: m.version(n) for n in ('numpy', 'pandas', 'torch', 'transformers', 'scikit-learn')}}))"
        )
        done = self._start("-c", code)
        if done.returncode:
            raise SystemExit(f"{self.python} must be able to import chatlib's requirements:\n{done.stderr}")
        found = json.loads(done.stdout)
        if not Path(found.pop("package")).resolve().is_relative_to(self.root):
            raise SystemExit(f"A checkout must hold the package chatlib; there is none in {self.root}.")
        git = ["git", "-C", str(self.root), "describe", "--always", "--dirty", "--exclude=*"]
        return found | {"commit": subprocess.run(git, capture_output=True, text=True).stdout.strip()}

    def _start(self, *args: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [self.python, *args]
        return subprocess.run(
            command, cwd=self.scratch, env=env, capture_output=True, text=True, errors="replace"
        )

    def _name_paths(self, text: str) -> str:
        for path, name in ((self.scratch, "SCRATCH"), (self.real.resolve(), "REAL"), (self.root, "CHECKOUT")):
            text = text.replace(str(path), name)
        return text


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
        sys.exit(print_differences(*map(load_digests, args.diff)))
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(args.checkout.resolve(), args.python, Path(folder).resolve())
        digests = digest_checkout(checkout, report=args.report)
    text = json.dumps(digests, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


def digest_checkout(checkout: Checkout, *, report: bool) -> dict[str, object]:
    """Return all digests of a checkout, by part."""
    digests: dict[str, object] = {"about": checkout.describe(), "skipped": {}}
    digests["simulate"] = {name: digest_simulation(checkout, name) for name in SIZES}
    digests["simulated channel"] = digest_simulated_channel(checkout)
    digests["mistakes"] = digest_mistakes(checkout)
    if (checkout.real / CHANNEL / "chat").is_dir():
        (checkout.scratch / "real").symlink_to(checkout.real.resolve())
        digests["channel_2023"] = digest_channel(checkout)
        digests["files"] = digest_files(checkout)
    else:
        digests["skipped"]["channel_2023, files"] = f"no real chat in {checkout.real}"
    if report:
        digests["report"] = digest_report(checkout)
    else:
        digests["skipped"]["report"] = "not asked for; it takes --report"
    for part, reason in digests["skipped"].items():
        print(f"skipped: {part}: {reason}", file=sys.stderr)
    return digests


# ------------------------------------------------------------------ the parts


def digest_simulation(checkout: Checkout, name: str) -> dict[str, object]:
    """Return the digest of every file of a simulated channel, which stays in the scratch folder."""
    said = checkout.run("simulate", *SIZES[name].split(), "--out", name)
    return {"simulate": said, "files": digest_folder(checkout.scratch / name)}


def digest_simulated_channel(checkout: Checkout) -> dict[str, object]:
    """Return what imports, repeated and of newer streams, and analyze make of the small simulation."""
    imports = ("small/first", "small/first", "small")
    said: dict[str, object] = {
        f"import {number} of {path}": checkout.run("import", path, "--db", "small.dbs")
        for number, path in enumerate(imports, 1)
    }
    said["database"] = digest_database(checkout.scratch / "small.dbs")
    said["analyze"] = checkout.run("analyze", "small.dbs", "-o", "small_analytics")
    said["analytics"] = digest_folder(checkout.scratch / "small_analytics")
    write_first_version(checkout.scratch / "small.dbs", checkout.scratch / "first_version.db")
    said["import of the first version"] = checkout.run("import", "first_version.db", "--db", "newer.dbs")
    return said | {"database of the first version": digest_database(checkout.scratch / "newer.dbs")}


def write_first_version(path: Path, old: Path) -> None:
    """Write the chat of a database as one of the first version of this research, with its one table."""
    with closing(sqlite3.connect(old)) as db:
        db.execute("ATTACH ? AS newer", (str(path),))
        db.execute(f"CREATE TABLE main.DBdb AS SELECT id, {_FIRST_VERSION} FROM newer.DBdb ORDER BY id")
        db.commit()


def digest_mistakes(checkout: Checkout) -> dict[str, object]:
    """Return what is said to mistakes."""
    (checkout.scratch / "empty").mkdir()
    (checkout.scratch / "broken.json").write_text('[{"message": "hel')
    (checkout.scratch / "letter.txt").write_text("Dear all,\nthis is no chat.\n")
    return {mistake: checkout.run(*mistake.split()) for mistake in MISTAKES}


def digest_channel(checkout: Checkout) -> dict[str, object]:
    """Return what import and analyze make of a year of a real channel."""
    channel = f"real/{CHANNEL}"
    said: dict[str, object] = {
        "import": checkout.run("import", channel, "--db", "channel.dbs"),
        "import again": checkout.run("import", channel, "--db", "channel.dbs"),
        "import --limit 3": checkout.run("import", channel, "--db", "oldest.dbs", "--limit", "3"),
        "database": digest_database(checkout.scratch / "channel.dbs"),
        "database --limit 3": digest_database(checkout.scratch / "oldest.dbs"),
        "analyze": checkout.run("analyze", "channel.dbs", "-o", "channel_analytics"),
        "analytics": digest_folder(checkout.scratch / "channel_analytics"),
    }
    chats = sorted((checkout.scratch / channel / "chat").iterdir())
    chosen = chats[:: max(1, len(chats) // N_FILES_ANALYZED)][:N_FILES_ANALYZED]
    said["analyze files"] = {
        chat.name: digest_analyzed(checkout, f"{channel}/chat/{chat.name}") for chat in chosen
    }
    said["analyze with options"] = digest_options(checkout, f"{channel}/chat/{chosen[0].name}")
    return said


def digest_options(checkout: Checkout, chat: str) -> dict[str, object]:
    """Return what analyze makes of one chat with other options, and of its own output anew."""
    said = {
        "analyze": checkout.run("analyze", chat, *ANALYZE_OPTIONS.split(), "-o", "options.json"),
        "reanalyze": checkout.run("analyze", "options.json", "-em", "activityPSec", "-o", "anew.json"),
    }
    names = ("options.json", "options.csv", "options.txt", "anew.json")
    return said | {name: digest_file(checkout.scratch / name) for name in names}


def digest_files(checkout: Checkout) -> dict[str, object]:
    """Return what import and analyze make of each other file of real chat, and import of all in one."""
    real = checkout.scratch / "real"
    paths = sorted(p for part in ("youtube", "twitch") for p in (real / part).rglob("*") if p.is_file())
    names = [str(p.relative_to(checkout.scratch)) for p in paths if not p.is_relative_to(real / CHANNEL)]
    said = {name: digest_imported(checkout, name, db=f"file_{i}.dbs") for i, name in enumerate(names)}
    for name in names:
        said[name]["analyze"] = digest_analyzed(checkout, name)
    together = checkout.run("import", *names, "--db", "together.dbs")
    database = digest_database(checkout.scratch / "together.dbs")
    return said | {"all together": {"import": together, "database": database}}


def digest_imported(checkout: Checkout, name: str, *, db: str) -> dict[str, object]:
    """Return what the import of one file into a new database said and made."""
    said = checkout.run("import", name, "--db", db)
    return {"import": said, "database": digest_database(checkout.scratch / db)}


def digest_analyzed(checkout: Checkout, name: str) -> dict[str, object]:
    """Return what the analysis of one chat file said and made."""
    output = checkout.scratch / "analyzed.json"
    output.unlink(missing_ok=True)
    return checkout.run("analyze", name, "-o", output.name) | {"json": digest_file(output)}


def digest_report(checkout: Checkout) -> dict[str, object]:
    """Return all results of a run of the sample, and digests of its tables and its database.

    The run lies in the checkout's own `data/runs`, under a name of its own, and is removed.
    """
    run_dir = checkout.root / "data" / "runs" / f"compare-behaviour-{os.getpid()}"
    try:
        said = checkout.run("run", "--name", run_dir.name)
        if said["exit"]:
            return {"run": said}
        paths = set((run_dir / "results").glob("*.json"))
        results = {path.stem: json.loads(path.read_bytes()) for path in paths}
        but = WITH_TIMINGS | {path.name for path in paths}
        return {
            "results": {" > ".join(key): value for key, value in flatten(results) if not TIMINGS & set(key)},
            "tables": digest_folder(run_dir / "results", but=but),
            "database": digest_database(run_dir / "Db_file.dbs"),
        }
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


# ------------------------------------------------------------------ digests


def digest_database(path: Path) -> dict[str, object] | str:
    """Return row counts and content digests of a chat database, those of messages by stream, too."""
    if not path.is_file():
        return "no file"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        db.text_factory = bytes  # also for text that is no UTF-8
        digests: dict[str, object] = {
            f"rows of {table}": try_query(db, f"SELECT count(*) FROM {table}", read=fetch_count)
            for table in TABLES
        }
        digests |= {name: try_query(db, query, read=digest_rows) for name, query in QUERIES.items()}
        try:
            by_stream = dict(iter_stream_digests(db))
        except sqlite3.Error as error:
            by_stream = {"unreadable": str(error)}
    return digests | {"messages": combine(by_stream), "messages by stream": by_stream}


def try_query(db: sqlite3.Connection, query: str, *, read: Callable[[sqlite3.Cursor], object]) -> object:
    """Return what `read` makes of a query's rows; where a table or column is missing, what SQLite says."""
    try:
        return read(db.execute(query))
    except sqlite3.Error as error:
        return f"unreadable: {error}"


def fetch_count(rows: sqlite3.Cursor) -> int:
    """Return the one number of a query."""
    return rows.fetchone()[0]


def iter_stream_digests(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield `platform/video id` and the digest of the messages of each stream."""
    streams = db.execute("SELECT stream_id, platform, video_id FROM streams ORDER BY 2, 3").fetchall()
    for stream_id, platform, video_id in streams:
        name = b"/".join((platform, video_id)).decode(errors="replace")
        yield name, digest_rows(db.execute(STREAM_MESSAGES, (stream_id,)))


def digest_rows(rows: Iterable[tuple]) -> str:
    """Return the SHA-256 of rows in their order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(row).encode())
    return digest.hexdigest()


def digest_folder(folder: Path, *, but: Collection[str] = ()) -> dict[str, object]:
    """Return the digest of each file below a folder, and of all."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in but)
    files = {str(path.relative_to(folder)): digest_file(path) for path in paths}
    return {"all": combine(files), "by file": files}


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, of what is in it if it is gzipped."""
    if not path.is_file():
        return "no file"
    content = path.read_bytes()
    return hashlib.sha256(gzip.decompress(content) if path.suffix == ".gz" else content).hexdigest()


def combine(digests: Mapping[str, str]) -> str:
    """Return one digest of many named ones."""
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def flatten(value: object, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every leaf of nested dicts and lists with the path to it."""
    if isinstance(value, list):
        value = {str(i): item for i, item in enumerate(value)}
    if not isinstance(value, dict) or not value:
        yield key, value
        return
    for name, item in value.items():
        yield from flatten(item, (*key, str(name)))


# ------------------------------------------------------------------ comparison


def load_digests(path: Path) -> dict[str, object]:
    """Return a JSON of digests. Raises: SystemExit if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"--diff takes two files that --out has written; {path}: {error}") from error


def print_differences(old: dict[str, object], new: dict[str, object]) -> int:
    """Print each key whose value differs, old and new; return 1 if there are any, else 0."""
    about = {"about", "skipped"}
    for part in sorted((old.keys() ^ new.keys()) - about):
        print(f"not compared: {part}, which only the {'first' if part in old else 'second'} file has")
    for key, before, after in iter_differences(old.get("about", {}), new.get("about", {})):
        print(f"made with: {key}: {before} -> {after}")
    n_differences = 0
    parts = sorted((old.keys() & new.keys()) - about)
    for part in parts:
        for key, before, after in iter_differences(old[part], new[part]):
            n_differences += 1
            print(f"{part} > {key}\n{describe_change(before, after)}")
    print(f"compared: {', '.join(parts) or 'nothing'}; keys that differ: {n_differences}")
    return 1 if n_differences or not parts else 0


def iter_differences(old: object, new: object) -> Iterator[tuple[str, object, object]]:
    """Yield path, old and new value wherever two nested dicts differ; a missing value is `absent`."""
    before, after = ({" > ".join(key): value for key, value in flatten_dicts(side)} for side in (old, new))
    for key in sorted(before.keys() | after.keys()):
        pair = before.get(key, "absent"), after.get(key, "absent")
        if pair[0] != pair[1]:
            yield key, *pair


def flatten_dicts(value: object, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every leaf of nested dicts with the path to it; a list of lines is one leaf."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from flatten_dicts(item, (*key, name))
    else:
        yield key, value


def describe_change(old: object, new: object) -> str:
    """Return old and new value: the lines that differ, and of numbers the digits that differ in brackets."""
    if isinstance(old, list) and isinstance(new, list):
        lines = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
        return "\n".join(f"    {line}" for line in lines if not line.startswith("@@"))
    if not all(isinstance(value, (int, float)) for value in (old, new)):
        return f"    {old}\n    {new}"
    texts = repr(old), repr(new)
    n_same = next((i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    before, after = (f"{text[:n_same]}[{text[n_same:]}]" for text in texts)
    return f"    {before} -> {after}  (by {abs(new - old) / max(abs(old), abs(new)):.1e})"


if __name__ == "__main__":
    main()
