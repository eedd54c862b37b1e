"""chatlib as a wheel, away from its clone: what it carries, and what it says it cannot do there."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.places import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder that holds what the project's wheel installs."""
    pytest.importorskip("setuptools", minversion="77", reason="setuptools builds the wheel")
    clone, wheels, site = (tmp_path_factory.mktemp(name) for name in ("clone", "wheels", "site"))
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "chatlib", clone / "chatlib", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"import setuptools.build_meta as backend; backend.build_wheel({str(wheels)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=clone, check=True, capture_output=True)
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    return site


def run(installed, cwd, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "chatlib", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_it_carries_every_file_that_is_neither_code_nor_about_it(installed):
    there = {path.relative_to(ROOT) for path in (ROOT / "chatlib").rglob("*") if path.is_file()}
    without = {".py", ".pyc", ".md"}
    data = {path for path in there if path.suffix not in without and "/." not in path.as_posix()}
    assert data and [path for path in data if not (installed / path).is_file()] == []
    (entry,) = installed.glob("chatlib-*.dist-info/entry_points.txt")
    assert "chatlib = chatlib.__main__:main" in entry.read_text()


def test_it_works_without_the_clone(installed, tmp_path):
    size = ("--streams", "1", "--viewers", "10", "--messages", "20")
    assert run(installed, tmp_path, "simulate", *size, "--out", "chats").returncode == 0
    done = run(installed, tmp_path, "import", "chats", "--db", "chat.dbs")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "chat.dbs").is_file()
    chat = next((tmp_path / "chats" / "chat").iterdir())
    done = run(installed, tmp_path, "report", str(chat), "--only", "analyze", "--no-open", "--name", "one")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "runs" / "one" / "index.html").is_file()


def test_what_needs_the_notebooks_says_so(installed, tmp_path):
    commands = [["run"], ["notebooks"], ["images"], ["home", "https://github.com/a/b"]]
    code = f"from chatlib.__main__ import main; print([main(words) for words in {commands}])"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[2, 2, 2, 2]", done.stderr
    needs = "needs the project's notebooks, and chatlib was installed without them"
    assert [needs in line for line in done.stderr.splitlines()] == [True] * 4
    assert list(tmp_path.iterdir()) == []
