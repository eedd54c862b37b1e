"""Gradients of a batch: the same on one core and on several."""

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from chatlib.pretrain.data import iter_batches, make_data
from chatlib.pretrain.gradients import count_shares, open_gradients
from chatlib.pretrain.language_model import MaskedHead


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def gradients_of(lm, batches, *, n_shares):
    head = MaskedHead(lm.model)
    lm.model.zero_grad()
    n_masked = batches[0].n_masked
    with open_gradients(head, n_shares=n_shares) as add:
        loss = add(batches, n_masked)
    head.close()
    return loss.item(), {
        name: p.grad.clone() for name, p in lm.model.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize("across", [True, False])
def test_cores_add_up_to_what_one_computes_the_same_every_time(chat, lm, threads, across):
    data = make_data(chat, lm.tokenizer, block_len=32, across_messages=across)
    rules = {"batch_blocks": 8, "mask_rate": 0.3, "seed": 0, "epoch": 1}
    whole = next(iter_batches(data, lm.tokenizer, **rules))
    parts = next(iter_batches(data, lm.tokenizer, shares=range(3), of=3, **rules))
    assert count_shares(lm.model, most=8) == 3
    loss, plain = gradients_of(lm, whole, n_shares=1)
    shared_loss, shared = gradients_of(lm, parts, n_shares=3)
    assert shared_loss == pytest.approx(loss, rel=1e-5)
    assert shared.keys() == plain.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(shared[name], gradient, rtol=1e-3, atol=1e-6)
    for _ in range(3):
        again_loss, again = gradients_of(lm, parts, n_shares=3)
        assert again_loss == shared_loss
        assert all(torch.equal(again[name], gradient) for name, gradient in shared.items())
    assert torch.get_num_threads() == 3


def test_a_share_without_rows_adds_nothing(chat, lm, threads):
    data = make_data(chat, lm.tokenizer, block_len=32)
    rules = {"batch_blocks": 1, "mask_rate": 0.3, "seed": 0, "epoch": 1}
    parts = next(iter_batches(data, lm.tokenizer, shares=range(3), of=3, **rules))
    assert [len(part.ids) for part in parts] == [1, 0, 0]
    loss, gradients = gradients_of(lm, parts, n_shares=3)
    plain_loss, plain = gradients_of(lm, parts, n_shares=1)
    assert loss == pytest.approx(plain_loss)
    assert gradients.keys() == plain.keys()


def test_a_model_with_dropout_and_a_batch_of_one_row_are_not_spread(lm, threads):
    bert = BertForMaskedLM(BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2))
    assert count_shares(bert, most=8) == 1
    assert count_shares(lm.model, most=1) == 1
    assert count_shares(lm.model, most=2) == 2
