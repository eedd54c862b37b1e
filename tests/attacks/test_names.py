"""Odd names of files, folders and databases: any name is taken, or refused in one sentence."""

import os
import random

import pytest

from tests.attacks.commands import CHAT, attack

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
