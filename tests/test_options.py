"""Settings that are a dataclass's fields are options of a command, and come back as the dataclass."""

import argparse
from dataclasses import dataclass

import pytest

from chatlib.errors import ParameterError
from chatlib.options import add_options, option, read_options


@dataclass(frozen=True)
class Settings:
    n_rows: int = option(3, "rows", "--rows", "-r")
    max_share: float = option(0.5, "of all", metavar="X")
    kind: str = option("plain", "what it is", choices=("plain", "fancy"))
    note: str = option("", "written beside it", metavar="TEXT")
    is_quiet: bool = option(False, "say nothing")
    internal: int = 7

    def __post_init__(self):
        if self.n_rows < 0:
            raise ParameterError("rows must be 0 or more")


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser(prog="x")
    add_options(parser, Settings)
    return parser


def test_without_options_the_defaults_come_back(parser):
    assert read_options(parser.parse_args([]), Settings) == Settings()


def test_options_have_the_types_of_their_defaults_and_the_names_of_their_fields(parser):
    given = ["-r", "5", "--max-share", "1", "--kind", "fancy", "--note", "hi", "--is-quiet"]
    assert read_options(parser.parse_args(given), Settings) == Settings(5, 1.0, "fancy", "hi", True)


def test_the_help_tells_meaning_and_default(parser):
    text = " ".join(parser.format_help().split())
    assert "--rows N, -r N rows (default: 3)" in text and "--max-share X of all (default: 0.5)" in text
    assert "--note TEXT written beside it --is-quiet say nothing" in text and "internal" not in text


@pytest.mark.parametrize("wrong", [["--rows", "many"], ["--kind", "odd"], ["--internal", "1"]])
def test_a_wrong_value_or_an_unknown_option_is_misuse(parser, wrong):
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(wrong)
    assert ended.value.code == 2


def test_the_rules_of_the_settings_hold(parser):
    with pytest.raises(ParameterError):
        read_options(parser.parse_args(["--rows", "-1"]), Settings)


def test_a_command_can_have_some_of_them_and_others_keep_their_defaults():
    parser = argparse.ArgumentParser()
    add_options(parser, Settings, ("note",))
    assert read_options(parser.parse_args(["--note", "x"]), Settings) == Settings(note="x")
