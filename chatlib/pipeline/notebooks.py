"""What the chain knows of a notebook before it runs it: its parameters, by name and type."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import nbformat

from chatlib.errors import ParameterError
from chatlib.files import atomic_write
from chatlib.workspace import PROJECT_DIR

__all__ = [
    "NOTEBOOKS",
    "NOTEBOOKS_DIR",
    "digest_cells",
    "find_notebook",
    "parse_override",
    "read_parameters",
    "require_notebooks",
    "set_home",
]

NOTEBOOKS = ("01_collect", "02_update", "03_pretrain", "04_predict", "05_analyze")
NOTEBOOKS_DIR = PROJECT_DIR / "notebooks"


def digest_cells(notebook: Mapping, *, code_only: bool = False) -> str:
    """Return a digest of what a notebook's cells say, whatever their outputs are.

    Two notebooks of the same digest run and read alike. `code_only` leaves out what is only read.
    """
    said = [
        (cell["cell_type"], "".join(cell["source"]), sorted(cell["metadata"].get("tags", [])))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" or not code_only
    ]
    return hashlib.blake2b(json.dumps(said).encode(), digest_size=8).hexdigest()


def require_notebooks(notebooks_dir: Path = NOTEBOOKS_DIR) -> None:
    """Raise ParameterError where chatlib was installed without the project's notebooks."""
    if not notebooks_dir.is_dir():
        raise ParameterError(
            "This command needs the project's notebooks, and chatlib was installed without them. Clone the "
            f"project and run the command in its folder; there are none in {notebooks_dir}."
        )


def find_notebook(name: str) -> str:
    """Return the full name of a notebook given as `03`, `3` or `03_pretrain`.

    Raises: ParameterError for one that does not exist.
    """
    for notebook in NOTEBOOKS:
        if name and name in (notebook, notebook[:2], notebook[1:2]):
            return notebook
    raise ParameterError(f"A notebook is one of {', '.join(NOTEBOOKS)} or its number, got {name!r}.")


def read_parameters(path: Path) -> dict[str, object]:
    """Return the parameters of a notebook and their defaults, from its one tagged cell.

    Raises: ParameterError for a notebook that is missing, is not one, or breaks the contract:
    exactly one code cell tagged `parameters`, which assigns literals to UPPER_CASE names.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except OSError as error:
        raise ParameterError(f"The notebook {path} must exist and be readable ({error.strerror}).") from error
    except Exception as error:
        raise ParameterError(
            f"{path} must be a Jupyter notebook, and cannot be read as one: {error}"
        ) from error
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ParameterError(
            f"A notebook has exactly one cell tagged `parameters`; {path.name} has {len(cells)}. "
            "Without it papermill would run on defaults and say nothing."
        )
    parameters: dict[str, object] = {}
    for node in ast.parse(cells[0].source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
                parameters[name] = _read_literal(node.value, name, path)
            case _:
                raise ParameterError(
                    f"A parameters cell assigns literals to UPPER_CASE names, got `{ast.unparse(node)}` "
                    f"in {path.name}."
                )
    return parameters


def parse_override(text: str, defaults: Mapping[str, Mapping[str, object]]) -> tuple[str, str, object]:
    """Return (notebook, parameter, value) of `NOTEBOOK.KEY=VALUE`, the value in its default's type.

    `defaults` maps each notebook to its parameters. Raises: ParameterError for another form,
    an unknown notebook or parameter, or a value of another type.
    """
    target, equals, value = text.partition("=")
    notebook, dot, key = target.partition(".")
    if not (equals and dot):
        raise ParameterError(f"A parameter is given as NOTEBOOK.KEY=VALUE, such as 03.SEED=1, got {text!r}.")
    notebook = find_notebook(notebook)
    if key not in defaults[notebook]:
        raise ParameterError(f"{notebook} has no parameter {key!r}; it has {', '.join(defaults[notebook])}.")
    return notebook, key, _convert(value, defaults[notebook][key], f"{notebook}.{key}")


def set_home(url: str, *, project_dir: Path = PROJECT_DIR) -> list[Path]:
    """Give the project a new home on GitHub: pyproject.toml, badges, clone address; return what changed.

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
        if new != text:
            atomic_write(path, new)
            changed.append(path)
    return changed


def _read_literal(node: ast.expr, name: str, path: Path) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ParameterError(
            f"A parameter is a plain literal, got `{name} = {ast.unparse(node)}` in {path.name}."
        ) from None


def _convert(text: str, default: object, name: str) -> object:
    if isinstance(default, str):
        return text
    try:
        value = {"true": True, "false": False}.get(text.lower())
        value = ast.literal_eval(text) if value is None else value
    except (ValueError, SyntaxError):
        value = text
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if type(value) is not type(default):
        kind = type(default).__name__
        raise ParameterError(f"{name} takes a value of type {kind}, such as {default!r}, got {text!r}.")
    return value
