"""The layout of the project, and which part may know which."""

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import types
from functools import cache
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
    {"errors", "options", "records", "schema"},
    {"columns", "money", "text", "workspace", "colab", "files", "ahead", "times", "tables"},
    {"store", "queries", "dataset"},
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
# Packages that take seconds to import, or that only some parts need, and the parts that may import them.
HEAVY = {
    "torch": {"pretrain", "predict"},
    "transformers": {"pretrain", "predict"},
    "tokenizers": {"pretrain", "predict"},
    "safetensors": {"pretrain", "predict"},
    "lightgbm": {"predict"},
    "selenium": {"collect"},
    "papermill": {"pipeline"},
    "nbconvert": {"pipeline"},
    "ray": {"scale"},
}
# Where SQL may stand; readers of other programs' databases have theirs. Python 3.12 warns of ?1.
SQL = {
    "chatlib.store", "chatlib.queries", "chatlib.schema", "chatlib.collect.files.first_version",
}  # fmt: skip
_STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|WITH|REPLACE)\s+\w", re.DOTALL)
_SQL_WORDS = re.compile(r"\b(FROM|INTO|SET|TABLE|VIEW|INDEX)\b")

MAX_FILES_IN_A_FOLDER = 20
MAX_FILES, MAX_LINES, MAX_TEST_LINES = 118, 29_644, 24_949


@cache
def git_files():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [line for line in done.stdout.splitlines() if (ROOT / line).exists()]


@cache
def path_of(module):
    path = ROOT / Path(*module.split("."), "__init__.py")  # its folder may be an older checkout's leavings
    return path if path.is_file() else path.parent.with_suffix(".py")


@cache
def tree_of(module):
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


@cache
def imports_of(module):
    """Return the modules that a module imports, those named by `from package import module` among them."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & set(MODULES)) or {node.module}
    return found


def part_of(module):
    return module.split(".")[1] if module.count(".") else ""


def folders():
    return [ROOT / "chatlib", *(path.parent for path in (ROOT / "chatlib").rglob("*/__init__.py"))]


def count_lines(paths):
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


def test_the_top_level_is_fixed():
    assert {line.split("/")[0] for line in git_files()} <= TOP_LEVEL


def test_nothing_large_is_committed():
    sizes = {name: (ROOT / name).stat().st_size for name in git_files()}
    assert {name: size for name, size in sizes.items() if size > 5_000_000} == {}
    assert sum(size for name, size in sizes.items() if name.startswith("data/")) < 5_000_000


def test_tests_share_modules_of_their_own_and_no_test_or_conftest():
    shared = re.compile(r"^ *(from|import) tests\.(\w+\.)*(test_\w+|conftest)\b", re.MULTILINE)
    names = [name for name in git_files() if name.startswith("tests/") and name.endswith(".py")]
    assert [name for name in names if shared.search((ROOT / name).read_text(encoding="utf-8"))] == []


def test_every_part_has_a_layer():
    assert {part_of(module) for module in MODULES} <= set().union(*LAYERS)


def test_imports_go_one_way():
    wrong = []
    for module in MODULES:
        part = part_of(module)
        level = next(i for i, layer in enumerate(LAYERS) if part in layer)
        allowed = set().union(*LAYERS[:level]) | {part, ""}
        if level <= 2:  # the ground may use what stands beside it
            allowed |= LAYERS[level]
        used = {part_of(name): name for name in imports_of(module) if name.split(".")[0] == "chatlib"}
        wrong += [f"{module} imports {used[p]}" for p in set(used) - (allowed - FORBIDDEN.get(part, set()))]
    assert wrong == []


def test_no_two_files_import_each_other_round_about():
    within = {module: imports_of(module) & set(MODULES) - {module} for module in MODULES}
    while free := [module for module, used in within.items() if not used]:
        for module in free:
            del within[module]
        within = {module: used - set(free) for module, used in within.items()}
    assert within == {}, "these files are part of a circle of imports, or import one"


def test_folders_are_small():
    crowded = {
        str(folder.relative_to(ROOT)): n
        for folder in folders()
        if (n := len(list(folder.glob("*.py")))) > MAX_FILES_IN_A_FOLDER
    }
    crowded.pop("chatlib", None)  # the ground floor: errors, records, store and the like
    assert crowded == {}


def test_the_whole_is_small():
    files = [ROOT / name for name in git_files() if name.startswith("chatlib/") and name.endswith(".py")]
    tests = [ROOT / name for name in git_files() if name.startswith("tests/") and name.endswith(".py")]
    assert len(files) <= MAX_FILES
    assert count_lines(files) <= MAX_LINES
    assert count_lines(tests) <= MAX_TEST_LINES


@pytest.mark.parametrize("package", HEAVY)
def test_heavy_packages_are_imported_only_where_they_are_used(package):
    users = [m for m in MODULES if package in {name.split(".")[0] for name in imports_of(m)}]
    assert [module for module in users if part_of(module) not in HEAVY[package]] == []


def test_nothing_is_imported_that_windows_lacks():
    lacking = {"fcntl", "grp", "pwd", "resource", "termios"}
    assert [m for m in MODULES if lacking & {name.split(".")[0] for name in imports_of(m)}] == []


def test_commands_start_without_heavy_packages():
    light = {"collect", "analyze", "simulate", "store", "money", "plots"}
    heavy = ["torch", "transformers", "lightgbm", "ray", "papermill"]
    for modules, lacking in (
        ([m for m in MODULES if part_of(m) in light], heavy),
        (["chatlib.pipeline.quick"], [*heavy, "matplotlib", "nbconvert"]),
    ):
        found = f"[m for m in {lacking} if m in sys.modules]"
        code = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; print({found})"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.strip() == "[]", done.stderr


def test_sql_stands_in_one_place_and_numbers_no_parameter():
    found = []
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if _STATEMENT.match(text) and _SQL_WORDS.search(text) and (module not in SQL or "?1" in text):
                found.append(f"{module}:{node.lineno}: {text.strip()[:60]}")
    assert found == []


def test_the_library_prints_nothing():
    talkers = []
    for module in MODULES:
        if module.split(".")[-1] in {"command", "__main__"}:
            continue
        calls = [node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call)]
        names = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
        writes = {ast.unparse(node.func) for node in calls if isinstance(node.func, ast.Attribute)}
        if "print" in names or writes & {"sys.stdout.write", "sys.stderr.write"}:
            talkers.append(module)
    assert talkers == []


_METHODS = (types.FunctionType, classmethod, staticmethod, property, functools.cached_property)


@pytest.mark.parametrize("module", [m for m in MODULES if m != "chatlib.__main__"])
def test_public_names_are_documented(module):
    loaded = importlib.import_module(module)
    assert loaded.__doc__
    assert hasattr(loaded, "__all__") or module.count(".") < 2 or loaded.__file__.endswith("__init__.py")
    for name in getattr(loaded, "__all__", []):  # sorted: ruff's RUF022
        value = getattr(loaded, name)
        if callable(value) and getattr(value, "__module__", "").startswith("chatlib"):
            assert value.__doc__, f"{module}.{name} has no docstring"
            methods = vars(value).items() if isinstance(value, type) else ()
            shown = [m for m, v in methods if m[0] != "_" and isinstance(v, _METHODS)]
            silent = [m for m in shown if not inspect.getdoc(getattr(value, m))]
            assert silent == [], f"methods of {module}.{name} without a docstring of their own or of a base"


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
