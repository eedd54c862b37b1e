"""Where files live; seeds, progress bars and the garbage collector."""

from __future__ import annotations

import ast
import ctypes
import gc
import json
import logging
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatlib.errors import ParameterError
from chatlib.files import atomic_write
from chatlib.text import suggest_name

if TYPE_CHECKING:
    from tqdm import tqdm

# What only some functions need is imported in them: a command must be fast to start.

__all__ = [
    "HEADLESS",
    "PROJECT_DIR",
    "RUNS_DIR",
    "SAMPLE_DIR",
    "Workspace",
    "check_type",
    "hide_paths",
    "list_runs",
    "locate_path",
    "locate_run",
    "map_texts",
    "open_workspace",
    "progress_bar",
    "rare_gc",
    "release_memory",
    "resolve_path",
    "shorten_path",
]

_CHECKOUT = Path(__file__).resolve().parents[1]
# The clone that chatlib lies in; where it was installed without one, the current folder.
PROJECT_DIR = _CHECKOUT if (_CHECKOUT / "notebooks").is_dir() else Path.cwd()
SAMPLE_DIR = PROJECT_DIR / "data" / "sample"
RUNS_DIR = PROJECT_DIR / "data" / "runs"

HEADLESS = "CHATLIB_HEADLESS"  # set in the environment of kernels that the chain starts

