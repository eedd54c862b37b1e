"""What is committed of a run: the outputs of the notebooks, and pictures from its own files."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from tqdm import tqdm

from chatlib.errors import ParameterError, PipelineError
from chatlib.pipeline.committed import find_machine_paths, save_outputs, save_pictures
from chatlib.pipeline.notebooks import digest_cells, environment_of_kernels, execute_notebook
from chatlib.pipeline.pages import render_index
from chatlib.pipeline.settings import NOTEBOOKS, NOTEBOOKS_DIR

PARAMETERS = 'RUN_DIR = "data"  # where it lies\nSEED = 3'
CODE = """import sys, pathlib
print("the database is", pathlib.Path(RUN_DIR) / "Db_file.dbs", SEED)
print("noise", file=sys.stderr)
pathlib.Path(RUN_DIR)"""
FIGURE = """import io
from IPython.display import Image
from matplotlib.figure import Figure
png, figure = io.BytesIO(), Figure()
figure.gca().scatter(range(300), range(300), c=range(300))
figure.savefig(png, format="png")
Image(png.getvalue(), width=100, alt="dots")"""


def write_notebook(path, code=CODE):
    cells = [
        nbformat.v4.new_markdown_cell("# Title", id="title"),
        nbformat.v4.new_code_cell(PARAMETERS, id="parameters", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(code, id="say"),
        nbformat.v4.new_code_cell(FIGURE, id="figure"),
    ]
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


def execute(source, output, run_dir, seed=3):
    with environment_of_kernels(), tqdm(disable=True) as bar:
        given = {"RUN_DIR": str(run_dir), "SEED": seed}
        execute_notebook(source, output, parameters=given, bar=bar, cell_timeout_s=600)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Five notebooks that got the outputs of their run; it is one, under five names."""
    folder, run_dir = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("run")
    for name in NOTEBOOKS:
        write_notebook(folder / f"{name}.ipynb")
    before = {path.name: path.read_text() for path in folder.iterdir()}
    execute(folder / "01_collect.ipynb", run_dir / "01_collect.ipynb", run_dir)
    for name in NOTEBOOKS[1:]:
        shutil.copy(run_dir / "01_collect.ipynb", run_dir / f"{name}.ipynb")
    parameters = {name: {"RUN_DIR": str(run_dir), "SEED": 3} for name in NOTEBOOKS}
    record = {"parameters": parameters, "command": "", "data": {}}
    (run_dir / "run.json").write_text(json.dumps(record))
    save_outputs(run_dir, notebooks_dir=folder)
    return folder, run_dir, before


@pytest.fixture
def fresh(chain, tmp_path):
    """The same notebooks without outputs, in a folder of their own, and a copy of the run."""
    for name, text in chain[2].items():
        (tmp_path / name).write_text(text)
    return tmp_path, Path(shutil.copytree(chain[1], tmp_path.with_name(f"{tmp_path.name}-run")))


def read(folder, name="01_collect"):
    return json.loads((folder / f"{name}.ipynb").read_text(encoding="utf-8"))


