"""Training: it learns what can be learnt, the same every time, and says what it did."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch

from chatlib.errors import ModelError, ParameterError
from chatlib.pretrain import TrainSettings, training
from chatlib.pretrain.data import iter_batches, make_data
from chatlib.pretrain.training import describe_training, make_optimizer, score_reference, set_learning_rate
from tests.pretrain.chats import SMALL, weights_of


@pytest.fixture
def train(tmp_path):
    def run(lm, data, settings):
        return training.train(lm, data, settings, checkpoint=tmp_path / "unfinished")

    return run


@pytest.fixture
def data(chat, lm):
    return make_data(chat, lm.tokenizer, SMALL)


def test_it_learns_what_word_counts_cannot(lm, data, train):
    reference = score_reference(lm, data)
    history = train(lm, data, replace(SMALL, epochs=6, lr=6e-3, batch_blocks=4))
    assert history["epoch"].tolist() == list(range(7))
    before, after = history.iloc[0], history.iloc[-1]
    for kind in ("blocks", "single"):
        assert before[f"{kind}_perplexity"] == pytest.approx(len(lm.tokenizer), rel=0.2)
        assert after[f"{kind}_perplexity"] < 0.5 * reference[kind].perplexity
        assert after[f"{kind}_bits_per_char"] < 0.9 * reference[kind].bits_per_char
    assert math.isnan(before["train_loss"])
    assert after["train_loss"] < history["train_loss"].iloc[1]
    assert not lm.model.training


def test_the_seed_decides_everything(fresh, train):
    weights = []
    for seed in (1, 1, 2):
        lm, data = fresh()
        train(lm, data, replace(SMALL, epochs=1, seed=seed))
        weights.append(weights_of(lm))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def split_batches(data, tokenizer, settings, *, epoch, share, of):
    """Yield the batches of eight blocks in four parts each, with the same masks."""
    assert (share, of) == (0, 1)
    whole = replace(settings, batch_blocks=8)
    quarters = (iter_batches(data, tokenizer, whole, epoch=epoch, share=i, of=4) for i in range(4))
    for parts in zip(*quarters, strict=True):
        for part in parts:
            yield part._replace(n_masked=len(part.labels))


def test_accumulated_batches_train_as_one_large_batch_does(fresh, train, monkeypatch):
    histories = []
    for sizes in ({"batch_blocks": 8}, {"batch_blocks": 2, "accumulate": 4}):
        lm, data = fresh()
        data = replace(data, blocks=data.blocks[: len(data.blocks) // 8 * 8])
        history = train(lm, data, replace(SMALL, epochs=1, **sizes))
        histories.append(history.drop(columns=["seconds", "tokens_per_s"]))
        monkeypatch.setattr(training, "iter_batches", split_batches)
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)


def test_trained_on_messages_alone_it_learns_messages(chat, lm, train):
    settings = replace(SMALL, epochs=4, lr=6e-3, batch_blocks=4, alone=True)
    data = make_data(chat, lm.tokenizer, settings)
    history = train(lm, data, settings)
    assert history["single_perplexity"].iloc[-1] < 0.5 * score_reference(lm, data)["single"].perplexity
    manifest = describe_training(lm, chat, data, settings=settings, history=history)
    assert manifest["settings"]["alone"] is True
    assert manifest["n_tokens"] == sum(map(len, data.messages))


def test_the_manifest_names_the_streams_and_can_be_written(chat, lm, data, train):
    settings = replace(SMALL, epochs=1, seed=4)
    history = train(lm, data, settings)
    manifest = json.loads(json.dumps(describe_training(lm, chat, data, settings=settings, history=history)))
    assert manifest["streams"] == [{"platform": "youtube", "video_id": f"v{i}"} for i in range(5)]
    assert manifest["held_out_streams"] == [{"platform": "youtube", "video_id": f"v{i}"} for i in (5, 6, 7)]
    assert (manifest["first_date"], manifest["last_date"]) == ("2026-01-01", "2026-01-05")
    assert (manifest["settings"]["seed"], manifest["settings"]["epochs"]) == (4, 1)
    assert manifest["n_messages"] == 600
    assert [row["epoch"] for row in manifest["epochs"]] == [0, 1]
    assert manifest["epochs"][0]["train_loss"] is None


def rates(**settings):
    optimizer = make_optimizer(torch.nn.Linear(2, 2), lr=1.0)
    for step in range(10):
        set_learning_rate(optimizer, TrainSettings(**settings), step=step, n_steps=10)
        yield optimizer.param_groups[0]["lr"]


def test_the_learning_rate_rises_over_the_warm_up_and_then_follows_the_schedule():
    assert list(rates(schedule="constant", warmup=0.2)) == pytest.approx([0.5, *[1.0] * 9])
    linear = [0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert list(rates(schedule="linear", warmup=0.2)) == pytest.approx(linear)
    cosine = list(rates(schedule="cosine", warmup=0.2))
    assert cosine[:3] == pytest.approx([0.5, 1, 1])
    assert cosine[6] == pytest.approx(0.5)
    assert cosine[9] == pytest.approx(0.038, abs=1e-3)
    assert next(rates(schedule="linear", warmup=0.0)) == 1.0


def test_a_learning_rate_that_breaks_it_is_an_error(lm, data, train):
    with pytest.raises(ModelError, match="Lower the learning rate"):
        train(lm, data, replace(SMALL, epochs=2, lr=1e30))


def test_a_batch_that_does_not_fit_into_memory_is_an_error(lm, data, train):
    def run_out(module, args):
        if module.training:
            raise torch.OutOfMemoryError("no room")

    lm.model.register_forward_pre_hook(run_out)
    with pytest.raises(ModelError, match=r"6 blocks of 32 tokens do not\. Halve the blocks .* now 2"):
        train(lm, data, replace(SMALL, batch_blocks=6, accumulate=2))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_blocks": 0}, "batch_blocks must be at least 1"),
        ({"accumulate": 0}, "accumulate must be at least 1"),
        ({"mask_rate": 1.0}, "mask_rate must be between 0 and 1"),
        ({"mask_rate": 0.0}, "mask_rate must be between 0 and 1"),
        ({"schedule": "steep"}, "schedule must be one of linear, cosine, constant, got 'steep'"),
        ({"patience": -1}, "patience is a count, or 0: got -1"),
        ({"messages": -1}, "messages is a count"),
        ({"emotes": -1}, "emotes is a count"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        TrainSettings(**wrong)


def test_only_matrices_decay():
    groups = make_optimizer(torch.nn.Linear(2, 3), lr=1.0).param_groups
    assert [(group["weight_decay"], [tuple(p.shape) for p in group["params"]]) for group in groups] == [
        (0.01, [(3, 2)]),
        (0.0, [(3,)]),
    ]
