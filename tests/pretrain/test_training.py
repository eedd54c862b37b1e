"""Training: it learns what can be learnt, the same every time, and says what it did."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
import torch

from chatlib.errors import ModelError, ParameterError
from chatlib.pretrain import training as masked_lm
from chatlib.pretrain.cores import one_thread_each
from chatlib.pretrain.data import IGNORED, iter_batches
from chatlib.pretrain.device import seed_torch
from chatlib.pretrain.language_model import new_language_model
from chatlib.pretrain.training import TrainSettings, describe_training, make_data, score_reference, train


@pytest.fixture
def data(chat, lm):
    return make_data(chat, lm.tokenizer, block_len=32)


def test_it_learns_what_word_counts_cannot(lm, data):
    reference = score_reference(lm, data)
    history = train(lm, data, TrainSettings(epochs=6, lr=6e-3, batch_blocks=4))
    assert history["epoch"].tolist() == list(range(7))
    before, after = history.iloc[0], history.iloc[-1]
    for kind in ("blocks", "single"):
        assert before[f"{kind}_perplexity"] == pytest.approx(len(lm.tokenizer), rel=0.2)
        assert after[f"{kind}_perplexity"] < 0.5 * reference[kind].perplexity
        assert after[f"{kind}_bits_per_char"] < 0.9 * reference[kind].bits_per_char
    assert math.isnan(before["train_loss"])
    assert after["train_loss"] < history["train_loss"].iloc[1]
    assert not lm.model.training


def test_the_seed_decides_everything(chat):
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(5)
        lm = new_language_model(chat.train["text"].tolist(), vocabulary=400, layers=1, width=32)
        data = make_data(chat, lm.tokenizer, block_len=32)
        train(lm, data, TrainSettings(epochs=1, seed=seed))
        weights.append(torch.cat([p.detach().flatten() for p in lm.model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def split_batches(data, tokenizer, *, batch_blocks, shares, of, **options):
    """Yield the batches of eight blocks in four parts each, with the same masks."""
    assert (list(shares), of) == ([0], 1)
    for parts in iter_batches(data, tokenizer, batch_blocks=8, shares=range(4), of=4, **options):
        for part in parts:
            yield [part._replace(n_masked=int((part.labels != IGNORED).sum()))]


@pytest.fixture
def one_thread():
    with one_thread_each():
        yield


def test_accumulated_batches_train_as_one_large_batch_does(chat, monkeypatch, one_thread):
    histories = []
    for settings in (
        TrainSettings(epochs=1, batch_blocks=8),
        TrainSettings(epochs=1, batch_blocks=2, accumulate=4),
    ):
        seed_torch(5)
        lm = new_language_model(chat.train["text"].tolist(), vocabulary=400, layers=1, width=32)
        data = make_data(chat, lm.tokenizer, block_len=32)
        data = replace(data, blocks=data.blocks[: len(data.blocks) // 8 * 8])
        histories.append(train(lm, data, settings).drop(columns=["seconds", "tokens_per_s"]))
        monkeypatch.setattr(masked_lm, "iter_batches", split_batches)
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)


def test_trained_on_messages_alone_it_learns_messages(chat, lm):
    data = make_data(chat, lm.tokenizer, block_len=32, across_messages=False)
    history = train(lm, data, TrainSettings(epochs=4, lr=6e-3, batch_blocks=4))
    assert history["single_perplexity"].iloc[-1] < 0.5 * score_reference(lm, data)["single"].perplexity
    settings = TrainSettings()
    manifest = describe_training(lm, chat, data, settings=settings, history=history)
    assert manifest["across_messages"] is False
    assert manifest["n_tokens"] == sum(map(len, data.messages))


def test_the_manifest_names_the_streams_and_can_be_written(chat, lm, data):
    settings = TrainSettings(epochs=1, seed=4)
    history = train(lm, data, settings)
    manifest = json.loads(json.dumps(describe_training(lm, chat, data, settings=settings, history=history)))
    assert manifest["streams"] == [{"platform": "youtube", "video_id": f"v{i}"} for i in range(5)]
    assert manifest["held_out_streams"] == [{"platform": "youtube", "video_id": f"v{i}"} for i in (5, 6, 7)]
    assert (manifest["first_date"], manifest["last_date"]) == ("2026-01-01", "2026-01-05")
    assert manifest["seed"] == 4
    assert manifest["settings"]["epochs"] == 1
    assert manifest["n_messages"] == 600
    assert [row["epoch"] for row in manifest["epochs"]] == [0, 1]
    assert manifest["epochs"][0]["train_loss"] is None


def test_a_learning_rate_that_breaks_it_is_told(lm, data):
    with pytest.raises(ModelError, match="Lower the learning rate"):
        train(lm, data, TrainSettings(epochs=2, lr=1e12, clip_norm=1e12))


def test_a_batch_that_does_not_fit_into_memory_is_told(lm, data):
    def run_out(module, args):
        if module.training:
            raise torch.OutOfMemoryError("no room")

    lm.model.register_forward_pre_hook(run_out)
    with pytest.raises(ModelError, match=r"6 blocks of 32 tokens do not\. Halve the blocks .* now 2"):
        train(lm, data, TrainSettings(batch_blocks=6, accumulate=2))


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_blocks": 0}, {"accumulate": 0}, {"mask_rate": 1.0}, {"mask_rate": 0.0}]
)
def test_impossible_settings_are_told(lm, data, wrong):
    with pytest.raises(ParameterError, match="Training takes at least one epoch"):
        train(lm, data, TrainSettings(**wrong))


@pytest.mark.parametrize("wrong", [{"schedule": "steep"}, {"patience": -1}])
def test_an_unknown_schedule_is_told(lm, data, wrong):
    with pytest.raises(ParameterError, match="The schedule is one of constant, cosine, linear"):
        train(lm, data, TrainSettings(**wrong))


@pytest.mark.parametrize("block_len", [4, 1000])
def test_blocks_that_the_model_cannot_read_are_told(chat, lm, block_len):
    with pytest.raises(ParameterError, match="BLOCK_LEN is between 8 and the model's 512"):
        make_data(chat, lm.tokenizer, block_len=block_len)
