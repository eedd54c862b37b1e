"""Where the work is done: processor, linear layers through oneDNN, processes that train as one."""

import copy
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from chatlib.__main__ import main
from chatlib.collect.files.into_dataset import export_store
from chatlib.pretrain import TrainSettings, device
from chatlib.pretrain.corpus import build_corpus
from chatlib.pretrain.data import make_data, make_shard
from chatlib.pretrain.device import FastLinear, Processes, has_fast_linear, pick_device, speed_up
from chatlib.pretrain.language_model import load_manifest, new_language_model
from chatlib.store import open_store
from tests.places import ROOT

SIZES = ["--vocabulary=400", "--layers=1", "--width=32", "--block-len=32", "--epochs=2", "--accumulate=2"]


def run_together(db_path, folder):
    folder.mkdir()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command = [*launch, "-m", "chatlib", "pretrain", str(db_path), str(folder / "model"), *SIZES]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, load_manifest(folder / "model")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_a_gpu_is_taken_where_there_is_one(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device() == torch.device(expected)


@pytest.fixture
def onednn():
    if not has_fast_linear():
        pytest.skip("torch has no oneDNN on this machine")


INPUTS = {
    "one row": lambda: torch.randn(1, 8),
    "many rows": lambda: torch.randn(513, 8),
    "batches": lambda: torch.randn(2, 3, 4, 8),
    "none": lambda: torch.randn(0, 8),
    "transposed": lambda: torch.randn(8, 5).t(),
    "strided": lambda: torch.randn(5, 16)[:, ::2],
    "repeated": lambda: torch.randn(1, 8).expand(4, 8),
}


@pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_are_those_of_a_linear_layer(onednn, make, bias):
    torch.manual_seed(0)
    plain, x = nn.Linear(8, 6, bias=bias), make()
    fast = speed_up(copy.deepcopy(plain))
    assert type(fast) is FastLinear
    for gradients in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with gradients():
            torch.testing.assert_close(fast(x), plain(x))


def test_a_model_made_without_gradients_or_of_another_precision_multiplies_too(onednn):
    assert speed_up(nn.Linear(8, 6).double())(torch.randn(2, 8).double()).dtype == torch.float64
    with torch.inference_mode():
        fast, x = speed_up(nn.Linear(8, 6)), torch.randn(3, 8)
        torch.testing.assert_close(fast(x), nn.functional.linear(x, fast.weight, fast.bias))


def test_shared_weights_stay_shared_and_names_stay_what_they_were(onednn):
    model = nn.Sequential(nn.Embedding(6, 8), nn.Linear(8, 6, bias=False))
    model[1].weight = model[0].weight
    names = list(model.state_dict())
    speed_up(model)
    assert model[1].weight is model[0].weight
    assert list(model.state_dict()) == names
    model[1](model[0](torch.tensor([1, 2]))).sum().backward()
    assert model[0].weight.grad.abs().sum() > 0


def test_where_it_multiplies_wrong_nothing_changes(onednn, monkeypatch):
    monkeypatch.setattr(device, "_multiply", lambda a, b, c: a @ b.T + 1)
    has_fast_linear.cache_clear()
    try:
        assert type(speed_up(nn.Linear(2, 2))) is nn.Linear
    finally:
        has_fast_linear.cache_clear()


@pytest.fixture(scope="module")
def one(db_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes") / "model"
    assert main(["pretrain", str(db_path), str(folder), *SIZES]) == 0
    return load_manifest(folder)


def test_two_processes_reach_the_losses_of_one(one, db_path, tmp_path):
    said, two = run_together(db_path, tmp_path / "two")
    assert said.count("train_loss") == 1  # only one of them talks
    assert json.dumps(two["settings"]) == json.dumps(one["settings"])
    for ours, theirs in zip(two["epochs"], one["epochs"], strict=True):
        for name in ("train_loss", "blocks_perplexity", "single_perplexity")[ours["epoch"] == 0 :]:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3)


@pytest.fixture
def dataset(db_path, tmp_path):
    with open_store(db_path, read_only=True) as db:
        return export_store(db, tmp_path / "set")


def test_processes_read_shards_of_a_data_set_that_are_the_corpus_together(dataset, db):
    class Half(Processes):
        def sum(self, value):
            return value

    settings = TrainSettings(vocabulary=400, layers=1, width=32, block_len=32)
    chat = build_corpus(db, settings)
    tokenizer = new_language_model(chat.train["text"].tolist(), settings).tokenizer
    sample = build_corpus(dataset, settings, most=1000)
    shards = [make_shard(dataset, sample, tokenizer, settings, Half(rank, 2)) for rank in (0, 1)]
    rows = np.concatenate([shard.blocks for shard in shards]).astype(np.int64)
    assert sorted(map(bytes, rows)) == sorted(map(bytes, make_data(chat, tokenizer, settings).blocks))


@pytest.mark.real  # another launch; reading shards and summing losses are tested without one
def test_two_processes_learn_from_a_data_set_what_one_does_from_the_database(one, dataset, tmp_path):
    _, two = run_together(dataset.folder, tmp_path / "two")
    assert [two[name] for name in ("n_messages", "n_tokens", "streams")] == [
        one[name] for name in ("n_messages", "n_tokens", "streams")
    ]
    perplexity = [manifest["epochs"][-1]["blocks_perplexity"] for manifest in (one, two)]
    assert perplexity[1] == pytest.approx(perplexity[0], rel=0.1) and perplexity[1] < 400
