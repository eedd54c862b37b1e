"""Training: it learns what can be learnt, the same every time, and says what it did."""

import json
import math

import numpy as np
import pytest
import torch

from chatlib.errors import ModelError, ParameterError
from chatlib.pretrain import masked_lm
from chatlib.pretrain.language_model import new_language_model
from chatlib.pretrain.masked_lm import TrainSettings, describe_training, make_data, score_reference, train


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
        assert after[f"{kind}_perplexity"] < 0.4 * reference[kind].perplexity
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


def test_batches_hide_own_words_at_the_rate_and_each_block_once(lm, data):
    special = lm.tokenizer.all_special_ids
    settings = TrainSettings(mask_rate=0.4, batch_blocks=8)
    batches = list(masked_lm._iter_batches(data.blocks, lm.tokenizer, settings, epoch=1))
    restored, n_hidden, n_masks, n_kept = [], 0, 0, 0
    for ids, positions, labels in batches:
        flat = ids.flatten()
        n_hidden += len(labels)
        n_masks += int((flat[positions] == lm.tokenizer.mask_token_id).sum())
        n_kept += int((flat[positions] == labels).sum())
        assert not np.isin(labels, special).any()
        flat[positions] = labels
        restored.append(flat.view_as(ids).numpy())
    assert sorted(map(tuple, np.concatenate(restored))) == sorted(map(tuple, data.blocks))
    n_words = (~np.isin(data.blocks, special)).sum()
    assert n_hidden / n_words == pytest.approx(0.4, abs=0.03)
    assert n_masks / n_hidden == pytest.approx(0.8, abs=0.05)
    assert n_kept / n_hidden == pytest.approx(0.1, abs=0.04)


def test_each_epoch_has_masks_and_an_order_of_its_own(lm, data):
    first, again, second = (
        next(masked_lm._iter_batches(data.blocks, lm.tokenizer, TrainSettings(), epoch=epoch))
        for epoch in (1, 1, 2)
    )
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], second[0])


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


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_blocks": 0}, {"mask_rate": 1.0}, {"mask_rate": 0.0}]
)
def test_impossible_settings_are_told(lm, data, wrong):
    with pytest.raises(ParameterError, match="Training takes at least one epoch"):
        train(lm, data, TrainSettings(**wrong))


@pytest.mark.parametrize("block_len", [4, 1000])
def test_blocks_that_the_model_cannot_read_are_told(chat, lm, block_len):
    with pytest.raises(ParameterError, match="BLOCK_LEN is between 8 and the model's 512"):
        make_data(chat, lm.tokenizer, block_len=block_len)
