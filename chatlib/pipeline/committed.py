"""What the repository holds of a run of the sample: the notebooks' outputs and the README's pictures."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chatlib.errors import ParameterError, PipelineError
from chatlib.files import atomic_write
from chatlib.pipeline.notebooks import digest_cells, read_parameters
from chatlib.pipeline.pages import find_key_figure, load_executed, load_record
from chatlib.pipeline.settings import NOTEBOOKS, NOTEBOOKS_DIR, require_notebooks
from chatlib.workspace import PROJECT_DIR, map_texts

__all__ = ["find_machine_paths", "save_outputs", "save_pictures", "set_home"]

log = logging.getLogger(__name__)

_SCREEN = "1000,1150"  # what is shown of the report's first page
_SHOWN = ("text/plain", "text/html", "text/markdown", "image/png")
_MACHINE_PATH = re.compile(
    r"(?<![\w.:/~-])/(?:content|home|mnt|opt|private|root|tmp|usr|Users|var|work)/[^\s\"'<>]*|[A-Z]:\\Users\\\S*"
)


def save_outputs(run_dir: Path, *, notebooks_dir: Path = NOTEBOOKS_DIR) -> list[Path]:
    """Give the notebooks the outputs of a complete run on their own defaults; return the paths.

    Sources, ids and metadata of the cells stay as they are. Cells are counted from 1,
    and stderr is left out with a warning.

    Raises: MissingSource for an incomplete run; ParameterError for one with other parameters or other
    code; PipelineError where an output names a path of the machine.
    """
    require_notebooks(notebooks_dir)
    parameters = load_record(run_dir)["parameters"]
    texts = {}
    for name in NOTEBOOKS:
        path = notebooks_dir / f"{name}.ipynb"
        defaults = read_parameters(path)
        _check_parameters(name, parameters[name], defaults)
        source = json.loads(path.read_text(encoding="utf-8"))
        executed = json.loads((run_dir / path.name).read_text(encoding="utf-8"))
        _take_outputs(name, source, executed, (str(parameters[name]["RUN_DIR"]), str(defaults["RUN_DIR"])))
        texts[path] = json.dumps(source, indent=1, ensure_ascii=False) + "\n"
    for path, text in texts.items():  # all of them or none
        atomic_write(path, text)
    return list(texts)


def save_pictures(run_dir: Path, images_dir: Path) -> list[Path]:
    """Write the README's pictures from a complete run; return their paths.

    They are each chapter's key figure and, where Chromium is installed, the top of the report's first page.
    Raises: MissingSource if the run is incomplete.
    """
    load_record(run_dir)
    paths = []
    for notebook in NOTEBOOKS:
        if figure := find_key_figure(load_executed(run_dir, notebook)):
            paths.append(atomic_write(images_dir / f"{notebook}.png", base64.b64decode(figure.png)))
    if screenshot := _take_screenshot(run_dir / "index.html"):
        paths.append(atomic_write(images_dir / "report.png", screenshot))
    return paths


def set_home(url: str, *, project_dir: Path = PROJECT_DIR) -> list[Path]:
    """Give the project a new home on GitHub: pyproject.toml, badges, clone address; return what changed.

    Until then what needs an address is hidden, as `<!-- home: ... -->`.
    Raises: ParameterError for an address that is not https://github.com/OWNER/REPOSITORY.
    """
    require_notebooks(project_dir / "notebooks")
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", url)
    if not match:
        raise ParameterError(f"A home is an address like https://github.com/OWNER/REPOSITORY, got {url!r}.")
    settings = project_dir / "pyproject.toml"
    old = tomllib.loads(settings.read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    slug = old.removeprefix("https://github.com/")
    changed = []
    for path in [settings, project_dir / "README.md", *sorted((project_dir / "notebooks").glob("*.ipynb"))]:
        text = path.read_text(encoding="utf-8")
        new = re.sub(rf"(github(?:\.com)?/){re.escape(slug)}(?![\w-])", rf"\g<1>{match[1]}", text)
        new = re.sub(r"<!-- home: (.*?) -->", r"\1", new)
        if new != text:
            atomic_write(path, new)
            changed.append(path)
    return changed


def find_machine_paths(outputs: object) -> list[str]:
    """Return the paths of a machine that the text of a cell's outputs names, pictures left out."""
    found: list[str] = []
    map_texts(outputs, lambda text: found.extend(_MACHINE_PATH.findall(text)))
    return found


