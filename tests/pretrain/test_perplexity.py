"""Perplexity: the same questions for every model, each masked token of the same weight."""

import math

import numpy as np
import pytest
import torch

from chatlib.errors import NotEnoughData
from chatlib.pretrain.data import IGNORED, MaskedSet, frame_messages, mask_rows
from chatlib.pretrain.language_model import MaskedHead
from chatlib.pretrain.training import score_model, score_unigram

CPU = torch.device("cpu")
MESSAGES = [np.array(row) for row in ([30], [31, 32], [33, 34, 35], [40, 41, 42, 43, 44, 45], [])]


@pytest.fixture
def tokenizer(lm):
    return lm.tokenizer


def mask_messages(messages, tokenizer, *, seed=0):
    rows = frame_messages(messages, cls_id=tokenizer.cls_token_id, sep_id=tokenizer.sep_token_id)
    return mask_rows(rows, tokenizer, chars_per_token=4.0, seed=seed)


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
