"""Colab, played by a `google.colab` that writes down what it was asked; a real runtime was not at hand."""

import ast
import json
import re
import sqlite3
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import nbformat
import pytest

from chatlib import colab as module
from chatlib.collect.sources import open_chat
from chatlib.errors import ChatlibError, MissingSource, ParameterError
from chatlib.pipeline import notebooks
from chatlib.pipeline.settings import NOTEBOOKS, NOTEBOOKS_DIR
from chatlib.store import open_store
from chatlib.workspace import open_workspace
from tests.colab.runtime import ROOT, redirect_home, write_home, write_package

HOME = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
REQUIREMENTS = ROOT / "requirements.txt"


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """A runtime: its calls, and the folder that Drive is mounted at; `declined` is a person who says no."""
    runtime = types.SimpleNamespace(calls=[], declined=False, mount_point=tmp_path / "drive")

    def mount(path):
        runtime.calls.append(("mount", path))
        if runtime.declined:
            raise ValueError("mount failed")
        (Path(path) / "MyDrive").mkdir(parents=True)

    package = types.ModuleType("google.colab")
    package.drive = types.SimpleNamespace(mount=mount)
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setattr(module, "MOUNT_POINT", runtime.mount_point)
    return runtime


@pytest.fixture
def pip(monkeypatch):
    """What pip was told, and the constraints that it was given; it succeeds unless `fails`."""
    told = types.SimpleNamespace(commands=[], held="", fails="")

    def run(command, **_):
        told.commands.append(command)
        told.held = Path(command[command.index("-c") + 1]).read_text()
        return types.SimpleNamespace(returncode=bool(told.fails), stderr=told.fails)

    monkeypatch.setattr(module.subprocess, "run", run)
    return told


@pytest.fixture
def versions(monkeypatch):
    """What is installed, by name; a test takes from it or makes it older."""
    written = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    lines = [*(line for line in written if not line.startswith("#")), module.BROWSER]
    there = {re.split(">=", line)[0]: re.search(r">=([\d.]+)", line)[1] for line in lines}
    there |= {"ipython": "7.34.0", "tornado": "6.4.2", "pyzmq": "24.0.1", "torch": "2.6.0+cu124"}
    monkeypatch.setattr(module, "find_version", there.get)
    return there


def test_it_is_recognised(colab, monkeypatch):
    assert module.in_colab()
    monkeypatch.delitem(sys.modules, "google.colab")
    assert not module.in_colab()


def test_outside_colab_nothing_is_installed():
    assert module.install_missing(REQUIREMENTS) == []


def test_nothing_is_installed_where_nothing_is_missing(colab, pip, versions):
    assert module.install_missing(REQUIREMENTS) == []
    assert pip.commands == []


def test_what_is_missing_or_too_old_is_installed_and_only_that(colab, pip, versions):
    del versions["papermill"]
    versions["transformers"] = "4.53.0"
    assert module.install_missing(REQUIREMENTS) == ["papermill>=2.6", "transformers>=5.0"]
    assert pip.commands[0][-2:] == ["papermill>=2.6", "transformers>=5.0"]
    assert "--upgrade" not in pip.commands[0] and "-U" not in pip.commands[0]


def test_what_the_kernel_stands_on_is_held(colab, pip, versions):
    versions |= {"ipykernel": "5.5.6", "numpy": "1.26.4"}  # older than we ask for
    del versions["papermill"]
    assert module.install_missing(REQUIREMENTS) == ["papermill>=2.6"]
    assert {
        "ipykernel==5.5.6",
        "ipython==7.34.0",
        "tornado==6.4.2",
        "pyzmq==24.0.1",
        "torch==2.6.0+cu124",
    } < set(pip.held.splitlines())


def test_what_pip_could_not_do_is_told(colab, pip, versions):
    del versions["papermill"]
    pip.fails = "ERROR: no network"
    with pytest.raises(ChatlibError, match=r"pip must install papermill>=2\.6(.|\n)*no network"):
        module.install_missing(REQUIREMENTS)


def test_a_drive_is_never_asked_for_unless_wished(colab, tmp_path):
    ws = open_workspace(tmp_path / "run")
    ws.save_results("01_collect", {})
    assert ws.drive is None and colab.calls == []


