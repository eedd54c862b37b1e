"""What a run says of itself: its data, times, versions, and the command that makes it again."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import chatlib
from chatlib.pipeline.notebooks import NOTEBOOKS
from chatlib.store import open_store
from chatlib.workspace import PROJECT_DIR

__all__ = ["describe_run", "say_command"]


def describe_run(
    run_dir: Path,
    steps: Mapping[str, Mapping[str, object]],
    *,
    chats: Path | None,
    channels: str | None,
    general: Mapping[str, object],
) -> dict[str, object]:
    """Return what `run.json` holds, of the notebooks that have run; `general` is given to all of them.

    `steps` tells of each notebook its `given` and all its `parameters`, `seconds` and `finished_at`.
    """
    done = [notebook for notebook in NOTEBOOKS if notebook in steps]
    given = {notebook: steps[notebook]["given"] for notebook in done}
    return {
        "name": run_dir.name,
        "chats": chats and str(chats),
        "channels": channels,
        "command": say_command(run_dir.name, given, chats=chats, channels=channels, general=general),
        "data": _describe_data(run_dir / "Db_file.dbs"),
        "parameters": {notebook: steps[notebook]["parameters"] for notebook in done},
        "seconds": {notebook: steps[notebook]["seconds"] for notebook in done},
        "seconds_in_all": round(sum(steps[notebook]["seconds"] for notebook in done), 1),
        "finished_at": max(step["finished_at"] for step in steps.values()),
        "versions": _find_versions(),
    }


def say_command(
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
    """Return a shell's word; a path near the project is relative to it, and one at home starts with ~."""
    path = Path(word)
    if path.is_absolute() and path.is_relative_to(PROJECT_DIR.parent):
        return shlex.quote(os.path.relpath(path, PROJECT_DIR))
    if path.is_absolute() and path.is_relative_to(Path.home()):
        return f"~/{shlex.quote(str(path.relative_to(Path.home())))}"
    return shlex.quote(word)


def _describe_data(db: Path) -> dict[str, object]:
    if not db.is_file():
        return {}
    with open_store(db) as store:
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
