"""Odd names of files, folders and databases: any name is taken, or refused in one sentence."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.commands import CHAT, attack
from tests.places import ROOT

PIECES = (
    "\udcff", "\n", "\r", "\x1b[2J", "\x07", "\u202e", "\u2066", "草", "é", " ", "-", "--", "'", '"', "$(x)",
    "%s", "{0}", "*", "?", "#", "a", "x" * 90, ".", "..", "/", "\x9b", "\u2028", ":memory:",
    "file:", "~", "\\",
)  # fmt: skip
COMMANDS = ("import", "into", "analyze", "update", "forecast", "bundle", "missing")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows takes few of these names")


def test_any_name_is_taken_or_refused_in_one_sentence(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.json").write_bytes(CHAT)
    for seed in range(200):
        rng = random.Random(seed)
        name = "./" + "".join(rng.choices(PIECES, k=rng.randrange(1, 6)))
        case = f"{COMMANDS[seed % len(COMMANDS)]} {name!r}"
        if seed % 2:
            make_file(name)
        match COMMANDS[seed % len(COMMANDS)]:
            case "import":
                attack(capfd, "import", name, "--db", f"{seed}.dbs", case=case)
            case "into":
                attack(capfd, "import", "good.json", "--db", name, case=case)
            case "analyze":
                attack(capfd, "analyze", name, "-o", "out", case=case)
            case "update":
                attack(capfd, "update", "--db", name, codes=(1, 2), case=case)
            case "forecast":
                attack(capfd, "forecast", name, "--stream", name, codes=(1, 2), case=case)
            case "bundle":
                attack(capfd, "bundle", "--name", name, codes=(1, 2), case=case)
            case "missing":
                attack(capfd, "import", name + "missing", "--db", f"{seed}.dbs", codes=(1, 2), case=case)
                assert not os.path.exists(f"{seed}.dbs"), case  # noqa: PTH110


def make_file(name):
    try:
        with open(name, "xb") as file:  # noqa: PTH123
            file.write(CHAT)
    except (OSError, ValueError):
        return


TERMINALS = {
    "ascii": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "full": {},
    "closed": {},
}


@pytest.mark.parametrize("n", [9, pytest.param(60, marks=[pytest.mark.real, pytest.mark.timeout(600)])])
def test_odd_terminals_see_one_sentence(tmp_path, n):
    for seed in range(n):
        rng = random.Random(seed)
        name = "./" + "".join(rng.choices([piece for piece in PIECES if "/" not in piece], k=3))[:200]
        kind = list(TERMINALS)[seed % 3]
        make_file(tmp_path / name)
        command = (["import", name, "--db", "x.dbs"], ["analyze", name, "-o", "out"], ["--help"])[
            seed // 3 % 3
        ]
        with Path("/dev/full").open("wb") if kind == "full" else Path(os.devnull).open("wb") as output:
            done = subprocess.run(
                [sys.executable, "-m", "chatlib", *command],
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT), **TERMINALS[kind]},
                stdout=subprocess.PIPE if kind == "ascii" else output,
                stderr=subprocess.PIPE,
                timeout=300,
                preexec_fn=(lambda: os.close(1)) if kind == "closed" else None,
            )
        case = f"{kind} {command!r} {done.stderr!r}"
        assert done.returncode in (0, 1, 2), case
        assert b"Traceback" not in done.stderr and done.stderr.count(b"chatlib: ") <= 1, case
        if kind == "ascii":
            (done.stdout + done.stderr).decode("ascii")
