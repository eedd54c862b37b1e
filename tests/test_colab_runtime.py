"""Notebooks from their first cell where Colab's packages are, in fresh environments (minutes)."""

import re
import tomllib

import pytest

from tests.colab.runtime import ROOT, find_python, make_runtime, redirect_home, write_home

HELD = ("ipykernel", "ipython", "jupyter-client", "numpy", "pandas", "pyzmq", "tornado", "traitlets")

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore"),  # of old kernels' clients
]


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def runtime(request, tmp_path_factory):
    python = find_python(request.param)
    if not python:
        pytest.skip(f"there is no Python {request.param} here")
    home = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"][
        "Repository"
    ]
    tree = tmp_path_factory.mktemp("home")
    write_home(tree)
    packages = ROOT / "tests" / "colab" / f"packages-{request.param}.txt"
    return make_runtime(tmp_path_factory.mktemp("colab"), python, packages, redirect_home(home, tree))


def texts(notebook, cell_id, name="stdout"):
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    return "".join(output.text for output in cell.outputs if output.get("name") == name)


def complaints(notebook):
    said = [texts(notebook, cell.id, "stderr") for cell in notebook.cells if cell.cell_type == "code"]
    return re.findall(r".*(?:Warning|Error|Traceback).*", "\n".join(said))


def figures(notebook):
    return [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]


def test_notebooks_run_from_their_first_cell_and_the_kernel_stays(runtime):
    before = runtime.freeze()
    first = runtime.run("05_analyze")
    after = runtime.freeze()
    said = texts(first, "bootstrap")
    assert "fetched the project from https://" in said
    installed = set(re.findall(r"([\w-]+)>=", said))
    assert {"chat-downloader", "yt-dlp", "google-colab-selenium"} <= installed
    assert not installed & set(HELD)
    assert {name: after[name] for name in HELD} == {name: before[name] for name in HELD}
    assert "simulated sample" in texts(first, "imports", "stderr")
    assert "SIMULATED" in texts(first, "imports")

    second = runtime.run("01_collect")
    assert texts(second, "bootstrap") == "installed: nothing was missing\n"
    assert "20 known already" in texts(second, "load")
    for notebook in (first, second):
        assert complaints(notebook) == []
        assert len(figures(notebook)) >= 3
    assert (runtime.content / "chatlib-project" / "data" / "results" / "05_analyze.json").is_file()
