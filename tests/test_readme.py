"""The README, and those beside the code, name files that exist, commands that work and limits that hold."""

import re

import pytest

from chatlib import files
from chatlib.__main__ import main
from tests.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DEVELOPERS = (ROOT / "chatlib" / "README.md").read_text(encoding="utf-8")


def test_it_is_short():
    assert len(README.split()) <= 700


def test_the_files_that_it_names_exist():
    named = set(
        re.findall(r"`((?:chatlib|tests|notebooks|data/sample|\.github)/[\w./]*)`", README + DEVELOPERS)
    )
    named |= set(re.findall(r"\]\(([\w./]+)\)", README))
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_the_files_beside_those_exist():
    walk = README[README.index("## What is where") : README.index("## Privacy")]
    for name in re.findall(r"`(\w+\.py)`", walk):
        assert list((ROOT / "chatlib").rglob(name)), name


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"^\.venv/bin/chatlib (\w+)", README, re.MULTILINE)))
)
def test_the_commands_that_it_names_exist(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    options = set(re.findall(rf"^\.venv/bin/chatlib {command} (.*?)(?:#|$)", README, re.MULTILINE))
    said = capsys.readouterr().out
    assert [o for o in re.findall(r"--[\w-]+", " ".join(options)) if o not in said] == []


def test_the_limits_that_it_states_hold():
    stated = DEVELOPERS[DEVELOPERS.index("- **Limits**") : DEVELOPERS.index("- **Whole or not at all**")]
    found = [value for value in vars(files).values() if isinstance(value, files.Limit)]
    assert len(found) >= 7
    assert [limit.variable for limit in found if f"{limit.default:,}" not in stated] == []


def test_the_formats_that_it_lists_are_those_that_are_read():
    from chatlib.collect.files.formats import FORMATS

    table = DEVELOPERS[DEVELOPERS.index("| from | what |") :].partition("\n\n")[0].splitlines()[2:]
    assert table == [f"| {form.program} | {form.what} |" for form in FORMATS]
