"""`make`: what it hands to the command line, and what it runs."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib

import pytest

from tests.places import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="no make here")


def make(*words):
    """Return what make prints; it does not know of a make that runs these tests, and its variables."""
    given = ("ARGS", "NAME", "CHATS", "CHANNELS", "LIMIT", "URL", "EXTRAS")
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS")) and k not in given}
    command = ["make", "--no-print-directory", *words]
    return subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout


def plan(*words):
    """Return the commands that `make` would run, the environment being ready."""
    lines = make("-n", "-o", "setup", "-o", ".venv/ready", *words).splitlines()
    return [shlex.split(line) for line in lines]


def test_a_path_and_an_address_are_passed_as_they_are():
    given = {"CHATS": '/a/it\'s ü $x `id` "b"', "NAME": "$(shell id)"}
    words = [f"{key}={value}" for key, value in given.items()]
    assert plan("report", *words, "ARGS=-p 03.EPOCHS=1") == [
        [".venv/bin/chatlib", "run", "--name", given["NAME"], "--chats", given["CHATS"], "-p", "03.EPOCHS=1"]
    ]
    assert plan("home", "URL=https://x;id") == [[".venv/bin/chatlib", "home", "https://x;id"]]


def test_named_tests_run_alone_and_all_checks_without_a_name():
    assert plan("test", "ARGS=tests/analyze") == [
        [".venv/bin/python", "-m", "pytest", "-m", "not real", "tests/analyze"]
    ]
    commands = make("-n", "-o", "setup", "-o", ".venv/ready", "test")
    assert re.findall(r"\.venv/bin/python -m (\w+)", commands) == ["ruff", "ruff", "mypy", "pytest"]


def test_help_names_every_target():
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY"))
    assert {line.split()[1] for line in make("help").splitlines()} == set(phony.split()[1:])


def test_the_hashes_are_of_the_pins():
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pins = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins.items()}
    hashed, more = ((ROOT / ".ci" / f"{name}.txt").read_text() for name in ("hashes", "extras-hashes"))
    extra = dict(re.findall(r"^([\w.-]+)==([\w.]+) .*\\$", more, re.MULTILINE))
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+) .*\\$", hashed, re.MULTILINE))
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = [*(ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    extras = settings["project"]["optional-dependencies"]
    named, optional = (
        {re.sub(r"[-_.]+", "-", line.split(">=")[0]).lower() for line in some if ">=" in line}
        for some in (lines + extras["dev"], extras["cluster"] + extras["readers"])
    )
    assert named - set(locked) == {"torch"}, "run `make lock`"
    assert optional <= set(extra) and not set(extra) & set(locked), "run `make lock`"
    unlike = {
        name: version for name, version in (locked | extra).items() if pins.get(name, version) != version
    }
    assert unlike == {}, "run `make lock`"


def test_what_a_cluster_needs_is_installed_on_request_only():
    assert "extras" not in make("-n", "-B", "setup")
    assert "extras-hashes" in make("-n", "-B", "setup", "EXTRAS=cluster")
