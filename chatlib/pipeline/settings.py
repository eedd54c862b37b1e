"""What a run is asked to do, each default once; and what it says of itself in `run.json`."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

import chatlib
from chatlib.colab import find_version
from chatlib.errors import ParameterError
from chatlib.options import option
from chatlib.workspace import PROJECT_DIR, RUNS_DIR, hide_paths, shorten_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "NOTEBOOKS",
    "NOTEBOOKS_DIR",
    "RunSettings",
    "Step",
    "Steps",
    "describe_run",
    "find_run",
    "format_command",
    "load_steps",
    "lock_run",
    "require_notebooks",
]

NOTEBOOKS = ("01_collect", "02_update", "03_pretrain", "04_predict", "05_analyze")
NOTEBOOKS_DIR = PROJECT_DIR / "notebooks"


@dataclass(frozen=True)
class RunSettings:
    """The options of a run.

    `chats` is a chat file or a folder of them, `channels` a channel's address or a list of
    channels; without either the simulated sample channel is used. `overrides` are `NOTEBOOK.KEY=VALUE`.
    `start` and `only` name a notebook: the first to run, or the only one.
    """

    name: str = option("", "folder of the run in data/runs (default: from what it is of)", metavar="NAME")
    chats: str = option("", "a chat file, or a folder of them", metavar="PATH")
    channels: str = option("", "a channel's address on YouTube or Twitch, or a list", metavar="CHANNELS")
    limit: int = option(0, "only N streams; 0 is all")
    overrides: Sequence[str] = ()
    start: str = option("", "start with this notebook, such as 03", "--from", metavar="NOTEBOOK")
    only: str = option("", "run this notebook alone, such as 05", metavar="NOTEBOOK")
    cell_timeout_s: int = option(4 * 3600, "seconds that one cell may take", "--cell-timeout", metavar="S")
    runs_dir: Path = RUNS_DIR
    notebooks_dir: Path = NOTEBOOKS_DIR

    @property
    def run_dir(self) -> Path:
        """The run's folder, absolute. Raises: ParameterError for a name that is none."""
        default = "chats" if self.chats else "channels" if self.channels else "sample"
        return find_run(self.name or default, runs_dir=self.runs_dir)


def find_run(name: str, *, runs_dir: Path = RUNS_DIR) -> Path:
    """Return the folder of a run, which need not exist. Raises: ParameterError for a name that is none."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ParameterError(
            "A run's name consists of letters, digits, '.', '_' and '-', and starts with a letter or digit, "
            f"got {name!r}."
        )
    return runs_dir.resolve() / name


def require_notebooks(notebooks_dir: Path = NOTEBOOKS_DIR) -> None:
    """Raise ParameterError where chatlib was installed without the project's notebooks."""
    if not notebooks_dir.is_dir():
        raise ParameterError(
            "This command needs the project's notebooks, and chatlib was installed without them. Clone the "
            f"project and run the command in its folder; there are none in {notebooks_dir}."
        )


@dataclass(frozen=True)
class Step:
    """A notebook that has run. `key` changes with its code and with what it was given."""

    key: str
    given: dict[str, object]
    parameters: dict[str, object]
    seconds: float
    finished_at: str


Steps = dict[str, Step]  # by notebook


def load_steps(run_dir: Path) -> Steps:
    """Return the notebooks of a run that count as done; nothing where that cannot be read."""
    try:
        saved = json.loads((run_dir / "steps.json").read_text(encoding="utf-8"))
        return {notebook: Step(**step) for notebook, step in saved.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


@contextmanager
def lock_run(run_dir: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder; the lock ends with the process.

    Raises: ParameterError where another one has it.
    """
    try:
        with FileLock(run_dir / ".lock", timeout=0):
            yield
    except Timeout:
        raise ParameterError(
            f"The run {run_dir.name!r} is in progress already. Wait for it, or give this one another name "
            "(NAME=…, or --name)."
        ) from None


def describe_run(
    run_dir: Path,
    steps: Mapping[str, Step],
    *,
    chats: Path | None,
    channels: str | None,
    general: Mapping[str, object],
    streams: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return what `run.json` holds, of the notebooks that have run; `general` is given to all of them.

    `streams` is the table of streams, by default the database's. No folder outside the project is named.
    """
    done = [notebook for notebook in NOTEBOOKS if notebook in steps]
    given = {notebook: steps[notebook].given for notebook in done}
    record = {
        "name": run_dir.name,
        "chats": chats and str(chats),
        "channels": channels,
        "command": format_command(run_dir.name, given, chats=chats, channels=channels, general=general),
        "data": _describe_data(_load_streams(run_dir / "Db_file.dbs") if streams is None else streams),
        "parameters": {notebook: steps[notebook].parameters for notebook in done},
        "seconds": {notebook: steps[notebook].seconds for notebook in done},
        "seconds_in_all": round(sum(steps[notebook].seconds for notebook in done), 1),
        "finished_at": max((step.finished_at for step in steps.values()), default=None),
        "versions": _find_versions(),
    }
    hidden = [run_dir, *filter(None, [chats, Path(channels) if channels else None])]
    return hide_paths(record, *(path for path in hidden if path.is_absolute()))


def format_command(
    name: str,
    given: Mapping[str, Mapping[str, object]],
    *,
    chats: Path | None,
    channels: str | None,
    general: Mapping[str, object],
) -> str:
    """Return the command that makes the run again, for a shell in the project's folder."""
    words = ["run", "--name", name]
    if chats:
        words += ["--chats", str(chats)]
    if channels:
        words += ["--channels", channels]
    if general.get("LIMIT"):
        words += ["--limit", str(general["LIMIT"])]
    for notebook, parameters in given.items():
        for key, value in parameters.items():
            if key not in general or general[key] != value:
                words += ["-p", f"{notebook[:2]}.{key}={value}"]
    if words == ["run", "--name", "sample"]:
        return "make report"
    return ".venv/bin/chatlib " + " ".join(map(_quote, words))


def _quote(word: str) -> str:
    """Return a word for a shell, a path shortened; `~/` stays outside the quotes, so that it is expanded."""
    short = shorten_path(word) if Path(word).is_absolute() else word
    return f"~/{shlex.quote(short[2:])}" if short.startswith("~/") else shlex.quote(short)


def _load_streams(db: Path) -> pd.DataFrame | None:
    from chatlib.store import open_store  # pandas: a command must start fast

    if not db.is_file():
        return None
    with open_store(db, read_only=True) as store:
        return store.load_streams()


def _describe_data(streams: pd.DataFrame | None) -> dict[str, object]:
    if streams is None:
        return {}
    days = streams["started_at"].dropna().astype(str).str[:10]
    return {
        "streams": len(streams),
        "messages": int(streams["n_messages"].sum()),
        "first_day": days.min() if len(days) else None,
        "last_day": days.max() if len(days) else None,
        "channels": sorted(set(streams["channel_name"].dropna())),
        "platforms": sorted(set(streams["platform"])),
        "simulated_streams": int(streams["simulated"].sum()),
    }


def _find_versions() -> dict[str, str | None]:
    path = PROJECT_DIR / "requirements.txt"  # where chatlib was installed without its clone, there is none
    lines = path.read_text("utf-8").splitlines() if path.is_file() else importlib.metadata.requires("chatlib")
    named = [line for line in lines or () if line and not line.startswith("#") and "extra ==" not in line]
    packages = [re.split(r"[<>=#\s]", line)[0] for line in named]
    return {
        "chatlib": chatlib.__version__,
        "python": platform.python_version(),
        **{package: find_version(package) for package in packages},
    }
