"""The command on a report makes that run again."""

import shlex

import pytest

from chatlib.__main__ import _build_parser
from chatlib.pipeline.notebooks import parse_override, read_parameters
from chatlib.pipeline.settings import NOTEBOOKS, NOTEBOOKS_DIR, format_command
from chatlib.workspace import PROJECT_DIR

GENERAL = {"RUN_DIR": "x", "LIMIT": 0}


def write_command(name="sample", given=None, *, chats=None, channels=None, **general):
    return format_command(name, given or {}, chats=chats, channels=channels, general={**GENERAL, **general})


def test_the_sample_is_made_by_make():
    assert write_command(given={"01_collect": dict(GENERAL)}) == "make report"


def test_what_differs_is_in_the_command_and_comes_back_as_it_was(tmp_path):
    chats = PROJECT_DIR / "data" / "it's $HOME"
    given = {
        "01_collect": {**GENERAL, "LIMIT": 3, "CHATS": str(chats), "SOURCE": "chats"},
        "03_pretrain": {"RUN_DIR": "x", "LEARNING_RATE": 0.001, "EPOCHS": 2},
        "04_predict": {"RUN_DIR": "x", "SHARED_LAYERS": True},
        "05_analyze": {"RUN_DIR": "x", "BOTS": "a b, `c`"},
    }
    command = write_command("mine", given, chats=chats, LIMIT=3, CHATS=str(chats), SOURCE="chats")
    words = shlex.split(command)
    assert words[0] == ".venv/bin/chatlib"
    args = _build_parser()[0].parse_args(words[1:])
    assert (args.name, args.chats, args.limit) == ("mine", "data/it's $HOME", 3)
    defaults = {name: read_parameters(NOTEBOOKS_DIR / f"{name}.ipynb") for name in NOTEBOOKS}
    assert [parse_override(text, defaults) for text in args.overrides] == [
        ("03_pretrain", "LEARNING_RATE", 0.001),
        ("03_pretrain", "EPOCHS", 2),
        ("04_predict", "SHARED_LAYERS", True),
        ("05_analyze", "BOTS", "a b, `c`"),
    ]


@pytest.mark.parametrize(
    "channels", ["https://www.youtube.com/@NAME", "https://www.youtube.com/channel/UC?a=b&c"]
)
def test_channels_come_back(channels):
    words = shlex.split(write_command("mine", channels=channels))
    assert _build_parser()[0].parse_args(words[1:]).channels == channels


def test_a_path_at_home_does_not_name_its_owner(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert write_command("mine", chats=tmp_path / "my chats").endswith("--chats ~/'my chats'")
