"""What a run says of itself: its data, times, versions, and the command that makes it again."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chatlib
from chatlib.pipeline.settings import NOTEBOOKS
from chatlib.store import open_store
from chatlib.workspace import PROJECT_DIR, hide_paths, shorten_path

__all__ = ["Step", "describe_run", "format_command"]


@dataclass(frozen=True)
class Step:
    """A notebook that has run. `key` changes with its code and with what it was given."""

    key: str
    given: dict[str, object]
    parameters: dict[str, object]
    seconds: float
    finished_at: str


def describe_run(
    run_dir: Path,
    steps: Mapping[str, Step],
    *,
    chats: Path | None,
    channels: str | None,
    general: Mapping[str, object],
) -> dict[str, Any]:
    """Return what `run.json` holds, of the notebooks that have run; `general` is given to all of them.

    It names no folder of this machine outside the project.
    """
    done = [notebook for notebook in NOTEBOOKS if notebook in steps]
    given = {notebook: steps[notebook].given for notebook in done}
    record = {
        "name": run_dir.name,
        "chats": chats and str(chats),
        "channels": channels,
        "command": format_command(run_dir.name, given, chats=chats, channels=channels, general=general),
        "data": _describe_data(run_dir / "Db_file.dbs"),
        "parameters": {notebook: steps[notebook].parameters for notebook in done},
        "seconds": {notebook: steps[notebook].seconds for notebook in done},
        "seconds_in_all": round(sum(steps[notebook].seconds for notebook in done), 1),
        "finished_at": max(step.finished_at for step in steps.values()),
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


def _describe_data(db: Path) -> dict[str, object]:
    if not db.is_file():
        return {}
    with open_store(db, read_only=True) as store:
        streams = store.load_streams()
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
    lines = (PROJECT_DIR / "requirements.txt").read_text(encoding="utf-8").splitlines()
    packages = [re.split(r"[<>=#\s]", line)[0] for line in lines if line and not line.startswith("#")]
    return {
        "chatlib": chatlib.__version__,
        "python": platform.python_version(),
        **{package: _find_version(package) for package in packages},
    }


def _find_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # torch, where somebody only analyzes
        return None
