"""The chain, stopped at each chapter, killed, run twice at once, on a full disk: nothing is lost or mixed."""

import contextlib
import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatlib import files
from chatlib.errors import ParameterError, StoreFull
from chatlib.pipeline import chain as chain_module
from chatlib.pipeline import pages
from chatlib.pipeline.settings import NOTEBOOKS
from tests.pipeline.stubs import run as run_small
from tests.pipeline.stubs import write_chain
from tests.waiting import is_alive, wait_until

# The command, on notebooks and runs of a test.
COMMAND = """
import dataclasses, pathlib, sys
from chatlib import __main__
from chatlib.pipeline import chain
places = {"notebooks_dir": pathlib.Path(sys.argv[1]), "runs_dir": pathlib.Path(sys.argv[2])}
run_chain = chain.run_chain
chain.run_chain = lambda settings: run_chain(dataclasses.replace(settings, **places))
sys.exit(__main__.main(["run", *sys.argv[3:]]))
"""
# A chapter that says when it starts, who runs it, and waits as long as it is told to.
CHAPTER = """
import os, pathlib, time
said = pathlib.Path(RUN_DIR)
with (said / "started.txt").open("a") as started:
    started.write("{name}\\n")
(said / "{name}.pid").write_text(str(os.getpid()))
while (said.parent / "wait_in_{name}").exists():
    time.sleep(0.02)
"""


@pytest.fixture
def chain(tmp_path):
    write_chain(tmp_path / "notebooks", CHAPTER)
    (tmp_path / "runs").mkdir()
    return {"notebooks_dir": tmp_path / "notebooks", "runs_dir": tmp_path / "runs"}


