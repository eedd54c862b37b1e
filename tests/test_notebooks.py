"""The contract of the five notebooks, and one run of the chain on the sample at its smallest."""

import ast
import re
import tomllib
from collections import defaultdict

import nbformat
import papermill
import pytest

from chatlib.pipeline.notebooks import read_parameters
from chatlib.pipeline.settings import NOTEBOOKS, NOTEBOOKS_DIR
from tests.places import ROOT

PATHS = [NOTEBOOKS_DIR / f"{name}.ipynb" for name in NOTEBOOKS]


@pytest.fixture(params=PATHS, ids=NOTEBOOKS)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell_with_id(notebook, cell_id):
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def test_there_are_five_and_no_more():
    found = sorted(NOTEBOOKS_DIR.glob("[!.]*"))  # JupyterLab adds a hidden folder
    assert found == sorted([*PATHS, NOTEBOOKS_DIR / "README.md"])


def test_it_is_valid_and_says_its_language(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.language_info.name == "python"
    assert notebook.metadata.kernelspec.name == "python3"


def test_parameters_are_literals_that_papermill_sees(path):
    ours = read_parameters(path)
    theirs = papermill.inspect_notebook(str(path))
    assert list(ours) == list(theirs)
    assert {key: ast.literal_eval(value["default"]) for key, value in theirs.items()} == ours
    assert ours["RUN_DIR"] == "data"


def test_the_bootstrap_cell_is_the_same_in_all():
    sources = {cell_with_id(nbformat.read(path, as_version=4), "bootstrap").source for path in PATHS}
    assert len(sources) == 1


def test_the_bootstrap_follows_the_parameters(notebook):
    ids = [cell.id for cell in code_cells(notebook)]
    assert ids[:2] == ["parameters", "bootstrap"]


def test_it_defines_no_function_or_class(notebook):
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda), (
                cell.source
            )


def test_a_cell_can_run_again(notebook):
    uses = {ast.Store: defaultdict(set), ast.Load: defaultdict(set)}
    for number, cell in enumerate(code_cells(notebook)):
        assert not re.search(r"\.pop\([^,()]*\)", cell.source), (
            "what it takes away is missing the second time"
        )
        changed = re.findall(r"(?:(?<=training\.train\()\w+|\b\w+(?=\.append\())", cell.source)
        made = re.findall(r"^(\w+) = ", cell.source, re.MULTILINE)
        assert set(changed) <= set(made), "it would go on with what it has changed before"
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Name):
                uses[type(node.ctx)][node.id].add(number)
    for name, cells in uses[ast.Store].items():
        between = set(range(min(cells), max(cells))) - cells
        assert not uses[ast.Load][name] & between, f"a later cell makes something else of {name}"


def test_cells_are_short(notebook):
    for cell in code_cells(notebook):
        if cell.id not in {"parameters", "bootstrap", "imports", "results"}:
            assert len(cell.source.splitlines()) <= 12, cell.source


def test_it_ends_with_its_results(path, notebook):
    last = notebook.cells[-1]
    assert last.metadata.tags == ["results"]
    assert f'ws.save_results("{path.stem}"' in last.source
    assert '"headline"' in last.source


def test_one_cell_is_its_key_figure(notebook):
    tagged = [cell for cell in notebook.cells if "key-figure" in cell.metadata.get("tags", [])]
    assert [cell.cell_type for cell in tagged] == ["code"]


def test_it_holds_no_widget_and_no_user(notebook):
    assert set(notebook.metadata) <= {"kernelspec", "language_info", "colab", "chatlib"}
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)


def test_badge_and_clone_address_are_the_projects_home(path, notebook):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    home = project["urls"]["Repository"]
    addresses = re.findall(
        r"https://(?:colab\.research\.google\.com/)?github(?:\.com)?/[^\s)\"]+", path.read_text()
    )
    repository = home.removeprefix("https://github.com/")
    assert f'HOME_URL = "{home}"' in cell_with_id(notebook, "bootstrap").source
    assert (
        f"colab.research.google.com/github/{repository}/blob/main/notebooks/{path.name})"
        in notebook.cells[0].source
    )
    assert all(repository in address for address in addresses)