# Around a path in a text: it is no part of a longer one, or of an address.
_NOT_WITHIN, _NOT_BEFORE = r"(?:(?<=file://)|(?<![\w./~-]))", r"(?![\w-])"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workspace:
    """The folder of one run, or `data` when working by hand, and what lies where in it."""

    root: Path
    drive: Path | None = None  # on Colab, the folder that the run is copied to

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

        NaN and infinity become null; numpy numbers become numbers. A notebook does this last, so with
        a Drive the run is copied there now.
        """
        text = json.dumps(_plain(results), indent=2, ensure_ascii=False) + "\n"
        atomic_write(self.results / f"{name}.json", text)
        if self.drive:
            from chatlib import colab

            colab.copy_to_drive(self.root, self.drive)


def open_workspace(run_dir: str | Path, *, drive: str = "") -> Workspace:
    """Return the workspace at `run_dir`, whose first file makes it; a relative path starts at the project.

    `drive`, on Colab, is a folder of the user's Drive; what it holds of the run and `run_dir` lacks is
    copied from there. Raises: ParameterError for a folder that cannot be used, and in a notebook for a
    parameter of another type than its default.
    """
    if "IPython" in sys.modules:  # a notebook: its tables have one style
        from chatlib.tables import style_tables

        style_tables()
        _check_parameters(sys.modules["IPython"].get_ipython())
    root = resolve_path(run_dir)
    nearest = next(path for path in (root, *root.parents) if os.path.lexists(path))
    if not (nearest.is_dir() and os.access(nearest, os.R_OK | os.X_OK)):
        raise ParameterError(
            f"RUN_DIR must be a folder, and {nearest} is none, or not readable. Name another."
        )
    if not drive:
        return Workspace(root)
    from chatlib import colab

    folder = colab.open_drive(drive)
    copied = colab.restore_from_drive(folder, root)
    log.warning("Drive folder %s: copied %s from it", drive, ", ".join(copied) or "nothing")
    return Workspace(root, folder)


def check_type(name: str, value: object, default: object) -> None:
    """Raise ParameterError for a parameter of another type than its default; an int is a float, too."""
    if type(value) is not type(default) and not (isinstance(default, float) and type(value) is int):
        kind = type(default).__name__
        raise ParameterError(f"{name} takes a value of type {kind}, such as {default!r}, got {value!r}.")


def _check_parameters(shell: Any) -> None:
    """Check the types of what papermill gave a notebook: its cell follows the one with the defaults."""
    cells = getattr(shell, "user_ns", {}).get("In", [])
    for defaults, given in pairwise(cells):
        if given.startswith("# Parameters\n"):
            for node in ast.parse(defaults).body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    name = node.targets[0].id
                    with suppress(ValueError, KeyError):  # what is derived, or deleted since
                        check_type(name, shell.user_ns[name], ast.literal_eval(node.value))


def resolve_path(path: str | Path) -> Path:
    """Return an absolute path; `~` is the home folder, a relative path starts at the project."""
    return (PROJECT_DIR / Path(path).expanduser()).resolve()


def locate_path(path: str | Path) -> Path:
    """Return the absolute path of what a command names, in the current folder or else in the project."""
    here = Path(path).expanduser().absolute()
    return here if here.exists() else resolve_path(path)


def list_runs() -> list[str]:
    """Return the names of the runs in `data/runs`, sorted: each has a database, or pages of one file."""
    files = [*RUNS_DIR.glob("*/Db_file.dbs"), *RUNS_DIR.glob("*/index.html")]
    return sorted({path.parent.name for path in files})


def locate_run(name_or_path: str | Path) -> Workspace:
    """Return the run that a command names: by its name in `data/runs`, or by its folder.

    Raises: ParameterError if neither exists; it suggests the closest name.
    """
    named = RUNS_DIR / Path(name_or_path).name
    is_name = str(name_or_path) == named.name and named.is_dir()
    root = named if is_name else locate_path(name_or_path)
    if not root.is_dir():
        known = list_runs()
        hint = suggest_name(Path(name_or_path).name, known) or f"Runs: {', '.join(known) or 'none yet'}."
        raise ParameterError(f"A run is named by its name or its folder, got {str(name_or_path)!r}. {hint}")
    return Workspace(root)


def shorten_path(path: str | Path) -> str:
    """Return an absolute path as others may see it.

    Within the project it is relative, in the home folder it starts with `~/`: `resolve_path` leads back. Of
    any other only the name is left, after `…/`.
    """
    path = Path(path)
    if path.is_relative_to(PROJECT_DIR):
        return path.relative_to(PROJECT_DIR).as_posix()
    if (home := _find_home()) and path.is_relative_to(home):
        return "~/" + path.relative_to(home).as_posix()
    return f"…/{path.name}"


def _find_home() -> Path | None:
    """Return the home folder; None where there is none, or the root of all folders, as in containers."""
    with suppress(RuntimeError):
        return home if (home := Path.home()) != home.parent else None
    return None


def hide_paths(value: Any, *more: Path) -> Any:
    """Return text, or all texts of a JSON value but pictures, without this machine's folders.

    Hidden are the project's folder, the home folder and `more`, each as `shorten_path` shows it.
    """

    home = _find_home()

    def hide(text: str) -> str:
        """Return one text without them."""
        if os.sep not in text:
            return text
        for path in more:
            text = re.sub(_NOT_WITHIN + re.escape(str(path)) + _NOT_BEFORE, shorten_path(path), text)
        text = re.sub(_NOT_WITHIN + re.escape(f"{PROJECT_DIR}{os.sep}"), "", text)
        text = re.sub(_NOT_WITHIN + re.escape(str(PROJECT_DIR)) + _NOT_BEFORE, ".", text)
        return re.sub(_NOT_WITHIN + re.escape(str(home)) + _NOT_BEFORE, "~", text) if home else text

    return map_texts(value, hide)


def map_texts(value: Any, change: Callable[[str], object]) -> Any:
    """Return a JSON value with `change` of each text in it, but for keys and pictures."""
    if isinstance(value, dict):
        return {k: v if k.startswith("image/") else map_texts(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def progress_bar(iterable: Iterable[Any] | None = None, **kwargs: Any) -> tqdm:
    """Return a tqdm bar that is shown in a terminal and in a notebook run by hand.

    It is silent in logs, and in the headless chain, which has a bar of its own. `kwargs` are tqdm's.
    """
    from tqdm import tqdm

    ipython = sys.modules.get("IPython")
    in_kernel = hasattr(ipython and ipython.get_ipython(), "kernel")
    by_hand = in_kernel and not os.environ.get(HEADLESS)
    return tqdm(iterable, **{"disable": False if by_hand else None, "leave": not by_hand, **kwargs})


@contextmanager
def rare_gc() -> Iterator[None]:
    """Run the garbage collector rarely, where millions of objects are made that are in no cycle."""
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def release_memory() -> None:
    """Give free memory back to the system, as glibc does not by itself in the midst of its heap."""
    with suppress(OSError, TypeError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's arrays and numbers
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
