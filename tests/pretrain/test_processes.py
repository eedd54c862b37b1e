"""Several processes train as one does: in one program, and as launchers start them."""

import json
import os
import subprocess
import sys

import pytest

from chatlib.pretrain.language_model import load_manifest
from chatlib.pretrain.processes import join_processes
from tests.places import ROOT

PROGRAM = """
import argparse, sys
from chatlib.pretrain import command
parser = argparse.ArgumentParser()
command.add_parsers(parser.add_subparsers())
args = parser.parse_args(["pretrain", *sys.argv[1:]])
sys.exit(args.run(args))
"""
LAUNCHERS = {
    "alone": [sys.executable],
    "torchrun": [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
    "accelerate": [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"],
}


def run(launcher, db_path, folder):
    folder.mkdir()
    program = folder / "program.py"
    program.write_text(PROGRAM)
    sizes = {
        "--vocabulary": 400,
        "--layers": 1,
        "--width": 32,
        "--block-len": 32,
        "--epochs": 2,
        "--accumulate": 2,
    }
    options = [str(part) for pair in sizes.items() for part in pair]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    command = [*LAUNCHERS[launcher], str(program), str(db_path), str(folder / "model"), *options]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, load_manifest(folder / "model")


def test_alone_a_process_is_the_first_of_one(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join_processes() == (0, 1)
    assert join_processes().is_first


@pytest.fixture(scope="module")
def one(db_path, tmp_path_factory):
    return run("alone", db_path, tmp_path_factory.mktemp("processes") / "one")[1]


@pytest.mark.parametrize("launcher", ["accelerate", pytest.param("torchrun", marks=pytest.mark.real)])
def test_two_processes_reach_the_losses_of_one(launcher, one, db_path, tmp_path):
    said, two = run(launcher, db_path, tmp_path / "two")
    assert said.count("train_loss") == 1  # only one of them talks
    assert json.dumps(two["settings"]) == json.dumps(one["settings"])
    for ours, theirs in zip(two["epochs"], one["epochs"], strict=True):
        for name in ("train_loss", "blocks_perplexity", "single_perplexity")[ours["epoch"] == 0 :]:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3)
