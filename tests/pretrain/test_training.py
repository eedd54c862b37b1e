"""Training: it learns what can be learnt, the same every time, and says what it did.

Perplexity: the same questions for every model, each masked token of the same weight.
"""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from chatlib.errors import ModelError, NotEnoughData, ParameterError
from chatlib.pretrain import TrainSettings, training
from chatlib.pretrain.data import IGNORED, MaskedSet, frame_messages, iter_batches, make_data, mask_rows
from chatlib.pretrain.language_model import MaskedHead
from chatlib.pretrain.training import (
    describe_training,
    make_optimizer,
    score_model,
    score_reference,
    score_unigram,
    set_learning_rate,
)
from tests.pretrain.chats import SMALL, weights_of

CPU = torch.device("cpu")
MESSAGES = [np.array(row) for row in ([30], [31, 32], [33, 34, 35], [40, 41, 42, 43, 44, 45], [])]


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
        ({"lr": math.nan}, "lr must be at least 0, got nan"),
        ({"mask_rate": 1.0}, "mask_rate must be between 0 and 1"),
        ({"mask_rate": 0.0}, "mask_rate must be between 0 and 1"),
        ({"schedule": "steep"}, "schedule must be one of linear, cosine, constant, got 'steep'"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(ParameterError, match=message):
        TrainSettings(**wrong)


def test_counts_are_large_enough():
    names = ("streams", "messages", "emotes", "patience", "vocabulary", "lr", "seed")
    least = dict.fromkeys(names, 0) | {"epochs": 1, "batch_blocks": 1, "accumulate": 1}
    for name, n in least.items():
        with pytest.raises(ParameterError, match=f"^{name} must be at least {n}, got {n - 1}"):
            TrainSettings(**{name: n - 1})


def test_only_matrices_decay():
    groups = make_optimizer(torch.nn.Linear(2, 3), lr=1.0).param_groups
    assert [(group["weight_decay"], [tuple(p.shape) for p in group["params"]]) for group in groups] == [
        (0.01, [(3, 2)]),
        (0.0, [(3,)]),
    ]


@pytest.fixture
def tokenizer(lm):
    return lm.tokenizer


def mask_messages(messages, tokenizer, *, seed=0):
    return mask_rows(frame_messages(messages, tokenizer), tokenizer, chars_per_token=4.0, seed=seed)


class FixedModel(torch.nn.Module):
    """Answers token 30 with probability `p`, and the other tokens with what is left, evenly."""

    def __init__(self, p, *, vocabulary):
        super().__init__()
        self.logits = torch.full((vocabulary,), math.log((1 - p) / (vocabulary - 1)))
        self.logits[30] = math.log(p)
        self.seen = []

    def forward(self, ids, positions, attention_mask):
        self.seen.append((ids, attention_mask))
        return self.logits.expand(len(positions), -1)


def test_every_message_has_a_mask_and_only_its_own_tokens_are_masked(tokenizer):
    masked = mask_messages(MESSAGES, tokenizer)
    assert [len(row) for row in masked.rows] == [3, 4, 5, 8]
    for row, label in zip(masked.rows, masked.labels, strict=True):
        hidden = label != IGNORED
        assert hidden.any()
        assert not hidden[[0, -1]].any()
        assert (row[hidden] == tokenizer.mask_token_id).all()
        assert (row[0], row[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    restored = [
        np.where(lab == IGNORED, row, lab)[1:-1] for row, lab in zip(masked.rows, masked.labels, strict=True)
    ]
    assert [row.tolist() for row in restored] == [row.tolist() for row in MESSAGES[:4]]


def test_the_masks_are_those_of_the_seed(tokenizer):
    one, same, other = (mask_messages(MESSAGES * 9, tokenizer, seed=seed) for seed in (1, 1, 2))
    assert np.concatenate(one.labels).tolist() == np.concatenate(same.labels).tolist()
    assert np.concatenate(one.labels).tolist() != np.concatenate(other.labels).tolist()


def test_blocks_are_masked_at_the_rate_and_never_where_messages_end(tokenizer):
    rng = np.random.default_rng(0)
    blocks = rng.integers(10, 300, (40, 128))
    blocks[:, ::8] = tokenizer.sep_token_id
    masked = mask_rows(list(blocks), tokenizer, chars_per_token=4.0)
    labels = np.stack(masked.labels)
    assert (labels[:, ::8] == IGNORED).all()
    assert masked.n_masked / (40 * 112) == pytest.approx(0.15, abs=0.02)


def test_masked_tokens_weigh_the_same_whatever_the_message(tokenizer):
    labels = [np.array([IGNORED, 30]), np.array([30, 31, 31])]
    masked = MaskedSet([np.array([5, 4]), np.array([4, 4, 4])], labels, tokenizer.pad_token_id, 4.0)
    model = FixedModel(0.5, vocabulary=101)
    score = score_model(model, masked, device=CPU, max_tokens=3)
    assert len(model.seen) == 2  # a budget of three tokens takes one row at a time
    loss = (2 * math.log(2) + 2 * math.log(200)) / 4
    assert score.n_masked == 4
    assert score.loss == pytest.approx(loss, rel=1e-6)
    assert score.perplexity == pytest.approx(math.exp(loss), rel=1e-6)
    assert score.bits_per_char == pytest.approx(loss / math.log(2) / 4.0, rel=1e-6)


def test_batches_do_not_change_the_score_and_padding_does_not_count(lm):
    rng = np.random.default_rng(0)
    messages = [rng.integers(10, 100, n) for n in rng.integers(1, 20, 50)]
    masked = mask_messages(messages, lm.tokenizer)
    head = MaskedHead(lm.model)
    scores = [score_model(head, masked, device=CPU, max_tokens=n).loss for n in (1, 64, 5000)]
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-4)


def test_the_unigram_model_by_hand(tokenizer):
    blocks = np.array([[tokenizer.cls_token_id, 30, 30, 30, tokenizer.sep_token_id]])
    labels = [np.array([30, 31])]
    masked = MaskedSet([np.array([4, 4])], labels, tokenizer.pad_token_id, 2.0)
    total = 3 + len(tokenizer) - 5  # three tokens, one more for each of the vocabulary that is not special
    expected = -(math.log(4 / total) + math.log(1 / total)) / 2
    assert score_unigram(blocks, masked, tokenizer=tokenizer).loss == pytest.approx(expected)


def test_nothing_to_mask_is_refused(tokenizer):
    with pytest.raises(NotEnoughData, match="Add chat"):
        mask_messages([np.array([], int)], tokenizer)
