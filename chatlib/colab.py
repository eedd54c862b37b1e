"""Google Drive as the place that keeps a run when its Colab runtime ends. Nothing needs it."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from chatlib.errors import ParameterError

__all__ = ["MOUNT_POINT", "bring_run", "keep_run", "open_drive"]

MOUNT_POINT = Path("/content/drive")

_DATABASE = "Db_file.dbs"
_FOLDERS = ("models", "results")

log = logging.getLogger(__name__)


def open_drive(folder: str) -> Path:
    """Return `folder` of the user's Drive, made if needed; asks the user to mount the Drive if it is not.

    Raises: ParameterError outside Colab, for a folder that leaves the Drive, or if mounting was declined.
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


def bring_run(drive: Path, root: Path) -> list[str]:
    """Copy from Drive what is not in the run folder `root` yet; return what came.

    What is there already stays: it may be newer. SQLite works on the local copy only.
    """
    brought = []
    if (drive / _DATABASE).is_file() and not (root / _DATABASE).exists():
        _copy_whole(drive / _DATABASE, root / _DATABASE)
        brought.append(_DATABASE)
    for name in _FOLDERS:
        if (drive / name).is_dir() and not (root / name).exists():
            shutil.copytree(drive / name, root / name)
            brought.append(name)
    return brought


def keep_run(root: Path, drive: Path) -> None:
    """Copy the run in `root` to Drive: the database as one whole, open or not, then models and results."""
    if (root / _DATABASE).is_file():
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / _DATABASE
            with (
                closing(sqlite3.connect(root / _DATABASE)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            _copy_whole(copy, drive / _DATABASE)
    for path in sorted(path for name in _FOLDERS for path in (root / name).rglob("*") if path.is_file()):
        target = drive / path.relative_to(root)
        if not target.is_file() or target.stat().st_mtime < path.stat().st_mtime:
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy_whole(path, target)
    log.info("kept in %s", drive)


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a file as a whole or not at all."""
    part = target.with_name(target.name + ".part")
    shutil.copy2(source, part)
    part.replace(target)