def test_a_run_is_kept_on_drive_and_brought_into_the_next_runtime(colab, tmp_path, caplog):
    ws = open_workspace(tmp_path / "one", drive="chat/mine")
    assert colab.calls == [("mount", str(colab.mount_point))]
    (ws.models / "chat_lm").mkdir(parents=True)
    with sqlite3.connect(ws.db) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t AS SELECT 1 AS x")
        db.commit()
        (ws.models / "chat_lm" / "config.json").write_text("{}")
        ws.save_results("01_collect", {"n": 1})  # the database is open, and its last rows are in the log
    db.close()
    kept = colab.mount_point / "MyDrive" / "chat" / "mine"
    files = sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file())
    assert files == ["Db_file.dbs", "models/chat_lm/config.json", "results/01_collect.json"]

    other = open_workspace(tmp_path / "two", drive="chat/mine")
    assert "copied Db_file.dbs, models, results from it" in caplog.text
    assert len(colab.calls) == 1
    db = sqlite3.connect(other.db)
    assert db.execute("SELECT x FROM t").fetchall() == [(1,)]
    db.close()
    assert json.loads((other.results / "01_collect.json").read_text()) == {"n": 1}
    assert (other.models / "chat_lm" / "config.json").is_file()


def test_what_is_in_the_runtime_is_not_overwritten_from_drive(colab, tmp_path, caplog):
    (tmp_path / "run" / "results").mkdir(parents=True)
    (tmp_path / "run" / "Db_file.dbs").write_text("newer")
    kept = colab.mount_point / "MyDrive" / "chat"
    (kept / "results").mkdir(parents=True)
    (kept / "Db_file.dbs").write_text("older")
    ws = open_workspace(tmp_path / "run", drive="chat")
    assert ws.db.read_text() == "newer" and "copied nothing" in caplog.text
    assert colab.calls == []  # it was mounted


@pytest.mark.parametrize("folder", ["/content/x", "../x", "a/../../x"])
def test_a_folder_outside_drive_is_refused(colab, tmp_path, folder):
    with pytest.raises(ParameterError, match="folder in your Drive"):
        open_workspace(tmp_path, drive=folder)
    assert colab.calls == []


def test_a_drive_that_was_declined_is_told_with_the_way_round(colab, tmp_path):
    colab.declined = True
    with pytest.raises(ParameterError, match=r'mount failed.*DRIVE = ""'):
        open_workspace(tmp_path, drive="chat")


def test_elsewhere_there_is_no_drive(tmp_path):
    with pytest.raises(ParameterError, match="for Colab only"):
        open_workspace(tmp_path, drive="chat")


def test_a_notebook_opened_first_shows_the_sample_and_says_so(colab, tmp_path, caplog):
    with open_chat(tmp_path / "Db_file.dbs") as db:
        assert db.load_streams()["simulated"].all()
    assert "simulated sample" in caplog.text
    with open_chat(tmp_path / "Db_file.dbs") as db:
        assert len(db.load_streams()) == 20


@pytest.fixture
def executed(monkeypatch):
    """The notebooks that were run, with their parameters; nothing runs."""
    ran = []
    monkeypatch.setattr(
        notebooks,
        "execute_notebook",
        lambda source, output, **given: ran.append((source, output, given["parameters"])),
    )
    return ran


def test_what_a_notebook_stands_on_runs_first_and_that_is_told(colab, executed, tmp_path, caplog):
    notebooks.run_before("03_pretrain", tmp_path, makes=tmp_path / "models" / "chat_lm")
    (ran,) = executed
    assert ran == (
        NOTEBOOKS_DIR / "03_pretrain.ipynb",
        tmp_path / "03_pretrain.ipynb",
        {"RUN_DIR": str(tmp_path)},
    )
    assert "03_pretrain has not run in this runtime" in caplog.text


def test_what_was_run_is_not_run_again(colab, executed, tmp_path):
    notebooks.run_before("03_pretrain", tmp_path, makes=tmp_path)
    assert executed == []


