"""The command line at its edge: every failure is one sentence and an exit code."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatlib import workspace
from chatlib.__main__ import _ROOMS, _build_parser, main
from chatlib.errors import ModelError, ParameterError
from chatlib.simulate import channel
from tests.places import ROOT

SMALL = ("simulate", "--streams", "1", "--viewers", "10", "--messages", "20", "--out")


def run(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment, **options}
    return subprocess.run([sys.executable, "-m", "chatlib", *arguments], **options)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ParameterError("A rule, got 3."), 2, "A rule, got 3."),
        (ModelError("no model"), 1, "no model"),
        (KeyboardInterrupt(), 130, "interrupted; what was stored is whole."),
        (RecursionError("maximum recursion depth exceeded"), 1, "nested more deeply"),
        (MemoryError(), 1, "The memory is used up."),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 1, "not valid UTF-8"),
        (PermissionError(errno.EACCES, "Permission denied", "x.json"), 1, "(Permission denied): x.json"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "The disk is full"),
        (OSError(errno.ELOOP, "Too many levels of symbolic links", "a"), 1, "(Too many levels of symbolic"),
        (RuntimeError("Could not determine home directory."), 1, "begins with ~"),
        (ZeroDivisionError("division by zero"), 1, "(ZeroDivisionError: division by zero)"),
    ],
)
def test_an_error_is_one_sentence_and_a_traceback_only_for_debug(
    monkeypatch, capsys, tmp_path, error, code, sentence
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(channel, "simulate_channel", fail)
    assert main([*SMALL, str(tmp_path)]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("chatlib: ") and said.err.count("\n") == 1 and sentence in said.err
    with pytest.raises(type(error)):
        main([*SMALL, str(tmp_path), "--debug"])


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["no-such-command"], "there is no command 'no-such-command'. `chatlib --help` lists them."),
        (["analyse"], "there is no command 'analyse'. Did you mean analyze?"),
        (["import", "x", "--limt", "3"], "unrecognized arguments: --limt 3. Did you mean --limit?"),
    ],
)
def test_a_mistyped_command_or_option_is_answered_with_the_closest_one(capsys, command, answer):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert answer in capsys.readouterr().err


def test_without_a_command_the_help_lists_each_one_once(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    shown = re.findall(r"^  ([a-z]+) +\S", capsys.readouterr().out, re.M)
    rooms = {path.parent.name for path in (ROOT / "chatlib").glob("*/command.py")}
    assert shown == list(_ROOMS) and set(_ROOMS.values()) == rooms


@pytest.mark.parametrize("command", _ROOMS)
def test_a_command_is_in_the_room_that_the_help_says(command, capsys):
    """Only that room is imported; one that is missing in it would be said to be no command."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0 and f"chatlib {command}" in capsys.readouterr().out


def test_no_room_has_a_command_that_the_help_lacks():
    assert set(_build_parser()[1]) == set(_ROOMS)


def test_list_and_open_know_runs_by_name_and_by_folder(tmp_path, monkeypatch, capsys, channel_path):
    monkeypatch.setattr(workspace, "RUNS_DIR", tmp_path)
    assert main(["list"]) == 0 and "No run yet" in capsys.readouterr().out
    (tmp_path / "mine").mkdir()
    shutil.copy(channel_path, tmp_path / "mine" / "Db_file.dbs")
    assert main(["list"]) == 0 and capsys.readouterr().out.startswith("mine ")
    for file, state in (
        ("index.html", "report without"),
        ("steps.json", "unfinished"),
        ("run.json", "report\n"),
    ):
        (tmp_path / "mine" / file).touch()
        assert main(["list"]) == 0 and state in capsys.readouterr().out
        (tmp_path / "mine" / "index.html").unlink(missing_ok=True)
    assert main(["list", "mine"]) == 0
    by_name = capsys.readouterr().out
    assert main(["list", str(tmp_path / "mine")]) == 0 and capsys.readouterr().out == by_name
    assert by_name.count("\n") > 1 and "complete" in by_name
    assert main(["list", "mien"]) == 2 and "Did you mean mine?" in capsys.readouterr().err
    assert main(["open", "mine"]) == 2 and "has none yet" in capsys.readouterr().err
    (tmp_path / "one file").mkdir()
    (tmp_path / "one file" / "index.html").touch()  # pages of one file have no database
    assert main(["list"]) == 0 and "one file             1 stream " in capsys.readouterr().out
    (tmp_path / "mine" / "index.html").write_text("<p>")
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["open", "mine"]) == 0
    assert opened == capsys.readouterr().out.split() == [(tmp_path / "mine" / "index.html").as_uri()]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_output_is_one_sentence(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = run(*SMALL, tmp_path / "chats", stdout=full)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("chatlib: The disk is full") and done.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX closes descriptors")
@pytest.mark.parametrize("closed", [(1,), (0, 1), (0,), (2,)])
def test_a_closed_stream_is_never_written_into_a_file(tmp_path, closed):
    def close():
        for descriptor in closed:
            os.close(descriptor)

    done = run(*SMALL, tmp_path / "chats", preexec_fn=close)
    if 1 in closed:
        assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
        assert b"Standard output is closed" in done.stderr and not (tmp_path / "chats").exists()
    else:
        assert done.returncode == 0
        assert (tmp_path / "chats" / "README.md").read_text().startswith("# Pell's Harbor")


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m chatlib simulate --help | true"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["草.json", "\udcff.json"])
def test_a_terminal_that_only_knows_ascii_sees_every_name(tmp_path, name):
    row = {"message_type": "text_message", "message": "hi", "time_in_seconds": 1, "message_id": "a"}
    try:
        (tmp_path / name).write_text(json.dumps([{**row, "author": {"id": "b", "name": "c"}}]))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such name")
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run("import", tmp_path, "--db", tmp_path / "chat.dbs", env=ascii_only)
    said = (done.stdout + done.stderr).decode("ascii")
    assert "Traceback" not in said and done.returncode in (0, 1)
