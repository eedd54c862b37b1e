"""Pictures of a run for the README: each chapter's key figure, and the outline of all."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import nbformat

from chatlib.errors import MissingSource
from chatlib.notebooks import NOTEBOOKS
from chatlib.plots.outline import plot_outline

__all__ = ["KeyFigure", "find_key_figure", "save_key_figures", "save_outline"]

KeyFigure = tuple[str, dict[str, object]]


def save_key_figures(run_dir: Path, images_dir: Path) -> list[Path]:
    """Write each chapter's key figure as `NN_name.png`; return the paths.

    Raises: MissingSource if the run is not complete.
    """
    _load_record(run_dir)
    paths = []
    for notebook in NOTEBOOKS:
        if found := find_key_figure(nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)):
            paths.append(images_dir / f"{notebook}.png")
            paths[-1].write_bytes(base64.b64decode(found[0]))
    return paths


def save_outline(run_dir: Path, images_dir: Path) -> Path:
    """Write the picture of the project, with the numbers of a run, as `outline.png`; return the path.

    Raises: MissingSource if the run is not complete, or older than this version.
    """
    record = _load_record(run_dir)
    if "data" not in record:
        raise MissingSource(f"The run in {run_dir} must be of this version, and is older. Run it again.")
    results = {
        name: json.loads((run_dir / "results" / f"{name}.json").read_text("utf-8")) for name in NOTEBOOKS
    }
    path = images_dir / "outline.png"
    plot_outline(record, results).savefig(path, dpi=150)
    return path


def _load_record(run_dir: Path) -> dict:
    path = run_dir / "run.json"
    if not path.is_file():
        raise MissingSource(
            f"Pictures come from a complete run, and {run_dir} is none. Run `make report` first."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def find_key_figure(executed: nbformat.NotebookNode) -> KeyFigure | None:
    """Return the figure of the cell tagged `key-figure`, or else the first: base64 PNG and its metadata."""
    cells = sorted(executed.cells, key=lambda cell: "key-figure" not in cell.metadata.get("tags", []))
    for cell in cells:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                return re.sub(r"\s", "", png), dict(output.metadata.get("image/png", {}))
    return None
