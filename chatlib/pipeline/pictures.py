"""Pictures of a run for the README: each chapter's key figure, and the outline of all."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import nbformat

from chatlib.errors import MissingSource
from chatlib.files import atomic_path, atomic_write
from chatlib.pipeline.notebooks import NOTEBOOKS
from chatlib.plots.outline import plot_outline

__all__ = ["KeyFigure", "find_key_figure", "save_key_figures", "save_outline", "save_screenshot"]

log = logging.getLogger(__name__)

_SCREEN = "1000,1150"  # what is seen of the first page

KeyFigure = tuple[str, dict[str, object]]


def save_key_figures(run_dir: Path, images_dir: Path) -> list[Path]:
    """Write each chapter's key figure as `NN_name.png`; return the paths.

    Raises: MissingSource if the run is not complete.
    """
    _load_record(run_dir)
    paths = []
    for notebook in NOTEBOOKS:
        if found := find_key_figure(nbformat.read(run_dir / f"{notebook}.ipynb", as_version=4)):
            paths.append(atomic_write(images_dir / f"{notebook}.png", base64.b64decode(found[0])))
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
    with atomic_path(path) as part:
        plot_outline(record, results).savefig(part, dpi=150)
    return path


def save_screenshot(run_dir: Path, images_dir: Path) -> Path | None:
    """Write how the report's first page begins, as `report.png`; return the path, None without Chromium.

    Raises: MissingSource if the run is not complete.
    """
    _load_record(run_dir)
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        log.warning("no Chromium here, so the picture of the report stays as it is")
        return None
    path = images_dir / "report.png"
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        taken = Path(profile) / "report.png"
        options = [f"--user-data-dir={profile}", f"--window-size={_SCREEN}", f"--screenshot={taken}"]
        options += ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", *as_root]
        page = (run_dir / "index.html").resolve().as_uri()
        subprocess.run([browser, *options, page], capture_output=True, timeout=120, check=False)
        if not taken.is_file():
            log.warning("Chromium gave no picture of the report, so that one stays as it is")
            return None
        shutil.copyfile(taken, path)
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
