"""A training that was killed goes on, and ends where it would have ended."""

import pandas as pd
import pytest
import torch

from chatlib.pretrain import training as masked_lm
from chatlib.pretrain.device import seed_torch
from chatlib.pretrain.language_model import new_language_model
from chatlib.pretrain.training import TrainSettings, make_data, train

SETTINGS = TrainSettings(epochs=4, lr=5e-3, batch_blocks=8)


@pytest.fixture
def fresh(chat):
    def make():
        seed_torch(0)
        lm = new_language_model(chat.train["text"].tolist(), vocabulary=400, layers=1, width=32)
        return lm, make_data(chat, lm.tokenizer, block_len=32)

    return make


def weights_of(lm):
    return torch.cat([p.detach().flatten() for p in lm.model.parameters()])


def stop_in_epoch(monkeypatch, number):
    real = masked_lm.iter_batches

    def iterate(*args, epoch, **options):
        for i, batch in enumerate(real(*args, epoch=epoch, **options)):
            if (epoch, i) == (number, 2):
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(masked_lm, "iter_batches", iterate)


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_killed_in_an_epoch_it_ends_with_the_same_weights(fresh, tmp_path, monkeypatch, epoch):
    lm, data = fresh()
    whole = train(lm, data, SETTINGS)
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, epoch)
        killed, data = fresh()
        with pytest.raises(KeyboardInterrupt):
            train(killed, data, SETTINGS, checkpoint=tmp_path / "c")
    again, data = fresh()
    resumed = train(again, data, SETTINGS, checkpoint=tmp_path / "c")
    assert torch.equal(weights_of(again), weights_of(lm))
    timing = ["seconds", "tokens_per_s"]
    pd.testing.assert_frame_equal(resumed.drop(columns=timing), whole.drop(columns=timing))
    assert not (tmp_path / "c").exists()


def test_only_epochs_that_are_missing_are_trained(fresh, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 3)
        lm, data = fresh()
        with pytest.raises(KeyboardInterrupt):
            train(lm, data, SETTINGS, checkpoint=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch_2"]
    epochs, real = [], masked_lm.iter_batches

    def iterate(*args, epoch, **options):
        epochs.append(epoch)
        return real(*args, epoch=epoch, **options)

    monkeypatch.setattr(masked_lm, "iter_batches", iterate)
    lm, data = fresh()
    train(lm, data, SETTINGS, checkpoint=tmp_path)
    assert epochs == [3, 4]


def test_half_a_checkpoint_or_that_of_another_training_is_left_alone(fresh, tmp_path, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2)
        lm, data = fresh()
        with pytest.raises(KeyboardInterrupt):
            train(lm, data, SETTINGS, checkpoint=tmp_path)
    lm, data = fresh()
    other = TrainSettings(epochs=1, lr=1e-3)
    assert len(train(lm, data, other, checkpoint=tmp_path)) == 2
    assert "is of another training" in caplog.text
    (tmp_path / "epoch_1").mkdir(parents=True)
    (tmp_path / "epoch_1" / "model.safetensors").write_bytes(b"half")
    lm, data = fresh()
    assert len(train(lm, data, other, checkpoint=tmp_path)) == 2
