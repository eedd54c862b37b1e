"""The notebooks as they are committed: with the outputs of a run of the sample, and nothing of a machine."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from chatlib.errors import MissingSource, ParameterError, PipelineError
from chatlib.files import atomic_write
from chatlib.pipeline.notebooks import NOTEBOOKS, NOTEBOOKS_DIR, digest_cells, read_parameters
from chatlib.workspace import PROJECT_DIR

__all__ = ["find_machine_paths", "save_outputs"]

log = logging.getLogger(__name__)

_SHOWN = ("text/plain", "text/html", "text/markdown", "image/png")
_MACHINE_PATH = re.compile(
    r"(?<![\w.:/~-])/(?:content|home|mnt|opt|private|root|tmp|usr|Users|var|work)/[^\s\"'<>]*|[A-Z]:\\Users\\\S*"
)


def save_outputs(run_dir: Path, *, notebooks_dir: Path = NOTEBOOKS_DIR) -> list[Path]:
    """Give the notebooks the outputs of a complete run on their own defaults; return the paths.

    Sources, ids and metadata of the cells stay as they are. Cells are counted from 1; figures are
    reduced to 256 colours; what went to stderr is left out, and told.

    Raises: MissingSource for a run that is not complete; ParameterError for one that ran with other
    parameters or on other code; PipelineError where an output names a path of the machine.
    """
    try:
        told = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    except OSError:
        raise MissingSource(
            f"Outputs come from a complete run, and {run_dir} is none. Run `make report` first."
        ) from None
    texts = {}
    for name in NOTEBOOKS:
        path = notebooks_dir / f"{name}.ipynb"
        defaults = read_parameters(path)
        _check_parameters(name, told["parameters"][name], defaults)
        source = json.loads(path.read_text(encoding="utf-8"))
        executed = json.loads((run_dir / path.name).read_text(encoding="utf-8"))
        there = str(told["parameters"][name]["RUN_DIR"])
        replacements = {there: str(defaults["RUN_DIR"]), str(PROJECT_DIR): "."}
        _take_outputs(name, source, executed, replacements)
        texts[path] = json.dumps(source, indent=1, ensure_ascii=False) + "\n"
    for path, text in texts.items():  # all of them or none
        atomic_write(path, text)
    return list(texts)


def find_machine_paths(outputs: object) -> list[str]:
    """Return the paths of a machine that the text of a cell's outputs names, pictures left out."""
    return [path for text in _iter_texts(outputs) for path in _MACHINE_PATH.findall(text)]


def _check_parameters(name: str, given: Mapping[str, object], defaults: Mapping[str, object]) -> None:
    for key in {*given, *defaults} - {"RUN_DIR"}:
        if key not in given or key not in defaults or given[key] != defaults[key]:
            raise ParameterError(
                f"The notebooks are committed as they run on their defaults, and {name} ran with {key} = "
                f"{given.get(key)!r} in place of {defaults.get(key)!r}. Run `make report` first."
            )


def _take_outputs(name: str, source: dict, executed: dict, replacements: Mapping[str, str]) -> None:
    cells = [cell for cell in source["cells"] if cell["cell_type"] == "code"]
    ran = [cell for cell in executed["cells"] if cell["cell_type"] == "code" and not _is_injected(cell)]
    if [_key(cell) for cell in cells] != [_key(cell) for cell in ran]:
        raise ParameterError(f"{name} has changed since it ran. Run `make report` first.")
    for number, (cell, done) in enumerate(zip(cells, ran, strict=True), start=1):
        outputs = [_clean_output(output, number, replacements) for output in done["outputs"]]
        cell["outputs"] = [output for output in outputs if output]
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


def _is_injected(cell: Mapping) -> bool:
    return "injected-parameters" in cell["metadata"].get("tags", [])


def _key(cell: Mapping) -> tuple[str, str]:
    return cell["id"], "".join(cell["source"])


def _clean_output(output: Mapping, number: int, replacements: Mapping[str, str]) -> dict | None:
    """Return an output as it is committed, or None for one that is not."""
    if output["output_type"] == "stream":
        kept = {"name": output["name"], "output_type": "stream", "text": output["text"]}
        return _replace(kept, replacements) if output["name"] == "stdout" else None
    if output["output_type"] not in ("execute_result", "display_data"):
        return None
    data = {kind: value for kind, value in output["data"].items() if kind in _SHOWN}
    if not data or any("widget" in kind for kind in output["data"]):
        return None
    kept = {"data": data, "metadata": output["metadata"], "output_type": output["output_type"]}
    if output["output_type"] == "execute_result":
        kept["execution_count"] = number
    kept = _replace(kept, replacements)
    if png := data.get("image/png"):
        kept["data"]["image/png"] = _shrink_png("".join(png))
    return dict(sorted(kept.items()))


def _shrink_png(png: str) -> str:
    """Return a figure, both base64, in at most 256 colours: a third of the size, and as sharp."""
    shrunk = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(shrunk, "PNG", optimize=True)
    smaller = base64.b64encode(shrunk.getvalue()).decode()
    return min(smaller, re.sub(r"\s", "", png), key=len)


def _replace(value: object, replacements: Mapping[str, str]) -> object:
    if isinstance(value, dict):
        return {
            key: item if key.startswith("image/") else _replace(item, replacements)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_replace(item, replacements) for item in value]
    if isinstance(value, str):
        for old, new in replacements.items():
            value = value.replace(old, new)
    return value


def _iter_texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() if key != "image/png" for text in _iter_texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _iter_texts(item)]
    return [value] if isinstance(value, str) else []
