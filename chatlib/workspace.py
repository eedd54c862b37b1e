"""Where files live, the seed, and whether this is Colab. Nothing happens at import."""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chatlib.errors import ChatlibError, MissingSource, ParameterError

if TYPE_CHECKING:
    from tqdm import tqdm

# What only some functions need is imported in them: a command must be fast to start.

__all__ = [
    "HEADLESS",
    "PROJECT_DIR",
    "SAMPLE_DIR",
    "Workspace",
    "in_colab",
    "install_missing",
    "open_workspace",
    "progress_bar",
    "rare_gc",
    "resolve_path",
    "set_seed",
    "without_gc",
]

_CHECKOUT = Path(__file__).resolve().parents[1]
# The clone that chatlib lies in; where it was installed without one, the current folder.
PROJECT_DIR = _CHECKOUT if (_CHECKOUT / "notebooks").is_dir() else Path.cwd()
SAMPLE_DIR = PROJECT_DIR / "data" / "sample"

COLAB_BROWSER = "google-colab-selenium>=1.0.18"  # the browser that lists a channel there

# What a kernel of Colab has loaded, or was built for its GPU: taken as it is.
_HELD = (
    "ipykernel",
    "ipython",
    "jupyter-client",
    "jupyter-core",
    "numpy",
    "pandas",
    "pyzmq",
    "torch",
    "tornado",
    "traitlets",
)

HEADLESS = "CHATLIB_HEADLESS"  # set in the environment of kernels that the chain starts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workspace:
    """The folder of one run, or `data` when working by hand, and what lies where in it."""

    root: Path
    drive: Path | None = None  # on Colab, where the run is kept besides

    @property
    def db(self) -> Path:
        """The chat database."""
        return self.root / "Db_file.dbs"

    @property
    def models(self) -> Path:
        """The folder of trained models, each in a folder of its own."""
        return self.root / "models"

    @property
    def results(self) -> Path:
        """The folder of the notebooks' results, one JSON each, and of their tables."""
        return self.root / "results"

    def save_results(self, name: str, results: Mapping[str, object]) -> None:
        """Write a notebook's named results as `results/NAME.json`.

        NaN and infinity become null; numpy numbers become numbers. It is what a notebook does last,
        so with a Drive the run is kept there now.
        """
        self.results.mkdir(parents=True, exist_ok=True)
        path = self.results / f"{name}.json"
        path.write_text(json.dumps(_plain(results), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if self.drive:
            self.copy_to_drive()

    def copy_to_drive(self) -> None:
        """Copy the run to its folder on Drive, the database with SQLite's backup. Nothing without a Drive."""
        from chatlib.colab import keep_run

        if self.drive:
            keep_run(self.root, self.drive)

    def load_results(self, name: str) -> dict[str, object]:
        """Read back what a notebook wrote. Raises: MissingSource if it has not run here."""
        path = self.results / f"{name}.json"
        if not path.is_file():
            raise MissingSource(
                f"{name} must have run before, but {path} is missing. Run that notebook first."
            )
        return json.loads(path.read_text(encoding="utf-8"))


def open_workspace(run_dir: str | Path, *, drive: str = "") -> Workspace:
    """Return the workspace at `run_dir`, made if needed; a relative path starts at the project.

    `drive`, on Colab, is a folder of the user's Drive: what it keeps of the run, and is not at
    `run_dir`, is brought from there. Raises: ParameterError for a folder that cannot be had.
    """
    root = resolve_path(run_dir)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(
            f"RUN_DIR must be a folder that can be written, got {root} ({error})."
        ) from error
    if not drive:
        return Workspace(root)
    from chatlib.colab import bring_run, open_drive

    folder = open_drive(drive)
    brought = bring_run(folder, root)
    log.warning("Drive folder %s: brought %s", drive, ", ".join(brought) or "nothing")
    return Workspace(root, folder)


def resolve_path(path: str | Path) -> Path:
    """Return an absolute path; `~` is the home folder, a relative path starts at the project."""
    return (PROJECT_DIR / Path(path).expanduser()).resolve()


def set_seed(seed: int) -> np.random.Generator:
    """Seed `random` and numpy's old global generator; return a new generator to hand around."""
    import random

    random.seed(seed)
    np.random.seed(seed % 2**32)
    return np.random.default_rng(seed)


def in_colab() -> bool:
    """Return whether this is a Google Colab runtime."""
    return "google.colab" in sys.modules  # its kernel has loaded it


def install_missing() -> list[str]:
    """On Colab, install the requirements that are not there yet, and only those; return them.

    What the running kernel stands on is neither upgraded nor replaced, whatever a package wishes.
    Elsewhere `make` has set up the environment, and nothing is done.

    Raises: ChatlibError with what pip said, if it could not.
    """
    if not in_colab():
        return []
    lines = (PROJECT_DIR / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
    missing = [requirement for requirement in [*wanted, COLAB_BROWSER] if not _is_installed(requirement)]
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            held = Path(folder) / "held.txt"
            held.write_text("".join(f"{name}=={version}\n" for name, version in _find_held().items()))
            command = [sys.executable, "-m", "pip", "install", "-q", "-c", str(held), *missing]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ChatlibError(
                f"pip must install {', '.join(missing)}, and could not. Choose the latest runtime version "
                f"(menu Runtime), or install them by hand. It said:\n{done.stderr.strip()}"
            )
        importlib.invalidate_caches()
    return missing


def progress_bar(iterable: Iterable | None = None, **kwargs: object) -> tqdm:
    """Return a tqdm bar that is seen where a person looks, and silent elsewhere.

    Seen in a terminal and in a notebook run by hand; silent in logs and in the headless chain,
    which has a bar of its own. `kwargs` are tqdm's.
    """
    from tqdm import tqdm

    by_hand = _in_kernel() and not os.environ.get(HEADLESS)
    return tqdm(iterable, **{"disable": False if by_hand else None, "leave": not by_hand, **kwargs})


@contextmanager
def without_gc() -> Iterator[None]:
    """Spare the garbage collector a million rows, none in a cycle, that it would walk again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def rare_gc() -> Iterator[None]:
    """Let the garbage collector look rarely, where millions of short-lived objects are in no cycle."""
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _in_kernel() -> bool:
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")


def _is_installed(requirement: str) -> bool:
    """Return whether a package is there, new enough unless the running kernel stands on it."""
    from packaging.requirements import Requirement

    wanted = Requirement(requirement)
    version = _find_version(wanted.name)
    return bool(version) and (wanted.name in _HELD or wanted.specifier.contains(version, prereleases=True))


def _find_held() -> dict[str, str]:
    return {name: version for name in _HELD if (version := _find_version(name))}


def _find_version(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