def test_elsewhere_the_order_of_notebooks_is_the_users(executed, tmp_path):
    notebooks.run_before("03_pretrain", tmp_path, makes=tmp_path / "models" / "chat_lm")
    assert executed == []


def test_elsewhere_a_missing_database_stays_an_error(tmp_path):
    with pytest.raises(MissingSource):
        open_chat(tmp_path / "Db_file.dbs")
    assert not (tmp_path / "Db_file.dbs").exists()
    with open_store(tmp_path / "Db_file.dbs", create=True), open_chat(tmp_path / "Db_file.dbs") as db:
        assert len(db.load_streams()) == 0


def read_forms(name):
    """Return {parameter: (default, form)} of the parameters cell; a form is as Colab reads it."""
    cell = next(c for c in nbformat.read(NOTEBOOKS_DIR / f"{name}.ipynb", 4).cells if c.id == "parameters")
    lines = cell.source.splitlines()
    forms = {}
    for above, line in zip(["", *lines], lines, strict=False):
        if match := re.fullmatch(r"([A-Z_]+) = (.+?)  # @param (\[.*?\])? ?(\{.*\})?", line):
            assert above.startswith("# @markdown "), f"{match[1]} is not explained"
            options = json.loads(match[3] or "null")
            rest = json.loads(re.sub(r"([\w-]+):", r'"\1":', match[4] or "{}"))
            forms[match[1]] = ast.literal_eval(match[2]), options, rest
        else:
            assert "@param" not in line, line
    return forms


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_forms_fit_their_parameters(name):
    kinds = {"string": str, "integer": int, "number": float, "boolean": bool, "slider": int}
    for key, (default, options, rest) in read_forms(name).items():
        assert options or rest, key
        assert options is None or default in options
        assert "type" not in rest or type(default) is kinds[rest["type"]], key
        assert set(rest) <= {"type", "allow-input", "min", "max", "step"}
        if rest.get("type") == "slider":
            assert rest["min"] <= default <= rest["max"]


def test_what_a_person_would_change_has_a_form():
    forms = {name[:2]: set(read_forms(name)) for name in NOTEBOOKS}
    assert all("DRIVE" in names for names in forms.values())
    assert {"SOURCE", "CHATS", "CHANNELS", "LIMIT"} <= forms["01"] & forms["02"]
    assert {"BASE_MODEL", "EPOCHS"} <= forms["03"]
    assert {"DAYS", "EPOCHS"} <= forms["04"]
    assert {"STREAM", "INTERVAL_S", "HIGHLIGHT_METRIC", "ANONYMIZE"} <= forms["05"]


def test_the_bootstrap_gets_the_project_into_an_empty_folder_once(tmp_path):
    (tmp_path / "home").mkdir()
    write_home(tmp_path / "home", more_requirements="a-package-of-nobody>=1.0  # missing everywhere\n")
    write_package(tmp_path / "site")
    (tmp_path / "site" / "pip").mkdir()
    (tmp_path / "site" / "pip" / "__init__.py").write_text("")
    (tmp_path / "site" / "pip" / "__main__.py").write_text(
        "import os, sys; open(os.environ['SAID'], 'a').write(' '.join(sys.argv[1:]) + chr(10))"
    )
    (tmp_path / "content").mkdir()
    cells = nbformat.read(NOTEBOOKS_DIR / "05_analyze.ipynb", 4).cells
    code = "import google.colab\n" + next(cell.source for cell in cells if cell.id == "bootstrap")
    environment = redirect_home(HOME, tmp_path / "home")
    environment |= {"PYTHONPATH": str(tmp_path / "site"), "SAID": str(tmp_path / "said")}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path / "content",
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.splitlines())
    assert said[0][0] == f"fetched the project from {HOME}"
    assert said[0][1:] == said[1]
    assert re.fullmatch(r"installed: a-package-of-nobody>=1\.0(, google-colab-selenium>=[\d.]+)?", *said[1])
    assert (tmp_path / "content" / "chatlib-project" / "chatlib" / "__init__.py").is_file()
    commands = (tmp_path / "said").read_text().splitlines()
    assert len(commands) == 2 and all("a-package-of-nobody>=1.0" in command for command in commands)
