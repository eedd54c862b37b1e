"""Which epoch is kept, when training ends, and that a kill changes neither."""

import pandas as pd
import pytest
import torch

from chatlib.pretrain import training as masked_lm
from chatlib.pretrain.device import seed_torch
from chatlib.pretrain.early_stop import find_kept, is_over
from chatlib.pretrain.language_model import new_language_model
from chatlib.pretrain.training import TrainSettings, make_data, train

PERPLEXITIES = [99.0, 50.0, 40.0, 45.0, 41.0, 39.0]


def history_of(perplexities):
    return [{"epoch": i, "blocks_perplexity": p} for i, p in enumerate(perplexities)]


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
    history = history_of(PERPLEXITIES[:n])
    assert find_kept(history, patience=patience) == kept
    assert is_over(history, patience=patience) is over


def test_weights_before_training_are_never_the_best():
    assert find_kept(history_of([1.0, 5.0, 6.0]), patience=1) == 1


@pytest.fixture
def fresh(chat):
    def make():
        seed_torch(0)
        lm = new_language_model(chat.train["text"].tolist(), vocabulary=400, layers=1, width=32)
        return lm, make_data(chat, lm.tokenizer, block_len=32)

    return make


@pytest.fixture
def plan(monkeypatch):
    """Let held-out perplexities be as planned, and collect the weights at each epoch's end."""
    real, seen = masked_lm._evaluate, {}

    def evaluate(head, *args, epoch, **options):
        seen[epoch] = torch.cat([p.detach().flatten() for p in head.model.parameters()]).clone()
        return {**real(head, *args, epoch=epoch, **options), "blocks_perplexity": PERPLEXITIES[epoch]}

    monkeypatch.setattr(masked_lm, "_evaluate", evaluate)
    return seen


SETTINGS = TrainSettings(epochs=5, lr=5e-3, patience=2, accumulate=2, batch_blocks=4, schedule="cosine")


def test_training_ends_early_with_the_best_weights_also_after_a_kill(fresh, plan, tmp_path, monkeypatch):
    lm, data = fresh()
    whole = train(lm, data, SETTINGS)
    assert whole["epoch"].tolist() == [0, 1, 2, 3, 4]
    weights = torch.cat([p.detach().flatten() for p in lm.model.parameters()])
    assert torch.equal(weights, plan[2])
    assert not torch.equal(weights, plan[4])

    real = masked_lm.iter_batches

    def stop(*args, epoch, **options):
        if epoch == 4:
            raise KeyboardInterrupt
        return real(*args, epoch=epoch, **options)

    with monkeypatch.context() as patch:
        patch.setattr(masked_lm, "iter_batches", stop)
        killed, data = fresh()
        with pytest.raises(KeyboardInterrupt):
            train(killed, data, SETTINGS, checkpoint=tmp_path / "c")
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["epoch_2", "epoch_3"]
    again, data = fresh()
    resumed = train(again, data, SETTINGS, checkpoint=tmp_path / "c")
    assert torch.equal(torch.cat([p.detach().flatten() for p in again.model.parameters()]), weights)
    timing = ["seconds", "tokens_per_s"]
    pd.testing.assert_frame_equal(resumed.drop(columns=timing), whole.drop(columns=timing))