def _check_parameters(name: str, given: Mapping[str, object], defaults: Mapping[str, object]) -> None:
    for key in {*given, *defaults} - {"RUN_DIR"}:
        if key not in given or key not in defaults or given[key] != defaults[key]:
            raise ParameterError(
                f"The notebooks are committed as they run on their defaults, and {name} ran with {key} = "
                f"{given.get(key)!r} in place of {defaults.get(key)!r}. Run `make report` first."
            )


def _take_outputs(
    name: str, source: dict[str, Any], executed: dict[str, Any], renamed: tuple[str, str]
) -> None:
    """Give a notebook's cells the outputs of the executed ones; the run's folder in them is `renamed`."""
    cells, ran = (
        [
            cell
            for cell in notebook["cells"]
            if cell["cell_type"] == "code" and "injected-parameters" not in cell["metadata"].get("tags", [])
        ]
        for notebook in (source, executed)
    )
    keys, theirs = ([(cell["id"], "".join(cell["source"])) for cell in found] for found in (cells, ran))
    if keys != theirs:
        raise ParameterError(f"{name} has changed since it ran. Run `make report` first.")
    for number, (cell, done) in enumerate(zip(cells, ran, strict=True), start=1):
        outputs = [_clean_output(output, number) for output in done["outputs"]]
        kept = [output for output in outputs if output]
        cell["outputs"] = map_texts(kept, lambda text: text.replace(*renamed))
        cell["execution_count"] = number
        if len(cell["outputs"]) < len(outputs):
            log.warning(
                "%s, cell `%s`: an output that is no text, table or figure is left out", name, cell["id"]
            )
        if paths := find_machine_paths(cell["outputs"]):
            raise PipelineError(
                f"Committed outputs name no path of a machine, and cell `{cell['id']}` of {name} shows "
                f"{paths[0]}. Let the cell show a name in its place."
            )
    source["metadata"]["chatlib"] = {"outputs_of": digest_cells(source, code_only=True)}


def _clean_output(output: Mapping[str, Any], number: int) -> dict[str, Any] | None:
    """Return an output as it is committed, or None for one that is not."""
    if output["output_type"] == "stream":
        kept = {"name": output["name"], "output_type": "stream", "text": output["text"]}
        return kept if output["name"] == "stdout" else None
    if output["output_type"] not in ("execute_result", "display_data"):
        return None
    data = {kind: value for kind, value in output["data"].items() if kind in _SHOWN}
    if not data or any("widget" in kind for kind in output["data"]):
        return None
    kept = {"data": data, "metadata": output["metadata"], "output_type": output["output_type"]}
    if output["output_type"] == "execute_result":
        kept["execution_count"] = number
    return dict(sorted(kept.items()))


def _take_screenshot(page: Path) -> bytes | None:
    """Return the top of a page as PNG, or None, with a warning, where Chromium is missing or fails."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        log.warning("Chromium is not installed, so the picture of the report stays as it is")
        return None
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        picture = Path(profile) / "report.png"
        options = [f"--user-data-dir={profile}", f"--window-size={_SCREEN}", f"--screenshot={picture}"]
        options += ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", *as_root]
        command = [browser, *options, page.resolve().as_uri()]
        try:
            subprocess.run(command, capture_output=True, timeout=120, check=True)
            return picture.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("Chromium took no picture of the report, which stays as it is (%s)", error)
            return None
