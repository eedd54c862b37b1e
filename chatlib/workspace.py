"""Where files live, the seed, and whether this is Colab. Nothing happens at import."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chatlib.errors import MissingSource, ParameterError

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
    "resolve_path",
    "set_seed",
    "without_gc",
]

PROJECT_DIR = Path(__file__).resolve().parents[1]
SAMPLE_DIR = PROJECT_DIR / "data" / "sample"

COLAB_BROWSER = "google-colab-selenium>=1.0.18"  # the browser that lists a channel there

HEADLESS = "CHATLIB_HEADLESS"  # set in the environment of kernels that the chain starts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workspace:
    """The folder of one run, or `data` when working by hand, and what lies where in it."""

    root: Path

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

        NaN and infinity become null; numpy numbers become numbers.
        """
        self.results.mkdir(parents=True, exist_ok=True)
        path = self.results / f"{name}.json"
        path.write_text(json.dumps(_plain(results), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def load_results(self, name: str) -> dict[str, object]:
        """Read back what a notebook wrote. Raises: MissingSource if it has not run here."""
        path = self.results / f"{name}.json"
        if not path.is_file():
            raise MissingSource(
                f"{name} must have run before, but {path} is missing. Run that notebook first."
            )
        return json.loads(path.read_text(encoding="utf-8"))


def open_workspace(run_dir: str | Path) -> Workspace:
    """Return the workspace at `run_dir`, made if needed; a relative path starts at the project."""
    root = resolve_path(run_dir)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(
            f"RUN_DIR must be a folder that can be written, got {root} ({error})."
        ) from error
    return Workspace(root)


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
    return importlib.util.find_spec("google.colab") is not None if "google" in sys.modules else False


def install_missing() -> list[str]:
    """On Colab, install the requirements that are not there yet, and only those; return them.

    Elsewhere `make` has set up the environment, and nothing is done.
    """
    if not in_colab():
        return []
    lines = (PROJECT_DIR / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
    wanted.append(COLAB_BROWSER)
    missing = [requirement for requirement in wanted if not _is_installed(requirement)]
    if missing:
        log.warning("installing %s", ", ".join(missing))
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", *missing], check=True)
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


def _in_kernel() -> bool:
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")


def _is_installed(requirement: str) -> bool:
    import importlib.metadata

    name = re.split(r"[<>=!~\[ ]", requirement)[0]
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


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
