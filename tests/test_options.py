"""Settings that are a dataclass's fields are options of a command, and come back as the dataclass."""

import argparse
import re
from dataclasses import dataclass

import pytest

from chatlib.errors import ParameterError
from chatlib.options import add_options, check_settings, option, read_options


@dataclass(frozen=True)
class Settings:
    n_rows: int = option(3, "rows", "--rows", "-r")
    max_share: float = option(0.5, "of all", metavar="X")
    kind: str = option("plain", "what it is", choices=("plain", "fancy"))
    note: str = option("", "written beside it", metavar="TEXT")
    is_quiet: bool = option(False, "say nothing")
    internal: int = 7

    def __post_init__(self):
        check_settings(self, n_rows=0)


def parse(*given, names=()):
    parser = argparse.ArgumentParser(prog="x")
    add_options(parser, Settings, names)
    return read_options(parser.parse_args(given), Settings), " ".join(parser.format_help().split())


def test_options_have_the_defaults_types_and_names_of_their_fields():
    given = ["-r", "5", "--max-share", "1", "--kind", "fancy", "--note", "hi", "--is-quiet"]
    assert parse(*given)[0] == Settings(5, 1.0, "fancy", "hi", True)
    assert parse()[0] == parse(names=("note",))[0] == Settings()


def test_the_help_tells_meaning_and_default():
    _, text = parse()
    assert re.search(r"--rows(, -r| N, -r) N rows \(default: 3\)", text)
    assert "--max-share X of all (default: 0.5)" in text
    assert "--note TEXT written beside it --is-quiet say nothing" in text and "internal" not in text


@pytest.mark.parametrize("wrong", [["--rows", "many"], ["--kind", "odd"], ["--internal", "1"]])
def test_a_wrong_value_or_an_unknown_option_is_misuse(wrong):
    with pytest.raises(SystemExit) as ended:
        parse(*wrong)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n_rows": -1}, "rows must be at least 0, got -1."),
        ({"n_rows": True}, "rows must be a whole number, got True."),
        ({"max_share": "1"}, "max_share must be a number, got '1'."),
        ({"note": None}, "note must be a text, got None."),
        ({"is_quiet": "no"}, "is_quiet must be True or False, got 'no'."),
    ],
)
def test_a_value_of_another_type_or_too_small_is_refused_by_name(wrong, said):
    with pytest.raises(ParameterError, match=f"^{re.escape(said)}$"):
        Settings(**wrong)
    assert Settings(max_share=1) == Settings(max_share=1.0)