def test_cells_stay_and_carry_what_they_showed(chain):
    folder, _, before = chain
    for name in NOTEBOOKS:
        now, then = read(folder, name), json.loads(before[f"{name}.ipynb"])
        for cell, old in zip(now["cells"], then["cells"], strict=True):
            assert all(cell[key] == old[key] for key in ("id", "source", "metadata"))
        assert now["metadata"] == then["metadata"] | {
            "chatlib": {"outputs_of": digest_cells(then, code_only=True)}
        }
    code = [cell for cell in now["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [1, 2, 3]
    said, shown = code[1]["outputs"]
    printed = ["the database is data/Db_file.dbs 3\n"]
    assert said == {"name": "stdout", "output_type": "stream", "text": printed}
    assert shown["data"] == {"text/plain": ["PosixPath('data')"]}
    assert "papermill" not in json.dumps(now) and "noise" not in json.dumps([c["outputs"] for c in code])
    nbformat.validate(nbformat.from_dict(now))


def test_again_changes_no_byte(chain):
    folder, run_dir, _ = chain
    texts = [path.read_bytes() for path in sorted(folder.iterdir())]
    paths = save_outputs(run_dir, notebooks_dir=folder)
    assert [path.read_bytes() for path in paths] == texts


def test_a_notebook_with_outputs_runs_and_the_old_ones_go(chain, tmp_path):
    folder, _, _ = chain
    execute(folder / "05_analyze.ipynb", tmp_path / "05_analyze.ipynb", tmp_path, seed=4)
    cell = next(cell for cell in read(tmp_path, "05_analyze")["cells"] if cell["id"] == "say")
    texts = [output["text"] for output in cell["outputs"] if output.get("name") == "stdout"]
    assert texts == [[f"the database is {tmp_path}/Db_file.dbs 4\n"]]


def test_outputs_of_other_parameters_are_refused(fresh):
    folder, copy = fresh
    told = json.loads((copy / "run.json").read_text())
    told["parameters"]["05_analyze"]["SEED"] = 4
    (copy / "run.json").write_text(json.dumps(told))
    with pytest.raises(ParameterError, match="05_analyze ran with SEED = 4 in place of 3"):
        save_outputs(copy, notebooks_dir=folder)


def test_outputs_of_other_code_are_refused_and_nothing_is_written(fresh):
    folder, run_dir = fresh
    write_notebook(folder / "04_predict.ipynb", code=CODE + "  # another")
    texts = [path.read_bytes() for path in sorted(folder.iterdir())]
    with pytest.raises(ParameterError, match="04_predict has changed since it ran"):
        save_outputs(run_dir, notebooks_dir=folder)
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == texts


@pytest.mark.parametrize(
    "path", ["/" + "home/ann/x.csv", "/" + "root/.cache", "/tmp/y", "C:" + "\\Users\\Ann"]
)
def test_a_path_of_the_machine_is_not_committed(fresh, path):
    folder, copy = fresh
    executed = read(copy)
    said = ["see https://x.org/tmp/ann\n", f"saved in {path}\n"]
    executed["cells"][3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": said}]
    (copy / "01_collect.ipynb").write_text(json.dumps(executed))
    with pytest.raises(PipelineError, match=re.escape(f"cell `say` of 01_collect shows {path}")):
        save_outputs(copy, notebooks_dir=folder)


def test_widgets_and_unknown_things_are_left_out(fresh):
    folder, copy = fresh
    executed = read(copy)
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": ["HBox()"]}
    executed["metadata"]["widgets"] = {"1": {}}
    executed["cells"][3]["metadata"]["executionInfo"] = {"user": {"displayName": "Ann"}}
    executed["cells"][3]["outputs"] = [{"output_type": "display_data", "data": widget, "metadata": {}}]
    (copy / "01_collect.ipynb").write_text(json.dumps(executed))
    save_outputs(copy, notebooks_dir=folder)
    text = (folder / "01_collect.ipynb").read_text()
    assert "widget" not in text and "HBox" not in text and "Ann" not in text


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_committed_outputs_are_of_the_committed_code(name):
    notebook = read(NOTEBOOKS_DIR, name)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    refresh = "the code has changed since: `make report && make notebooks`"
    assert notebook["metadata"]["chatlib"] == {"outputs_of": digest_cells(notebook, code_only=True)}, refresh
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert all(output.get("name", "stdout") == "stdout" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert find_machine_paths(outputs) == []
    assert "widget" not in json.dumps(notebook)
    assert (NOTEBOOKS_DIR / f"{name}.ipynb").stat().st_size < 1_000_000


@pytest.fixture
def run(hand_run):
    """The run made by hand, complete."""
    folder, record = hand_run
    (folder / "run.json").write_text(json.dumps(record))
    render_index(folder, record)
    return folder


def test_pictures_come_from_a_complete_run(run, tmp_path):
    pictures = save_pictures(run, tmp_path)
    assert [path.name for path in pictures][:5] == [f"{name}.png" for name in NOTEBOOKS]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here")
def test_the_report_is_pictured_where_there_is_a_browser(run, tmp_path):
    with Image.open(save_pictures(run, tmp_path)[-1]) as picture:
        assert (picture.filename, picture.size) == (str(tmp_path / "report.png"), (1000, 1150))
        assert len(picture.getcolors(1 << 24)) > 10  # more than an empty page


def test_without_a_browser_the_picture_stays_as_it_is(run, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "report.png" not in {path.name for path in save_pictures(run, tmp_path)}
    assert "Chromium is not installed" in caplog.text
