"""The chain, stopped at each chapter, killed, run twice at once, on a full disk: nothing is lost or mixed."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatlib.errors import StoreFull
from chatlib.pipeline.chain import run_chain
from chatlib.pipeline.notebooks import NOTEBOOKS
from tests.pipeline.test_chain import write_notebook

# The command, on notebooks and runs of a test.
COMMAND = """
import functools, pathlib, sys
from chatlib import __main__
from chatlib.pipeline import chain as pipeline
places = {"notebooks_dir": pathlib.Path(sys.argv[1]), "runs_dir": pathlib.Path(sys.argv[2])}
pipeline.run_chain = functools.partial(pipeline.run_chain, **places)
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
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in NOTEBOOKS:
        write_notebook(folder / f"{name}.ipynb", code=CHAPTER.format(name=name))
    (tmp_path / "runs").mkdir()
    return {"notebooks_dir": folder, "runs_dir": tmp_path / "runs"}


@contextlib.contextmanager
def start(chain, *arguments):
    """Yield a process of the command; it has ended, or is killed, when this is left."""
    command = [sys.executable, "-c", COMMAND, chain["notebooks_dir"], chain["runs_dir"], *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(condition, process=None):
    """Wait until it holds; fail if the process ends before, or after a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def stop_in(chain, chapter, number):
    """Run until `chapter` has started, stop it; return the exit code and what was said on both channels."""
    run = chain["runs_dir"] / "r"
    wait, pid = chain["runs_dir"] / f"wait_in_{chapter}", run / f"{chapter}.pid"
    wait.touch()
    with start(chain, "--name", "r") as process:
        wait_for(lambda: pid.exists() and pid.read_text(), process)
        process.send_signal(number)
        said = process.communicate(timeout=60)
    kernel = int(pid.read_text())
    wait_for(lambda: not is_alive(kernel))
    wait.unlink()
    return process.returncode, *said


@pytest.mark.real  # forty seconds
def test_stopped_at_each_chapter_it_goes_on_from_there(chain):
    run = chain["runs_dir"] / "r"
    for chapter in NOTEBOOKS:
        killed = chapter == "04_predict"  # the others are asked to stop
        code, out, said = stop_in(chain, chapter, signal.SIGKILL if killed else signal.SIGINT)
        assert (code, out) == (-signal.SIGKILL if killed else 130, "")
        assert killed or said.splitlines()[-1] == (
            "chatlib: interrupted; what was stored is whole. The same command goes on."
        )
        assert "Traceback" not in said
        assert not (run / "run.json").exists()
        index = (run / "index.html").read_text() if chapter > NOTEBOOKS[0] else ""
        assert [f'<h2><a href="{name}.html"' in index for name in NOTEBOOKS] == [
            name < chapter for name in NOTEBOOKS
        ]
    with start(chain, "--name", "r") as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and said.startswith("The report: ")
    assert (run / "run.json").exists()
    assert (run / "started.txt").read_text().split() == [name for name in NOTEBOOKS for _ in range(2)]


def test_two_at_once_do_not_mix_and_of_one_name_the_second_is_refused(chain):
    wait = chain["runs_dir"] / "wait_in_03_pretrain"
    wait.touch()
    with start(chain, "--name", "a", "-p", "03.SEED=1") as one, start(chain, "--name", "b") as other:
        for name, process in (("a", one), ("b", other)):
            wait_for((chain["runs_dir"] / name / "03_pretrain.pid").exists, process)
        with start(chain, "--name", "a") as second:
            said = second.communicate(timeout=60)
        assert (second.returncode, *said) == (
            2,
            "",
            "chatlib: A run goes on once at a time, and 'a' is going on already. Wait for it, or give this "
            "one another name (NAME=…, or --name).\n",
        )
        wait.unlink()
        assert [p.wait(timeout=60) for p in (one, other)] == [0, 0]
    for name in ("a", "b"):
        run = chain["runs_dir"] / name
        assert (run / "started.txt").read_text().split() == list(NOTEBOOKS)
        told = json.loads((run / "run.json").read_text())
        assert (told["name"], told["parameters"]["03_pretrain"]["SEED"]) == (name, int(name == "a"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told_and_with_room_it_goes_on(chain):
    run = chain["runs_dir"] / "r"
    run.mkdir()
    (run / "01_collect.html").symlink_to("/dev/full")
    with pytest.raises(StoreFull, match="ree some space and run the same command again"):
        run_chain("r", **chain)
    (run / "01_collect.html").unlink()
    assert not (run / "run.json").exists()
    run_chain("r", **chain)
    assert (run / "run.json").exists()
    assert sorted((run / "started.txt").read_text().split()) == sorted([*NOTEBOOKS, NOTEBOOKS[0]])
