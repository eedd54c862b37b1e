"""`python -m chatlib import`."""

import argparse

import pytest

from chatlib.collect.command import add_parsers
from chatlib.errors import MissingSource, ParameterError


def run(*argv):
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers())
    args = parser.parse_args([str(arg) for arg in argv])
    return args.run(args)


def test_the_summary_says_what_came_and_what_did_not(tmp_path, files, capsys):
    (tmp_path / "chats").mkdir()
    for name in ("nested.json", "response.json"):
        (tmp_path / "chats" / name).write_bytes(files[name])
    (tmp_path / "chats" / "bad.json").write_text("{")
    (tmp_path / "chats" / "notes.txt").write_text("notes")
    assert run("import", tmp_path / "chats", "--db", tmp_path / "chat.dbs") == 1
    assert capsys.readouterr().out.replace(str(tmp_path), "TMP").splitlines() == [
        "2 read, 0 known already, 1 failed; 14 new messages in TMP/chat.dbs",
        "",
        "  streams  messages  authors  paid",
        "        2        14        5     4",
        "",
        "Left out or incomplete:",
        "        1 × unknown renderer: liveChatHologramRenderer",
        "        1 × no message: closeLiveChatActionPanelAction",
        "",
        "Could not be read:",
        "  TMP/chats/bad.json: A chat file must be whole JSON, and of this one not one row can be read: "
        "Expecting property name enclosed in double quotes: line 1 column 2 (char 1).",
        "",
        "No chat, left alone:",
        "  TMP/chats/notes.txt",
    ]
    assert run("import", tmp_path / "chats", "--db", tmp_path / "chat.dbs", "--ignore-errors") == 0
    assert "0 read, 2 known already, 1 failed; 0 new messages" in capsys.readouterr().out


def test_nothing_usable_is_exit_code_1_and_a_long_list_of_errors_is_cut(tmp_path, capsys):
    for i in range(30):
        (tmp_path / f"{i}.json").write_text("{")
    assert run("import", tmp_path, "--db", tmp_path / "db" / "chat.dbs", "--ignore-errors") == 1
    out = capsys.readouterr().out
    assert "Could not be read" in out and "… and 10 more" in out


def test_wrong_input_is_told(tmp_path):
    with pytest.raises(MissingSource):
        run("import", tmp_path / "nowhere", "--db", tmp_path / "chat.dbs")
    assert not (tmp_path / "chat.dbs").exists()
    (tmp_path / "chat.json").write_text("[]")
    with pytest.raises(ParameterError, match="limit"):
        run("import", tmp_path, "--db", tmp_path / "chat.dbs", "--limit", "-3")
