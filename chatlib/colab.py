"""What only Google Colab has: packages to install, secrets, and a Drive that outlives the runtime."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from chatlib.errors import ChatlibError, ParameterError
from chatlib.files import atomic_path

__all__ = [
    "BROWSER", "MOUNT_POINT", "copy_to_drive", "find_version", "in_colab", "install_missing", "open_drive",
    "read_secret", "restore_from_drive",
]  # fmt: skip

BROWSER = "google-colab-selenium>=1.0.18"  # the browser that lists a channel there
MOUNT_POINT = Path("/content/drive")

# What a kernel of Colab has loaded, or was built for its GPU: never upgraded.
_HELD = (
    "ipykernel", "ipython", "jupyter-client", "jupyter-core", "numpy", "pandas", "pyzmq", "torch", "tornado",
    "traitlets",
)  # fmt: skip
_DATABASE = "Db_file.dbs"
_FOLDERS = ("models", "results")

log = logging.getLogger(__name__)


def in_colab() -> bool:
    """Return whether this is a Google Colab runtime."""
    return "google.colab" in sys.modules  # its kernel has loaded it


def read_secret(name: str) -> str | None:
    """Return one of the user's Colab secrets, None outside Colab or where it is missing or withheld."""
    if not in_colab():
        return None
    try:
        from google.colab import userdata

        return str(userdata.get(name) or "").strip() or None
    except Exception as error:  # no such secret, no access, no browser: Colab raises its own of each
        log.info("Colab's secret %s was not given (%s)", name, type(error).__name__)
        return None


def install_missing(requirements: str | Path) -> list[str]:
    """On Colab, install the requirements that are missing or too old, and only those; return them.

    Packages that the running kernel depends on are neither upgraded nor replaced. Elsewhere `make` has
    set up the environment, and nothing is done.

    Raises: ChatlibError with pip's message if it fails.
    """
    if not in_colab():
        return []
    lines = Path(requirements).read_text(encoding="utf-8").splitlines()
    wanted = [wanted for line in lines if (wanted := line.split("#")[0].strip())]
    missing = [requirement for requirement in [*wanted, BROWSER] if not _is_installed(requirement)]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            held = Path(folder) / "held.txt"
            pins = [f"{name}=={version}\n" for name in _HELD if (version := find_version(name))]
            held.write_text("".join(pins))
            command = [sys.executable, "-m", "pip", "install", "-q", "-c", str(held), *missing]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ChatlibError(
                f"pip must install {', '.join(missing)}, and could not. Choose the latest runtime version "
                f"(menu Runtime), or install them by hand. pip's message:\n{done.stderr.strip()}"
            )
        importlib.invalidate_caches()
    return missing


def open_drive(folder: str) -> Path:
    """Return `folder` of the user's Drive, made if needed; mounts the Drive first, which the user must allow.

    Raises: ParameterError outside Colab, for a folder outside the Drive, or if mounting was declined.
    """
    name = Path(folder)
    if name.is_absolute() or ".." in name.parts:
        raise ParameterError(f'DRIVE must be a folder in your Drive, such as "chat", got {folder!r}.')
    try:
        from google.colab import drive
    except ImportError:
        raise ParameterError(
            f"DRIVE is for Colab only, got {folder!r}. Elsewhere RUN_DIR can be any folder that you keep."
        ) from None
    try:
        if not (MOUNT_POINT / "MyDrive").is_dir():
            drive.mount(str(MOUNT_POINT))
        path = MOUNT_POINT / "MyDrive" / name
        path.mkdir(parents=True, exist_ok=True)
    except Exception as error:  # Colab raises several of its own, and ValueError when declined
        raise ParameterError(
            f"Your Drive must be mounted for DRIVE = {folder!r}, and it was not ({error}). "
            'Allow it, or set DRIVE = "" to work without.'
        ) from error
    return path


def restore_from_drive(drive: Path, root: Path) -> list[str]:
    """Copy from Drive what the run folder `root` lacks; return the names of what was copied.

    Files in `root` are never replaced: they may be newer. SQLite works on the local copy only.
    """
    copied = []
    if (drive / _DATABASE).is_file() and not (root / _DATABASE).exists():
        _copy_whole(drive / _DATABASE, root / _DATABASE)
        copied.append(_DATABASE)
    for name in _FOLDERS:
        if (drive / name).is_dir() and not (root / name).exists():
            shutil.copytree(drive / name, root / name)
            copied.append(name)
    return copied


def copy_to_drive(root: Path, drive: Path) -> None:
    """Copy the run in `root` to Drive: a consistent copy of the database, then newer models and results."""
    if (root / _DATABASE).is_file():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / _DATABASE
            with closing(sqlite3.connect(root / _DATABASE)) as db, closing(sqlite3.connect(copy)) as backup:
                db.backup(backup)
            _copy_whole(copy, drive / _DATABASE)
    for path in sorted(path for name in _FOLDERS for path in (root / name).rglob("*") if path.is_file()):
        target = drive / path.relative_to(root)
        if not target.is_file() or target.stat().st_mtime < path.stat().st_mtime:
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy_whole(path, target)
    log.info("kept in %s", drive)


def _is_installed(requirement: str) -> bool:
    """Return whether a package is there and new enough; packages in `_HELD` are always new enough."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    version = find_version(wanted.name)
    return version is not None and (
        wanted.name in _HELD or wanted.specifier.contains(version, prereleases=True)
    )


def find_version(name: str) -> str | None:
    """Return which version of a package is installed, None if none is."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _copy_whole(source: Path, target: Path) -> None:
    with atomic_path(target) as part:
        shutil.copy2(source, part)
