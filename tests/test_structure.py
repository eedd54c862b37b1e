"""The layout of the project, and which part may know which."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import chatlib
from tests.places import ROOT

TOP_LEVEL = {
    "notebooks", "chatlib", "data", "Images", "tests", "README.md", "requirements.txt", "Makefile",
    "pyproject.toml", "constraints.txt", "LICENSE", ".ci", ".github", ".gitignore",
}  # fmt: skip
MODULES = sorted(m.name for m in pkgutil.walk_packages(chatlib.__path__, "chatlib."))

# Who may import whom, lowest first; a part may import what stands in the layers below it.
LAYERS = [
    {"errors", "records", "schema"},
    {"money", "text", "workspace", "colab", "files", "ahead", "limits", "dates", "addresses"},
    {"store", "queries", "splits"},
    {"simulate", "collect", "pretrain"},
    {"predict", "analyze"},
    {"scale", "plots"},
    {"pipeline"},
    {"__main__"},
]
FORBIDDEN = {
    "simulate": {"collect", "pretrain"},
    "collect": {"simulate", "pretrain"},
    "analyze": {"pretrain", "predict"},
    "pretrain": {"collect", "simulate"},
}


def git_files():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [line for line in done.stdout.splitlines() if (ROOT / line).exists()]


def imports_of(module):
    path = ROOT / Path(*module.split("."))
    source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def part_of(module):
    return module.split(".")[1] if module.count(".") else ""


def test_the_top_level_is_fixed():
    assert {line.split("/")[0] for line in git_files()} <= TOP_LEVEL


def test_nothing_large_is_committed():
    sizes = {name: (ROOT / name).stat().st_size for name in git_files()}
    assert {name: size for name, size in sizes.items() if size > 5_000_000} == {}
    assert sum(size for name, size in sizes.items() if name.startswith("data/")) < 5_000_000


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    part = part_of(module)
    if part == "":
        return
    level = next(i for i, layer in enumerate(LAYERS) if part in layer)
    below = set().union(*LAYERS[:level]) | {part, ""}
    if level <= 2:  # the ground may use what stands beside it
        below |= LAYERS[level]
    used = {part_of(name) for name in imports_of(module) if name.split(".")[0] == "chatlib"}
    if part == "__main__":
        below |= {"pipeline"}
    assert used <= below - FORBIDDEN.get(part, set())


@pytest.mark.parametrize("module", MODULES)
def test_torch_stays_in_pretrain_and_predict(module):
    heavy = {name.split(".")[0] for name in imports_of(module)} & {
        "torch",
        "transformers",
        "tokenizers",
        "safetensors",
    }
    assert not heavy or part_of(module) in {"pretrain", "predict"}


def test_collecting_and_analyzing_start_without_torch():
    light = [m for m in MODULES if part_of(m) in {"collect", "analyze", "store", "money", "plots"}]
    light = [m for m in light if not m.endswith((".pretrain", ".predict"))]
    code = (
        f"import sys, importlib; [importlib.import_module(m) for m in {light}]; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("module", [m for m in MODULES if m != "chatlib.__main__"])
def test_public_names_are_documented(module):
    loaded = importlib.import_module(module)
    assert loaded.__doc__
    assert hasattr(loaded, "__all__") or module.count(".") < 2 or loaded.__file__.endswith("__init__.py")
    for name in getattr(loaded, "__all__", []):  # sorted: ruff's RUF022
        value = getattr(loaded, name)
        if callable(value) and getattr(value, "__module__", "").startswith("chatlib"):
            assert value.__doc__, f"{module}.{name} has no docstring"


def test_no_file_names_a_machine_or_a_todo():
    marks = re.compile(rf"\b(TODO|FIXME|XXX)\b|/home/\w|/root/|C:\\\\Users|{re.escape(str(ROOT))}\b")
    found = []
    for name in git_files():
        path = ROOT / name
        if path.suffix in {".py", ".ipynb", ".md", ".toml", ".txt", ".html", ".css", ""} and path != Path(
            __file__
        ):
            found += [f"{name}: {m.group()}" for m in marks.finditer(path.read_text(encoding="utf-8"))]
    assert found == []


def test_every_requirement_has_a_lower_bound_a_reason_and_a_pin():
    pins = {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower()
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[\w.-]+>=[\d.]+ +# \S.*", line), line
            assert re.sub(r"[-_.]+", "-", line.split(">=")[0]).lower() in pins, line


def test_torch_is_pinned_in_one_place():
    for name in ("requirements.txt", "pyproject.toml", "Makefile"):
        assert not re.search(r"torch\s*==", (ROOT / name).read_text(encoding="utf-8"))


def test_a_command_starts_fast_and_helps():
    done = subprocess.run(
        [sys.executable, "-m", "chatlib", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    for command in ("import", "simulate", "analyze", "run"):
        assert command in done.stdout
