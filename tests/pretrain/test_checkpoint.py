"""A training that was killed goes on, and ends where it would have ended."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch

from chatlib.pretrain import training
from chatlib.pretrain.training import find_kept, is_over, train
from tests.pretrain.chats import SMALL, weights_of

SETTINGS = replace(SMALL, epochs=2, lr=5e-3)
PATIENT = replace(SMALL, epochs=5, lr=5e-3, patience=2, accumulate=2, batch_blocks=4, schedule="cosine")
TIMING = ["seconds", "tokens_per_s"]
PERPLEXITIES = [99.0, 50.0, 40.0, 45.0, 41.0, 39.0]


def stop_in_epoch(monkeypatch, number):
    """Let training be interrupted in the third batch of an epoch; return the epochs that it began."""
    real, begun = training.iter_batches, []

    def iterate(*args, epoch, **options):
        begun.append(epoch)
        for i, batch in enumerate(real(*args, epoch=epoch, **options)):
            if (epoch, i) == (number, 2):
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(training, "iter_batches", iterate)
    return begun


def interrupt(fresh, settings, folder, *, epoch):
    with pytest.MonkeyPatch.context() as patch:
        stop_in_epoch(patch, epoch)
        with pytest.raises(KeyboardInterrupt):
            train(*fresh(), settings, checkpoint=folder)


@pytest.fixture(scope="module")
def whole(fresh, tmp_path_factory):
    """The history and the weights of a training that nothing interrupted."""
    lm, data = fresh()
    folder = tmp_path_factory.mktemp("whole")
    history = train(lm, data, SETTINGS, checkpoint=folder / "unfinished")
    assert list(folder.iterdir()) == []
    return history, weights_of(lm)


@pytest.fixture(scope="module")
def unfinished(fresh, tmp_path_factory):
    """The folder of a training that was interrupted in its second epoch; not to be changed by a test."""
    folder = tmp_path_factory.mktemp("unfinished")
    interrupt(fresh, SETTINGS, folder, epoch=2)
    assert [path.name for path in folder.iterdir()] == ["epoch_1.safetensors"]
    return folder


def test_it_trains_only_what_is_missing_and_ends_with_the_same_weights(
    fresh, whole, unfinished, tmp_path, monkeypatch
):
    shutil.copytree(unfinished, tmp_path / "c")
    begun = stop_in_epoch(monkeypatch, 0)
    lm, data = fresh()
    resumed = train(lm, data, SETTINGS, checkpoint=tmp_path / "c")
    assert begun == [2]
    assert torch.equal(weights_of(lm), whole[1])
    pd.testing.assert_frame_equal(resumed.drop(columns=TIMING), whole[0].drop(columns=TIMING))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["another training", "cut", "nothing in it"])
def test_a_checkpoint_that_does_not_fit_is_left_alone(
    fresh, whole, unfinished, tmp_path, monkeypatch, caplog, damage
):
    shutil.copytree(unfinished, tmp_path / "c")
    settings, epoch = SETTINGS, tmp_path / "c" / "epoch_1.safetensors"
    if damage == "another training":
        settings = replace(settings, patience=1)  # which changes no weight of the first epochs
    else:
        epoch.write_bytes(epoch.read_bytes()[: -1000 if damage == "cut" else 0])
    begun = stop_in_epoch(monkeypatch, 0)
    lm, data = fresh()
    train(lm, data, settings, checkpoint=tmp_path / "c")
    assert begun == [1, 2]
    assert "starting anew" in caplog.text
    assert torch.equal(weights_of(lm), whole[1])


@pytest.mark.parametrize(
    ("n", "patience", "kept", "over"),
    [
        (6, 0, 5, False),
        (5, 0, 4, False),
        (4, 1, 2, True),
        (4, 2, 2, False),
        (5, 2, 2, True),
        (6, 3, 5, False),
        (1, 2, 0, False),
        (2, 2, 1, False),
    ],
)
def test_the_best_epoch_is_kept_and_patience_ends(n, patience, kept, over):
    history = [{"epoch": i, "blocks_perplexity": p} for i, p in enumerate(PERPLEXITIES[:n])]
    assert find_kept(history, patience=patience) == kept
    assert is_over(history, patience=patience) is over


def test_weights_before_training_are_never_the_best():
    history = [{"epoch": i, "blocks_perplexity": p} for i, p in enumerate([1.0, 5.0, 6.0])]
    assert find_kept(history, patience=1) == 1


@pytest.fixture
def plan(monkeypatch):
    """Let held-out perplexities be as planned, and collect the weights at each epoch's end."""
    real, seen = training.Trainer.evaluate, {}

    def evaluate(trainer, *, epoch, **options):
        seen[epoch] = weights_of(trainer.lm).clone()
        return {**real(trainer, epoch=epoch, **options), "blocks_perplexity": PERPLEXITIES[epoch]}

    monkeypatch.setattr(training.Trainer, "evaluate", evaluate)
    return seen


def test_training_ends_early_with_the_best_weights_also_after_a_kill(fresh, plan, tmp_path):
    lm, data = fresh()
    whole = train(lm, data, PATIENT, checkpoint=tmp_path / "whole")
    assert whole["epoch"].tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(weights_of(lm), plan[2])
    assert not torch.equal(weights_of(lm), plan[4])
    interrupt(fresh, PATIENT, tmp_path / "c", epoch=4)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [
        "epoch_2.safetensors",
        "epoch_3.safetensors",
    ]
    again, data = fresh()
    resumed = train(again, data, PATIENT, checkpoint=tmp_path / "c")
    assert torch.equal(weights_of(again), weights_of(lm))
    pd.testing.assert_frame_equal(resumed.drop(columns=TIMING), whole.drop(columns=TIMING))