@contextlib.contextmanager
def start_command(chain, *arguments):
    """Yield a process of the command; it has ended, or is killed, when this is left."""
    command = [sys.executable, "-c", COMMAND, chain["notebooks_dir"], chain["runs_dir"], *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stop_in(chain, chapter, number, *arguments):
    """Run until `chapter` has started, stop it; return the exit code and what was said on both channels."""
    run = chain["runs_dir"] / "r"
    wait, pid = chain["runs_dir"] / f"wait_in_{chapter}", run / f"{chapter}.pid"
    wait.touch()
    with start_command(chain, "--name", "r", *arguments) as process:
        wait_until(lambda: pid.exists() and pid.read_text(), process)
        process.send_signal(number)
        said = process.communicate(timeout=300)
    kernel = int(pid.read_text())
    wait_until(lambda: not is_alive(kernel))
    wait.unlink()
    return process.returncode, *said


@pytest.mark.real  # minutes
@pytest.mark.timeout(900)
@pytest.mark.parametrize("turn", [0, 1, 2])  # so that each chapter is stopped by each of the three signals
@pytest.mark.parametrize("begin", ["fresh", "complete", "from"])
def test_stopped_at_each_chapter_it_goes_on_from_there(chain, begin, turn):
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    run, chapters = chain["runs_dir"] / "r", NOTEBOOKS
    if begin != "fresh":
        run_small("r", **chain)
        (run / "started.txt").unlink()
        for pid in run.glob("*.pid"):
            pid.unlink()
    if begin == "from":
        chapters = NOTEBOOKS[2:]
    for chapter in chapters:
        start = ["--from", "03"] if begin == "from" and chapter == chapters[0] else []
        number = signals[(NOTEBOOKS.index(chapter) + turn) % 3]
        code, out, said = stop_in(chain, chapter, number, *start)
        assert (code, out) == (130 if number == signal.SIGINT else -number, "")
        assert number != signal.SIGINT or said.splitlines()[-1] == (
            "chatlib: interrupted; what was stored is whole. The same command goes on."
        )
        assert "Traceback" not in said
        assert not (run / "run.json").exists()
        index = (run / "index.html").read_text() if chapter > NOTEBOOKS[0] else ""
        assert [f'{name}.html">chapter</a>' in index for name in NOTEBOOKS] == [
            name < chapter for name in NOTEBOOKS
        ]
    with start_command(chain, "--name", "r") as process:
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0 and said.startswith("The report: ")
    assert (run / "run.json").exists()
    assert (run / "started.txt").read_text().split() == [name for name in chapters for _ in range(2)]


def test_two_at_once_do_not_mix_and_of_one_name_the_second_is_refused(chain):
    wait = chain["runs_dir"] / "wait_in_01_collect"
    wait.touch()
    with (
        start_command(chain, "--name", "a", "--only", "01", "-p", "01.SEED=1") as one,
        start_command(chain, "--name", "b", "--only", "01") as other,
    ):
        for name, process in (("a", one), ("b", other)):
            wait_until((chain["runs_dir"] / name / "01_collect.pid").exists, process)
        with pytest.raises(ParameterError, match=r"'a' is in progress already\. Wait for it, or give this"):
            run_small("a", **chain)
        wait.unlink()
        assert [p.wait(timeout=300) for p in (one, other)] == [0, 0]
    for name in ("a", "b"):
        run = chain["runs_dir"] / name
        assert (run / "started.txt").read_text().split() == ["01_collect"]
        told = json.loads((run / "steps.json").read_text())
        assert told["01_collect"]["parameters"]["SEED"] == int(name == "a")


@pytest.mark.parametrize("file", ["index.html", "run.json"])
def test_on_a_full_disk_it_stops_and_with_room_it_goes_on(chain, chapters, monkeypatch, file):
    def refuse(path, content):
        if Path(path).name == file:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    write, run = files.atomic_write, chain["runs_dir"] / "r"
    with monkeypatch.context() as full:
        for module in (chain_module, pages):
            full.setattr(module, "atomic_write", refuse)
        with pytest.raises(StoreFull, match=r"(?i)free some space and run the same command again"):
            run_small("r", **chain)
    assert not (run / "run.json").exists()
    run_small("r", **chain)
    assert (run / "run.json").exists()
    assert chapters.ran == list(NOTEBOOKS)  # what had run was kept


def test_a_notebook_cut_short_by_a_full_disk_is_told_as_that(chain, monkeypatch):
    def cut(_source, output, **_options):
        Path(output).write_text('{"cells": [')
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("papermill.execute_notebook", cut)
    with pytest.raises(StoreFull, match="free some space"):
        run_small("r", **chain)


def read_results(run):
    return {path.name: path.read_text() for path in sorted((run / "results").iterdir())}


@pytest.mark.parametrize("chapter", NOTEBOOKS)
@pytest.mark.parametrize("begin", ["fresh", "complete", "from"])
def test_interrupted_anywhere_the_results_are_those_of_an_undisturbed_run(chain, chapters, begin, chapter):
    run = chain["runs_dir"] / "r"
    undisturbed = read_results(run_small("other", overrides=["02.SEED=7"], **chain).parent)
    start = chapter[:2] if begin == "from" else None
    if begin != "fresh":
        run_small("r", overrides=["02.SEED=7"], **chain)

    chapters.inside = chapter
    with pytest.raises(KeyboardInterrupt):
        run_small("r", start=start, overrides=["02.SEED=7"], **chain)
    undone = NOTEBOOKS[NOTEBOOKS.index(chapter) :]
    assert not (run / "run.json").exists()
    assert set(json.loads((run / "steps.json").read_text())) == set(NOTEBOOKS) - set(undone)
    assert not [name for name in undone if (run / f"{name}.html").exists()]

    chapters.inside, chapters.ran = None, []
    run_small("r", overrides=["02.SEED=7"], **chain)
    assert chapters.ran == list(undone)
    assert (run / "run.json").exists() and read_results(run) == undisturbed


def test_a_chapter_alone_takes_those_that_depend_on_it_out_of_the_report(chain, chapters):
    index = run_small("r", **chain)
    for only, outdated in (("05", []), ("04", []), ("03", ["04_predict"]), ("02", list(NOTEBOOKS[2:]))):
        run_small("r", only=only, **chain)
        assert (index.parent / "run.json").exists() is (not outdated)
        steps = json.loads((index.parent / "steps.json").read_text())
        assert set(steps) == set(NOTEBOOKS) - set(outdated)
        run_small("r", **chain)
        assert (index.parent / "run.json").exists()
